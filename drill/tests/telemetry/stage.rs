//! The fleet.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use drill::buyer::Buyer;
use drill::fleet::run::{Run, free_ports};
use drill::fleet::{Fleet, SERVICES};
use reqwest::Method;

use crate::planted::{MARK, Said, TICKET_KEY};

/// As verbose as an operator in trouble makes ours. What libraries say in that mood is theirs.
pub(crate) const FILTER: &str = "info,service=debug,catalog=debug,reservations=debug,waitlist=debug,cache_warmer=debug,balancer=debug,\
    pingora_core=warn,pingora_proxy=off,pingora_cache=warn,tokio_postgres=warn,refinery_core=warn";
/// A running fleet that has been told secrets.
pub(crate) struct Stage {
    run: Run,
    pub(crate) fleet: Fleet,
    home: PathBuf,
}

/// Where the programs are.
pub(crate) fn programs() -> PathBuf {
    let beside = || Path::new(env!("CARGO_BIN_EXE_drill")).parent().unwrap().to_owned();
    std::env::var_os("MARQUEE_BIN_DIR").map_or_else(beside, PathBuf::from)
}

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

/// The token of the admin listener.
pub(crate) fn admin_token() -> String {
    format!("{MARK}-admin-token")
}

impl Stage {
    /// Starts it; its traces go there.
    pub(crate) async fn set(collector: SocketAddr) -> Self {
        let directory = Path::new(env!("CARGO_TARGET_TMPDIR")).join("telemetry");
        let home = directory.join("fleet");
        drop(std::fs::remove_dir_all(home.join("logs")));
        let mut command = Command::new(root().join("scripts/run"));
        command
            .arg("--fresh")
            .env_remove("DATABASE_URL")
            .env_remove("REDIS_URL")
            .env("MARQUEE_BIN_DIR", programs())
            .env("MARQUEE_STOP_SECONDS", "5")
            .env("RUST_LOG", FILTER)
            .env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{collector}"))
            .env("MARQUEE_BALANCER__TRACES__SAMPLE_RATIO", "1.0")
            // What comes free is found by the event that tells of it, and by nothing else.
            .env("MARQUEE_WAITLIST__SERVE_INTERVAL_MS", "60000")
            .env("MARQUEE_SESSION_KEY", format!("{MARK}-session-key-0123456789-0123456789"))
            .env("MARQUEE_TICKET_KEY", TICKET_KEY)
            .env("MARQUEE_BALANCER__AFFINITY__KEYS", format!("{MARK}-affinity-key-0123456789-0123456789"))
            .env("MARQUEE_BALANCER__LISTEN__ADMIN_TOKEN", admin_token());
        std::fs::create_dir_all(&directory).unwrap();
        let mut run =
            Run::start(command, free_ports(0..1).unwrap(), &home, &directory.join("run.log")).unwrap();
        run.until_exists(&home.join("fleet.env")).await.unwrap();
        Self { run, fleet: Fleet::from_directory(&home).unwrap(), home }
    }

    /// What every process shows to whoever scrapes it.
    pub(crate) async fn metrics(&self) -> Vec<Said> {
        let mut said = Vec::new();
        let token = format!("Bearer {}", admin_token());
        for name in SERVICES.into_iter().chain(["balancer"]) {
            let url = self.fleet.instance_url(name).unwrap_or_else(|_| self.fleet.admin_url.clone());
            let headers = [("authorization", token.as_str())];
            let scraped =
                Buyer::new(&url).unwrap().fetch(Method::GET, "/metrics", &headers, None).await.unwrap();
            assert!(scraped.text.contains("marquee_"), "{name}: {}", scraped.text);
            said.push((format!("/metrics of {name}"), scraped.text));
        }
        said
    }

    /// Stops everything; the logs of all.
    pub(crate) fn end(self) -> Vec<Said> {
        self.run.stop_in_order().unwrap();
        let read = |name: &str| {
            let file = self.home.join("logs").join(format!("{name}.log"));
            (format!("the log of {name}"), std::fs::read_to_string(file).unwrap())
        };
        SERVICES.into_iter().chain(["balancer"]).map(read).collect()
    }
}
