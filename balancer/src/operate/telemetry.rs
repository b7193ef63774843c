//! The process's own log: JSON lines on stderr. Requests have their own log, [`super::access_log`].

use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise: failed requests are in the access log already.
const DEFAULT_FILTER: &str = "info,pingora_core=warn,pingora_proxy=warn,pingora_cache=warn";

/// Starts logging; a second call changes nothing.
pub fn start() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT_FILTER));
    // The only failure is a logger that is already there, which then does the work.
    let _ = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .try_init();
}
