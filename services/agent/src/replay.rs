//! Compares a logged turn with the same decision made again, place by place.

use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::draft::decide_again;
use crate::hex::hex;
use crate::log::{FORMAT, TurnLog};
use crate::logged::LogError;
use crate::policy::Policy;

/// A place where a decision made again is another.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// JSON pointer into the log.
    pub place: String,
    /// `None` where the log has nothing there.
    pub logged: Option<Value>,
    /// `None` where deciding again brings nothing there.
    pub again: Option<Value>,
}

/// A log that cannot be decided again.
#[derive(Debug, thiserror::Error)]
pub enum ReplayError {
    #[error("the log is no turn's: {0}")]
    Unreadable(#[from] serde_json::Error),
    #[error("the log has format {0}, this program reads {FORMAT}")]
    Format(u64),
    #[error("not as logged: {0}")]
    Log(#[from] LogError),
}

/// A log as it is kept: with a digest of each part, because a decision does not depend
/// on every byte that it read.
pub fn sealed(log: &TurnLog) -> Result<Value, serde_json::Error> {
    let mut log = serde_json::to_value(log)?;
    if let Value::Object(parts) = &mut log {
        let digests = parts.iter().map(|(part, value)| {
            (part.clone(), Value::String(hex(Sha256::digest(value.to_string()))))
        });
        let digests = digests.collect();
        parts.insert("digests".to_owned(), Value::Object(digests));
    }
    Ok(log)
}

/// Decides a logged turn again, without a model, a database or a clock. Returns every
/// place that differs; none where the decision is the same byte for byte.
pub async fn replay(policy: Arc<Policy>, logged: &Value) -> Result<Vec<Difference>, ReplayError> {
    let format = logged.get("format").and_then(Value::as_u64);
    if let Some(other) = format.filter(|format| *format != u64::from(FORMAT)) {
        return Err(ReplayError::Format(other));
    }
    let log: TurnLog = serde_json::from_value(logged.clone())?;
    let again = sealed(&decide_again(policy, &log).await?)?;
    let mut differences = Vec::new();
    compare("", Some(logged), Some(&again), &mut differences);
    Ok(differences)
}

fn compare(
    place: &str,
    logged: Option<&Value>,
    again: Option<&Value>,
    differences: &mut Vec<Difference>,
) {
    match (logged, again) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let more = right.keys().filter(|key| !left.contains_key(*key));
            for key in left.keys().chain(more) {
                let name = key.replace('~', "~0").replace('/', "~1");
                let place = format!("{place}/{name}");
                compare(&place, left.get(key), right.get(key), differences);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for at in 0..left.len().max(right.len()) {
                compare(&format!("{place}/{at}"), left.get(at), right.get(at), differences);
            }
        }
        (logged, again) if logged == again => {}
        (logged, again) => differences.push(Difference {
            place: place.to_owned(),
            logged: logged.cloned(),
            again: again.cloned(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_difference_is_named_by_its_place() {
        let logged = json!({"a": {"b/c": [1, 2]}, "gone": null, "same": 1});
        let again = json!({"a": {"b/c": [1, 3, 4]}, "same": 1});
        let mut differences = Vec::new();

        compare("", Some(&logged), Some(&again), &mut differences);

        let places: Vec<&str> = differences.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(places, ["/a/b~1c/1", "/a/b~1c/2", "/gone"]);
    }
}
