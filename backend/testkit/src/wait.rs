//! Waiting on conditions instead of sleeping.

use std::time::Duration;

use tokio::time::Instant;

/// How long a condition may take before the test gives up. Far beyond anything expected: it only ends a failed test.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(20);

/// Asks until the answer is there.
///
/// # Panics
/// When it does not come within a long time.
pub async fn until<T, F: Future<Output = Option<T>>>(what: &str, mut ask: impl FnMut() -> F) -> T {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        tokio::time::sleep(PAUSE).await;
    }
}
