//! Reading Twilio's answers. Pure but for the body itself.

use reqwest::Response;
use serde_json::Value;

use super::Sent;
use crate::http::{self, BodyError};

/// The code of refused credentials, for an answer that does not name it.
pub(super) const NO_ACCESS: u32 = 20_003;

/// A page of 50 messages of full length is far below it.
const LONGEST_BODY_BYTES: usize = 4 * 1024 * 1024;

/// Reads a body up to a limit; the error says in words what went wrong.
pub(super) async fn body(response: Response) -> Result<Vec<u8>, &'static str> {
    http::body(response, LONGEST_BODY_BYTES).await.map_err(|error| match error {
        BodyError::TooLong => "Twilio's answer is too long",
        BodyError::BrokenOff => "Twilio's answer broke off",
    })
}

/// A message that was taken; `None` when the answer does not say its SID.
pub(super) fn accepted(body: &[u8]) -> Option<Sent> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    let sid = answer.get("sid")?.as_str().filter(|sid| is_message_sid(sid))?;
    Some(Sent::Accepted {
        sid: sid.to_owned(),
        status: answer.get("status").and_then(Value::as_str).unwrap_or_default().to_owned(),
        error_code: answer.get("error_code").and_then(number),
    })
}

/// The error code of a refusal, in either of Twilio's shapes; none in a page of HTML.
pub(super) fn code(body: &[u8]) -> Option<u32> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    answer.get("code").and_then(number)
}

/// Codes come as numbers and as text; 0 is none.
pub(super) fn number(value: &Value) -> Option<u32> {
    let number = match value {
        Value::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    number.filter(|number| *number != 0)
}

pub(super) fn is_message_sid(text: &str) -> bool {
    let hex = text.strip_prefix("SM").or_else(|| text.strip_prefix("MM")).unwrap_or_default();
    hex.len() == 32 && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "SM0123456789abcdef0123456789abcdef";

    #[test]
    fn an_answer_without_a_valid_sid_is_no_acceptance() {
        let taken = format!(r#"{{"sid":"{SID}","status":"queued","error_code":null}}"#);

        let expected =
            Sent::Accepted { sid: SID.to_owned(), status: "queued".to_owned(), error_code: None };
        assert_eq!(accepted(taken.as_bytes()), Some(expected));
        for broken in ["", "{}", "<html>", r#"{"sid":"SM1"}"#, r#"{"sid":7}"#, r#"{"sid":"SM01"#] {
            assert_eq!(accepted(broken.as_bytes()), None, "{broken}");
        }
    }

    #[test]
    fn a_code_is_read_from_both_shapes_and_from_no_page() {
        assert_eq!(code(br#"{"code":21211,"message":"x","status":400}"#), Some(21_211));
        assert_eq!(code(br#"{"type":"x","title":"y","status":400,"code":"20001"}"#), Some(20_001));
        assert_eq!(code(br#"{"code":0}"#), None);
        assert_eq!(code(b"<html></html>"), None);
    }
}
