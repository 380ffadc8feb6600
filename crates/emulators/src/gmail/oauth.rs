//! Google's token endpoint, and whose token a call carries.

use std::sync::Arc;

use axum::Json;
use axum::extract::State as Extract;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use serde_json::json;

use super::problem::Problem;
use super::state::{Access, Held, State};

const SCOPE: &str = "https://www.googleapis.com/auth/gmail.modify";

/// Gives an access token for a refresh token.
pub(super) async fn token(
    Extract(state): Extract<Arc<State>>,
    axum::extract::Form(form): axum::extract::Form<Vec<(String, String)>>,
) -> Response {
    let get = |name: &str| {
        let found = form.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str()).unwrap_or_default()
    };
    if get("grant_type") != "refresh_token" {
        return refused(400, "unsupported_grant_type", "Invalid grant_type");
    }
    if get("client_id") != state.client_id || get("client_secret") != state.client_secret {
        return refused(401, "invalid_client", "The OAuth client was not found.");
    }
    let mut held = state.lock();
    let ends = held.now() + TimeDelta::from_std(state.token_life).unwrap_or(TimeDelta::MAX);
    let rotates = held.rotates_refresh_tokens;
    let given = get("refresh_token");
    let mailbox = held
        .mailboxes
        .iter_mut()
        .find(|mailbox| mailbox.refresh_token == given && !mailbox.is_revoked);
    let Some(mailbox) = mailbox else {
        return refused(400, "invalid_grant", "Token has been expired or revoked.");
    };
    if rotates {
        mailbox.refresh_token = format!("1//{}", uuid::Uuid::new_v4().simple());
    }
    let access = Access { mailbox: mailbox.address.clone(), ends };
    let rotated = rotates.then(|| mailbox.refresh_token.clone());
    let token = format!("ya29.{}", uuid::Uuid::new_v4().simple());
    held.tokens.insert(token.clone(), access);
    drop(held);
    let mut body = json!({
        "access_token": token,
        "expires_in": state.token_life.as_secs(),
        "scope": SCOPE,
        "token_type": "Bearer",
    });
    if let (Some(fields), Some(rotated)) = (body.as_object_mut(), rotated) {
        fields.insert("refresh_token".to_owned(), rotated.into());
    }
    Json(body).into_response()
}

/// The public keys.
pub(super) async fn certs(Extract(state): Extract<Arc<State>>) -> Response {
    // The first key takes a while to make.
    let keys = tokio::task::spawn_blocking(move || state.keys.public()).await.unwrap_or_default();
    ([(header::CACHE_CONTROL, "public, max-age=20000, must-revalidate")], Json(keys))
        .into_response()
}

fn refused(status: u16, error: &str, description: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    (status, Json(json!({ "error": error, "error_description": description }))).into_response()
}

/// The mailbox of the token that comes with a call to the mailbox of `user`.
pub(super) fn mailbox(held: &Held, user: &str, headers: &HeaderMap) -> Result<String, Problem> {
    let invalid = || Problem::new(401, "authError", "Invalid Credentials");
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = given.and_then(|value| value.strip_prefix("Bearer ")).ok_or_else(invalid)?;
    let access = held.tokens.get(token).filter(|access| access.ends > held.now());
    let mailbox = &access.ok_or_else(invalid)?.mailbox;
    if user == "me" || user.eq_ignore_ascii_case(mailbox) {
        return Ok(mailbox.clone());
    }
    Err(Problem::new(403, "forbidden", format!("Delegation denied for {mailbox}")))
}
