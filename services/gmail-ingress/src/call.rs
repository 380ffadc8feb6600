//! A call that is Google's: what the handler takes, and the only way to it.

use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::AUTHORIZATION;
use bytes::Bytes;
use channels::pubsub::{Refused, Verified};
use chassis::webhook::{Refusal, Stranger, is_of_type, single};
use tokio::sync::OwnedSemaphorePermit;

use crate::Ingress;

const JSON: &str = "application/json";

/// A push whose token is right.
pub(crate) struct Call {
    pub(crate) body: Verified<Bytes>,
    _slot: OwnedSemaphorePermit,
}

impl FromRequest<Ingress> for Call {
    type Rejection = Refusal;

    async fn from_request(request: Request, ingress: &Ingress) -> Result<Self, Refusal> {
        read(request, ingress).await.inspect_err(|refusal| ingress.webhook.refused(*refusal))
    }
}

/// Size first, token next: nothing is read of what somebody else may have written.
async fn read(request: Request, ingress: &Ingress) -> Result<Call, Refusal> {
    let slot = ingress.webhook.slot()?;
    if !is_of_type(request.headers(), JSON) {
        return Err(Refusal::MediaType(JSON));
    }
    let token = single(request.headers(), AUTHORIZATION.as_str());
    let token = token.map_err(|_| stranger(Refused::Malformed))?;
    let body = ingress.webhook.body(request).await?;
    let verified = ingress.verifier.body(token.as_deref(), body, (ingress.clock)()).await;
    Ok(Call { body: verified.map_err(stranger)?, _slot: slot })
}

fn stranger(refused: Refused) -> Refusal {
    let reason = match refused {
        Refused::Missing => "missing",
        Refused::Malformed => "malformed",
        Refused::Algorithm => "algorithm",
        Refused::UnknownKey => "unknown_key",
        Refused::Forged => "forged",
        Refused::Claims => "claims",
        Refused::Expired => "expired",
        // Pub/Sub comes again; a 401 would blame it for what is nobody's fault.
        Refused::NoKeys => return Refusal::Unchecked,
    };
    let detail = "the request has no token of our subscription";
    Refusal::Stranger(Stranger { status: StatusCode::UNAUTHORIZED, reason, detail })
}
