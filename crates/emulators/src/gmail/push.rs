//! Pub/Sub: notifications are pushed with a token, at least once, until they are taken.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use chrono::SecondsFormat;
use reqwest::redirect::Policy;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::base64url::encode_unpadded;
use super::recorded::is_taken;
use super::settings::Push;
use super::state::State;
use super::{BadToken, PushFault, Pushed};

/// How long one push may take: the usual deadline of an acknowledgement.
const LIMIT: Duration = Duration::from_secs(10);

/// Something changed in a mailbox.
#[derive(Debug, Clone)]
pub(super) struct Notification {
    pub(super) message_id: String,
    pub(super) mailbox: String,
    pub(super) history_id: u64,
    pub(super) topic: String,
}

/// Pushes what is published until the emulator is dropped.
pub(super) async fn run(
    state: Arc<State>,
    mut published: mpsc::UnboundedReceiver<Notification>,
    shutdown: CancellationToken,
) {
    let mut held_back: Option<Notification> = None;
    loop {
        let notification = tokio::select! {
            published = published.recv() => published,
            () = shutdown.cancelled() => return,
        };
        let Some(notification) = notification else { return };
        let fault = {
            let mut held = state.lock();
            let is_wanted = held.push.as_ref().is_some_and(|push| push.topic == notification.topic);
            if !is_wanted {
                continue;
            }
            held.push_faults.pop_front().unwrap_or(PushFault::Pass)
        };
        if fault == PushFault::Overtaken && held_back.is_none() {
            held_back = Some(notification);
            continue;
        }
        let place = remember(&state, &notification);
        if fault == PushFault::Lost {
            continue;
        }
        let copies = if fault == PushFault::Twice { 2 } else { 1 };
        for _ in 0..copies {
            start(&state, notification.clone(), place, fault, &shutdown);
        }
        if let Some(older) = held_back.take() {
            // It must not be in time after all.
            taken_once(&state, place, &shutdown).await;
            let place = remember(&state, &older);
            start(&state, older, place, PushFault::Pass, &shutdown);
        }
    }
}

/// Until a push had its first answer.
async fn taken_once(state: &State, place: usize, shutdown: &CancellationToken) {
    let has_answer =
        || state.lock().pushes.get(place).is_none_or(|pushed| !pushed.statuses.is_empty());
    while !has_answer() && !shutdown.is_cancelled() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn remember(state: &State, notification: &Notification) -> usize {
    let mut held = state.lock();
    held.pushes.push(Pushed {
        message_id: notification.message_id.clone(),
        mailbox: notification.mailbox.clone(),
        history_id: notification.history_id,
        statuses: Vec::new(),
    });
    held.pushes.len() - 1
}

fn start(
    state: &Arc<State>,
    notification: Notification,
    place: usize,
    fault: PushFault,
    shutdown: &CancellationToken,
) {
    let (state, shutdown) = (Arc::clone(state), shutdown.clone());
    tokio::spawn(async move {
        tokio::select! {
            () = push(Arc::clone(&state), &notification, place, fault) => {}
            () = shutdown.cancelled() => {}
        }
    });
}

/// Pushes until it is taken, with growing waits.
async fn push(state: Arc<State>, notification: &Notification, place: usize, fault: PushFault) {
    let (mut wait, longest) = state.push_retries;
    let mut bad = match fault {
        PushFault::Token { token } => Some(token),
        _ => None,
    };
    loop {
        // Read each time: the subscription may have been changed meanwhile.
        let (push, now) = {
            let held = state.lock();
            (held.push.clone(), held.now())
        };
        let Some(push) = push else { return };
        let body = body(&push, notification, fault, now);
        let token = match bad.take() {
            Some(BadToken::Missing) => None,
            bad => {
                // The first key takes a while to make.
                let (state, push) = (Arc::clone(&state), push.clone());
                let made = tokio::task::spawn_blocking(move || state.keys.token(&push, now, bad));
                Some(made.await.unwrap_or_default())
            }
        };
        let status = post(&state.http, &push.url, token, body).await.ok();
        if let Some(pushed) = state.lock().pushes.get_mut(place) {
            pushed.statuses.push(status);
        }
        if is_taken(status) {
            return;
        }
        tokio::time::sleep(wait).await;
        wait = (wait * 2).min(longest);
    }
}

fn body(
    push: &Push,
    notification: &Notification,
    fault: PushFault,
    now: chrono::DateTime<chrono::Utc>,
) -> String {
    let history_id = match fault {
        PushFault::NumericHistoryId => notification.history_id.into(),
        _ => json!(notification.history_id.to_string()),
    };
    let data = json!({ "emailAddress": notification.mailbox, "historyId": history_id }).to_string();
    let data = match fault {
        PushFault::UrlSafeData => encode_unpadded(data.as_bytes()),
        PushFault::BrokenData => "{not base64}".to_owned(),
        _ => STANDARD.encode(data),
    };
    let published = now.to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({
        "message": {
            "data": data,
            "messageId": notification.message_id,
            "message_id": notification.message_id,
            "publishTime": published,
            "publish_time": published,
        },
        "subscription": push.subscription,
    })
    .to_string()
}

/// A client for pushes.
pub(super) fn client() -> Result<reqwest::Client, reqwest::Error> {
    reqwest::Client::builder().timeout(LIMIT).redirect(Policy::none()).build()
}

async fn post(
    client: &reqwest::Client,
    url: &str,
    token: Option<String>,
    body: String,
) -> Result<u16, reqwest::Error> {
    let mut request = client
        .post(url)
        .header("Content-Type", "application/json")
        .header("User-Agent", "CloudPubSub-Google")
        .body(body);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    Ok(request.send().await?.status().as_u16())
}
