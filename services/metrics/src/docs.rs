//! The service's part of the OpenAPI document.

use utoipa::openapi::OpenApi as Document;
use utoipa::{IntoResponses, OpenApi, ToSchema};

/// This service's routes; `fte` merges the parts of all services.
pub fn openapi() -> Document {
    crate::documented().into_openapi()
}

#[derive(OpenApi)]
#[openapi(info(title = "FTE"), components(schemas(ProblemDocument, FieldProblem)))]
pub(crate) struct Base;

/// An error as RFC 9457 has it.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "the shape of what chassis writes")]
pub(crate) struct ProblemDocument {
    title: String,
    status: u16,
    detail: String,
    /// What is wrong, field by field; only with 422.
    #[schema(required = false)]
    errors: Vec<FieldProblem>,
}

/// What is wrong with one field.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of what chassis writes")]
pub(crate) struct FieldProblem {
    field: String,
    message: String,
}

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
