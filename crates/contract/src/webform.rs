//! `fte.channels.webform.inbound`: what a customer wrote in the web form.

use std::borrow::Cow;

use bytes::Bytes;
use prost::Message as _;
use serde::Serialize;

use crate::event::{DecodeError, Event};
use crate::meta::{EventMeta, parse};
use crate::ticket_ref::TicketRef;
use crate::topic::Topic;
use crate::wire;
use crate::words::{Category, Plan, Priority};

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct WebformInbound {
    pub meta: EventMeta,
    pub ticket_ref: TicketRef,
    pub body: WebformBody,
}

#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WebformBody {
    Submission(Submission),
    FollowUp { message: String },
}

#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Submission {
    pub name: String,
    pub email: String,
    pub subject: String,
    pub message: String,
    pub category: Option<Category>,
    pub priority: Option<Priority>,
    /// The plan the customer typed: a claim, not the company's record.
    pub claimed_plan: Option<Plan>,
    /// Without a key, equal submissions within ten minutes are treated as one.
    pub has_idempotency_key: bool,
}

impl Event for WebformInbound {
    fn meta(&self) -> &EventMeta {
        &self.meta
    }

    fn topic(&self) -> Topic {
        Topic::WebformInbound
    }

    fn key(&self) -> Cow<'_, str> {
        Cow::Borrowed(self.ticket_ref.as_str())
    }

    fn encode(&self) -> Bytes {
        use wire::webform_inbound::Body;
        let body = match &self.body {
            WebformBody::Submission(s) => Body::Submission(wire::WebformSubmission {
                name: s.name.clone(),
                email: s.email.clone(),
                subject: s.subject.clone(),
                message: s.message.clone(),
                category: s.category.map_or(0, Category::to_wire),
                priority: s.priority.map_or(0, Priority::to_wire),
                claimed_plan: s.claimed_plan.map_or(0, Plan::to_wire),
                has_idempotency_key: s.has_idempotency_key,
            }),
            WebformBody::FollowUp { message } => {
                Body::FollowUp(wire::WebformFollowUp { message: message.clone() })
            }
        };
        let message = wire::WebformInbound {
            meta: Some(self.meta.to_wire()),
            ticket_ref: self.ticket_ref.to_string(),
            body: Some(body),
        };
        message.encode_to_vec().into()
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        use wire::webform_inbound::Body;
        let message = wire::WebformInbound::decode(payload)?;
        let body = match message.body.ok_or(DecodeError::Field("body"))? {
            Body::Submission(s) => WebformBody::Submission(Submission {
                name: s.name,
                email: s.email,
                subject: s.subject,
                message: s.message,
                category: Category::maybe_from_wire(s.category),
                priority: Priority::maybe_from_wire(s.priority),
                claimed_plan: Plan::maybe_from_wire(s.claimed_plan),
                has_idempotency_key: s.has_idempotency_key,
            }),
            Body::FollowUp(f) => WebformBody::FollowUp { message: f.message },
        };
        Ok(Self {
            meta: EventMeta::from_wire(message.meta)?,
            ticket_ref: parse(&message.ticket_ref, "ticket_ref")?,
            body,
        })
    }
}
