//! Files that customers sent: behind Basic auth, and a redirect to another host, which
//! must never see our credentials.

use std::sync::Arc;

use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};

use super::routes::{is_authorized, problem, record};
use super::state::State;

/// Redirects to where the bytes are.
pub(super) async fn redirect(
    Extract(state): Extract<Arc<State>>,
    Path((account, message, media)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/2010-04-01/Accounts/{account}/Messages/{message}/Media/{media}");
    let is_authorized = is_authorized(&state, &account, &headers);
    let response = if !is_authorized {
        problem(StatusCode::UNAUTHORIZED, 20_003, "Authenticate")
    } else if state.lock().media.contains_key(&media) {
        // The same server by another name, as far as a client can tell.
        let place = format!("http://localhost:{}/cdn/{media}", state.port());
        (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response()
    } else {
        problem(StatusCode::NOT_FOUND, 20_404, "The requested resource was not found")
    };
    record(&state, "GET", &path, Vec::new(), is_authorized, Some(response.status()));
    response
}

/// The bytes; refused to a client that carried its credentials here.
pub(super) async fn bytes(
    Extract(state): Extract<Arc<State>>,
    Path(media): Path<String>,
    headers: HeaderMap,
) -> Response {
    if headers.contains_key(header::AUTHORIZATION) {
        return (StatusCode::BAD_REQUEST, "credentials do not belong here").into_response();
    }
    let found = state.lock().media.get(&media).cloned();
    match found {
        Some((content_type, bytes)) => {
            ([(header::CONTENT_TYPE, content_type)], bytes).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
