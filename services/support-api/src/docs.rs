//! The OpenAPI document: this service's part, and the merged one as it is served.

use axum::http::header;
use axum::response::IntoResponse;
use chassis::problem::ProblemDocument;
use utoipa::openapi::OpenApi as Document;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{IntoResponses, Modify, OpenApi};

/// This service's routes; `fte` merges the parts of all services.
pub fn openapi() -> Document {
    crate::documented().into_openapi()
}

#[derive(OpenApi)]
#[openapi(
    info(title = "FTE"),
    components(schemas(ProblemDocument)),
    modifiers(&OperatorScheme)
)]
pub(crate) struct Base;

struct OperatorScheme;

impl Modify for OperatorScheme {
    fn modify(&self, document: &mut Document) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some("A token of OPERATOR_TOKENS"))
            .build();
        let components = document.components.get_or_insert_default();
        components.add_security_scheme("operator", SecurityScheme::Http(scheme));
    }
}

/// The whole product's OpenAPI document.
#[utoipa::path(
    get,
    path = "/openapi.json",
    operation_id = "openapi_document",
    tag = "health",
    responses((status = 200, description = "OpenAPI 3.1 of every route",
               body = serde_json::Value, content_type = "application/json"))
)]
pub(crate) async fn document() -> impl IntoResponse {
    const MERGED: &str = include_str!("../../../docs/openapi.json");
    ([(header::CONTENT_TYPE, "application/json")], MERGED)
}

/// How any of an operator's requests may fail.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only documentation")]
pub(crate) enum Refusals {
    /// No valid operator token.
    #[response(status = 401, content_type = "application/problem+json",
        headers(("WWW-Authenticate" = String, description = "Bearer")))]
    Unauthorized(ProblemDocument),
    /// A parameter or field is missing, invalid or unknown.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemDocument),
    /// Database or log is away; the same request again is safe.
    #[response(status = 503, content_type = "application/problem+json",
        headers(("Retry-After" = u64, description = "Seconds")))]
    Unavailable(ProblemDocument),
}

/// No such conversation or customer.
#[derive(IntoResponses)]
#[response(status = 404, content_type = "application/problem+json")]
#[expect(dead_code, reason = "only documentation")]
pub(crate) struct Unknown(ProblemDocument);

/// How a file may not come.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only documentation")]
pub(crate) enum FileRefusals {
    /// The provider does not give the file, or it is larger than 16 MiB.
    #[response(status = 502, content_type = "application/problem+json")]
    NotGiven(ProblemDocument),
}

/// How a body may be refused before it is looked at.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only documentation")]
pub(crate) enum BodyRefusals {
    /// The body is not valid JSON.
    #[response(status = 400, content_type = "application/problem+json")]
    NotJson(ProblemDocument),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(ProblemDocument),
    /// The body is not called JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    OtherType(ProblemDocument),
}

/// How a person's action may be refused.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only documentation")]
pub(crate) enum ActionRefusals {
    /// No such conversation.
    #[response(status = 404, content_type = "application/problem+json")]
    Unknown(ProblemDocument),
    /// Another person has it, or its state does not allow this.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(ProblemDocument),
}

/// Too many tests of the pipeline are running.
#[derive(IntoResponses)]
#[response(status = 429, content_type = "application/problem+json",
    headers(("Retry-After" = u64, description = "Seconds")))]
#[expect(dead_code, reason = "only documentation")]
pub(crate) struct TooMany(ProblemDocument);
