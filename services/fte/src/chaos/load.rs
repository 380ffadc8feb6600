//! Writes as the customers and acts as the people of a plan, and remembers what was
//! confirmed to whom and when.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use store::verify_load;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use uuid::Uuid;

use crate::chaos::plan::{Channel, Conversation, Step};
use crate::chaos::system::System;
use crate::commands::say::field;

/// A customer gives up after that; no fault lasts so long, and what only the sweep finds is
/// stored within four minutes.
const GIVES_UP: Duration = Duration::from_secs(300);

/// Between two tries, as `Retry-After` says.
const RETRY: Duration = Duration::from_millis(500);

/// Longest wait for one answer.
const ANSWER: Duration = Duration::from_secs(20);

/// A message that a customer wrote.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) tag: String,
    pub(crate) channel: Channel,
    /// Whether the sender knows that it arrived, or whoever keeps it does.
    pub(crate) is_confirmed: bool,
    /// Whether it was confirmed before the next was written, so that their order counts.
    pub(crate) is_ordered: bool,
    /// Tries until it was confirmed.
    pub(crate) tries: usize,
}

/// A conversation that a person took.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) conversation: Uuid,
    pub(crate) owner_epoch: i64,
    pub(crate) answered_at: DateTime<Utc>,
    /// Parts that the answer names as begun before.
    pub(crate) in_flight: Vec<(Uuid, i64)>,
}

/// Everything that happened in one conversation.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) sent: Vec<Sent>,
    pub(crate) taken: Vec<Taken>,
    /// Tags of the replies that people wrote on the web form's channel.
    pub(crate) replies: Vec<String>,
    pub(crate) status_url: Option<String>,
    /// To whom nothing may ever be written.
    pub(crate) silent: Option<String>,
    /// What could not be done, in words.
    pub(crate) failed: Vec<String>,
}

/// Drives every conversation from its beginning on, and waits for all of them.
pub(crate) async fn run(
    system: Arc<System>,
    start: Instant,
    conversations: Vec<Conversation>,
) -> anyhow::Result<Vec<Told>> {
    let http =
        Client::builder().redirect(reqwest::redirect::Policy::none()).timeout(ANSWER).build()?;
    let mut customers = JoinSet::new();
    for conversation in conversations {
        let (system, http) = (Arc::clone(&system), http.clone());
        customers.spawn(async move {
            sleep_until(start + conversation.begins).await;
            let customer = Customer { system, http, conversation, message_ids: Vec::new() };
            customer.live().await
        });
    }
    Ok(customers.join_all().await)
}

struct Customer {
    system: Arc<System>,
    http: Client,
    conversation: Conversation,
    /// Of the mails so far.
    message_ids: Vec<String>,
}

impl Customer {
    async fn live(mut self) -> Told {
        let mut told = Told::default();
        if self.conversation.is_automatic {
            told.silent = Some(self.address());
        }
        for step in self.conversation.steps.clone() {
            let done = match step {
                Step::Pause(pause) => {
                    sleep(pause).await;
                    Ok(())
                }
                Step::Write { tag, text, is_duplicated } => {
                    self.write(&tag, text, is_duplicated, &mut told).await
                }
                Step::Take { reply, gives_back } => self.take(reply, gives_back, &mut told).await,
            };
            if let Err(error) = done {
                let number = self.conversation.number;
                told.failed.push(format!("conversation {number}: {error:#}"));
            }
        }
        told
    }

    fn address(&self) -> String {
        let number = self.conversation.number;
        match self.conversation.channel {
            Channel::Whatsapp => format!("+1415{:07}", 5_550_000 + number),
            Channel::WebForm | Channel::Email => format!("customer{number}@example.org"),
        }
    }

    async fn write(
        &mut self,
        tag: &str,
        text: &str,
        is_duplicated: bool,
        told: &mut Told,
    ) -> anyhow::Result<()> {
        let body = format!("{text} {tag}");
        let mut sent = Sent {
            tag: tag.to_owned(),
            channel: self.conversation.channel,
            is_confirmed: true,
            is_ordered: true,
            tries: 1,
        };
        let written = match self.conversation.channel {
            Channel::WebForm => self.post_form(&body, is_duplicated, &mut sent, told).await,
            Channel::Whatsapp => self.write_whatsapp(&body, is_duplicated, &mut sent).await,
            Channel::Email => self.write_mail(&body).await,
        };
        sent.is_confirmed &= written.is_ok();
        told.sent.push(sent);
        written
    }

