//! A customer writes: the message is signed and posted to the webhook, as often and as
//! long as the webhook's URL says.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::Instant;

use super::Message;
use super::overrides::{Failed, Overrides};
use super::signature::sign;
use super::state::{File, State, new_sid, now};

/// What a customer writes.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Inbound {
    /// `whatsapp:+…`, or a number alone.
    pub from: String,
    pub body: String,
    pub profile_name: String,
    /// The business-scoped user id, as `whatsapp:CC.…`.
    pub external_user_id: Option<String>,
    /// `text` unless there is media.
    pub message_type: Option<String>,
    pub media: Vec<InboundMedia>,
    /// The same message again, as after an answer that was lost.
    pub message_sid: Option<String>,
    /// Other parameters, and other values for those above.
    pub parameters: Vec<(String, String)>,
    /// The whole delivery happens twice at the same time.
    pub is_duplicated: bool,
    /// Signed with another token.
    pub is_badly_signed: bool,
}

/// A file that comes with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundMedia {
    pub content_type: String,
    pub content_base64: String,
}

/// One post to the webhook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attempt {
    pub url: String,
    pub status: Option<u16>,
    /// Why there was no status.
    pub error: Option<String>,
    /// What the webhook answered.
    pub body: String,
}

/// What became of a customer's message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InboundOutcome {
    pub message_sid: String,
    /// The same for every attempt.
    pub idempotency_token: String,
    pub attempts: Vec<Attempt>,
    /// Whether one attempt was answered with success.
    pub is_delivered: bool,
}

pub(super) async fn deliver(state: &State, inbound: Inbound) -> InboundOutcome {
    let sid = inbound.message_sid.clone().unwrap_or_else(|| new_sid("SM"));
    let from = address(&inbound.from);
    let parameters = parameters(state, &inbound, &sid, &from);
    keep(state, &inbound, &sid, from);
    let idempotency_token = uuid::Uuid::new_v4().to_string();
    let (webhook, fallback, mut token) = {
        let held = state.lock();
        (held.webhook_url.clone(), held.fallback_url.clone(), held.auth_token.clone())
    };
    if inbound.is_badly_signed {
        token.push('x');
    }
    let mut attempts = Vec::new();
    if let Some(url) = &webhook {
        let post = || posts(url, &token, &idempotency_token, &parameters);
        if inbound.is_duplicated {
            let (first, second) = tokio::join!(post(), post());
            attempts.extend(first.into_iter().chain(second));
        } else {
            attempts.extend(post().await);
        }
    }
    if let (false, Some(url), Some(failed)) = (is_delivered(&attempts), &fallback, &webhook) {
        let mut parameters = parameters;
        parameters.push(("ErrorCode".to_owned(), "11200".to_owned()));
        let plain = failed.split('#').next().unwrap_or_default();
        parameters.push(("ErrorUrl".to_owned(), plain.to_owned()));
        attempts.extend(posts(url, &token, &idempotency_token, &parameters).await);
    }
    InboundOutcome {
        message_sid: sid,
        idempotency_token,
        is_delivered: is_delivered(&attempts),
        attempts,
    }
}

fn is_delivered(attempts: &[Attempt]) -> bool {
    attempts.iter().any(|attempt| attempt.status.is_some_and(|status| (200..300).contains(&status)))
}

fn address(from: &str) -> String {
    if from.starts_with("whatsapp:") { from.to_owned() } else { format!("whatsapp:{from}") }
}

/// What the list shows, and what opens the window.
fn keep(state: &State, inbound: &Inbound, sid: &str, from: String) {
    state.open_window(&from);
    let mut held = state.lock();
    if held.messages.iter().any(|message| message.sid == sid) {
        return;
    }
    held.messages.push(Message {
        sid: sid.to_owned(),
        account_sid: state.account_sid.clone(),
        from,
        to: state.sender.clone(),
        body: inbound.body.clone(),
        direction: "inbound".to_owned(),
        status: "received".to_owned(),
        error_code: None,
        num_media: inbound.media.len(),
        created_at: now(),
        sent_at: Some(now()),
        status_callback: None,
    });
}

