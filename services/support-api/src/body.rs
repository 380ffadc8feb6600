//! JSON objects as bodies, also ones that may be left out.

use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use chassis::extract::ApiJson;
use chassis::problem::{FieldError, Problem};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::ToSchema;

/// A body that must be there.
pub(crate) struct JsonObject<T>(pub(crate) T);

/// A body, or the default when there is none or only a `null`.
pub(crate) struct OptionalJson<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonObject<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (request, bytes) = read(request, state).await?;
        object(request, &bytes, state).await.map(Self)
    }
}

impl<T: Default + DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let (request, bytes) = read(request, state).await?;
        if matches!(bytes.trim_ascii(), b"" | b"null") {
            return Ok(Self(T::default()));
        }
        object(request, &bytes, state).await.map(Self)
    }
}

/// The whole body, and the request with it still in its place.
async fn read<S: Send + Sync>(request: Request, state: &S) -> Result<(Request, Bytes), Problem> {
    let (parts, body) = request.into_parts();
    let whole = Request::from_parts(parts.clone(), body);
    let bytes =
        Bytes::from_request(whole, state).await.map_err(|refused| match refused.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::payload_too_large(),
            _ => Problem::bad_request("the body could not be read"),
        })?;
    Ok((Request::from_parts(parts, Body::from(bytes.clone())), bytes))
}

/// serde would take an array for an object, field by field.
async fn object<T: DeserializeOwned, S: Send + Sync>(
    request: Request,
    bytes: &[u8],
    state: &S,
) -> Result<T, Problem> {
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(Problem::unprocessable(vec![FieldError::new("body", "must be an object")]));
    }
    let ApiJson(value) = ApiJson::from_request(request, state).await?;
    Ok(value)
}

/// Nothing to say: a body may be left out, and no field is known.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct Nothing {}
