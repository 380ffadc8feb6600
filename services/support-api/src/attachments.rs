//! A customer's file for a person, fetched from the provider in the moment it is asked
//! for. It is handed on as a download that no browser opens by itself.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use channels::email;
use channels::files::{HEAD_BYTES, served_type};
use channels::gmail::{self, GmailClient};
use channels::twilio::media::{File, MediaClient, MediaError};
use chassis::extract::ApiPath;
use chassis::operator::Operator;
use chassis::problem::Problem;
use contract::ConversationId;
use futures::{StreamExt as _, TryStreamExt as _, stream};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use store::conversations;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

use crate::{Desk, docs, refusal};

/// Files fetched at once; a mail is held whole, a file of WhatsApp is not.
const MOST_AT_ONCE: usize = 4;

/// Seconds after which a file may be asked for again.
const RETRY_AFTER_S: u64 = 5;

/// Characters of a file's name that a download keeps.
const NAME_CHARS: usize = 100;

/// The providers that have files.
pub struct Files {
    twilio: Option<MediaClient>,
    gmail: Option<GmailClient>,
    slots: Arc<Semaphore>,
}

impl Files {
    /// Of a provider without an account no file is fetched.
    pub fn new(twilio: Option<MediaClient>, gmail: Option<GmailClient>) -> Self {
        Self { twilio, gmail, slots: Arc::new(Semaphore::new(MOST_AT_ONCE)) }
    }
}

/// Where a file lies, as its message says.
#[derive(Debug, Deserialize)]
struct Reference {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    url: String,
    #[serde(default)]
    gmail_id: String,
    part: Option<u32>,
}

/// A file that a customer sent, fetched from the provider.
#[utoipa::path(
    get,
    path = "/conversations/{id}/messages/{message_id}/attachments/{n}",
    operation_id = "fetch_attachment",
    tag = "conversations",
    security(("operator" = [])),
    params(
        ("id" = Uuid, Path, description = "The conversation"),
        ("message_id" = Uuid, Path, description = "The message"),
        ("n" = u16, Path, description = "The attachment's place in the message, from 0"),
    ),
    responses(
        (status = 200, description = "The file, as a download", content_type = "application/octet-stream",
            body = Vec<u8>),
        docs::Unknown, docs::FileRefusals, docs::Refusals,
    )
)]
pub(crate) async fn fetch(
    _: Operator,
    State(desk): State<Desk>,
    ApiPath((id, message, n)): ApiPath<(Uuid, Uuid, u16)>,
) -> Result<Response, Problem> {
    let id = ConversationId::from(id);
    let found = conversations::attachment(&desk.pool, id, message, n.into())
        .await
        .map_err(refusal::of_store)?
        .ok_or_else(Problem::not_found)?;
    let reference: Reference = serde_json::from_value(found).map_err(|_| Problem::not_found())?;
    let slots = Arc::clone(&desk.files.slots);
    let slot = slots.try_acquire_owned().map_err(|_| Problem::unavailable(RETRY_AFTER_S))?;
    match (&desk.files.twilio, &desk.files.gmail, reference.part) {
        (Some(twilio), _, _) if !reference.url.is_empty() => {
            let file = twilio.fetch(&reference.url).await.map_err(of_media)?;
            Ok(streamed(file, &reference, n, slot))
        }
        (_, Some(gmail), Some(part)) if !reference.gmail_id.is_empty() => {
            let mail = gmail.raw(&reference.gmail_id).await.map_err(of_gmail)?;
            let file = email::attachment(&mail.raw, part).ok_or_else(Problem::not_found)?;
            let kind = served_type(&file.content_type, head_of(&file.bytes));
            Ok(download(kind, &file.name, Body::from(file.bytes)))
        }
        // A place, a contact: all there is stands in the message itself.
        _ => Err(Problem::not_found()),
    }
}

fn head_of(bytes: &[u8]) -> &[u8] {
    bytes.get(..HEAD_BYTES).unwrap_or(bytes)
}