    /// Again under the same key until it is confirmed, as a good client does.
    async fn post_form(
        &self,
        body: &str,
        is_duplicated: bool,
        sent: &mut Sent,
        told: &mut Told,
    ) -> anyhow::Result<()> {
        let url = &self.system.url;
        let (url, form) = match &told.status_url {
            None => {
                let subject = format!("Question {}", self.conversation.number);
                let form = json!({ "name": "Sam Doe", "email": self.address(), "subject": subject,
                    "message": body });
                (format!("{url}/support/submit"), form)
            }
            Some(page) => {
                let page = page.replacen('?', "/messages?", 1);
                (format!("{url}{page}"), json!({ "message": body }))
            }
        };
        let key = sent.tag.clone();
        let request = || self.http.post(&url).json(&form).header("Idempotency-Key", &key);
        if is_duplicated {
            let (first, second) = tokio::join!(request().send(), request().send());
            drop((first, second));
        }
        let answer = until_confirmed(request, &mut sent.tries).await?;
        if told.status_url.is_none() {
            told.status_url = Some(field(&answer, "status_url"));
        }
        Ok(())
    }

    /// Twilio keeps it, and whether its webhook was answered or not, it must arrive.
    async fn write_whatsapp(
        &self,
        body: &str,
        is_duplicated: bool,
        sent: &mut Sent,
    ) -> anyhow::Result<()> {
        let message = json!({ "from": self.address(), "body": body, "profile_name": "Sam Doe",
            "is_duplicated": is_duplicated });
        let outcome = self.system.twilio.post("/_test/inbound", &message).await?;
        sent.tries = outcome.get("attempts").and_then(Value::as_array).map_or(0, Vec::len);
        sent.is_ordered = outcome.get("is_delivered") == Some(&Value::Bool(true));
        Ok(())
    }

    async fn write_mail(&mut self, body: &str) -> anyhow::Result<()> {
        let automatic = [["Auto-Submitted", "auto-replied"]];
        let headers = if self.conversation.is_automatic { json!(automatic) } else { json!([]) };
        let mail = json!({
            "from": format!("Sam Doe <{}>", self.address()),
            "subject": format!("Question {}", self.conversation.number),
            "text": body,
            "in_reply_to": self.message_ids.last(),
            "references": self.message_ids,
            "headers": headers,
            "verdict": "pass",
        });
        let arrived = self.system.gmail.post("/_test/inbound", &mail).await?;
        self.message_ids.push(field(&arrived, "message_id"));
        Ok(())
    }

    async fn take(
        &self,
        reply: Option<String>,
        gives_back: bool,
        told: &mut Told,
    ) -> anyhow::Result<()> {
        let first = told.sent.first().context("nothing was written yet")?;
        let conversation = self.stored(&first.tag.clone()).await?;
        let answer = self.act(conversation, "take", json!({}), "").await?;
        let answered_at = chassis::clock::now();
        let in_flight = answer.get("in_flight").and_then(Value::as_array);
        let part = |part: &Value| {
            let reply_id = field(part, "reply_id").parse().ok()?;
            Some((reply_id, part.get("part")?.as_i64()?))
        };
        told.taken.push(Taken {
            conversation,
            owner_epoch: answer.get("owner_epoch").and_then(Value::as_i64).unwrap_or_default(),
            answered_at,
            in_flight: in_flight.into_iter().flatten().filter_map(part).collect(),
        });
        if let Some(text) = reply {
            self.act(conversation, "reply", json!({ "text": text }), &text).await?;
            if self.conversation.channel == Channel::WebForm {
                let tag = text.split_whitespace().last().unwrap_or_default();
                told.replies.push(tag.to_owned());
            }
        }
        if gives_back {
            self.act(conversation, "return", json!({}), "").await?;
        }
        Ok(())
    }

    /// The conversation, once its first message is stored.
    async fn stored(&self, tag: &str) -> anyhow::Result<Uuid> {
        let deadline = Instant::now() + GIVES_UP;
        loop {
            if let Ok(Some(id)) = verify_load::conversation_of(&self.system.pool, tag).await {
                return Ok(id);
            }
            anyhow::ensure!(Instant::now() < deadline, "{tag} is not stored");
            sleep(RETRY).await;
        }
    }

    async fn act(
        &self,
        conversation: Uuid,
        action: &str,
        body: Value,
        key: &str,
    ) -> anyhow::Result<Value> {
        let url = format!("{}/conversations/{conversation}/{action}", self.system.url);
        let request = || {
            let request = self.http.post(&url).bearer_auth(&self.system.token).json(&body);
            if key.is_empty() { request } else { request.header("Idempotency-Key", "reply") }
        };
        until_confirmed(request, &mut 0).await.with_context(|| action.to_owned())
    }
}

/// 503 and a lost connection mean "not confirmed", so the same goes out again.
async fn until_confirmed(
    request: impl Fn() -> RequestBuilder,
    tries: &mut usize,
) -> anyhow::Result<Value> {
    let deadline = Instant::now() + GIVES_UP;
    loop {
        if let Ok(answer) = request().send().await {
            let status = answer.status();
            let is_unconfirmed =
                status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
            match answer.json::<Value>().await {
                Ok(answer) if status.is_success() => return Ok(answer),
                Ok(answer) if !is_unconfirmed => anyhow::bail!("{status}: {answer}"),
                _ => {}
            }
        }
        anyhow::ensure!(Instant::now() < deadline, "not confirmed in {GIVES_UP:?}");
        *tries += 1;
        sleep(RETRY).await;
    }
}
