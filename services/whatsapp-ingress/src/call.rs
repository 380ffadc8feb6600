//! A call that is Twilio's: what handlers take, and the only way to it.

use axum::extract::{FromRequest, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bytes::Bytes;
use channels::twilio::form::Form;
use channels::twilio::signature::{self, SIGNATURE, SIGNATURE_SETTINGS, Verified};
use tokio::sync::OwnedSemaphorePermit;

use crate::Ingress;
use crate::refusal::Refusal;

const FORM: &str = "application/x-www-form-urlencoded";

/// Parameters read from one body. Twilio sends about thirty; a bound, because each
/// costs memory before anybody knows who sent it.
const MOST_PARAMETERS: usize = 200;

/// A call whose signature is right.
pub(crate) struct Call {
    pub(crate) form: Verified<Form>,
    /// The form as it came, for a dead letter.
    pub(crate) body: Bytes,
    _slot: OwnedSemaphorePermit,
}

impl FromRequest<Ingress> for Call {
    type Rejection = Refusal;

    async fn from_request(request: Request, ingress: &Ingress) -> Result<Self, Refusal> {
        read(request, ingress).await.inspect_err(|refusal| ingress.meters.refused(*refusal))
    }
}

/// Size first, signature next: nothing is read of what somebody else may have written.
async fn read(request: Request, ingress: &Ingress) -> Result<Call, Refusal> {
    let slot = ingress.slot()?;
    let headers = request.headers();
    if !is_form(headers) {
        return Err(Refusal::MediaType);
    }
    let signature = header(headers, SIGNATURE)?;
    let settings = header(headers, SIGNATURE_SETTINGS)?;
    let path_and_query = request.uri().path_and_query().cloned();
    let body = body(request, ingress).await?;
    let form = ingress.verifier.form(&signature::Request {
        // The bytes of the request line, from which Twilio's own URL is put together.
        path_and_query: path_and_query.as_ref().map_or("/", |raw| raw.as_str()),
        signature: signature.as_deref(),
        settings: settings.as_deref(),
        body: &body,
    })?;
    Ok(Call { form, body, _slot: slot })
}

async fn body(request: Request, ingress: &Ingress) -> Result<Bytes, Refusal> {
    let reading = Bytes::from_request(request, ingress);
    let read = tokio::time::timeout(ingress.body_timeout, reading).await;
    let body = read.map_err(|_| Refusal::TooSlow)?.map_err(|error| match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::TooLarge,
        _ => Refusal::Unreadable,
    })?;
    let parameters = body.split(|byte| *byte == b'&').take(MOST_PARAMETERS + 1).count();
    if parameters > MOST_PARAMETERS { Err(Refusal::TooLarge) } else { Ok(body) }
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(FORM)
}

/// A header that may stand once: of two, nobody knows which one is meant.
fn header(headers: &HeaderMap, name: &str) -> Result<Option<Vec<u8>>, Refusal> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.as_bytes().to_vec());
    if values.next().is_some() { Err(Refusal::Forged) } else { Ok(value) }
}
