//! The peers: programs of others, from the distribution's packages, started as a fair operator would for the same job.

pub mod haproxy;
pub mod nginx;
pub mod pgbench;
pub mod redis_benchmark;
pub mod varnish;

use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A program of others.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// As the table calls it.
    pub name: &'static str,
    /// What it is called.
    pub program: &'static str,
    /// The Debian package it comes in.
    pub package: &'static str,
    /// Makes it say its version.
    version: &'static str,
}

/// nginx.
pub const NGINX: Peer = Peer { name: "nginx", program: "nginx", package: "nginx-light", version: "-v" };
/// HAProxy.
pub const HAPROXY: Peer = Peer { name: "HAProxy", program: "haproxy", package: "haproxy", version: "-v" };
/// Varnish.
pub const VARNISH: Peer = Peer { name: "Varnish", program: "varnishd", package: "varnish", version: "-V" };
/// Postgres' own bench.
pub const PGBENCH: Peer =
    Peer { name: "pgbench", program: "pgbench", package: "postgresql", version: "--version" };
/// Redis' own bench.
pub const REDIS_BENCHMARK: Peer = Peer {
    name: "redis-benchmark",
    program: "redis-benchmark",
    package: "redis-tools",
    version: "--version",
};
/// Redis itself, which purges go through.
pub const REDIS: Peer =
    Peer { name: "Redis", program: "redis-server", package: "redis-server", version: "--version" };
/// All of them.
pub const ALL: [Peer; 6] = [NGINX, HAPROXY, VARNISH, PGBENCH, REDIS_BENCHMARK, REDIS];

/// A peer that is not here.
#[derive(Debug, Clone, Copy)]
pub struct Absent {
    /// As the table calls it.
    pub name: &'static str,
    /// What brings it here, and its name there.
    command: &'static str,
    package: &'static str,
}

/// The proxy of `balancer/examples/bare.rs`, when it is not built.
pub const BARE_PINGORA: Absent = Absent {
    name: "bare Pingora",
    command: "cargo build --profile dist --package balancer --example",
    package: "bare",
};

impl Absent {
    /// What its note begins with.
    pub const WORDS: &str = "not installed";
}

impl fmt::Display for Absent {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {} {}", Self::WORDS, self.command, self.package)
    }
}

impl Peer {
    /// Where it is.
    pub fn find(&self) -> Result<PathBuf, Absent> {
        let absent = Absent { name: self.name, command: "apt-get install", package: self.package };
        directories()
            .into_iter()
            .map(|directory| directory.join(self.program))
            .find(|file| file.is_file())
            .ok_or(absent)
    }

    /// What it says of itself, if it is here.
    pub fn version(&self) -> Option<String> {
        version_of(&self.find().ok()?, self.version)
    }
}

/// The first line of what a program says to a flag, wherever it says it.
pub fn version_of(program: &Path, flag: &str) -> Option<String> {
    let said = Command::new(program).arg(flag).output().ok()?;
    let text = [said.stdout, said.stderr].concat();
    Some(String::from_utf8_lossy(&text).lines().next()?.trim().to_owned())
}

/// The search path, then where servers are kept that users do not start.
fn directories() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    directories.extend(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from));
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    directories.extend(versions.map(|version| version.path().join("bin")));
    directories
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_peer_is_named_with_the_way_to_it() {
        let nobody =
            Peer { name: "Nobody", program: "no-such-program", package: "no-such-package", version: "-v" };
        let absent = nobody.find().expect_err("there is none");
        assert_eq!(absent.to_string(), "not installed: apt-get install no-such-package");
        assert_eq!(nobody.version(), None);
    }

    #[test]
    fn a_version_is_the_first_line_on_either_stream() {
        let shell = Peer { name: "sh", program: "sh", package: "dash", version: "-c" };
        let sh = shell.find().expect("every machine has one");
        // `sh -c` without a command complains on the other stream.
        assert!(version_of(&sh, "-c").is_some_and(|line| !line.is_empty()));
    }
}
