//! The list of messages that customers sent us: what a webhook that never came would
//! have told.

use chrono::{DateTime, SecondsFormat, Utc};
use contract::WhatsappMedia;
use reqwest::Url;
use serde::Serialize;
use serde_json::Value;

use super::{ListError, Settings, TwilioClient, answer};

/// The largest page of Twilio's.
const PAGE_SIZE: &str = "1000";

/// A message of a customer's that Twilio has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ListedMessage {
    pub sid: String,
    pub account_sid: String,
    /// The number where it is known; else the user id.
    pub from: String,
    /// Who that is, where we know it: a list tells no user id beside a number.
    pub sender_id: Option<String>,
    pub to: String,
    pub body: String,
    /// How many files came with it; [`TwilioClient::files`] has them.
    pub file_count: u32,
    pub media: Vec<WhatsappMedia>,
    /// When Twilio had it.
    pub at: DateTime<Utc>,
}

/// One page, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboxPage {
    pub messages: Vec<ListedMessage>,
    /// Where the next one is.
    pub next: Option<Url>,
}

impl TwilioClient {
    /// What customers sent to our sender since then: the first page, or the one that a
    /// page before has named.
    pub async fn inbox(
        &self,
        since: DateTime<Utc>,
        page: Option<Url>,
    ) -> Result<InboxPage, ListError> {
        let url = page.unwrap_or_else(|| {
            let mut url = self.messages_url.clone();
            url.query_pairs_mut()
                .append_pair("To", &self.settings.sender)
                .append_pair("DateSent>", &since.to_rfc3339_opts(SecondsFormat::Secs, true))
                .append_pair("PageSize", PAGE_SIZE);
            url
        });
        let page = self.page(url).await?;
        let messages = page.get("messages").and_then(Value::as_array);
        let messages = messages.ok_or_else(|| ListError("it has no messages".to_owned()))?;
        let next = page.get("next_page_uri").and_then(Value::as_str);
        Ok(InboxPage {
            messages: messages.iter().filter_map(inbound).collect(),
            next: next.map(|uri| self.next(uri)).transpose()?,
        })
    }

    /// The files of a customer's message.
    pub async fn files(&self, sid: &str) -> Result<Vec<WhatsappMedia>, ListError> {
        let Settings { api_base_url, account_sid, .. } = &self.settings;
        let folder = format!("{api_base_url}/2010-04-01/Accounts/{account_sid}/Messages/{sid}");
        let url = Url::parse(&format!("{folder}/Media.json"));
        let url = url.map_err(|_| ListError("the message has no address".to_owned()))?;
        let page = self.page(url).await?;
        let list = page.get("media_list").and_then(Value::as_array);
        let list = list.ok_or_else(|| ListError("it has no files".to_owned()))?;
        let file = |file: &Value| {
            let text = |name: &str| file.get(name).and_then(Value::as_str);
            let sid = text("sid")?;
            Some(WhatsappMedia {
                url: format!("{folder}/Media/{sid}"),
                content_type: text("content_type").unwrap_or_default().to_owned(),
            })
        };
        Ok(list.iter().filter_map(file).collect())
    }
}

fn inbound(message: &Value) -> Option<ListedMessage> {
    let text = |name: &str| message.get(name).and_then(Value::as_str);
    let owned = |name: &str| text(name).unwrap_or_default().to_owned();
    let sid = text("sid").filter(|sid| answer::is_message_sid(sid))?;
    // Ours to ourselves would be a loop, and what is not received yet comes again.
    if text("direction") != Some("inbound") {
        return None;
    }
    let at = text("date_sent").or_else(|| text("date_created"))?;
    Some(ListedMessage {
        sid: sid.to_owned(),
        account_sid: owned("account_sid"),
        from: owned("from"),
        sender_id: None,
        to: owned("to"),
        body: owned("body"),
        file_count: message.get("num_media").and_then(answer::number).unwrap_or_default(),
        media: Vec::new(),
        at: DateTime::parse_from_rfc2822(at).ok()?.to_utc(),
    })
}
