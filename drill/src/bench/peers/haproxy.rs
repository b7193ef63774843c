//! HAProxy as a reverse proxy: one thread, keep-alive on both sides, a JSON line for each request as the balancer writes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::super::program::{Directory, Program};

/// Starts it in front of an origin. Returns it with its access log, which is what it writes to stdout.
pub async fn start(
    program: &Path,
    directory: &Directory,
    listen: SocketAddr,
    origin: SocketAddr,
) -> Result<(Program, PathBuf)> {
    let file = directory.write("haproxy.cfg", &config(listen, origin))?;
    let mut command = Command::new(program);
    command.arg("-f").arg(file).arg("-db");
    let program = Program::start("haproxy", command, directory.path(), listen).await?;
    Ok((program, directory.path().join("haproxy.out")))
}

fn config(listen: SocketAddr, origin: SocketAddr) -> String {
    format!(
        r#"global
  nbthread 1
  maxconn 4096
  log stdout format raw local0 info
defaults
  mode http
  log global
  timeout connect 1s
  timeout client 75s
  timeout server 15s
  timeout http-request 10s
  timeout http-keep-alive 75s
  option forwardfor
  http-reuse always
  unique-id-format %{{+X}}o%ci:%cp_%fi:%fp_%Ts_%rt:%pid
  unique-id-header X-Request-Id
  log-format '{{"time":"%tr","request_id":"%ID","client":"%ci","method":"%HM","path":"%HP","pool":"%b","endpoint":"%s","status":%ST,"bytes":%B,"duration_ms":%Ta,"upstream_ms":%Tr,"retries":%rc}}'
frontend public
  bind {listen}
  default_backend origin
backend origin
  server origin {origin} pool-max-conn 256
"#
    )
}
