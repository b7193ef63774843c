//! Varnish as a cache. It writes no access log to a file: its log is shared memory, for whoever wants to read it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use anyhow::Result;

use super::super::program::{Directory, Program};

/// Starts it in front of an origin.
pub async fn start(
    program: &Path,
    directory: &Directory,
    listen: SocketAddr,
    origin: SocketAddr,
) -> Result<Program> {
    let file = directory.write("varnish.vcl", &config(origin))?;
    let mut command = Command::new(program);
    command.arg("-F").arg("-a").arg(listen.to_string()).arg("-f").arg(file);
    command.arg("-n").arg(directory.path().join("varnish")).args(["-j", "none", "-s", "malloc,64m"]);
    Program::start("varnish", command, directory.path(), listen).await
}

/// Varnish does not cache what comes with a cookie, unless it is told that the cookie has no part in the answer; the
/// balancer and nginx need not be told.
fn config(origin: SocketAddr) -> String {
    format!(
        r#"vcl 4.1;
backend origin {{ .host = "{}"; .port = "{}"; }}
sub vcl_recv {{ unset req.http.Cookie; }}
"#,
        origin.ip(),
        origin.port()
    )
}
