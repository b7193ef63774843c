//! What processes keep in memory, pages shared with others counted in proportion (PSS). What the kernel keeps for their
//! sockets is not theirs and is not in it.

use anyhow::{Context, Result};

/// Of these processes together, in KiB.
pub fn pss_kib(pids: &[i32]) -> Result<u64> {
    pids.iter().map(|pid| pss_of(*pid)).sum()
}

fn pss_of(pid: i32) -> Result<u64> {
    let file = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&file).with_context(|| format!("{file} cannot be read"))?;
    parse(&text).with_context(|| format!("{file} has no Pss"))
}

fn parse(rollup: &str) -> Option<u64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pss_is_read_and_its_kin_are_not() {
        let rollup =
            "7f00-7fff ---p 00000000 00:00 0 [rollup]\nRss:   9 kB\nPss_Anon:  1 kB\nPss:      1234 kB\n";
        assert_eq!(parse(rollup), Some(1_234));
        assert_eq!(parse("Rss: 9 kB\n"), None);
    }

    #[test]
    fn what_a_process_touches_is_its_own_and_not_anothers() {
        const KIB: usize = 64 * 1024;
        let touched = vec![1_u8; KIB * 1024];
        let mut idle = std::process::Command::new("sleep").arg("60").spawn().expect("sleep");
        let own = pss_kib(&[std::process::id().cast_signed()]).expect("read");
        let other = pss_kib(&[idle.id().cast_signed()]).expect("read");
        idle.kill().expect("killed");
        idle.wait().expect("waited");
        let kib = (touched.len() / 1024) as u64;
        assert!(own >= kib && other < kib, "{own} KiB and {other} KiB");
    }
}
