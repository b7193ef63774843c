//! What the canary tells Prometheus: `/metrics`, and `/livez` for whoever keeps it running.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use prometheus::{
    Encoder, Histogram, HistogramOpts, IntCounter, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Seconds: chosen around the promise that a view is no older than two.
const AGES_SECONDS: &[f64] = &[0.0, 0.25, 0.5, 1.0, 2.0, 5.0, 15.0, 60.0];
/// How long a request may take to arrive and its answer to be taken.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest request line that is read.
const LINE_BYTES_MAX: usize = 1024;
/// After one that could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// All metrics of the canary.
#[derive(Debug)]
pub(super) struct Page {
    registry: Registry,
    staleness: Histogram,
    views: IntGauge,
    failures: IntCounter,
}

impl Page {
    pub(super) fn new() -> Result<Self> {
        let registry = Registry::new();
        let staleness = HistogramOpts::new(
            "marquee_canary_view_staleness_seconds",
            "Age of a live view at each look: since when it has shown a seat otherwise than Postgres has it.",
        );
        let page = Self {
            staleness: Histogram::with_opts(staleness.buckets(AGES_SECONDS.to_vec()))?,
            views: IntGauge::new("marquee_canary_views", "Live views that are connected.")?,
            failures: IntCounter::new(
                "marquee_canary_failures_total",
                "Times the canary could not compare: without Postgres, or without shows.",
            )?,
            registry,
        };
        let info = Opts::new("marquee_build_info", "What is running, as labels of a constant 1.");
        let info = IntGaugeVec::new(info, &["program", "version"])?;
        info.with_label_values(&["canary", env!("CARGO_PKG_VERSION")]).set(1);
        page.registry.register(Box::new(info))?;
        page.registry.register(Box::new(page.staleness.clone()))?;
        page.registry.register(Box::new(page.views.clone()))?;
        page.registry.register(Box::new(page.failures.clone()))?;
        Ok(page)
    }

    /// A view was found to be so old.
    pub(super) fn looked(&self, age: Duration) {
        self.staleness.observe(age.as_secs_f64());
    }

    /// So many views are connected.
    pub(super) fn watching(&self, views: usize) {
        self.views.set(i64::try_from(views).unwrap_or(i64::MAX));
    }

    /// It could not compare.
    #[expect(clippy::print_stderr, reason = "the only log that it has")]
    pub(super) fn failed(&self, error: &anyhow::Error) {
        self.failures.inc();
        self.views.set(0);
        eprintln!("canary: {error:#}");
    }

    /// The answer to a request line.
    fn answer(&self, line: &str) -> String {
        let body = match line.split(' ').nth(1) {
            Some("/livez" | "/readyz") => Some("ok\n".to_owned()),
            Some("/metrics") => self.text().ok(),
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

    fn text(&self) -> Result<String> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(String::from_utf8(text)?)
    }
}

/// Answers whoever asks, one request a connection.
pub(super) async fn serve(listener: TcpListener, page: Arc<Page>) {
    loop {
        let Ok((socket, _)) = listener.accept().await else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let page = Arc::clone(&page);
        tokio::spawn(async move { timeout(PATIENCE, serve_one(socket, &page)).await });
    }
}

async fn serve_one(socket: TcpStream, page: &Page) -> Result<()> {
    use tokio::io::AsyncReadExt;
    let (reader, mut writer) = socket.into_split();
    let mut lines = BufReader::new(reader.take(16 * LINE_BYTES_MAX as u64)).lines();
    let line = lines.next_line().await?.unwrap_or_default();
    // A client may want to have said all before it listens.
    while lines.next_line().await?.is_some_and(|line| !line.is_empty()) {}
    writer.write_all(page.answer(&line).as_bytes()).await?;
    Ok(writer.shutdown().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_told_by_how_many_are_within_the_promise() {
        let page = Page::new().expect("the names are good");
        for millis in [0, 100, 1_900, 2_100] {
            page.looked(Duration::from_millis(millis));
        }
        let answer = page.answer("GET /metrics HTTP/1.1");
        for line in [
            r#"marquee_canary_view_staleness_seconds_bucket{le="0"} 1"#,
            r#"marquee_canary_view_staleness_seconds_bucket{le="2"} 3"#,
            "marquee_canary_view_staleness_seconds_count 4",
        ] {
            assert!(answer.lines().any(|told| told == line), "{line} is not in {answer}");
        }
        assert!(page.answer("GET /livez HTTP/1.1").ends_with("\r\n\r\nok\n"));
        assert!(page.answer("GET / HTTP/1.1").starts_with("HTTP/1.1 404 "));
        assert!(page.answer("").starts_with("HTTP/1.1 404 "));
    }
}
