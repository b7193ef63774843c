//! What an error of Postgres means.

use service::postgres::{Error, Pool};
use testkit::stores::Stores;
use testkit::wait::until;
use tokio::runtime::Runtime;

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
