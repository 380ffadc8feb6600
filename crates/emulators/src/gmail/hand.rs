//! Below `/_test`: the hand of a test or of a person.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State as Extract;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;

use super::inbound::{self, Arrived, Inbound};
use super::settings::Push;
use super::state::State;
use super::{Fault, PushFault, Pushed, Recorded, Sent};

type Shared = Extract<Arc<State>>;

pub(super) fn routes() -> Router<Arc<State>> {
    Router::new()
        .route("/_test/inbound", post(write))
        .route("/_test/sent", get(sent))
        .route("/_test/requests", get(requests))
        .route("/_test/pushes", get(pushes))
        .route("/_test/faults", post(faults))
        .route("/_test/push", post(push))
        .route("/_test/push-faults", post(push_faults))
        .route("/_test/change", post(change))
}

async fn write(
    Extract(state): Shared,
    Json(inbound): Json<Inbound>,
) -> Result<Json<Arrived>, StatusCode> {
    inbound::deliver(&state, &inbound).map(Json).map_err(|_| StatusCode::NOT_FOUND)
}

async fn sent(Extract(state): Shared) -> Json<Vec<Sent>> {
    Json(state.lock().sent.clone())
}

async fn requests(Extract(state): Shared) -> Json<Vec<Recorded>> {
    Json(state.lock().requests.clone())
}

async fn pushes(Extract(state): Shared) -> Json<Vec<Pushed>> {
    Json(state.lock().pushes.clone())
}

/// By the name of the method, as `{"drafts.send": [{"fault": "hang"}]}`.
async fn faults(
    Extract(state): Shared,
    Json(faults): Json<HashMap<String, Vec<Fault>>>,
) -> StatusCode {
    let mut held = state.lock();
    for (route, faults) in faults {
        held.faults.entry(route).or_default().extend(faults);
    }
    StatusCode::NO_CONTENT
}

async fn push(Extract(state): Shared, Json(push): Json<Option<Push>>) -> StatusCode {
    state.lock().push = push;
    StatusCode::NO_CONTENT
}

async fn push_faults(Extract(state): Shared, Json(faults): Json<Vec<PushFault>>) -> StatusCode {
    state.lock().push_faults.extend(faults);
    StatusCode::NO_CONTENT
}

/// Something happens at Google.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case", tag = "change")]
pub(super) enum Change {
    /// Time goes by.
    Time { seconds: u64 },
    /// The history so far is forgotten.
    HistoryForgotten { mailbox: String },
    /// Access tokens end before their time.
    TokensExpired,
    /// The mailbox's owner takes the access away, or gives it back.
    Access { mailbox: String, is_revoked: bool },
    /// Pushes are signed with a new key.
    KeysRotated,
    /// A mail goes away for good.
    Deleted { mailbox: String, id: String },
    /// Mail to this address comes back from now on.
    Undeliverable { address: String },
    /// Each refresh gives a new refresh token too.
    RefreshTokensRotate,
}

async fn change(Extract(state): Shared, Json(change): Json<Change>) -> StatusCode {
    match apply(&state, change) {
        true => StatusCode::NO_CONTENT,
        false => StatusCode::NOT_FOUND,
    }
}

/// Whether there was something to change.
pub(super) fn apply(state: &State, change: Change) -> bool {
    if matches!(change, Change::KeysRotated) {
        state.keys.rotate();
        return true;
    }
    let mut held = state.lock();
    match change {
        Change::Time { seconds } => {
            let by = chrono::TimeDelta::from_std(Duration::from_secs(seconds));
            held.ahead += by.unwrap_or_default();
        }
        Change::TokensExpired => held.tokens.clear(),
        Change::Undeliverable { address } => held.undeliverable.push(address.to_lowercase()),
        Change::RefreshTokensRotate => held.rotates_refresh_tokens = true,
        Change::HistoryForgotten { mailbox } => {
            let Ok((mailbox, counter)) = held.mailbox(&mailbox) else { return false };
            mailbox.history.clear();
            mailbox.history_id = counter.next();
            mailbox.floor = mailbox.history_id;
        }
        Change::Access { mailbox, is_revoked } => {
            let Ok((mailbox, _)) = held.mailbox(&mailbox) else { return false };
            mailbox.is_revoked = is_revoked;
            let address = mailbox.address.clone();
            held.tokens.retain(|_, access| !is_revoked || access.mailbox != address);
        }
        Change::Deleted { mailbox, id } => {
            let Ok((mailbox, counter)) = held.mailbox(&mailbox) else { return false };
            return mailbox.remove(counter, &id).is_ok();
        }
        Change::KeysRotated => {}
    }
    true
}
