//! The routes with their description for `/openapi.json`. The types here stand for
//! what handlers read by hand; nothing is decoded through them.
#![expect(dead_code, reason = "read by the derives only")]

use chassis::problem::ProblemDocument;
use utoipa::openapi::OpenApi as Document;
use utoipa::{IntoParams, IntoResponses, OpenApi, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::{Ingress, receive};

#[derive(OpenApi)]
#[openapi(info(title = "FTE"), components(schemas(ProblemDocument)))]
struct Base;

/// Every route of the service.
pub(crate) fn routes() -> OpenApiRouter<Ingress> {
    OpenApiRouter::with_openapi(Base::openapi())
        .routes(routes!(receive::message))
        .routes(routes!(receive::status))
}

/// The service's part of `/openapi.json`.
pub fn openapi() -> Document {
    routes().split_for_parts().1
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct SignatureHeader {
    /// HMAC-SHA1 by the account's auth token over the public URL and the sorted
    /// parameters, in Base64.
    #[param(rename = "X-Twilio-Signature")]
    signature: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeliveryQuery {
    /// Our delivery, as we gave it to Twilio in the callback's URL.
    #[param(required = false)]
    d: String,
}

/// A message of Twilio's WhatsApp channel. What is not named here is signed and
/// otherwise ignored.
#[derive(ToSchema)]
#[schema(as = WhatsappMessageForm)]
#[expect(non_snake_case, reason = "Twilio's names")]
pub(crate) struct MessageForm {
    #[schema(pattern = "^(SM|MM)[0-9a-fA-F]{32}$")]
    MessageSid: String,
    AccountSid: String,
    #[schema(example = "whatsapp:+14155550123")]
    From: String,
    #[schema(example = "whatsapp:+14155238886")]
    To: String,
    #[schema(required = false, example = "How do I export a board?")]
    Body: String,
}

/// A status callback of Twilio's WhatsApp channel.
#[derive(ToSchema)]
#[schema(as = WhatsappStatusForm)]
#[expect(non_snake_case, reason = "Twilio's names")]
pub(crate) struct StatusForm {
    #[schema(pattern = "^(SM|MM)[0-9a-fA-F]{32}$")]
    MessageSid: String,
    AccountSid: String,
    #[schema(example = "delivered")]
    MessageStatus: String,
    #[schema(required = false, example = "63016")]
    ErrorCode: String,
}

/// Why a call is not accepted.
#[derive(IntoResponses)]
pub(crate) enum Refusals {
    /// The body could not be read.
    #[response(status = 400, content_type = "application/problem+json")]
    Unreadable(ProblemDocument),
    /// The signature is missing, wrong or of another algorithm.
    #[response(status = 403, content_type = "application/problem+json")]
    Forged(ProblemDocument),
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(ProblemDocument),
    /// The body is over 64 KiB or has over 200 parameters.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// The body is no form.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemDocument),
    /// Not confirmed; `Retry-After` says when the same call may come again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unconfirmed(ProblemDocument),
}