/// Never held whole. A file that turns out too large, or breaks off, ends its answer in
/// the middle, which a client sees.
fn streamed(file: File, reference: &Reference, n: u16, slot: OwnedSemaphorePermit) -> Response {
    let kind = served_type(&reference.content_type, head_of(&file.head));
    let name = match reference.name.is_empty() {
        true => format!("{}-{n}{}", word(&reference.kind), extension(kind)),
        false => reference.name.clone(),
    };
    let length = file.length;
    let head = file.head.clone();
    let rest = stream::try_unfold((file, slot), async |(mut file, slot)| {
        let chunk: Option<Bytes> = file.next().await?;
        Ok::<_, MediaError>(chunk.map(|chunk| (chunk, (file, slot))))
    });
    let body = stream::iter([Ok(head)]).chain(rest).inspect_err(|error| {
        tracing::warn!(error = %error, "a file broke off");
    });
    let mut response = download(kind, &name, Body::from_stream(body));
    if let Some(length) = length {
        response.headers_mut().insert(header::CONTENT_LENGTH, length.into());
    }
    response
}

fn download(kind: &'static str, name: &str, body: Body) -> Response {
    let headers = [
        (header::CONTENT_TYPE, kind.to_owned()),
        (header::CONTENT_DISPOSITION, disposition(name)),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        (header::CACHE_CONTROL, "no-store".to_owned()),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; sandbox".to_owned()),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin".to_owned()),
    ];
    (StatusCode::OK, headers, body).into_response()
}

/// Everything but letters and digits of the name is encoded: it is the customer's.
fn disposition(name: &str) -> String {
    let short: String = name.chars().filter(|c| !c.is_control()).take(NAME_CHARS).collect();
    format!("attachment; filename*=UTF-8''{}", utf8_percent_encode(&short, NON_ALPHANUMERIC))
}

fn word(kind: &str) -> &str {
    let is_word = !kind.is_empty() && kind.bytes().all(|byte| byte.is_ascii_lowercase());
    if is_word { kind } else { "file" }
}

fn extension(kind: &str) -> &'static str {
    match kind {
        "image/png" => ".png",
        "image/jpeg" => ".jpg",
        "image/gif" => ".gif",
        "image/webp" => ".webp",
        "application/pdf" => ".pdf",
        "audio/ogg" => ".ogg",
        "audio/mpeg" => ".mp3",
        "audio/amr" => ".amr",
        "video/mp4" => ".mp4",
        "video/3gpp" => ".3gp",
        "text/plain" => ".txt",
        "text/csv" => ".csv",
        "text/vcard" | "text/x-vcard" => ".vcf",
        _ => "",
    }
}

fn of_media(error: MediaError) -> Problem {
    match error {
        MediaError::Foreign | MediaError::Gone => {
            Problem::new(StatusCode::NOT_FOUND, error.to_string())
        }
        MediaError::TooLarge
        | MediaError::Blocked
        | MediaError::Refused
        | MediaError::Unavailable => of_provider(&error),
    }
}

fn of_gmail(error: gmail::Error) -> Problem {
    match error {
        gmail::Error::NotFound => Problem::new(StatusCode::NOT_FOUND, "Gmail has the mail no more"),
        error => of_provider(&error),
    }
}

fn of_provider(error: &dyn std::error::Error) -> Problem {
    tracing::warn!(error = %error, "a file was not fetched");
    Problem::new(StatusCode::BAD_GATEWAY, error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_encoded_so_that_it_can_change_nothing_but_itself() {
        assert_eq!(
            disposition("rechnung \"5\"\r\nX: y ü.pdf"),
            "attachment; filename*=UTF-8''rechnung%20%225%22X%3A%20y%20%C3%BC%2Epdf"
        );
        assert_eq!(
            disposition(&"a".repeat(500)).len(),
            "attachment; filename*=UTF-8''".len() + 100
        );
        assert_eq!((word("image"), word("a/b"), word("")), ("image", "file", "file"));
    }
}
