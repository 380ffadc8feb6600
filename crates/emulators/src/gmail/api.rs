//! The methods of Gmail's API: who calls, what for, and which part answers.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{RawQuery, State as Extract};
use axum::http::{HeaderMap, Method, Uri};
use axum::response::Response;
use chrono::TimeDelta;
use serde_json::{Value, json};

use super::mailbox::{Format, Watch};
use super::problem::Problem;
use super::route::Route;
use super::state::{Held, State};
use super::{drafts, gate, history, labels, messages, oauth, sending, threads};

/// The most that a page has, and what it has when nobody asks.
const LARGEST_PAGE: usize = 500;
const USUAL_PAGE: usize = 100;

/// How long a watch lasts.
const WATCH: TimeDelta = TimeDelta::days(7);

/// A call: whose mailbox, and with what.
pub(super) struct Asked {
    pub(super) mailbox: String,
    pub(super) ids: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Value,
}

pub(super) async fn call(
    Extract(state): Extract<Arc<State>>,
    method: Method,
    uri: Uri,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    gate::reply(answer(&state, &method, uri.path(), query.as_deref(), &headers, &body))
}

fn answer(
    state: &State,
    method: &Method,
    path: &str,
    query: Option<&str>,
    headers: &HeaderMap,
    body: &[u8],
) -> Result<Value, Problem> {
    let invalid = || Problem::invalid("Invalid request.");
    let url = format!("http://gmail.invalid{path}?{}", query.unwrap_or_default());
    let url = reqwest::Url::parse(&url).map_err(|_| invalid())?;
    let segments: Vec<String> = url.path().split('/').map(decoded).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let ["", "gmail", "v1", "users", user, below @ ..] = segments.as_slice() else {
        return Err(Problem::not_found());
    };
    let (route, ids) = Route::find(method.as_str(), below).ok_or_else(Problem::not_found)?;
    let mailbox = oauth::mailbox(&state.lock(), user, headers)?;
    gate::charge(state, &mailbox, route.units)?;
    let body = match body {
        [] => Value::Null,
        body => serde_json::from_slice(body)
            .map_err(|_| Problem::new(400, "parseError", "Invalid JSON payload received."))?,
    };
    let asked = Asked {
        mailbox,
        ids: ids.into_iter().map(str::to_owned).collect(),
        query: url.query_pairs().into_owned().collect(),
        body,
    };
    let mut held = state.lock();
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    let before = mailbox.history_id;
    let answer = dispatch(route.id, &mut held, &asked);
    held.notify(&asked.mailbox, before);
    answer
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

fn dispatch(id: &str, held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    match id {
        "getProfile" => profile(held, asked),
        "watch" => watch(held, asked),
        "stop" => stop(held, asked),
        "history.list" => history::list(held, asked),
        "messages.send" => sending::send_message(held, asked),
        _ => match id.split_once('.') {
            Some(("messages", method)) => messages::dispatch(method, held, asked),
            Some(("threads", method)) => threads::dispatch(method, held, asked),
            Some(("drafts", method)) => drafts::dispatch(method, held, asked),
            Some((_, method)) => labels::dispatch(method, held, asked),
            None => Err(Problem::not_found()),
        },
    }
}

fn profile(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    let threads: std::collections::HashSet<_> =
        mailbox.messages.values().map(|message| &message.thread_id).collect();
    Ok(json!({
        "emailAddress": mailbox.address,
        "historyId": mailbox.history_id.to_string(),
        "messagesTotal": mailbox.messages.len(),
        "threadsTotal": threads.len(),
    }))
}

fn watch(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let topic = asked.text("topicName").unwrap_or_default().to_owned();
    let parts: Vec<&str> = topic.split('/').collect();
    if !matches!(parts[..], ["projects", project, "topics", name]
        if !project.is_empty() && !name.is_empty())
    {
        return Err(Problem::invalid("Invalid topicName does not match projects/*/topics/*"));
    }
    let behavior = asked.text("labelFilterBehavior").unwrap_or("include").to_lowercase();
    let label_ids = asked.texts("labelIds");
    let ends = held.now() + WATCH;
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    if label_ids.iter().any(|label| !mailbox.has_label(label)) {
        return Err(Problem::invalid("Invalid label"));
    }
    mailbox.watch =
        Some(Watch { topic: topic.clone(), label_ids, excludes: behavior == "exclude", ends });
    let history_id = mailbox.history_id;
    held.tell(&asked.mailbox);
    Ok(json!({
        "historyId": history_id.to_string(),
        "expiration": ends.timestamp_millis().to_string(),
    }))
}

fn stop(held: &mut Held, asked: &Asked) -> Result<Value, Problem> {
    let (mailbox, _) = held.mailbox(&asked.mailbox)?;
    mailbox.watch = None;
    Ok(Value::Null)
}

impl Asked {
    /// The first id of the path, or the second.
    pub(super) fn id(&self, place: usize) -> &str {
        self.ids.get(place).map(String::as_str).unwrap_or_default()
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters(name).into_iter().next()
    }

    pub(super) fn parameters(&self, name: &str) -> Vec<&str> {
        let named = self.query.iter().filter(|(candidate, _)| candidate == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// A text of the body.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.body.get(name).and_then(Value::as_str)
    }

    /// A list of texts of the body.
    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        let list = self.body.get(name).and_then(Value::as_array).into_iter().flatten();
        list.filter_map(Value::as_str).map(str::to_owned).collect()
    }

    pub(super) fn format(&self) -> Result<Format<'_>, Problem> {
        Ok(match self.parameter("format").unwrap_or("full").to_lowercase().as_str() {
            "minimal" => Format::Minimal,
            "raw" => Format::Raw,
            "full" => Format::Full,
            "metadata" => Format::Metadata(self.parameters("metadataHeaders")),
            _ => return Err(Problem::invalid("Invalid value for format")),
        })
    }

    /// Where a page begins and how many it has.
    pub(super) fn page(&self) -> Result<(usize, usize), Problem> {
        let number = |name: &str, usual: usize| match self.parameter(name) {
            None => Ok(usual),
            Some(text) => {
                text.parse().map_err(|_| Problem::invalid(format!("Invalid value for {name}")))
            }
        };
        let start = match self.parameter("pageToken") {
            None => 0,
            Some(token) => token
                .strip_prefix("0")
                .and_then(|place| place.parse().ok())
                .ok_or_else(|| Problem::invalid("Invalid pageToken"))?,
        };
        Ok((start, number("maxResults", USUAL_PAGE)?.clamp(1, LARGEST_PAGE)))
    }
}

/// The token of the page after this place, where there is more.
pub(super) fn next_page(place: usize, all: usize) -> Option<String> {
    (place < all).then(|| format!("0{place}"))
}
