//! How records stand in `message_queue`: headers as JSON that people can read, and
//! the partition of a key.

use bytes::Bytes;
use sqlx::types::Json;

use crate::record::Headers;
use crate::source::RawRecord;

/// `[name, text]` or `[name, hex digits, "hex"]`, in order.
pub(super) type HeadersColumn = Json<Vec<Vec<String>>>;

const HEX: &str = "hex";

/// The partition of a key: FNV-1a with 64 bits over the key's UTF-8 bytes, modulo
/// the partition count. It is part of the stored format: another hash would send a
/// key past its own unfinished records.
pub(super) fn partition_of(key: &str, partitions: i32) -> i32 {
    let hash = key.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    let count = u64::try_from(partitions).unwrap_or(1).max(1);
    // Below the count, which is an i32.
    i32::try_from(hash % count).unwrap_or(0)
}

/// PostgreSQL text holds no U+0000. Ingress services replace it too, so a key that
/// still has one comes from elsewhere, and stands here as they would have written it.
pub(crate) fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

pub(super) fn headers_to_column(headers: &Headers) -> HeadersColumn {
    let column = headers.iter().map(|(name, value)| match std::str::from_utf8(value) {
        Ok(text) if !text.contains('\0') => vec![storable(name), text.to_owned()],
        _ => vec![storable(name), to_hex(value), HEX.to_owned()],
    });
    Json(column.collect())
}

pub(super) fn headers_from_column(Json(column): HeadersColumn) -> Headers {
    column
        .into_iter()
        .filter_map(|header| match <[String; 3]>::try_from(header) {
            Ok([name, digits, _hex]) => Some((name, from_hex(&digits))),
            Err(header) => {
                <[String; 2]>::try_from(header).ok().map(|[name, text]| (name, Bytes::from(text)))
            }
        })
        .collect()
}

fn to_hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn from_hex(digits: &str) -> Bytes {
    digits
        .as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// A row of `message_queue` without its topic.
#[derive(Debug, sqlx::FromRow)]
pub(super) struct Row {
    pub(super) partition: i32,
    pub(super) offset: i64,
    key: String,
    headers: HeadersColumn,
    payload: Vec<u8>,
    timestamp_ms: i64,
}

impl From<Row> for RawRecord {
    fn from(row: Row) -> Self {
        RawRecord {
            partition: row.partition,
            offset: row.offset,
            key: row.key,
            headers: headers_from_column(row.headers),
            payload: row.payload.into(),
            timestamp_ms: row.timestamp_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_partition_of_a_key_never_changes() {
        let keys = ["", "a", "TF-20260105-7K3Q", "ada@example.com", "größe"];

        let partitions: Vec<i32> = keys.iter().map(|key| partition_of(key, 24)).collect();

        assert_eq!(partitions, [5, 4, 13, 10, 10]);
    }

    #[test]
    fn keys_spread_over_all_partitions() {
        let mut counts = [0_usize; 24];
        for n in 0..24_000 {
            let key = format!("TF-20260105-{n:04}");
            counts[usize::try_from(partition_of(&key, 24)).unwrap()] += 1;
        }

        assert!(counts.iter().all(|count| (800..1_200).contains(count)), "{counts:?}");
    }

    proptest! {
        #[test]
        fn headers_read_back_as_they_were(
            pairs in prop::collection::vec(("[a-z_]{1,8}", prop::collection::vec(any::<u8>(), 0..20)), 0..5)
        ) {
            let headers: Headers =
                pairs.into_iter().map(|(name, value)| (name, Bytes::from(value))).collect();

            prop_assert_eq!(headers_from_column(headers_to_column(&headers)), headers);
        }
    }
}
