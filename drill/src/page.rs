//! What a drill tells Prometheus: `/metrics`, and `/livez` for whoever keeps it running.

use std::time::Duration;

use anyhow::Result;
use prometheus::{Encoder, IntGaugeVec, Opts, Registry, TextEncoder};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// How long a request may take to arrive and its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request line that is read.
const LINE_BYTES_MAX: usize = 1024;
/// After one that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// A registry that says which program this is.
pub(crate) fn registry(program: &str) -> Result<Registry> {
    let registry = Registry::new();
    let info = Opts::new("marquee_build_info", "What is running, as labels of a constant 1.");
    let info = IntGaugeVec::new(info, &["program", "version"])?;
    info.with_label_values(&[program, env!("CARGO_PKG_VERSION")]).set(1);
    registry.register(Box::new(info))?;
    Ok(registry)
}

/// Answers whoever asks, one request a connection.
pub(crate) async fn serve(listener: TcpListener, registry: Registry) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let registry = registry.clone();
        tokio::spawn(async move { timeout(PATIENCE, serve_one(socket, &registry)).await });
    }
}

async fn serve_one(socket: TcpStream, registry: &Registry) -> Result<()> {
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader.take(16 * LINE_BYTES_MAX as u64)).lines();
    let line = lines.next_line().await?.unwrap_or_default();
    // A client may want to have said all before it listens.
    while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    writer.write_all(answer(registry, &line).as_bytes()).await?;
    Ok(writer.shutdown().await?)
}

/// The answer to a request line.
pub(crate) fn answer(registry: &Registry, line: &str) -> String {
    let body = match line.split(' ').nth(1) {
        Some("/livez" | "/readyz") => Some("ok\n".to_owned()),
        Some("/metrics") => text(registry).ok(),
        _ => None,
    };
    let (status, body) =
        body.map_or(("404 Not Found", "GET /metrics /livez\n".to_owned()), |body| ("200 OK", body));
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

fn text(registry: &Registry) -> Result<String> {
    let mut text = Vec::new();
    TextEncoder::new().encode(&registry.gather(), &mut text)?;
    Ok(String::from_utf8(text)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_and_a_sign_of_life_are_told_and_nothing_else() {
        let registry = registry("drill").expect("the names are good");
        let told = answer(&registry, "GET /metrics HTTP/1.1");
        let version = env!("CARGO_PKG_VERSION");
        assert!(
            told.contains(&format!(r#"marquee_build_info{{program="drill",version="{version}"}} 1"#)),
            "{told}"
        );
        assert!(answer(&registry, "GET /livez HTTP/1.1").ends_with("\r\n\r\nok\n"));
        assert!(answer(&registry, "GET / HTTP/1.1").starts_with("HTTP/1.1 404 "));
        assert!(answer(&registry, "").starts_with("HTTP/1.1 404 "));
    }
}
