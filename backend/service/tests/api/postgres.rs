//! What an error of Postgres means.

use std::time::Duration;

use service::postgres::Error;
use testkit::stores::Stores;

/// What Postgres says to a process that stood still in the middle of a transaction, frozen or starved.
#[tokio::test]
async fn a_transaction_that_was_ended_for_standing_still_says_nothing_about_the_question() {
    let stores = Stores::fresh().await;
    let pool = stores.pool();
    let mut client = pool.get().await.unwrap();
    client.batch_execute("SET idle_in_transaction_session_timeout = 10").await.unwrap();
    let transaction = client.transaction().await.unwrap();
    transaction.batch_execute("SELECT").await.unwrap();
    // All of this process stands still: what Postgres says meanwhile is read as the answer to what is asked next.
    std::thread::sleep(Duration::from_millis(500));
    let error = Error::from(transaction.batch_execute("SELECT").await.unwrap_err());
    assert!(matches!(error, Error::Away(_)), "{error:?}");
}
