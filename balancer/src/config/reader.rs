//! Checks that every section needs: each says of a wrong value where it stands and what would be right.
//! It must not know a single key.

use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use super::ConfigError;
use super::pattern::Pattern;
use super::source::Source;

/// Any time that is given in seconds: a day, so that no sum of times overflows.
const SECONDS_MAX: u64 = 86_400;
/// Any time that is given in milliseconds: a day too.
const MILLISECONDS_MAX: u64 = SECONDS_MAX * 1_000;

/// Reads one source.
pub(super) struct Reader<'a> {
    /// Where the values were written.
    pub(super) source: &'a Source,
}

impl Reader<'_> {
    /// The error of a value at this path.
    pub(super) fn wrong<T>(&self, path: &[&str], message: impl Into<String>) -> Result<T, ConfigError> {
        Err(self.source.error(path, message))
    }

    pub(super) fn address(&self, path: &[&str], text: &str) -> Result<SocketAddr, ConfigError> {
        text.parse().or_else(|_| {
            self.wrong(path, format!("`{text}` is not an address; write ip:port, such as \"127.0.0.1:7101\""))
        })
    }

    pub(super) fn network(&self, path: &[&str], text: &str) -> Result<IpNet, ConfigError> {
        let network = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
        network.map_or_else(
            || self.wrong(path, format!("`{text}` is not a network; write 10.0.0.0/8 or 10.0.0.1")),
            Ok,
        )
    }

    pub(super) fn pattern(&self, path: &[&str], text: &str) -> Result<Pattern, ConfigError> {
        Pattern::parse(text).or_else(|message| self.wrong(path, message))
    }

    pub(super) fn at_least_one<T: PartialEq + From<u8> + Copy>(
        &self,
        path: &[&str],
        value: T,
    ) -> Result<T, ConfigError> {
        if value == T::from(0) {
            return self.wrong(path, "must not be 0; give it 1 or more");
        }
        Ok(value)
    }

    pub(super) fn at_most<T: PartialOrd + Display + Copy>(
        &self,
        path: &[&str],
        value: T,
        most: T,
    ) -> Result<T, ConfigError> {
        if value > most {
            return self.wrong(path, format!("more than {most}; lower it"));
        }
        Ok(value)
    }

    /// From one to `most`.
    pub(super) fn size(&self, path: &[&str], value: usize, most: usize) -> Result<usize, ConfigError> {
        self.at_most(path, self.at_least_one(path, value)?, most)
    }

    pub(super) fn seconds(&self, path: &[&str], value: u64) -> Result<Duration, ConfigError> {
        self.seconds_or_none(path, self.at_least_one(path, value)?)
    }

    pub(super) fn seconds_or_none(&self, path: &[&str], value: u64) -> Result<Duration, ConfigError> {
        self.at_most(path, value, SECONDS_MAX).map(Duration::from_secs)
    }

    pub(super) fn milliseconds(&self, path: &[&str], value: u64) -> Result<Duration, ConfigError> {
        self.at_most(path, self.at_least_one(path, value)?, MILLISECONDS_MAX).map(Duration::from_millis)
    }

    /// A time after which something ends, in milliseconds; 0 is never.
    pub(super) fn total(&self, path: &[&str], value: u64) -> Result<Option<Duration>, ConfigError> {
        let total = self.at_most(path, value, MILLISECONDS_MAX)?;
        Ok((total > 0).then(|| Duration::from_millis(total)))
    }
}
