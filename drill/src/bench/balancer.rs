//! The balancer alone, in front of the tiny origin: one worker, everything on that is on in the shipped configuration.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::program::{Directory, Program, free_address};

/// Its environment is not the caller's: a rehearsal may have settings for the fleet there.
const PREFIX: &str = "MARQUEE_BALANCER__";

/// Starts it. Returns it with its access log.
pub async fn start(
    bin_dir: &Path,
    directory: &Directory,
    listen: SocketAddr,
    origin: SocketAddr,
) -> Result<(Program, PathBuf)> {
    start_with(bin_dir, directory, listen, origin, "").await
}

/// Starts it with more in its configuration.
pub async fn start_with(
    bin_dir: &Path,
    directory: &Directory,
    listen: SocketAddr,
    origin: SocketAddr,
    more: &str,
) -> Result<(Program, PathBuf)> {
    let program = bin_dir.join("balancer");
    ensure!(
        program.is_file(),
        "there is no {}; build it, or name another place with --bin-dir",
        program.display()
    );
    let log = directory.path().join("balancer-access.log");
    let text = config(listen, free_address()?, origin, &log) + more;
    let file = directory.write("balancer.toml", &text)?;
    let mut command = Command::new(program);
    command.arg("--config").arg(file);
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(PREFIX)) {
        command.env_remove(name);
    }
    Ok((Program::start("balancer", command, directory.path(), listen).await?, log))
}

fn config(listen: SocketAddr, admin: SocketAddr, origin: SocketAddr, log: &Path) -> String {
    format!(
        r#"threads = 1
[listen]
public = "{listen}"
admin = "{admin}"
[edge]
never = ["/internal/**", "/metrics/**", "/livez/**", "/readyz/**", "/openapi.json/**"]
[access_log]
path = "{}"
[[routes]]
match = "/**"
pool = "origin"
[[routes]]
match = "/cached/**"
pool = "origin"
cache = true
[pools.origin]
endpoints = ["{origin}"]
policy = "ring_hash"
[pools.origin.health]
path = "/readyz"
"#,
        log.display()
    )
}
