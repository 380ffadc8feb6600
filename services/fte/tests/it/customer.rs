//! What a customer and an operator do, over HTTP.

use std::time::Duration;

use reqwest::{Response, StatusCode};
use serde_json::{Value, json};
use testkit::{wait_for_some, wait_within};

use crate::product::Product;

/// A step of the thread on a busy machine; on a free one it is tens of milliseconds.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(30);

/// A killed service is back within seconds.
const RETRY_LIMIT: Duration = Duration::from_secs(60);

/// A ticket as its customer holds it.
#[derive(Debug, Clone)]
pub(crate) struct Ticket {
    pub(crate) reference: String,
    pub(crate) status_url: String,
}

impl Product {
    pub(crate) async fn submit(&self, subject: &str, message: &str) -> Ticket {
        let key = contract::EventId::random().to_string();
        self.submit_until_accepted(subject, message, &key).await
    }

    /// As a good client does: 503 and a lost connection mean "not confirmed", so the same
    /// request goes out again under the same key.
    pub(crate) async fn submit_until_accepted(
        &self,
        subject: &str,
        message: &str,
        key: &str,
    ) -> Ticket {
        let mut accepted = Value::Null;
        wait_within(RETRY_LIMIT, "the submission to be accepted", async || {
            let Ok(answer) = self.try_submit(subject, message, key).await else { return false };
            let status = answer.status();
            accepted = answer.json().await.unwrap_or_default();
            assert!(matches!(status.as_u16(), 202 | 503), "{status} {accepted}");
            status == StatusCode::ACCEPTED && accepted.is_object()
        })
        .await;
        Ticket {
            reference: accepted["ticket_id"].as_str().unwrap().to_owned(),
            status_url: accepted["status_url"].as_str().unwrap().to_owned(),
        }
    }

    async fn try_submit(
        &self,
        subject: &str,
        message: &str,
        key: &str,
    ) -> reqwest::Result<Response> {
        let body = json!({
            "name": "Sam Doe", "email": "sam@example.org", "subject": subject, "message": message
        });
        let request = self.http.post(format!("{}/support/submit", self.url)).json(&body);
        request.header("Idempotency-Key", key).send().await
    }

    /// The ticket's page as JSON.
    pub(crate) async fn page(&self, ticket: &Ticket) -> Value {
        let request = self.http.get(format!("{}{}", self.url, ticket.status_url));
        let answer = request.header("Accept", "application/json").send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }

    /// The page once the ticket has this status.
    pub(crate) async fn page_when(&self, ticket: &Ticket, status: &str) -> Value {
        let what = format!("{} to be {status}", ticket.reference);
        wait_within(ANSWER_LIMIT, &what, async || self.page(ticket).await["status"] == status)
            .await;
        self.page(ticket).await
    }

    pub(crate) async fn get_json(&self, path: &str) -> Value {
        let request = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    /// An operator's action on a conversation.
    pub(crate) async fn act(&self, conversation: &str, action: &str, body: Value) -> Value {
        let url = format!("{}/conversations/{conversation}/{action}", self.url);
        let request = self.http.post(url).bearer_auth(&self.token).json(&body);
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{action}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }

    /// The conversation that waits for a person under this ticket.
    pub(crate) async fn waiting_conversation(&self, ticket: &Ticket) -> Value {
        wait_for_some("the conversation to wait for a person", async || {
            let list = self.get_json("/conversations?owner=person").await;
            let text = |value: &Value| value.to_string().contains(&ticket.reference);
            list["conversations"].as_array().unwrap().iter().find(|c| text(c)).cloned()
        })
        .await
    }
}

/// The texts on a page from one side.
pub(crate) fn texts<'a>(page: &'a Value, from: &str) -> Vec<&'a str> {
    let messages = page["messages"].as_array().unwrap().iter();
    let of_side = messages.filter(|message| message["from"] == from);
    of_side.map(|message| message["text"].as_str().unwrap()).collect()
}
