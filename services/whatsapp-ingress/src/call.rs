//! A call that is Twilio's: what handlers take, and the only way to it.

use axum::extract::{FromRequest, Request};
use axum::http::HeaderMap;
use bytes::Bytes;
use channels::twilio::form::Form;
use channels::twilio::signature::{self, Refused, SIGNATURE, SIGNATURE_SETTINGS, Verified};
use chassis::webhook::{Refusal, is_of_type, single};
use tokio::sync::OwnedSemaphorePermit;

use crate::Ingress;
use crate::refusal::unsigned;

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
        read(request, ingress).await.inspect_err(|refusal| ingress.webhook.refused(*refusal))
    }
}

/// Size first, signature next: nothing is read of what somebody else may have written.
async fn read(request: Request, ingress: &Ingress) -> Result<Call, Refusal> {
    let slot = ingress.webhook.slot()?;
    let headers = request.headers();
    if !is_of_type(headers, FORM) {
        return Err(Refusal::MediaType(FORM));
    }
    let signature = header(headers, SIGNATURE)?;
    let settings = header(headers, SIGNATURE_SETTINGS)?;
    let path_and_query = request.uri().path_and_query().cloned();
    let body = ingress.webhook.body(request).await?;
    let parameters = body.split(|byte| *byte == b'&').take(MOST_PARAMETERS + 1).count();
    if parameters > MOST_PARAMETERS {
        return Err(Refusal::TooLarge);
    }
    // The bytes of the request line, from which Twilio's own URL is put together.
    let path_and_query = path_and_query.as_ref().map_or("/", |raw| raw.as_str());
    let form = ingress.verifier.form(&signature::Request {
        path_and_query,
        signature: signature.as_deref(),
        settings: settings.as_deref(),
        body: &body,
    });
    let form = form.map_err(|refused| {
        ingress.refusals.note(path_and_query, &body, &refused.to_string());
        unsigned(refused)
    })?;
    Ok(Call { form, body, _slot: slot })
}

fn header(headers: &HeaderMap, name: &str) -> Result<Option<Vec<u8>>, Refusal> {
    single(headers, name).map_err(|_| unsigned(Refused::Forged))
}