fn parameters(state: &State, inbound: &Inbound, sid: &str, from: &str) -> Vec<(String, String)> {
    let digits = from.strip_prefix("whatsapp:+").unwrap_or_default();
    let kind = inbound.message_type.as_deref().unwrap_or(match inbound.media.first() {
        Some(media) => media.content_type.split('/').next().unwrap_or("document"),
        None => "text",
    });
    let metadata = json!({ "type": "whatsapp", "data": { "context": {
        "ProfileName": inbound.profile_name, "WaId": digits } } });
    let mut parameters: Vec<(String, String)> = [
        ("AccountSid", state.account_sid.as_str()),
        ("ApiVersion", "2010-04-01"),
        ("Body", &inbound.body),
        ("ChannelMetadata", &metadata.to_string()),
        ("From", from),
        ("MessageSid", sid),
        ("MessageType", kind),
        ("NumMedia", &inbound.media.len().to_string()),
        ("NumSegments", "1"),
        ("ProfileName", &inbound.profile_name),
        ("SmsMessageSid", sid),
        ("SmsSid", sid),
        ("SmsStatus", "received"),
        ("To", &state.sender),
        ("WaId", digits),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .collect();
    if let Some(id) = &inbound.external_user_id {
        parameters.push(("ExternalUserId".to_owned(), id.clone()));
    }
    for (number, media) in inbound.media.iter().enumerate() {
        let url = store_media(state, sid, media);
        parameters.push((format!("MediaUrl{number}"), url));
        parameters.push((format!("MediaContentType{number}"), media.content_type.clone()));
    }
    let overridden = |name: &String| inbound.parameters.iter().any(|(other, _)| other == name);
    parameters.retain(|(name, _)| !overridden(name));
    parameters.extend(inbound.parameters.iter().cloned());
    parameters
}

/// Keeps the bytes and returns their address.
fn store_media(state: &State, sid: &str, media: &InboundMedia) -> String {
    let id = new_sid("ME");
    let bytes = STANDARD.decode(&media.content_base64).unwrap_or_default();
    state.lock().media.push(File {
        id: id.clone(),
        message: sid.to_owned(),
        content_type: media.content_type.clone(),
        bytes: bytes.into(),
    });
    let account = &state.account_sid;
    let port = state.port();
    format!("http://127.0.0.1:{port}/2010-04-01/Accounts/{account}/Messages/{sid}/Media/{id}")
}

/// Posts until one post is not to be repeated, all within the total time.
async fn posts(
    url: &str,
    token: &str,
    idempotency_token: &str,
    parameters: &[(String, String)],
) -> Vec<Attempt> {
    let overrides = Overrides::of(url);
    let deadline = Instant::now() + overrides.total;
    let plain = url.split('#').next().unwrap_or_default();
    let signature = sign(token, plain, parameters);
    let mut attempts = Vec::new();
    for _ in 0..=overrides.retries {
        let left = deadline.saturating_duration_since(Instant::now());
        if left < Duration::from_millis(1) {
            break;
        }
        let posted = post(plain, &signature, idempotency_token, parameters, &overrides, left).await;
        let failed = match &posted {
            Ok((status, _)) if *status >= 500 => Some(Failed::Server),
            Ok((status, _)) if *status >= 400 => Some(Failed::Client),
            Ok(_) => None,
            Err(error) if error.is_connect() => Some(Failed::Connect),
            Err(_) => Some(Failed::Read),
        };
        let (status, error, body) = match posted {
            Ok((status, body)) => (Some(status), None, body),
            Err(error) => (None, Some(error.without_url().to_string()), String::new()),
        };
        attempts.push(Attempt { url: plain.to_owned(), status, error, body });
        if !failed.is_some_and(|failed| overrides.retries_on(failed)) {
            break;
        }
    }
    attempts
}

async fn post(
    url: &str,
    signature: &str,
    idempotency_token: &str,
    parameters: &[(String, String)],
    overrides: &Overrides,
    left: Duration,
) -> Result<(u16, String), reqwest::Error> {
    let client = reqwest::Client::builder()
        .connect_timeout(overrides.connect)
        .read_timeout(overrides.read)
        .timeout(left)
        .redirect(Policy::none())
        .build()?;
    let response = client
        .post(url)
        .header("X-Twilio-Signature", signature)
        .header("I-Twilio-Idempotency-Token", idempotency_token)
        .header("User-Agent", "TwilioProxy/1.1")
        .form(parameters)
        .send()
        .await?;
    let status = response.status().as_u16();
    Ok((status, response.text().await?))
}
