//! HTTP errors as problem documents (RFC 9457): causes are logged, never shown.

use axum::Json;
use axum::extract::rejection::{FormRejection, JsonRejection, PathRejection, QueryRejection};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use problem_details::ProblemDetails;
use serde::Serialize;
use utoipa::ToSchema;

/// What is wrong with one field of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldError {
    pub field: String,
    pub message: String,
}

impl FieldError {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}

#[derive(Debug, Clone, Serialize)]
struct Extension {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

/// An error answer (RFC 9457).
// What a [`Problem`] becomes, for the description of routes.
#[derive(ToSchema)]
#[schema(as = Problem)]
#[expect(dead_code, reason = "read by the derive only")]
pub struct ProblemDocument {
    title: String,
    status: u16,
    detail: String,
    /// What is wrong, field by field; only with 422.
    #[schema(required = false)]
    errors: Vec<FieldError>,
}

/// An error answer.
#[derive(Debug, Clone)]
pub struct Problem {
    status: StatusCode,
    detail: String,
    errors: Vec<FieldError>,
    /// Seconds for `Retry-After`.
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem with this status and one sentence for the client.
    pub fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, detail: detail.into(), errors: Vec::new(), retry_after: None }
    }

    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, detail)
    }

    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "a valid operator token is required")
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "there is nothing here")
    }

    pub fn method_not_allowed() -> Self {
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "this path does not take this method")
    }

    pub fn request_timeout() -> Self {
        Self::new(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time")
    }

    pub fn conflict(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::CONFLICT, detail)
    }

    pub fn payload_too_large() -> Self {
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "the body is too large")
    }

    pub fn unsupported_media_type(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail)
    }

    /// 422 with what is wrong, field by field.
    pub fn unprocessable(errors: Vec<FieldError>) -> Self {
        Self {
            errors,
            ..Self::new(StatusCode::UNPROCESSABLE_ENTITY, "some fields are missing or invalid")
        }
    }

    /// 429; the client may try again after so many seconds.
    pub fn too_many(retry_after_s: u64) -> Self {
        Self {
            retry_after: Some(retry_after_s),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "too many requests, try again later")
        }
    }

    /// 503: not confirmed; the same request again is safe.
    pub fn unavailable(retry_after_s: u64) -> Self {
        Self {
            retry_after: Some(retry_after_s),
            ..Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "the request is not confirmed, send it again later",
            )
        }
    }

    /// 500; the cause goes to the log and nowhere else.
    pub fn internal(cause: anyhow::Error) -> Self {
        tracing::error!(error.cause_chain = format!("{cause:#}"), "request failed");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "something failed on our side")
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn errors(&self) -> &[FieldError] {
        &self.errors
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemDetails::from_status_code(self.status)
            .with_detail(self.detail)
            .with_extensions(Extension { errors: self.errors });
        let mut response = (self.status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

impl From<JsonRejection> for Problem {
    fn from(rejection: JsonRejection) -> Self {
        match rejection {
            JsonRejection::JsonDataError(error) => {
                Self::unprocessable(vec![data_error(&error.body_text())])
            }
            JsonRejection::JsonSyntaxError(_) => Self::bad_request("the body is not valid JSON"),
            JsonRejection::MissingJsonContentType(_) => {
                Self::unsupported_media_type("the body must be application/json")
            }
            other => Self::of_body(other.status()),
        }
    }
}

impl From<FormRejection> for Problem {
    fn from(rejection: FormRejection) -> Self {
        match rejection {
            FormRejection::FailedToDeserializeFormBody(error) => {
                Self::unprocessable(vec![data_error(&error.body_text())])
            }
            FormRejection::InvalidFormContentType(_) => {
                Self::unsupported_media_type("the body must be application/x-www-form-urlencoded")
            }
            other => Self::of_body(other.status()),
        }
    }
}

impl From<QueryRejection> for Problem {
    fn from(rejection: QueryRejection) -> Self {
        Self::unprocessable(vec![data_error(&rejection.body_text())])
    }
}

impl From<PathRejection> for Problem {
    /// A path whose parts do not parse names nothing.
    fn from(_: PathRejection) -> Self {
        Self::not_found()
    }
}

impl Problem {
    fn of_body(status: StatusCode) -> Self {
        match status {
            StatusCode::PAYLOAD_TOO_LARGE => Self::payload_too_large(),
            _ => Self::bad_request("the body could not be read"),
        }
    }
}

/// serde writes "…: unknown field `x`, …", "missing field `x`" or, for a wrong
/// type, "x: invalid type …" (the path comes from serde_path_to_error in axum).
fn data_error(text: &str) -> FieldError {
    let message = text.rsplit_once("target type: ").map_or(text, |(_, message)| message);
    let message = message.split(" at line ").next().unwrap_or(message);
    let quoted = ["unknown field `", "missing field `", "duplicate field `"]
        .into_iter()
        .find_map(|start| message.split_once(start)?.1.split_once('`').map(|(field, _)| field));
    let path = || message.split_once(": ").map(|(path, _)| path).filter(|p| !p.contains(' '));
    let field = quoted.or_else(path);
    FieldError::new(field.unwrap_or("body"), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rejection_names_its_field() {
        let prefix = "Failed to deserialize the JSON body into the target type: ";

        for (message, field) in [
            ("unknown field `colour`, expected `name` at line 1 column 9", "colour"),
            ("missing field `name` at line 1 column 2", "name"),
            ("name: invalid type: integer `1`, expected a string at line 1 column 9", "name"),
            ("invalid type: integer `1`, expected struct X at line 1 column 1", "body"),
        ] {
            let error = data_error(&format!("{prefix}{message}"));
            assert_eq!(error.field, field);
            assert!(!error.message.contains("line 1"), "{}", error.message);
        }
    }

    #[test]
    fn an_internal_error_shows_nothing_of_its_cause() {
        let problem = Problem::internal(anyhow::anyhow!("password is hunter2"));

        assert!(!format!("{problem:?}").contains("hunter2"));
        assert_eq!(problem.status(), StatusCode::INTERNAL_SERVER_ERROR);
    }
}
