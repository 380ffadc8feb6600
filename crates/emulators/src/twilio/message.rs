//! A message as the REST interface shows it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};

/// One message, to a customer or from one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Message {
    pub sid: String,
    pub account_sid: String,
    pub from: String,
    pub to: String,
    pub body: String,
    /// `inbound` or `outbound-api`.
    pub direction: String,
    pub status: String,
    pub error_code: Option<u32>,
    pub num_media: usize,
    pub created_at: DateTime<Utc>,
    /// When it left us; null while it is queued.
    pub sent_at: Option<DateTime<Utc>>,
    pub status_callback: Option<String>,
}

impl Message {
    pub fn is_outbound(&self) -> bool {
        self.direction != "inbound"
    }

    pub(super) fn uri(&self) -> String {
        format!("/2010-04-01/Accounts/{}/Messages/{}", self.account_sid, self.sid)
    }

    pub(super) fn to_json(&self) -> Value {
        let uri = self.uri();
        json!({
            "account_sid": self.account_sid,
            "api_version": "2010-04-01",
            "body": self.body,
            "date_created": rfc2822(self.created_at),
            "date_sent": self.sent_at.map(rfc2822),
            "date_updated": rfc2822(self.sent_at.unwrap_or(self.created_at)),
            "direction": self.direction,
            "error_code": self.error_code,
            "error_message": null,
            "from": self.from,
            "messaging_service_sid": null,
            "num_media": self.num_media.to_string(),
            "num_segments": "1",
            "price": null,
            "price_unit": null,
            "sid": self.sid,
            "status": self.status,
            "subresource_uris": { "media": format!("{uri}/Media.json") },
            "to": self.to,
            "uri": format!("{uri}.json"),
        })
    }
}

fn rfc2822(at: DateTime<Utc>) -> String {
    at.format("%a, %d %b %Y %H:%M:%S +0000").to_string()
}
