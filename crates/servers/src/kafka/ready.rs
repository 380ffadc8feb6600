//! Asks the broker the one question that tells when it can be used.

use std::io;
use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

const LIMIT: Duration = Duration::from_secs(2);
/// Metadata, version 1, correlation id 0, no client id, of no topics.
const METADATA_REQUEST: [u8; 18] = [0, 0, 0, 14, 0, 3, 0, 1, 0, 0, 0, 0, 255, 255, 0, 0, 0, 0];

/// Whether the broker answers and counts itself in: its port opens before that, and
/// a topic created in between would find no broker for its replica.
pub(super) async fn answers(port: u16) -> bool {
    matches!(timeout(LIMIT, live_brokers(port)).await, Ok(Ok(1..)))
}

async fn live_brokers(port: u16) -> io::Result<i32> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
    stream.write_all(&METADATA_REQUEST).await?;
    let _length = stream.read_i32().await?;
    let _correlation_id = stream.read_i32().await?;
    stream.read_i32().await
}
