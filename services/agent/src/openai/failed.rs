//! What an answer that is no success means: the one place that reads a server's status,
//! code, headers and words. Nothing of the words is kept; they may quote a customer.

use std::fmt;
use std::time::Duration;

use chassis::clock;
use chrono::DateTime;
use reqwest::StatusCode;
use reqwest::header::{HeaderMap, RETRY_AFTER};
use serde_json::Value;

use crate::model::{ModelError, ModelFault};

/// The longest wait that a server is believed, as OpenAI's own clients do.
pub(super) const LONGEST_WAIT: Duration = Duration::from_secs(120);

/// Codes and types that say that money is missing.
const QUOTA: [&str; 6] = [
    "insufficient_quota",
    "credit_balance_exhausted",
    "project_spend_limit_exceeded",
    "organization_spend_limit_exceeded",
    "organization_usage_limit_exceeded",
    "billing_hard_limit_reached",
];

const TOO_LONG: [&str; 3] =
    ["context_length_exceeded", "string_above_max_length", "exceed_context_size_error"];

/// vLLM and llama.cpp say it in words alone.
const TOO_LONG_WORDS: [&str; 2] = ["maximum context length", "too large to process"];

const OVERLOADED: [&str; 2] = ["server_is_overloaded", "slow_down"];

/// One attempt that brought nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failed {
    pub(super) fault: ModelFault,
    pub(super) status: Option<u16>,
    /// A word of the server's, or of ours where there was none.
    pub(super) code: String,
    /// When the server wants to be asked again.
    pub(super) after: Option<Duration>,
    /// The server's own word on whether that makes sense.
    pub(super) should_retry: Option<bool>,
    pub(super) is_overloaded: bool,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.status {
            Some(status) => write!(f, "status {status}, {}", self.code),
            None => f.write_str(&self.code),
        }
    }
}

impl std::error::Error for Failed {}

impl From<Failed> for ModelError {
    fn from(failed: Failed) -> Self {
        ModelError { fault: failed.fault, after: failed.after, source: failed.into() }
    }
}

impl Failed {
    pub(super) fn new(fault: ModelFault, code: &str) -> Self {
        Self {
            fault,
            status: None,
            code: code.to_owned(),
            after: None,
            should_retry: None,
            is_overloaded: false,
        }
    }

    /// Not asked, because it makes sense only after that time.
    pub(super) fn later(fault: ModelFault, code: &str, after: Duration) -> Self {
        Self { after: Some(after), ..Self::new(fault, code) }
    }

    pub(super) fn malformed(code: &str) -> Self {
        Self::new(ModelFault::Malformed, code)
    }

    /// No answer: the request did not arrive, or what came broke off.
    pub(super) fn of_transport(error: &reqwest::Error) -> Self {
        if error.is_timeout() && !error.is_connect() {
            return Self::new(ModelFault::TimedOut, "no answer in time");
        }
        let code = if error.is_connect() { "no connection" } else { "the connection broke off" };
        Self::new(ModelFault::Unavailable, code)
    }

    /// An answer whose status is no success.
    pub(super) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let said = Said::read(&serde_json::from_slice(body).unwrap_or_default());
        let code = said.word().unwrap_or_else(|| "without a code".to_owned());
        let should_retry = headers.get("x-should-retry").and_then(|value| match value.as_bytes() {
            b"true" => Some(true),
            b"false" => Some(false),
            _ => None,
        });
        Self {
            fault: classify(status, &said),
            status: Some(status.as_u16()),
            code,
            after: retry_after(headers),
            should_retry,
            is_overloaded: said.is_any_of(&OVERLOADED),
        }
    }

    /// An error in the clothes of a success, as some gateways answer.
    pub(super) fn in_success(body: &Value) -> Option<Self> {
        let said = Said::read(body);
        if !said.is_error {
            return None;
        }
        let status = said.code.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
        let status = status.filter(|status| status.as_u16() >= 400);
        let bytes = body.to_string().into_bytes();
        let status = status.unwrap_or(StatusCode::BAD_GATEWAY);
        Some(Self::of_answer(status, &HeaderMap::new(), &bytes))
    }
}

fn classify(status: StatusCode, said: &Said) -> ModelFault {
    if said.is_any_of(&QUOTA) {
        return ModelFault::Quota;
    }
    let is_too_long = TOO_LONG_WORDS.iter().any(|words| said.message.contains(words));
    if said.is_any_of(&TOO_LONG) || is_too_long {
        return ModelFault::TooLong;
    }
    match status.as_u16() {
        402 => ModelFault::Quota,
        // A redirect or a wrong method is a wrong base URL.
        300..=399 | 401 | 403 | 404 | 405 | 410 => ModelFault::Denied,
        408 | 409 | 425 | 500.. => ModelFault::Unavailable,
        413 => ModelFault::TooLong,
        429 => ModelFault::RateLimited,
        _ => ModelFault::Invalid,
    }
}

