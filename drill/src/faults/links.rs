//! All links of a fleet, as `scripts/run --links` wants them carried.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::link::Link;

/// The links of one fleet, by names such as `balancer>catalog-1`.
#[derive(Debug)]
pub(super) struct Links(BTreeMap<String, Link>);

/// A link that is broken; dropping this heals it.
#[derive(Debug)]
struct Broken<'a>(&'a Link);

impl Drop for Broken<'_> {
    fn drop(&mut self) {
        self.0.heal();
    }
}

impl Links {
    /// Opens all that the run in this directory asks for, and tells it.
    pub(super) async fn open(directory: &Path) -> Result<Self> {
        let file = directory.join("links");
        let text =
            std::fs::read_to_string(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        let mut links = BTreeMap::new();
        for line in text.lines() {
            let (listen, target, name) = asked(line).with_context(|| format!("what link is {line:?}?"))?;
            let link = Link::start(listen, target).await.with_context(|| format!("no link {name}"))?;
            links.insert(name.to_owned(), link);
        }
        std::fs::write(directory.join("links.open"), "")?;
        Ok(Self(links))
    }

    /// Their names.
    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Cuts a link for a while.
    pub(super) async fn cut(&self, name: &str, lasts: Duration) -> Result<String> {
        self.broken_for(name, lasts, Link::cut).await
    }

    /// Lets a link swallow everything for a while.
    pub(super) async fn stall(&self, name: &str, lasts: Duration) -> Result<String> {
        self.broken_for(name, lasts, Link::stall).await
    }

    /// Makes a link slow for a while.
    pub(super) async fn slow(&self, name: &str, lasts: Duration, delay: Duration) -> Result<String> {
        self.broken_for(name, lasts, |link| link.slow(delay)).await
    }

    /// Says how much it was in use when it broke.
    async fn broken_for(&self, name: &str, lasts: Duration, harm: impl FnOnce(&Link)) -> Result<String> {
        let link = self.0.get(name).with_context(|| format!("there is no link {name}"))?;
        let connections = link.carried().connections_open;
        let broken = Broken(link);
        harm(link);
        tokio::time::sleep(lasts).await;
        drop(broken);
        Ok(format!("{connections} connections"))
    }
}

/// `PORT TARGET_PORT NAME`
fn asked(line: &str) -> Option<(SocketAddr, SocketAddr, &str)> {
    let mut words = line.split(' ');
    let mut here = || Some(SocketAddr::from((Ipv4Addr::LOCALHOST, words.next()?.parse().ok()?)));
    Some((here()?, here()?, words.next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_link() {
        let (listen, target, name) = asked("23500 15400 waitlist-2>postgres").unwrap();
        assert_eq!((listen.port(), target.port(), name), (23500, 15400, "waitlist-2>postgres"));
        assert!(asked("23500 many x").is_none() && asked("23500 15400").is_none());
    }
}
