//! A service with a wrong clock, by libfaketime where that is installed.
//!
//! Only the clock on the wall is wrong, as after a bad time server; how long things take is not.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;

use crate::buyer::Buyer;
use crate::fleet::Fleet;

/// How much later an answer may be read than it was dated; the smallest offset is larger.
const DATE_SECONDS_MAX: i64 = 3;

/// Below one of these, or below a folder in them (Debian has one for each architecture).
const ROOTS: [&str; 3] = ["/usr/lib", "/usr/lib64", "/usr/local/lib"];
/// The variant for programs with threads.
const FILE: &str = "faketime/libfaketimeMT.so.1";

/// What a process is told when it is next started; dropping this takes it back.
#[derive(Debug)]
pub(super) struct Wrong(PathBuf);

impl Drop for Wrong {
    fn drop(&mut self) {
        // Where it cannot be removed, it was never written.
        drop(std::fs::remove_file(&self.0));
    }
}

/// libfaketime, where it is installed.
pub(super) fn library() -> Option<PathBuf> {
    let inside =
        |root: &Path| std::fs::read_dir(root).into_iter().flatten().flatten().map(|entry| entry.path());
    let roots = ROOTS.iter().map(Path::new);
    let mut places = roots.flat_map(|root| std::iter::once(root.to_owned()).chain(inside(root)));
    places.find_map(|place| Some(place.join(FILE)).filter(|file| file.exists()))
}

/// From its next start on, this process has a clock that is off by so many seconds.
pub(super) fn make_wrong(fleet: &Fleet, name: &str, by_seconds: i64) -> Result<Wrong> {
    let library = library().context("libfaketime is not installed")?;
    let wrong = Wrong(fleet.directory().join("env").join(name));
    let environment = format!(
        "LD_PRELOAD={}\nFAKETIME={by_seconds:+}\nFAKETIME_DONT_FAKE_MONOTONIC=1\nNO_FAKE_STAT=1\n",
        library.display()
    );
    std::fs::write(&wrong.0, environment)
        .with_context(|| format!("{} cannot be written", wrong.0.display()))?;
    Ok(wrong)
}

/// An error unless a process says what time it is as it was told to.
pub(super) async fn expect_wrong(fleet: &Fleet, name: &str, by_seconds: i64) -> Result<()> {
    let answer = Buyer::new(&fleet.instance_url(name)?)?.get("/livez").await?;
    let date = answer.headers.get("date").context("an answer without a date")?.to_str()?;
    let off = jiff::fmt::rfc2822::parse(date)?.timestamp().as_second() - Timestamp::now().as_second();
    ensure!((off - by_seconds).abs() <= DATE_SECONDS_MAX, "the clock of {name} is off by {off} s");
    Ok(())
}