/// What of an error body decides; every server writes it otherwise.
#[derive(Debug, Default)]
struct Said {
    is_error: bool,
    code: String,
    kind: String,
    message: String,
}

impl Said {
    fn read(body: &Value) -> Self {
        let error = match body.get("error") {
            Some(Value::Null) | None if body.get("object").is_some_and(|it| it == "error") => body,
            Some(Value::Null) | None => return Self::default(),
            Some(error) => error,
        };
        let text = |name: &str| match error.get(name) {
            Some(Value::String(text)) => text.to_lowercase(),
            Some(Value::Number(number)) => number.to_string(),
            _ => String::new(),
        };
        let message = match error {
            Value::String(text) => text.to_lowercase(),
            _ => text("message"),
        };
        Self { is_error: true, code: text("code"), kind: text("type"), message }
    }

    fn is_any_of(&self, words: &[&str]) -> bool {
        words.contains(&self.code.as_str()) || words.contains(&self.kind.as_str())
    }

    /// For the log; not whatever a server may put there.
    fn word(&self) -> Option<String> {
        let is_word = |text: &&String| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
            (1..=64).contains(&text.len()) && text.chars().all(is_plain)
        };
        [&self.code, &self.kind].into_iter().find(is_word).cloned()
    }
}

/// `retry-after-ms`, else `retry-after` in seconds or as a date.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let number = |name: &str| text(name)?.trim().parse::<f64>().ok();
    let date = || {
        let at = DateTime::parse_from_rfc2822(text(RETRY_AFTER.as_str())?.trim()).ok()?;
        Some((at.to_utc() - clock::now()).as_seconds_f64())
    };
    let seconds = number("retry-after-ms").map(|ms| ms / 1_000.0);
    let seconds = seconds.or_else(|| number("retry-after")).or_else(date)?;
    Duration::try_from_secs_f64(seconds).ok().filter(|wait| !wait.is_zero())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn failed(status: u16, body: &str) -> Failed {
        let status = StatusCode::from_u16(status).unwrap();
        Failed::of_answer(status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn every_shape_of_an_error_is_read() {
        let cases = [
            (400, r#"{"error":{"code":"context_length_exceeded"}}"#, ModelFault::TooLong),
            (
                400,
                r#"{"error":{"code":400,"type":"exceed_context_size_error"}}"#,
                ModelFault::TooLong,
            ),
            (
                400,
                r#"{"object":"error","message":"This model's maximum context length is 8","code":400}"#,
                ModelFault::TooLong,
            ),
            (400, r#"{"error":{"message":"bad schema","code":null}}"#, ModelFault::Invalid),
            (401, r#"{"error":{"code":"invalid_api_key"}}"#, ModelFault::Denied),
            (404, r#"{"error":"model 'x' not found"}"#, ModelFault::Denied),
            (308, "", ModelFault::Denied),
            (409, "", ModelFault::Unavailable),
            (422, r#"{"detail":[]}"#, ModelFault::Invalid),
            (429, r#"{"error":{"type":"insufficient_quota"}}"#, ModelFault::Quota),
            (429, r#"{"error":{"code":"project_spend_limit_exceeded"}}"#, ModelFault::Quota),
            (429, "<html>", ModelFault::RateLimited),
            (502, "<html>", ModelFault::Unavailable),
        ];

        for (status, body, fault) in cases {
            assert_eq!(failed(status, body).fault, fault, "{status} {body}");
        }
    }

    #[test]
    fn what_the_server_writes_stays_out_of_the_error() {
        let error = failed(400, r#"{"error":{"message":"hunter2","code":"my name is Sam"}}"#);

        assert_eq!(error.to_string(), "status 400, without a code");
        assert!(!format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn a_wait_is_read_in_milliseconds_seconds_or_as_a_date() {
        let wait = |name: &'static str, text: &str| {
            retry_after(&HeaderMap::from_iter([(name.parse().unwrap(), text.parse().unwrap())]))
        };

        assert_eq!(wait("retry-after-ms", "250"), Some(Duration::from_millis(250)));
        assert_eq!(wait("retry-after", "1.5"), Some(Duration::from_millis(1_500)));
        assert_eq!(wait("retry-after", "0"), None);
        assert_eq!(wait("retry-after", "-3"), None);
        assert_eq!(wait("retry-after", "nan"), None);
        let date = (clock::now() + chrono::TimeDelta::seconds(60)).to_rfc2822();
        assert!(wait("retry-after", &date).unwrap() > Duration::from_secs(50));
        assert_eq!(wait("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT"), None);
    }

    #[test]
    fn an_error_in_a_success_counts_by_its_code() {
        let body = json!({"error": {"message": "x", "code": 429}});

        assert_eq!(Failed::in_success(&body).unwrap().fault, ModelFault::RateLimited);
        let body = json!({"error": {"message": "x"}});
        assert_eq!(Failed::in_success(&body).unwrap().fault, ModelFault::Unavailable);
        assert!(Failed::in_success(&json!({"choices": [], "error": null})).is_none());
    }
}
