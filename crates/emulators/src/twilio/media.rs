//! Files that customers sent: behind Basic auth, and a redirect to another host, which
//! must never see our credentials.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Extract};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::routes::{is_authorized, problem, record};
use super::state::{File, State};

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
    } else if is_there(&state, &media) {
        let elsewhere = state.lock().media_place.clone();
        // The same server by another name, as far as a client can tell.
        let here = || format!("http://localhost:{}/cdn/{media}", state.port());
        let place = elsewhere.unwrap_or_else(here);
        (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, place)]).into_response()
    } else {
        problem(StatusCode::NOT_FOUND, 20_404, "The requested resource was not found")
    };
    record(&state, "GET", &path, Vec::new(), is_authorized, Some(response.status()));
    response
}

fn is_there(state: &State, media: &str) -> bool {
    let mut held = state.lock();
    if held.media_absent > 0 {
        held.media_absent -= 1;
        return false;
    }
    held.media.iter().any(|file| file.id == media)
}

/// The files of one message, as the list of its subresource shows them.
pub(super) async fn list(
    Extract(state): Extract<Arc<State>>,
    Path((account, message)): Path<(String, String)>,
    headers: HeaderMap,
) -> Response {
    let path = format!("/2010-04-01/Accounts/{account}/Messages/{message}/Media.json");
    let is_authorized = is_authorized(&state, &account, &headers);
    let response = if is_authorized {
        let folder = path.trim_end_matches(".json");
        let file = |file: &File| {
            json!({
                "account_sid": account,
                "content_type": file.content_type,
                "parent_sid": message,
                "sid": file.id,
                "uri": format!("{folder}/{}.json", file.id),
            })
        };
        let files: Vec<_> = {
            let held = state.lock();
            held.media.iter().filter(|f| f.message == message).map(file).collect()
        };
        Json(json!({
            "end": files.len().saturating_sub(1),
            "first_page_uri": format!("{path}?PageSize=50&Page=0"),
            "media_list": files,
            "next_page_uri": null,
            "page": 0,
            "page_size": 50,
            "previous_page_uri": null,
            "start": 0,
            "uri": format!("{path}?PageSize=50&Page=0"),
        }))
        .into_response()
    } else {
        problem(StatusCode::UNAUTHORIZED, 20_003, "Authenticate")
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
    let found = state.lock().media.iter().find(|file| file.id == media).cloned();
    match found {
        Some(file) => ([(header::CONTENT_TYPE, file.content_type)], file.bytes).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
