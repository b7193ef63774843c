//! What an error of Postgres means.

use std::time::Duration;

use service::config::Validate;
use service::drain::Drain;
use service::metrics::loops::Loops;
use service::postgres::presence::{self, Presence};
use service::postgres::{Error, Pool, PostgresConfig, pool};
use testkit::stores::Stores;
use testkit::wait::until;
use tokio::runtime::Runtime;

/// Far beyond anything expected: it only ends a failed test.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long a server may be silent, and a statement take, here: a busy machine alone reaches neither.
const SILENT_MS: u64 = 3_000;
const STATEMENT_TIMEOUT_MS: u64 = 60_000;
/// What takes longer than a server may be silent, or a process between two checks of its presence.
const LONGER: &str = "SELECT pg_sleep(4.5)";

/// What Postgres says to a process that stood still in the middle of a transaction, frozen or starved.
#[tokio::test]
async fn a_transaction_that_was_ended_for_standing_still_says_nothing_about_the_question() {
    let stores = Stores::fresh().await;
    let pool = stores.pool();
    let mut client = pool.get().await.unwrap();
    client.batch_execute("SET idle_in_transaction_session_timeout = 10").await.unwrap();
    let session = client.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute("SELECT").await.unwrap();
    // Nothing is read here until the session is gone: what Postgres said then is taken for the answer to what is asked next.
    let watching = stores.pool();
    std::thread::spawn(move || Runtime::new().unwrap().block_on(is_gone(session, watching))).join().unwrap();
    let error = Error::from(transaction.batch_execute("SELECT").await.unwrap_err());
    assert!(matches!(error, Error::Away(_)), "{error:?}");
}

async fn is_gone(session: i32, pool: Pool) {
    until("the session to be ended", async || {
        let client = pool.get().await.unwrap();
        let sessions = "SELECT count(*) FROM pg_stat_activity WHERE pid = $1";
        let left: i64 = client.query_one(sessions, &[&session]).await.unwrap().get(0);
        (left == 0).then_some(())
    })
    .await;
}

/// What Postgres adds to a refusal repeats the row, and the row may have an e-mail address in it.
#[tokio::test]
async fn a_refusal_is_told_without_what_stands_in_the_row() {
    let stores = Stores::fresh().await;
    let client = stores.pool().get().await.unwrap();
    client.batch_execute("CREATE TABLE buyers (email text CONSTRAINT one_each UNIQUE)").await.unwrap();
    let insert = "INSERT INTO buyers VALUES ('ada@canary.example')";
    client.batch_execute(insert).await.unwrap();
    let error = Error::from(client.batch_execute(insert).await.unwrap_err());
    let told = format!("{:#}", anyhow::Error::from(error));
    assert!(told.contains("23505") && told.contains("one_each"), "{told}");
    assert!(!told.contains("canary"), "{told}");
}

/// What is asked of a server that stands still is given up; it was asked before that, and after.
#[tokio::test]
async fn what_a_silent_postgres_was_asked_is_given_up() {
    let stores = Stores::fresh().await;
    let (config, wire) = stores.postgres_by_wire().await;
    let (pool, drain) = (pool("test", &patient(config)).unwrap(), Drain::default());
    pool.watch_over(&drain);
    let client = pool.get().await.unwrap();
    client.execute("SELECT", &[]).await.unwrap();
    wire.freeze();
    let error = in_time(client.execute("SELECT", &[])).await.unwrap_err();
    assert!(matches!(Error::from(error), Error::Away(_)));
    assert_eq!(pool.ready(), Err("postgres does not answer".to_owned()));
    assert!(matches!(in_time(pool.get()).await, Err(Error::Away(_))));
    wire.thaw();
    until("postgres to answer again", async || pool.ready().ok()).await;
    pool.get().await.unwrap().execute("SELECT", &[]).await.unwrap();
    drain.stop();
}

/// Many may wait for a row that somebody has locked, for as long as a statement may take: the server is there all the while.
#[tokio::test]
async fn a_statement_that_waits_is_let_be_while_postgres_answers() {
    let stores = Stores::fresh().await;
    let (pool, drain) = (pool("test", &patient(stores.postgres())).unwrap(), Drain::default());
    pool.watch_over(&drain);
    // Through more than one look, and longer than the server may be silent.
    pool.get().await.unwrap().execute(LONGER, &[]).await.unwrap();
    assert_eq!(pool.ready(), Ok(()));
    drain.stop();
}

/// Who is not let in says so, and what is open goes on.
#[tokio::test]
async fn a_postgres_that_lets_nobody_in_is_not_ready_and_not_silent() {
    let (stores, others) = (Stores::fresh().await, Stores::fresh().await);
    let (pool, drain) = (pool("test", &stores.postgres()).unwrap(), Drain::default());
    let client = pool.get().await.unwrap();
    let database: String = client.query_one("SELECT current_database()", &[]).await.unwrap().get(0);
    let keeper = others.pool().get().await.unwrap();
    keeper.batch_execute(&format!("ALTER DATABASE {database} WITH ALLOW_CONNECTIONS false")).await.unwrap();
    pool.watch_over(&drain);
    until("this to be noticed", async || pool.ready().err()).await;
    client.execute("SELECT", &[]).await.unwrap();
    keeper.batch_execute(&format!("ALTER DATABASE {database} WITH ALLOW_CONNECTIONS true")).await.unwrap();
    until("postgres to let us in", async || pool.ready().ok()).await;
    drain.stop();
}

/// Others need not wait for the leases of a process that Postgres hears nothing of.
#[tokio::test]
async fn who_is_cut_off_from_postgres_is_not_present() {
    let stores = Stores::fresh().await;
    let (config, wire) = stores.postgres_by_wire().await;
    let loops = Loops::new(&service::metrics::registry("test", "0"));
    let present = Presence::start(pool("test", &patient(config)).unwrap(), &loops);
    let number = until("it to be present", async || present.number()).await;
    let client = pool("test", &patient(stores.postgres())).unwrap().get().await.unwrap();
    let gone = format!("SELECT {}", presence::gone("$1"));
    // Longer than it may be silent: it is heard.
    client.execute(LONGER, &[]).await.unwrap();
    assert!(!client.query_one(&gone, &[&number]).await.unwrap().get::<_, bool>(0));
    wire.freeze();
    until("it to be gone", async || {
        client.query_one(&gone, &[&number]).await.unwrap().get::<_, bool>(0).then_some(())
    })
    .await;
}

/// With less, looks alone would end connections to a server that is well.
#[test]
fn a_silence_too_short_to_tell_is_refused() {
    let with = |silent_ms| PostgresConfig { silent_ms, ..PostgresConfig::default() }.validate();
    assert_eq!(with(99), Err("`postgres.silent_ms` must be at least 100".to_owned()));
    assert_eq!(with(100), Ok(()));
}

fn patient(config: PostgresConfig) -> PostgresConfig {
    PostgresConfig { silent_ms: SILENT_MS, statement_timeout_ms: STATEMENT_TIMEOUT_MS, ..config }
}

/// Its end, or the test's: what is never answered is waited for in vain.
async fn in_time<T>(answer: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, answer).await.expect("an end, good or bad")
}
