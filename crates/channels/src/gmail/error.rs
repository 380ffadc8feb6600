//! What went wrong at Google, by what can be done about it. No text of Google's is kept
//! but its words for reasons: its messages name addresses.

use std::time::Duration;

use chrono::{DateTime, Utc};
use reqwest::StatusCode;
use reqwest::header::{DATE, HeaderMap};
use serde_json::Value;

use super::Call;
use crate::http;

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The same again will never go.
    #[error("Gmail refuses it: {reason}")]
    Permanent { reason: String },
    /// It is not there (any more). Of the history: the cursor is too old.
    #[error("it is not at Gmail")]
    NotFound,
    /// Not done: too much was asked. The same again later, after this time where Google
    /// says one.
    #[error("Gmail asks to wait: {reason}")]
    RateLimited { after: Option<Duration>, reason: String },
    /// Not done, or done without harm: the same again later.
    #[error("Gmail does not answer as it should: {reason}")]
    Retryable { after: Option<Duration>, reason: String },
    /// Access to the mailbox is gone or not enough; only a person can give it back.
    #[error("no access to the mailbox: {reason}")]
    AuthBroken { reason: String },
    /// The mail may have been sent.
    #[error("it is not known whether the mail went: {reason}")]
    OutcomeUnknown { reason: String },
}

/// Reasons of a 403 that pass by themselves, and how long that takes where it is known.
/// Every other one needs a person.
const PASSING: [(&str, Option<Duration>); 6] = [
    ("rateLimitExceeded", None),
    ("userRateLimitExceeded", None),
    ("RATE_LIMIT_EXCEEDED", None),
    ("quotaExceeded", None),
    ("backendError", None),
    // It ends at midnight in California; asking every hour costs nothing.
    ("dailyLimitExceeded", Some(Duration::from_secs(3600))),
];

/// Longer is no word for a reason.
const LONGEST_REASON: usize = 64;

impl Error {
    pub(super) fn permanent(reason: impl Into<String>) -> Self {
        Self::Permanent { reason: reason.into() }
    }

    pub(super) fn auth_broken(reason: impl Into<String>) -> Self {
        Self::AuthBroken { reason: reason.into() }
    }

    pub(super) fn retryable(reason: impl Into<String>) -> Self {
        Self::Retryable { after: None, reason: reason.into() }
    }

    /// No answer, or half of one, to a request that may have arrived.
    pub(super) fn lost(call: Call, reason: impl Into<String>) -> Self {
        let reason = reason.into();
        if call.sends() {
            Self::OutcomeUnknown { reason }
        } else {
            Self::Retryable { after: None, reason }
        }
    }
}

/// Why a request had no answer.
pub(super) fn of_transport(call: Call, error: &reqwest::Error) -> Error {
    if error.is_builder() {
        Error::permanent("the request cannot be made")
    } else if error.is_connect() {
        Error::retryable("Google could not be reached")
    } else if error.is_timeout() {
        Error::lost(call, "Google did not answer in time")
    } else {
        Error::lost(call, "the connection to Google broke")
    }
}

