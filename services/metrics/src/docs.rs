//! The service's part of the OpenAPI document.

use chassis::problem::ProblemDocument;
use utoipa::openapi::OpenApi as Document;
use utoipa::{IntoResponses, OpenApi};

/// This service's routes; `fte` merges the parts of all services.
pub fn openapi() -> Document {
    crate::documented().into_openapi()
}

#[derive(OpenApi)]
#[openapi(info(title = "FTE"), components(schemas(ProblemDocument)))]
pub(crate) struct Base;

/// How a question for figures may fail.
#[derive(IntoResponses)]
#[expect(dead_code, reason = "only documentation")]
pub(crate) enum Refusals {
    /// A parameter is invalid or unknown.
    #[response(status = 422, content_type = "application/problem+json")]
    Invalid(ProblemDocument),
    /// The database is away; `Retry-After` says when to ask again.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(ProblemDocument),
}
