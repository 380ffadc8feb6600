//! Waits for a condition by asking again and again, with a limit and a name.

use std::time::{Duration, Instant};

/// How long a condition may take: far more than it needs, for slow machines.
pub const LIMIT: Duration = Duration::from_secs(30);

const STEP: Duration = Duration::from_millis(10);

/// Waits until the predicate holds, or fails the test naming `what` was missing.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let mut asked = 0;
/// testkit::wait_for("the third question", || {
///     asked += 1;
///     std::future::ready(asked == 3)
/// })
/// .await;
/// # }
/// ```
#[track_caller]
pub fn wait_for(what: &str, predicate: impl AsyncFnMut() -> bool) -> impl Future<Output = ()> {
    wait_within(LIMIT, what, predicate)
}

/// As [`wait_for`], with a limit of its own.
#[track_caller]
pub fn wait_within(
    limit: Duration,
    what: &str,
    mut predicate: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    wait_some(limit, what, async move || predicate().await.then_some(()))
}

/// Waits until there is a value, and returns it.
#[track_caller]
pub fn wait_for_some<T>(
    what: &str,
    find: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    wait_some(LIMIT, what, find)
}

#[track_caller]
fn wait_some<T>(
    limit: Duration,
    what: &str,
    mut find: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(found) = find().await {
                return found;
            }
            if Instant::now() > deadline {
                panic!("waited {limit:?} in vain for {what} ({caller})");
            }
            tokio::time::sleep(STEP).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    #[should_panic(expected = "in vain for rain (crates/testkit/src/wait.rs:")]
    async fn a_wait_in_vain_names_what_was_missing_and_where() {
        wait_within(Duration::from_millis(20), "rain", async || false).await;
    }
}
