//! `dns` and `file` of `[pools.NAME]`: endpoints that are looked up again and again instead of being written here.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use hickory_resolver::proto::rr::Name;
use serde::Deserialize;

use super::ConfigError;
use super::reader::Reader;

/// Where the endpoints of a pool come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Discovery {
    /// From the configuration itself.
    Static,
    /// From DNS.
    Dns(Dns),
    /// From a file that somebody else keeps.
    File(PathBuf),
}

impl fmt::Display for Discovery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static => f.write_str("the configuration"),
            Self::Dns(Dns { name, records: Records::A(_), .. }) => write!(f, "dns {name} A"),
            Self::Dns(Dns { name, records: Records::Aaaa(_), .. }) => write!(f, "dns {name} AAAA"),
            Self::Dns(Dns { name, records: Records::Srv, .. }) => write!(f, "dns {name} SRV"),
            Self::File(path) => write!(f, "file {}", path.display()),
        }
    }
}

/// What is asked of DNS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// The name.
    pub name: Name,
    /// Which of its records.
    pub records: Records,
    /// Longest pause between two questions; a record that lives shorter is asked for sooner.
    pub refresh: Duration,
    /// Whom to ask; the system's servers when none.
    pub server: Option<SocketAddr>,
}

/// Records that name endpoints. An endpoint is one instance, so only one family of addresses is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Records {
    /// IPv4 addresses of instances that all listen on this port.
    A(u16),
    /// The same for IPv6.
    Aaaa(u16),
    /// Services, which name hosts, ports, priorities and weights.
    Srv,
}

/// `dns = { … }` as written.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDns {
    /// The name to ask for.
    name: String,
    /// `a`, `aaaa` or `srv`.
    #[serde(default)]
    kind: Kind,
    /// Where the instances listen; SRV records say it themselves.
    port: Option<u16>,
    /// Longest pause between two questions.
    #[serde(default = "refresh_seconds")]
    refresh_seconds: u64,
    /// `ip:port` of the server to ask instead of the system's.
    server: Option<String>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    #[default]
    A,
    Aaaa,
    Srv,
}

fn refresh_seconds() -> u64 {
    5
}

impl WrittenDns {
    pub(super) fn read(&self, reader: &Reader<'_>, pool: &str) -> Result<Dns, ConfigError> {
        let at = |key| ["pools", pool, "dns", key];
        let server = self.server.as_ref().map(|server| reader.address(&at("server"), server));
        Ok(Dns {
            name: self.name(reader, &at("name"))?,
            records: self.records(reader, &at("port"))?,
            refresh: reader.seconds(&at("refresh_seconds"), self.refresh_seconds)?,
            server: server.transpose()?,
        })
    }

    fn name(&self, reader: &Reader<'_>, path: &[&str]) -> Result<Name, ConfigError> {
        if self.name.parse::<IpAddr>().is_ok() {
            return reader.wrong(path, "an address, not a name; write it in `endpoints`");
        }
        let name = self.name.parse::<Name>().ok().filter(|name| !name.is_root());
        name.map_or_else(|| reader.wrong(path, "not a host name; write one such as \"catalog.internal\""), Ok)
    }

    fn records(&self, reader: &Reader<'_>, path: &[&str]) -> Result<Records, ConfigError> {
        match (self.kind, self.port) {
            (Kind::A, Some(port)) => Ok(Records::A(reader.at_least_one(path, port)?)),
            (Kind::Aaaa, Some(port)) => Ok(Records::Aaaa(reader.at_least_one(path, port)?)),
            (Kind::Srv, None) => Ok(Records::Srv),
            (Kind::Srv, Some(_)) => reader.wrong(path, "SRV records name the ports; remove it"),
            (Kind::A | Kind::Aaaa, None) => {
                reader.wrong(path, "addresses have no port; say where the instances listen, such as 7101")
            }
        }
    }
}
