//! How the look-ups went, pool by pool: for the status page, and so that the log tells of a change once.

use std::collections::BTreeMap;
use std::time::Instant;

use tokio::sync::watch;

/// What is known of every pool whose endpoints are looked up.
#[derive(Debug, Default)]
pub struct Journal {
    pools: watch::Sender<BTreeMap<String, Entry>>,
}

/// How it goes for one pool.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Entry {
    /// When a look-up last found endpoints.
    pub found_at: Option<Instant>,
    /// Why the last one did not.
    pub error: Option<String>,
}

/// What the log should tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// It fails now, or for another reason than before.
    Failing,
    /// It no longer fails.
    Recovered,
}

impl Entry {
    fn record(&mut self, looked: Result<(), String>, now: Instant) -> Option<News> {
        let before = std::mem::replace(&mut self.error, looked.err());
        match &self.error {
            None => {
                self.found_at = Some(now);
                before.map(|_| News::Recovered)
            }
            error => (*error != before).then_some(News::Failing),
        }
    }
}

impl Journal {
    /// How it goes for a pool; nothing where nobody has looked yet.
    pub fn of(&self, pool: &str) -> Option<Entry> {
        self.pools.borrow().get(pool).cloned()
    }

    /// After one look-up that found endpoints or failed for this reason.
    pub(super) fn record(&self, pool: &str, looked: Result<(), String>, now: Instant) -> Option<News> {
        let mut news = None;
        self.pools.send_modify(|pools| news = pools.entry(pool.to_owned()).or_default().record(looked, now));
        news
    }

    /// Forgets all other pools.
    pub(super) fn keep(&self, wanted: impl Fn(&str) -> bool) {
        self.pools.send_modify(|pools| pools.retain(|name, _| wanted(name)));
    }

    /// Waits until each of these pools was looked up once.
    pub(super) async fn looked_up(&self, names: &[String]) {
        // The sender is our own, so the wait ends by the condition.
        let _ =
            self.pools.subscribe().wait_for(|pools| names.iter().all(|name| pools.contains_key(name))).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_told_once() {
        let (journal, now) = (Journal::default(), Instant::now());
        let record = |looked: Result<(), &str>| journal.record("main", looked.map_err(str::to_owned), now);
        assert_eq!(record(Ok(())), None);
        assert_eq!(record(Err("a")), Some(News::Failing));
        assert_eq!(record(Err("a")), None);
        assert_eq!(record(Err("b")), Some(News::Failing));
        assert_eq!(record(Ok(())), Some(News::Recovered));
        assert_eq!(record(Ok(())), None);
    }

    #[test]
    fn a_failure_keeps_the_time_of_the_last_success() {
        let (journal, now) = (Journal::default(), Instant::now());
        assert_eq!(journal.of("main"), None);
        journal.record("main", Ok(()), now);
        journal.record("main", Err("a".to_owned()), now + std::time::Duration::from_secs(1));
        let entry = Entry { found_at: Some(now), error: Some("a".to_owned()) };
        assert_eq!(journal.of("main"), Some(entry));
        journal.keep(|name| name == "other");
        assert_eq!(journal.of("main"), None);
    }
}
