//! Postgres: one bounded pool per process, migrations under a lock, and errors sorted into "away" and "wrong".

mod connecting;
mod pool;
pub mod presence;
mod pulse;

use std::sync::Arc;
use std::time::Duration;

use deadpool_postgres::{Config, PoolConfig, PoolError, Timeouts};
use serde::Deserialize;
use tokio_postgres::error::SqlState;

pub use deadpool_postgres::Object as Connection;

pub use self::pool::Pool;

use self::pulse::Pulse;
use crate::config::Validate;
use crate::secret::Secret;

/// A connection that is silent for this long is asked by the kernel whether it is still there.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(10);

/// A process with fewer connections would wait for itself.
const CONNECTIONS_MIN: usize = 2;
/// Half of it is how long one question may take: with less, a server that is there would be silent now and then.
const SILENT_MS_MIN: u64 = 100;

/// The limits of the pool.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PostgresConfig {
    /// The server's URL (`DATABASE_URL`).
    pub url: Secret,
    /// Connections of this process.
    pub connections_max: usize,
    /// How long a request waits for a connection, and a connection for the server.
    pub wait_ms: u64,
    /// The longest a statement may run.
    pub statement_timeout_ms: u64,
    /// How long the server may be silent before what it was asked is given up. A statement that takes long is let be while the
    /// server answers others. A transaction in which the process was silent for so long is ended by the server.
    pub silent_ms: u64,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: Secret::default(),
            connections_max: 20,
            wait_ms: 2_000,
            statement_timeout_ms: 5_000,
            silent_ms: 2_000,
        }
    }
}

impl Validate for PostgresConfig {
    fn validate(&self) -> Result<(), String> {
        if self.connections_max < CONNECTIONS_MIN {
            return Err(format!("`postgres.connections_max` must be at least {CONNECTIONS_MIN}"));
        }
        let named = [
            ("wait_ms", self.wait_ms, 1),
            ("statement_timeout_ms", self.statement_timeout_ms, 1),
            ("silent_ms", self.silent_ms, SILENT_MS_MIN),
        ];
        match named.into_iter().find(|(_, value, least)| value < least) {
            Some((key, _, least)) => Err(format!("`postgres.{key}` must be at least {least}")),
            None => Ok(()),
        }
    }
}

/// What went wrong with Postgres. Clones are for all whom it concerns.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// It is away, full, or shutting down: nothing is wrong with the question.
    #[error("postgres is away: {0}")]
    Away(String),
    /// It rolled a transaction back that stood in another's way: the same question, asked again, may be answered.
    #[error("postgres rolled a transaction back: {0}")]
    Again(String),
    /// It answered that the question is wrong.
    #[error("postgres refused a statement: {}", described(.0))]
    Refused(Arc<tokio_postgres::Error>),
}

impl Error {
    /// The constraint that said no, if it was one.
    pub fn violated(&self) -> Option<&str> {
        match self {
            Self::Refused(error) => error.as_db_error()?.constraint(),
            Self::Away(_) | Self::Again(_) => None,
        }
    }

    /// Whether a UNIQUE or PRIMARY KEY said no.
    pub fn unique_violation(&self) -> bool {
        matches!(self, Self::Refused(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION))
    }
}

impl From<tokio_postgres::Error> for Error {
    fn from(error: tokio_postgres::Error) -> Self {
        match error.code() {
            Some(code) if code.code().starts_with("40") => Self::Again(described(&error)),
            _ if away(&error) => Self::Away(described(&error)),
            _ => Self::Refused(Arc::new(error)),
        }
    }
}

impl From<PoolError> for Error {
    fn from(error: PoolError) -> Self {
        match error {
            PoolError::Backend(error) => error.into(),
            other => Self::Away(chain(&other)),
        }
    }
}

fn away(error: &tokio_postgres::Error) -> bool {
    let Some(code) = error.code() else { return true };
    let class = code.code().get(..2).unwrap_or_default();
    // 08 connection, 53 resources, 57 operator intervention (shutdown, start-up, cancelled), 25006 read-only, 25P03 we stood still in
    // the middle of a transaction.
    let others = [SqlState::READ_ONLY_SQL_TRANSACTION, SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT];
    matches!(class, "08" | "53" | "57") || others.contains(code)
}

/// What Postgres said, without its details: these repeat what stands in the row, such as an e-mail address.
pub fn described(error: &tokio_postgres::Error) -> String {
    let Some(said) = error.as_db_error() else { return chain(error) };
    let place = said.constraint().or(said.column()).or(said.table()).unwrap_or_default();
    format!("{} {} {place}", said.code().code(), said.message()).trim_end().to_owned()
}

/// An error and its causes in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

/// Makes the pool. It connects when first asked, so that a process may start while Postgres is away.
pub fn pool(program: &str, config: &PostgresConfig) -> anyhow::Result<Pool> {
    pool_with(program, config, "")
}

/// As [`pool`], with settings for every session, such as `-c enable_seqscan=off`.
pub fn pool_with(program: &str, config: &PostgresConfig, sessions: &str) -> anyhow::Result<Pool> {
    anyhow::ensure!(!config.url.is_empty(), "no Postgres is named: set DATABASE_URL or `postgres.url`");
    let (wait, silent) = (Duration::from_millis(config.wait_ms), Duration::from_millis(config.silent_ms));
    let mut settings = Config::new();
    settings.url = Some(config.url.reveal().to_owned());
    settings.application_name = Some(program.to_owned());
    settings.connect_timeout = Some(wait);
    // A server that vanished without a word is given up like one that said so.
    settings.keepalives = Some(true);
    settings.keepalives_idle = Some(KEEPALIVE_IDLE);
    settings.options = Some(format!(
        "-c statement_timeout={} -c idle_in_transaction_session_timeout={} -c timezone=UTC {sessions}",
        config.statement_timeout_ms, config.silent_ms
    ));
    let mut server = settings.get_pg_config()?;
    server.tcp_user_timeout(silent);
    let mut limits = PoolConfig::new(config.connections_max);
    limits.timeouts = Timeouts { wait: Some(wait), create: Some(wait), recycle: Some(wait) };
    Pool::new(limits, Pulse::new(server, silent))
}

/// Runs the migrations of one owner, one process at a time however many start together.
pub async fn migrate(pool: &Pool, schema: &str, mut runner: refinery::Runner) -> anyhow::Result<()> {
    let mut client = pool.get().await?;
    let lock = "SELECT pg_advisory_lock(hashtext('marquee.migrate'))";
    client
        .batch_execute(&format!("SET statement_timeout = 0; {lock}; CREATE SCHEMA IF NOT EXISTS {schema}"))
        .await?;
    runner.set_migration_table_name(format!("{schema}.migrations"));
    let outcome = runner.run_async(&mut **client.as_mut()).await;
    client.batch_execute("SELECT pg_advisory_unlock_all(); RESET statement_timeout").await?;
    for migration in outcome?.applied_migrations() {
        tracing::info!(schema, %migration, "migrated");
    }
    Ok(())
}
