//! Calls into librdkafka that block, kept off the runtime's threads.

use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::timeout;

/// Runs a blocking call on a thread of its own and waits for it up to a limit. Past the
/// limit the thread is left behind. (A thread of the runtime's pool would hold up the
/// runtime's end until the call returns, and some calls return never.)
pub(crate) async fn on_thread<T: Send + 'static>(
    limit: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (sender, receiver) = oneshot::channel();
    let spawned = std::thread::Builder::new().name("kafka-call".to_owned()).spawn(move || {
        // Nobody waits any more when this fails.
        drop(sender.send(call()));
    });
    match spawned {
        Ok(_) => timeout(limit, receiver).await.ok().and_then(Result::ok),
        Err(error) => {
            tracing::error!(error = %error, "no thread for a call to the log");
            None
        }
    }
}

/// Drops a client, which may block until the group's coordinator answers, elsewhere.
pub(crate) fn drop_elsewhere<T: Send + 'static>(client: T) {
    let spawned = std::thread::Builder::new().name("kafka-drop".to_owned()).spawn(|| drop(client));
    if let Err(error) = spawned {
        tracing::error!(error = %error, "no thread to close a client of the log");
    }
}
