//! Reads a request's body within bounds of size and time.

use std::time::Duration;

use axum::body::{Body, Bytes};
use bytes::BytesMut;
use futures::TryStreamExt as _;

use crate::refusal::Refusal;

/// The longest message in the longest spelling: 20,000 characters outside the
/// basic plane are 12 bytes each in JSON (`\ud83d\ude00`) and in a form
/// (`%F0%9F%98%80`), and the other fields fit beside it.
pub(crate) const MOST_BODY_BYTES: usize = 256 << 10;

/// What is read and thrown away of a body that is too large, so that the client
/// reads its answer instead of a reset connection.
const MOST_DRAINED_BYTES: usize = 16 << 20;

/// A client on a bad line sends 256 KiB in this time at 200 kbit/s.
pub const BODY_TIMEOUT: Duration = Duration::from_secs(10);

/// The whole body, if it comes in time.
pub(crate) async fn read(body: Body, limit: Duration) -> Result<Bytes, Refusal> {
    tokio::time::timeout(limit, read_all(body)).await.unwrap_or(Err(Refusal::TooSlow))
}

async fn read_all(body: Body) -> Result<Bytes, Refusal> {
    let mut frames = body.into_data_stream();
    let mut next = async || frames.try_next().await.map_err(|_| Refusal::Unreadable);
    let Some(first) = next().await? else { return Ok(Bytes::new()) };
    let Some(second) = next().await? else {
        // The usual case: one frame, not copied.
        return if first.len() > MOST_BODY_BYTES { Err(Refusal::TooLarge) } else { Ok(first) };
    };
    let mut read = BytesMut::from(first);
    let mut frame = second;
    loop {
        read.extend_from_slice(&frame);
        if read.len() > MOST_BODY_BYTES {
            break;
        }
        match next().await? {
            Some(more) => frame = more,
            None => return Ok(read.freeze()),
        }
    }
    let mut drained = read.len();
    while let Some(frame) = next().await? {
        drained += frame.len();
        if drained > MOST_DRAINED_BYTES {
            break;
        }
    }
    Err(Refusal::TooLarge)
}
