//! The list of messages: where a send whose answer was lost can be found again.

use chrono::{DateTime, TimeDelta, Utc};
use reqwest::Url;
use serde_json::Value;

use super::{TwilioClient, answer};

/// Rows asked for at once, and pages looked at: 1,000 messages to one customer since
/// an attempt of minutes ago.
const PAGE_SIZE: &str = "50";
const MOST_PAGES: usize = 20;

/// How much earlier than our attempt Twilio's clock may put a message.
const CLOCKS: TimeDelta = TimeDelta::seconds(5);

/// A message of ours that Twilio has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    pub sid: String,
    pub status: String,
    pub error_code: Option<u32>,
    pub created_at: DateTime<Utc>,
}

/// Why the list could not be read. It holds no URL: that would name the customer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the list of messages cannot be read: {0}")]
pub struct ListError(pub(super) String);

impl TwilioClient {
    /// What went to this address with this text since the attempt, oldest first. That
    /// nothing is found proves nothing.
    pub async fn find_sent(
        &self,
        to: &str,
        from: Option<&str>,
        body: &str,
        attempted_at: DateTime<Utc>,
    ) -> Result<Vec<Listed>, ListError> {
        let since = attempted_at - CLOCKS;
        let mut url = self.messages_url.clone();
        // Without a filter by date: a queued message has none.
        url.query_pairs_mut()
            .append_pair("To", to)
            .append_pair("From", from.unwrap_or(&self.settings.sender))
            .append_pair("PageSize", PAGE_SIZE);
        let mut found = Vec::new();
        for _ in 0..MOST_PAGES {
            let page = self.page(url.clone()).await?;
            let messages = page.get("messages").and_then(Value::as_array);
            let messages = messages.ok_or_else(|| ListError("it has no messages".to_owned()))?;
            found.extend(messages.iter().filter_map(|message| matching(message, body, since)));
            // A page of older messages only is the last that matters: newest come first.
            let has_newer = messages.iter().any(|message| created_at(message) >= Some(since));
            let next = page.get("next_page_uri").and_then(Value::as_str);
            match next.filter(|_| has_newer) {
                Some(next) => url = self.next(next)?,
                None => break,
            }
        }
        // Times are in seconds: within one the list's own order counts.
        found.reverse();
        found.sort_by_key(|listed| listed.created_at);
        Ok(found)
    }

    pub(super) async fn page(&self, url: Url) -> Result<Value, ListError> {
        let broke = |_| ListError("the connection broke".to_owned());
        let response = self.authorized(self.http.get(url)).send().await.map_err(broke)?;
        let status = response.status();
        if !status.is_success() {
            return Err(ListError(format!("Twilio answered {}", status.as_u16())));
        }
        let body = answer::body(response).await.map_err(|why| ListError(why.to_owned()))?;
        serde_json::from_slice(&body).map_err(|_| ListError("it is not JSON".to_owned()))
    }

    /// The next page: our credentials go to no other host.
    pub(super) fn next(&self, uri: &str) -> Result<Url, ListError> {
        let next = self.messages_url.join(uri).ok();
        let is_ours = |next: &Url| next.origin() == self.messages_url.origin();
        next.filter(is_ours).ok_or_else(|| ListError("its next page is elsewhere".to_owned()))
    }
}

fn created_at(message: &Value) -> Option<DateTime<Utc>> {
    let text = message.get("date_created")?.as_str()?;
    DateTime::parse_from_rfc2822(text).ok().map(|at| at.to_utc())
}

fn matching(message: &Value, body: &str, since: DateTime<Utc>) -> Option<Listed> {
    let text = |name: &str| message.get(name).and_then(Value::as_str);
    let created_at = created_at(message).filter(|at| *at >= since)?;
    let sid = text("sid").filter(|sid| answer::is_message_sid(sid))?;
    let is_ours = text("direction") == Some("outbound-api") && text("body") == Some(body);
    is_ours.then(|| Listed {
        sid: sid.to_owned(),
        status: text("status").unwrap_or_default().to_owned(),
        error_code: message.get("error_code").and_then(answer::number),
        created_at,
    })
}
