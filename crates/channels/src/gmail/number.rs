//! Gmail's 64-bit numbers, which are JSON strings, or JSON numbers where somebody
//! forgot. Never through a float: above 2^53 it is another number.

use serde::de::{Deserialize as _, Deserializer, Error as _};
use serde_json::Value;

/// For `#[serde(deserialize_with)]`.
pub(super) fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    of(&value).ok_or_else(|| D::Error::custom("not an unsigned 64-bit number"))
}

fn of(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_number_is_read_exactly_from_text_and_from_json() {
        assert_eq!(of(&json!("18446744073709551615")), Some(u64::MAX));
        assert_eq!(of(&json!(9_007_199_254_740_993_u64)), Some(9_007_199_254_740_993));
        for wrong in [json!("18446744073709551616"), json!(-1), json!(1.5), json!(""), json!(null)]
        {
            assert_eq!(of(&wrong), None, "{wrong}");
        }
    }
}
