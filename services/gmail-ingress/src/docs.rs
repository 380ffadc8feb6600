//! The route with its description for `/openapi.json`. The types here stand for what
//! the handler reads by hand; nothing is decoded through them.
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
    OpenApiRouter::with_openapi(Base::openapi()).routes(routes!(receive::push))
}

/// The service's part of `/openapi.json`.
pub fn openapi() -> Document {
    routes().split_for_parts().1
}

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
pub(crate) struct TokenHeader {
    /// `Bearer` and the OpenID Connect token of the subscription's service account.
    #[param(rename = "Authorization")]
    authorization: String,
}

/// A push of Pub/Sub's in its wrapper. What is not named here is ignored.
#[derive(ToSchema)]
#[schema(as = PubsubPush)]
pub(crate) struct Push {
    message: PushMessage,
}

#[derive(ToSchema)]
#[schema(as = PubsubMessage)]
#[expect(non_snake_case, reason = "Google's names")]
pub(crate) struct PushMessage {
    /// Base64 of `{"emailAddress": …, "historyId": …}`.
    data: String,
    #[schema(example = "2070443601311540")]
    messageId: String,
    #[schema(required = false, example = "2021-02-26T19:13:55.749Z")]
    publishTime: String,
}

/// Why a push is not accepted.
#[derive(IntoResponses)]
pub(crate) enum Refusals {
    /// The body could not be read.
    #[response(status = 400, content_type = "application/problem+json")]
    Unreadable(ProblemDocument),
    /// The token is missing, forged, expired or another's.
    #[response(status = 401, content_type = "application/problem+json")]
    Stranger(ProblemDocument),
    /// The body did not arrive in time.
    #[response(status = 408, content_type = "application/problem+json")]
    TooSlow(ProblemDocument),
    /// The body is over 64 KiB.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// The body is no JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    MediaType(ProblemDocument),
    /// Not confirmed; `Retry-After` says when the same push may come again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unconfirmed(ProblemDocument),
}
