//! A request to send: what is checked, in Twilio's order and with its codes.

use std::sync::Arc;

use axum::http::StatusCode;

use super::callbacks;
use super::state::{Held, State, new_sid, now};
use super::{Callbacks, Message};

/// The longest text, in UTF-16 units: the strictest way to count characters.
const LONGEST_BODY: usize = 1600;

/// The most files of one message.
const MOST_MEDIA: usize = 10;

/// How long a message may wait at Twilio, in seconds.
const VALIDITY: std::ops::RangeInclusive<u32> = 1..=36_000;

/// The code of free text outside the 24-hour window.
const OUTSIDE_WINDOW: u32 = 63_016;

/// A refusal: status, code and words.
pub(super) type Refusal = (StatusCode, u32, &'static str);

/// The form of a request to send.
pub(super) struct Form<'a>(pub(super) &'a [(String, String)]);

impl Form<'_> {
    fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    fn all(&self, name: &str) -> Vec<&str> {
        let values = self.0.iter().filter(|(candidate, _)| candidate == name);
        values.map(|(_, value)| value.as_str()).collect()
    }

    pub(super) fn check(&self, state: &State, held: &Held) -> Result<(), Refusal> {
        self.check_addresses(state, held)?;
        self.check_content()?;
        if let Some(url) = self.get("StatusCallback") {
            check_callback(url)?;
        }
        let validity = self.get("ValidityPeriod").map(str::parse::<u32>);
        if validity.is_some_and(|seconds| !seconds.is_ok_and(|s| VALIDITY.contains(&s))) {
            return Err(bad(20_422, "ValidityPeriod is not between 1 and 36000"));
        }
        Ok(())
    }

    fn check_addresses(&self, state: &State, held: &Held) -> Result<(), Refusal> {
        let to = self.get("To").ok_or(bad(21_604, "A 'To' phone number is required"))?;
        let from = self.get("From").ok_or(bad(21_603, "A 'From' phone number is required"))?;
        if to.starts_with("whatsapp:") != from.starts_with("whatsapp:") {
            return Err(bad(21_910, "'From' and 'To' are of different channels"));
        }
        if to == from {
            return Err(bad(63_031, "'To' and 'From' cannot be the same"));
        }
        if from != state.sender {
            return Err(bad(63_007, "no channel with the specified 'From' address"));
        }
        if !is_address(to) {
            return Err(bad(21_211, "The 'To' number is not valid"));
        }
        if held.opted_out.contains(to) {
            return Err(bad(21_610, "The recipient has opted out"));
        }
        Ok(())
    }

    fn check_content(&self) -> Result<(), Refusal> {
        let media = self.all("MediaUrl");
        let content = self.get("ContentSid");
        let body = self.get("Body");
        if body.is_none() && media.is_empty() && content.is_none() {
            return Err(bad(21_602, "Message body is required"));
        }
        if body.is_some_and(|text| text.encode_utf16().count() > LONGEST_BODY) {
            return Err(bad(21_617, "The message body exceeds the 1600 character limit"));
        }
        if media.len() > MOST_MEDIA {
            return Err(bad(21_623, "Number of media files exceeds the limit"));
        }
        if media.iter().any(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
            return Err(bad(21_620, "Invalid media URL"));
        }
        let is_sid = |sid: &str| {
            sid.len() == 34
                && sid
                    .strip_prefix("HX")
                    .is_some_and(|hex| hex.chars().all(|c| c.is_ascii_hexdigit()))
        };
        if content.is_some_and(|sid| !is_sid(sid)) {
            return Err(bad(21_655, "The ContentSid is invalid"));
        }
        let variables = self.get("ContentVariables").map(is_map_of_texts);
        if variables == Some(false) {
            return Err(bad(21_656, "The ContentVariables parameter is invalid"));
        }
        Ok(())
    }
}

/// Takes a message that was checked, and lets its callbacks come. Returns it as the
/// answer shows it.
pub(super) async fn accept(
    state: &Arc<State>,
    form: &Form<'_>,
    undeliverable: Option<u32>,
    failed: Option<u32>,
) -> Message {
    let to = form.get("To").unwrap_or_default().to_owned();
    let is_free_text = form.get("ContentSid").is_none();
    let is_outside = is_free_text && !state.is_window_open(&to);
    let undeliverable = undeliverable.or(is_outside.then_some(OUTSIDE_WINDOW));
    let message = Message {
        sid: new_sid("SM"),
        account_sid: state.account_sid.clone(),
        from: form.get("From").unwrap_or_default().to_owned(),
        to,
        body: form.get("Body").unwrap_or_default().to_owned(),
        direction: "outbound-api".to_owned(),
        status: if failed.is_some() { "failed" } else { "queued" }.to_owned(),
        error_code: failed,
        num_media: form.all("MediaUrl").len(),
        created_at: now(),
        sent_at: None,
        status_callback: form.get("StatusCallback").map(str::to_owned),
    };
    let plan: Callbacks = {
        let mut held = state.lock();
        held.messages.push(message.clone());
        held.callbacks.clone()
    };
    if failed.is_none() {
        let is_early = plan.is_early;
        let follow = callbacks::follow(Arc::clone(state), message.clone(), plan, undeliverable);
        if is_early {
            follow.await;
        } else {
            tokio::spawn(follow);
        }
    }
    message
}

/// `whatsapp:` before a number in E.164 or a business-scoped user id.
fn is_address(address: &str) -> bool {
    let Some(rest) = address.strip_prefix("whatsapp:") else { return false };
    if let Some(digits) = rest.strip_prefix('+') {
        return (7..=15).contains(&digits.len())
            && digits.chars().all(|c| c.is_ascii_digit())
            && !digits.starts_with('0');
    }
    let Some((country, id)) = rest.split_once('.') else { return false };
    let id = id.strip_prefix("ENT.").unwrap_or(id);
    country.len() == 2
        && country.chars().all(|c| c.is_ascii_uppercase())
        && (1..=128).contains(&id.len())
        && id.chars().all(|c| c.is_ascii_alphanumeric())
}

fn check_callback(url: &str) -> Result<(), Refusal> {
    let invalid = bad(21_609, "The StatusCallback URL is not a valid URL");
    let parsed = reqwest::Url::parse(url).map_err(|_| invalid)?;
    let host = parsed.host_str().unwrap_or_default();
    let is_http = matches!(parsed.scheme(), "http" | "https");
    if is_http && !host.is_empty() && !host.contains('_') { Ok(()) } else { Err(invalid) }
}

fn is_map_of_texts(text: &str) -> bool {
    let parsed = serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(text);
    parsed.is_ok_and(|map| map.values().all(serde_json::Value::is_string))
}

const fn bad(code: u32, words: &'static str) -> Refusal {
    (StatusCode::BAD_REQUEST, code, words)
}
