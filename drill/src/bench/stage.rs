//! Proxies side by side in front of one tiny origin, each with one worker.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::balancer;
use super::cpu::Part;
use super::fetching::{Fetching, Hits};
use super::load::{Line, request};
use super::measure::Contender;
use super::peers::{Absent, BARE_PINGORA, HAPROXY, NGINX, VARNISH, haproxy, nginx, varnish};
use super::program::{Directory, Program, free_address};
use super::settings::Settings;
use super::visitors::cookies_of;

/// The origin, and who stands in front of it.
pub struct Stage {
    settings: Settings,
    path: &'static str,
    cookies: String,
    origin: SocketAddr,
    balancer: SocketAddr,
    /// Those that could be started.
    pub contenders: Vec<Box<dyn Contender>>,
    /// Peers that are not here.
    pub absent: Vec<Absent>,
    // Dropped last: those above it write here, and ask the origin.
    _origin: Program,
    directory: Directory,
}

impl Stage {
    /// Starts the origin and the balancer. Everybody is asked for `path` with the cookie that the balancer gives, as by a
    /// visitor who was here before: byte for byte the same request.
    pub async fn new(name: &str, path: &'static str, settings: &Settings) -> Result<Self> {
        let directory = Directory::new(name)?;
        let origin = free_address()?;
        let mut command = drill(settings);
        command.args(["origin", "--listen", &origin.to_string()]);
        let program = Program::start("origin", command, directory.path(), origin).await?;
        let mut stage = Self {
            settings: settings.clone(),
            path,
            cookies: String::new(),
            origin,
            balancer: free_address()?,
            contenders: Vec::new(),
            absent: Vec::new(),
            _origin: program,
            directory,
        };
        let listen = stage.balancer;
        let (program, log) = balancer::start(&settings.bin_dir, &stage.directory, listen, origin).await?;
        stage.cookies = cookies_of(&mut Line::connect(listen).await?, "/").await?;
        stage.add(
            "balancer",
            listen,
            program,
            Some(log),
            "as shipped: access log, affinity, health checks, metrics",
        );
        Ok(stage)
    }

    /// nginx.
    pub async fn nginx(&mut self) -> Result<()> {
        match NGINX.find() {
            Ok(program) => {
                let listen = free_address()?;
                let (program, log) = nginx::start(&program, &self.directory, listen, self.origin).await?;
                self.add("nginx", listen, program, Some(log), "JSON access log, buffered");
            }
            Err(absent) => self.absent.push(absent),
        }
        Ok(())
    }

    /// HAProxy.
    pub async fn haproxy(&mut self) -> Result<()> {
        match HAPROXY.find() {
            Ok(program) => {
                let listen = free_address()?;
                let (program, log) = haproxy::start(&program, &self.directory, listen, self.origin).await?;
                self.add("HAProxy", listen, program, Some(log), "JSON access log to a file by stdout");
            }
            Err(absent) => self.absent.push(absent),
        }
        Ok(())
    }

    /// The least that one can write with the same library.
    pub async fn bare_pingora(&mut self) -> Result<()> {
        let program = self.settings.bin_dir.join("examples").join("bare");
        if !program.is_file() {
            self.absent.push(BARE_PINGORA);
            return Ok(());
        }
        let listen = free_address()?;
        let mut command = Command::new(program);
        command.args(["--listen", &listen.to_string(), "--to", &self.origin.to_string()]);
        let program = Program::start("bare", command, self.directory.path(), listen).await?;
        self.add(
            BARE_PINGORA.name,
            listen,
            program,
            None,
            "the library and nothing else: no log, no metrics",
        );
        Ok(())
    }

    /// Varnish.
    pub async fn varnish(&mut self) -> Result<()> {
        match VARNISH.find() {
            Ok(program) => {
                let listen = free_address()?;
                let program = varnish::start(&program, &self.directory, listen, self.origin).await?;
                self.add(
                    "Varnish",
                    listen,
                    program,
                    None,
                    "its log is shared memory, nobody reads it; threads as it likes",
                );
            }
            Err(absent) => self.absent.push(absent),
        }
        Ok(())
    }

    /// The floor.
    pub async fn relay(&mut self) -> Result<()> {
        let listen = free_address()?;
        let mut command = drill(&self.settings);
        command.args(["relay", "--listen", &listen.to_string(), "--to", &self.origin.to_string()]);
        let program = Program::start("relay", command, self.directory.path(), listen).await?;
        self.add(
            "epoll relay",
            listen,
            program,
            None,
            "the floor: moves bytes, knows no HTTP, writes no log",
        );
        Ok(())
    }

    /// The balancer once more, under another name.
    pub fn balancer_as(&self, name: &'static str, note: &str) -> Fetching {
        let parts = self.contenders.first().map(|balancer| balancer.parts()).unwrap_or_default();
        self.fetching(name, self.balancer, parts, note)
    }

    fn fetching(&self, name: &'static str, address: SocketAddr, parts: Vec<Part>, note: &str) -> Fetching {
        Fetching {
            name,
            address,
            request: request::get(self.path, &self.cookies),
            connections: self.settings.connections as usize,
            parts,
            note: note.to_owned(),
            program: None,
            logs: Vec::new(),
            hits: self.path.starts_with("/cached").then(|| Hits::of(self.origin)),
        }
    }

    fn add(
        &mut self,
        name: &'static str,
        address: SocketAddr,
        program: Program,
        log: Option<PathBuf>,
        note: &str,
    ) {
        let parts = vec![Part::of(name, program.pid())];
        let fetching = self.fetching(name, address, parts, note);
        self.contenders.push(Box::new(Fetching {
            program: Some(program),
            logs: log.into_iter().collect(),
            ..fetching
        }));
    }
}

/// This program, playing one of its own small parts.
pub(super) fn drill(settings: &Settings) -> Command {
    let mut command = Command::new(settings.bin_dir.join("drill"));
    command.arg("bench-part");
    command
}
