//! What a program says of its background loops.

use std::collections::BTreeMap;

use crate::client::Client;
use crate::wait::until;

/// When each last did its work, by its name.
///
/// # Panics
/// When the program tells no metrics.
pub async fn last_successes(program: &Client) -> BTreeMap<String, f64> {
    let metrics = program.get("/metrics").await;
    let lines = metrics.body.as_str().expect("metrics are text").lines();
    let told = |line: &str| {
        let line = line.strip_prefix("marquee_loop_last_success_timestamp_seconds{loop=\"")?;
        let (name, at) = line.split_once("\"} ")?;
        Some((name.to_owned(), at.parse().ok()?))
    };
    lines.filter_map(told).collect()
}

/// Waits until each has done its work once more; those that do it `seldom` need only be there. There are no others.
///
/// # Panics
/// When there are others, or one of them does not.
pub async fn all_succeed(program: &Client, often: &[&str], seldom: &[&str]) {
    let before = last_successes(program).await;
    let mut names = [often, seldom].concat();
    names.sort_unstable();
    assert!(before.keys().eq(names), "{before:?}");
    succeed(program, often).await;
}

/// Waits until each of these has done its work once more.
///
/// # Panics
/// When one does not, or is not there.
pub async fn succeed(program: &Client, names: &[&str]) {
    let before = last_successes(program).await;
    for name in names {
        until(&format!("the loop {name}"), async || {
            (last_successes(program).await[*name] > before[*name]).then_some(())
        })
        .await;
    }
}