/// What an answer that is no success means.
pub(super) fn of_answer(call: Call, status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Error {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let words = reason(&body).unwrap_or_else(|| format!("status {}", status.as_u16()));
    let wait = http::retry_after(headers).or_else(|| wait_in_words(&body, headers));
    match status.as_u16() {
        401 => Error::auth_broken(words),
        403 => match PASSING.iter().find(|(reason, _)| *reason == words) {
            Some((_, known)) => Error::RateLimited { after: wait.or(*known), reason: words },
            None => Error::auth_broken(words),
        },
        404 | 410 => Error::NotFound,
        // A server that gave up waiting for the request may have had all of it.
        408 | 500.. => match Error::lost(call, words) {
            Error::Retryable { reason, .. } => Error::Retryable { after: wait, reason },
            lost => lost,
        },
        // Somebody else was at it; or a redirect, which we do not follow.
        300..=399 | 409 | 412 => Error::Retryable { after: wait, reason: words },
        429 => Error::RateLimited { after: wait, reason: words },
        _ => Error::Permanent { reason: words },
    }
}

/// Google's word for the reason, in either of its places.
pub(super) fn reason(body: &Value) -> Option<String> {
    let first = |list: &str| body.pointer(&format!("/error/{list}/0/reason"));
    let word = first("errors")
        .or_else(|| first("details"))
        .or_else(|| body.pointer("/error/status"))
        .or_else(|| body.pointer("/error"));
    let word = word?.as_str()?;
    let is_word = !word.is_empty()
        && word.len() <= LONGEST_REASON
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_word.then(|| word.to_owned())
}

/// The time after "Retry after", which Google writes for limits on sending; counted
/// from the time of Google's own clock.
fn wait_in_words(body: &Value, headers: &HeaderMap) -> Option<Duration> {
    let message = body.pointer("/error/message")?.as_str()?;
    let (_, after) = message.split_once("Retry after ")?;
    let until = after.split(|c: char| c.is_whitespace() || c == ')').next()?;
    let until = DateTime::parse_from_rfc3339(until.trim_end_matches('.')).ok()?.to_utc();
    let date = headers.get(DATE)?.to_str().ok()?;
    let now: DateTime<Utc> = DateTime::parse_from_rfc2822(date).ok()?.to_utc();
    Some(http::believed((until - now).to_std().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use reqwest::header::RETRY_AFTER;
    use serde_json::json;

    use super::*;

    fn answer(call: Call, status: u16, body: &Value) -> Error {
        let status = StatusCode::from_u16(status).unwrap();
        of_answer(call, status, &HeaderMap::new(), body.to_string().as_bytes())
    }

    fn with_reason(reason: &str) -> Value {
        json!({ "error": { "code": 403, "message": "ana@example.org may not",
            "errors": [{ "domain": "usageLimits", "reason": reason }] } })
    }

    #[test]
    fn a_403_waits_or_calls_a_person_by_its_reason() {
        let of = |reason: &str| answer(Call::GetMessage, 403, &with_reason(reason));

        for reason in ["rateLimitExceeded", "userRateLimitExceeded"] {
            assert!(matches!(of(reason), Error::RateLimited { after: None, .. }), "{reason}");
        }
        let day = of("dailyLimitExceeded");
        assert!(matches!(day, Error::RateLimited { after: Some(_), .. }), "{day:?}");
        for reason in ["insufficientPermissions", "domainPolicy", "forbidden", "somethingNew"] {
            assert_eq!(of(reason), Error::auth_broken(reason));
        }
        let details = json!({ "error": { "details": [{ "reason": "RATE_LIMIT_EXCEEDED" }] } });
        assert!(matches!(answer(Call::History, 403, &details), Error::RateLimited { .. }));
    }

    #[test]
    fn every_status_has_its_meaning_and_only_a_send_is_ever_unknown() {
        let none = Value::Null;
        for status in [408, 500, 502, 503, 504] {
            let read = answer(Call::GetMessage, status, &none);
            assert!(matches!(read, Error::Retryable { .. }), "{status}");
            let draft = answer(Call::CreateDraft, status, &none);
            assert!(matches!(draft, Error::Retryable { .. }), "{status}");
            let send = answer(Call::SendDraft, status, &none);
            assert!(matches!(send, Error::OutcomeUnknown { .. }), "{status}");
        }
        for (status, expected) in [
            (400, Error::permanent("status 400")),
            (401, Error::auth_broken("status 401")),
            (404, Error::NotFound),
            (302, Error::retryable("status 302")),
            (409, Error::retryable("status 409")),
            (412, Error::retryable("status 412")),
            (413, Error::permanent("status 413")),
            (429, Error::RateLimited { after: None, reason: "status 429".to_owned() }),
        ] {
            assert_eq!(answer(Call::SendDraft, status, &none), expected);
        }
    }

    #[test]
    fn a_wait_stands_in_the_header_or_in_words_after_googles_own_clock() {
        let body = json!({ "error": { "code": 429, "status": "RESOURCE_EXHAUSTED", "message":
            "User-rate limit exceeded.  Retry after 2026-08-01T12:00:50.250Z (Mail sending)" } });
        let body = body.to_string();
        let of = |headers: &HeaderMap| {
            of_answer(Call::SendDraft, StatusCode::TOO_MANY_REQUESTS, headers, body.as_bytes())
        };
        let after = |error: Error| match error {
            Error::RateLimited { after, .. } => after,
            other => panic!("{other:?}"),
        };
        let mut headers = HeaderMap::new();

        assert_eq!(after(of(&headers)), None, "without a clock it says nothing");
        headers.insert(DATE, "Sat, 01 Aug 2026 12:00:00 GMT".parse().unwrap());
        assert_eq!(after(of(&headers)), Some(Duration::from_millis(50_250)));
        headers.insert(DATE, "Sat, 01 Aug 2026 13:00:00 GMT".parse().unwrap());
        assert_eq!(after(of(&headers)), Some(Duration::ZERO));
        headers.insert(RETRY_AFTER, "7".parse().unwrap());
        assert_eq!(after(of(&headers)), Some(Duration::from_secs(7)));
    }

    #[test]
    fn googles_sentences_are_not_repeated() {
        let sentence = json!({ "error": { "message": "ana@example.org is not valid",
            "errors": [{ "reason": "ana@example.org is not valid" }] } });

        let error = answer(Call::CreateDraft, 400, &sentence).to_string();

        assert!(!error.contains("ana"), "{error}");
    }
}
