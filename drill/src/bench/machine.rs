//! What the figures were measured on: figures without it say nothing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use super::marquee::connect;
use super::peers;
use super::settings::Settings;
use crate::stores;

/// The machine, and versions of everything.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// RFC 3339.
    pub measured_at: String,
    /// The processor's own name.
    pub cpu: String,
    /// Threads that can run at once.
    pub cores: usize,
    /// In MiB.
    pub memory_mib: u64,
    /// Its name and version.
    pub kernel: String,
    /// Programs that ran or wanted to, on average, in the minute before: above zero somebody else was at work.
    pub load_before: f64,
    /// Of the checkout, with `+` when there is something in it that is in no commit.
    pub commit: String,
    /// How the programs were built.
    pub profile: String,
    /// By name.
    pub versions: BTreeMap<String, String>,
}

impl Machine {
    /// This one.
    pub async fn describe(settings: &Settings) -> Self {
        let read = |file: &str| std::fs::read_to_string(file).unwrap_or_default();
        let value = |text: &str, key: &str| value(text, key).unwrap_or_else(|| "unknown".to_owned());
        let memory_kib = value(&read("/proc/meminfo"), "MemTotal");
        Self {
            measured_at: jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            cpu: value(&read("/proc/cpuinfo"), "model name"),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            memory_mib: memory_kib.trim_end_matches(" kB").parse().map_or(0, |kib: u64| kib / 1_024),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            load_before: read("/proc/loadavg")
                .split(' ')
                .next()
                .and_then(|load| load.parse().ok())
                .unwrap_or(f64::NAN),
            commit: commit(&settings.root).unwrap_or_else(|| "unknown".to_owned()),
            profile: settings.profile.clone(),
            versions: versions(settings).await,
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> =
            self.versions.iter().map(|(name, version)| format!("{name} {version}")).collect();
        write!(
            formatter,
            "Measured {} on {}, {} cores, {} MiB, {}; load {} in the minute before. Marquee at {}, profile {}. {}.",
            self.measured_at,
            self.cpu,
            self.cores,
            self.memory_mib,
            self.kernel,
            self.load_before,
            self.commit,
            self.profile,
            versions.join(", ")
        )
    }
}

/// `key : value` in one of the kernel's lists.
fn value(list: &str, key: &str) -> Option<String> {
    let pairs = list.lines().filter_map(|line| line.split_once(':'));
    pairs.into_iter().find(|(name, _)| name.trim() == key).map(|(_, value)| value.trim().to_owned())
}

fn commit(root: &Path) -> Option<String> {
    let git = |arguments: &[&str]| {
        let said = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
        said.status.success().then(|| String::from_utf8_lossy(&said.stdout).trim().to_owned())
    };
    let clean = git(&["status", "--porcelain", "--untracked-files=no"])?.is_empty();
    Some(git(&["rev-parse", "--short=12", "HEAD"])? + if clean { "" } else { "+" })
}

/// Of what is here.
async fn versions(settings: &Settings) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for peer in peers::ALL {
        found.extend(peer.version().map(|version| (peer.name.to_owned(), bare(&version))));
    }
    let balancer = settings.bin_dir.join("balancer");
    found.extend(peers::version_of(&balancer, "--version").map(|said| ("balancer".to_owned(), bare(&said))));
    // Without a fleet there are no stores.
    found.extend(postgres().await.ok().map(|version| ("Postgres".to_owned(), version)));
    found.extend(redis().await.ok().map(|version| ("Redis".to_owned(), version)));
    found
}

async fn postgres() -> Result<String> {
    let client = connect(&std::env::var("DATABASE_URL")?).await?;
    let version: String = client.query_one("SHOW server_version", &[]).await?.get(0);
    Ok(bare(&version))
}

async fn redis() -> Result<String> {
    let mut connection = stores::redis(&std::env::var("REDIS_URL")?).await?;
    let info: String = redis::cmd("INFO").arg("server").query_async(&mut connection).await?;
    Ok(value(&info, "redis_version").unwrap_or_else(|| "unknown".to_owned()))
}

/// The first word that looks like a version, of what a program says of itself.
fn bare(said: &str) -> String {
    let words = said.split(|letter: char| !(letter.is_ascii_alphanumeric() || ".+~-".contains(letter)));
    let versions = words.filter_map(|word| {
        let from = word.find(|letter: char| letter.is_ascii_digit())?;
        word[from..].contains('.').then(|| word[from..].to_owned())
    });
    versions.into_iter().next().unwrap_or_else(|| said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_found_in_what_programs_say() {
        let said = [
            ("nginx version: nginx/1.22.1", "1.22.1"),
            ("HAProxy version 2.6.12-1+deb12u4 2026/10/17 - https://haproxy.org/", "2.6.12-1+deb12u4"),
            ("varnishd (varnish-7.1.1 revision 7cee1c58)", "7.1.1"),
            ("pgbench (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", "15.18"),
            ("redis-benchmark 7.0.15", "7.0.15"),
            ("balancer 0.1.0", "0.1.0"),
            ("nothing", "nothing"),
        ];
        for (said, version) in said {
            assert_eq!(bare(said), version);
        }
    }

    #[test]
    fn a_value_is_found_in_the_kernels_lists() {
        assert_eq!(
            value("MemTotal:       24683520 kB\nMemFree: 1 kB\n", "MemTotal").as_deref(),
            Some("24683520 kB")
        );
        assert_eq!(value("processor\t: 0\nmodel name\t: A: B\n", "model name").as_deref(), Some("A: B"));
        assert_eq!(value("", "model name"), None);
    }
}
