//! nginx as a reverse proxy: one worker, keep-alive on both sides, a JSON line for each request as the balancer writes.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use super::super::program::{Directory, Program};

/// Starts it in front of an origin. Returns it with its access log.
pub async fn start(
    program: &Path,
    directory: &Directory,
    listen: SocketAddr,
    origin: SocketAddr,
) -> Result<(Program, PathBuf)> {
    let log = directory.path().join("nginx-access.log");
    let file = directory.write("nginx.conf", &config(directory.path(), listen, origin))?;
    let mut command = Command::new(program);
    command.arg("-e").arg(directory.path().join("nginx-error.log")).arg("-p").arg(directory.path());
    command.arg("-c").arg(file).args(["-g", "daemon off;"]);
    Ok((Program::start("nginx", command, directory.path(), listen).await?, log))
}

fn config(directory: &Path, listen: SocketAddr, origin: SocketAddr) -> String {
    let directory = directory.display();
    // As root, workers would become another user, who cannot enter our directory.
    let user = if nix::unistd::geteuid().is_root() { "user root;" } else { "" };
    format!(
        r#"{user}
worker_processes 1;
pid {directory}/nginx.pid;
events {{ worker_connections 4096; }}
http {{
  log_format line escape=json '{{"time":"$time_iso8601","request_id":"$request_id","client":"$remote_addr",'
    '"method":"$request_method","path":"$uri","endpoint":"$upstream_addr","status":$status,"bytes":$body_bytes_sent,'
    '"duration":$request_time,"upstream":"$upstream_response_time","cache":"$upstream_cache_status"}}';
  access_log {directory}/nginx-access.log line buffer=64k flush=1s;
  error_log {directory}/nginx-error.log warn;
  client_body_temp_path {directory}/nginx-body;
  proxy_temp_path {directory}/nginx-proxy;
  proxy_cache_path {directory}/nginx-cache keys_zone=bench:8m max_size=64m inactive=1d;
  fastcgi_temp_path {directory}/nginx-fastcgi;
  scgi_temp_path {directory}/nginx-scgi;
  uwsgi_temp_path {directory}/nginx-uwsgi;
  sendfile on;
  tcp_nopush on;
  keepalive_timeout 75s;
  keepalive_requests 1000000000;
  upstream origin {{
    server {origin};
    keepalive 128;
    keepalive_requests 1000000000;
  }}
  server {{
    listen {listen} backlog=1024;
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_set_header Host $host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Request-Id $request_id;
    add_header X-Request-Id $request_id always;
    location / {{ proxy_pass http://origin; }}
    location /cached {{
      proxy_pass http://origin;
      proxy_cache bench;
      proxy_cache_lock on;
    }}
  }}
}}
"#
    )
}
