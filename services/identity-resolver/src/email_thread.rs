//! What a mail adds to the conversation that it joins or opens: who its sender is, where
//! the answer goes, who may join. Pure.

use chrono::{DateTime, Utc};
use contract::{
    Authentication, Channel, ConversationId, CustomerId, IdentityLevel, Plan, TicketRef, cut,
};
use store::identity::NewMessage;
use store::inbound::{Mail, NewIdentifier, Opening, Silence, Thread, ThreadMessage};
use store::mail::{Candidate, Known};

use crate::email_intake::{Inbound, storable};
use crate::intake::{received_record, records};
use crate::text::{BODY_BYTES, clean_name, normal_email};

/// Longest address that may join a conversation (RFC 5321 §4.5.3.1, with the @).
const ADDRESS_BYTES: usize = 320;

/// People whom one mail may make known.
const MOST_PARTICIPANTS: usize = 100;

/// A mail with what is known of it, and where it goes.
pub(crate) struct Placed<'a> {
    pub(crate) inbound: &'a Inbound,
    pub(crate) known: &'a Known,
    pub(crate) joins: Option<&'a Candidate>,
    pub(crate) no_answer: Option<&'static str>,
}

impl Placed<'_> {
    /// The mail in the conversation that it joins, or in a new one with this ref.
    pub(crate) fn thread(&self, new_ref: Option<TicketRef>) -> Thread {
        let mail = &self.inbound.message;
        let opens = || ConversationId::named(&format!("email:{}:{}", mail.mailbox, mail.gmail_id));
        let conversation_id = self.joins.map_or_else(opens, |open| open.conversation_id);
        let after_seq = self.joins.map_or(0, |open| open.last_seq);
        let customer_id = self.joins.map(|open| open.customer_id).or(self.customer());
        let is_human = self.no_answer.is_none();
        Thread {
            conversation_id,
            thread_key: mail.gmail_id.clone(),
            after_seq,
            opening: new_ref.map(|ticket_ref| self.opening(ticket_ref)),
            customer_id: customer_id.unwrap_or_else(|| self.new_customer()),
            new_customer_name: customer_id.is_none().then(|| clean_name(&mail.from_name)),
            identifiers: self.identifiers(),
            identity_level: is_human.then(|| self.level()),
            address: self.reply_address(),
            our_address: mail.mailbox.clone(),
            last_inbound_at: self.inbound.arrived_at,
            silence: self
                .no_answer
                .map(|_| Silence { up_to: after_seq + 1, covers_earlier: false }),
            opts_out: None,
            messages: vec![self.message(conversation_id, after_seq + 1)],
        }
    }

    /// A forged sender is nobody.
    fn is_forged(&self) -> bool {
        self.inbound.message.authentication == Authentication::Fail
    }

    fn is_proven(&self) -> bool {
        self.inbound.message.authentication == Authentication::Pass
    }

    /// The customer whose address this is, where the mail opens a conversation.
    fn customer(&self) -> Option<CustomerId> {
        self.known.customer.filter(|_| !self.is_forged())
    }

    /// Forgers share no customer with each other, machines only with themselves.
    fn new_customer(&self) -> CustomerId {
        let Inbound { message, address, .. } = self.inbound;
        let name = match (self.is_forged(), self.no_answer) {
            (true, _) => format!("email-forged:{}:{}", message.mailbox, message.gmail_id),
            (false, Some(_)) => format!("email-automatic:{address}"),
            (false, None) => format!("email:{address}"),
        };
        CustomerId::named(&name)
    }

    /// Whether the mail is from the customer of its conversation.
    fn is_customers(&self) -> bool {
        match self.joins {
            Some(open) => self.known.customer == Some(open.customer_id),
            None => true,
        }
    }

    fn identifiers(&self) -> Vec<NewIdentifier> {
        let level = match (self.is_proven(), self.known.level) {
            _ if self.no_answer.is_some() || self.is_forged() || !self.is_customers() => None,
            (true, known) if known != Some(IdentityLevel::Authenticated) => {
                Some(IdentityLevel::Authenticated)
            }
            (false, None) => Some(IdentityLevel::SelfAsserted),
            _ => None,
        };
        let value = self.inbound.address.clone();
        level.map(|level| NewIdentifier { kind: "email", value, level }).into_iter().collect()
    }

    /// What is disclosed goes to the reply address, which is not proven by itself.
    fn level(&self) -> IdentityLevel {
        let answers_sender = normal_email(&self.inbound.message.reply_to) == self.inbound.address;
        match self.is_proven() && self.is_customers() && answers_sender {
            true => IdentityLevel::Authenticated,
            false => IdentityLevel::SelfAsserted,
        }
    }

    /// `None` where it stays as it is: a machine moves no reply, and who is not proven
    /// none that a proven customer waits for, nor any to where the sender is not.
    fn reply_address(&self) -> Option<String> {
        let Inbound { message, address, .. } = self.inbound;
        match self.joins {
            Some(_) if self.no_answer.is_some() => None,
            Some(open) if !self.is_proven() => {
                (open.level != IdentityLevel::Authenticated).then(|| address.clone())
            }
            None if self.is_forged() => Some(address.clone()),
            _ => Some(message.reply_to.clone()),
        }
    }

    fn opening(&self, ticket_ref: TicketRef) -> Opening {
        let plan = self.known.plan.filter(|_| !self.is_forged());
        Opening {
            ticket_ref,
            subject: self.inbound.subject.clone(),
            respond_by: self.inbound.arrived_at + plan.unwrap_or(Plan::Free).first_answer(),
            mail_thread: Some(self.inbound.message.thread_id.clone()),
            closes: None,
        }
    }

    /// The sender, and whom the customer addressed. A forger makes nobody known, a
    /// machine neither, and who only takes part nobody but himself.
    fn participants(&self) -> Vec<String> {
        if self.no_answer.is_some() || self.is_forged() {
            return Vec::new();
        }
        let mail = &self.inbound.message;
        let adds = self.joins.is_none() || (self.is_proven() && self.is_customers());
        let addressed = mail.to.iter().chain(&mail.cc).filter(|_| adds);
        std::iter::once(&mail.from)
            .chain(addressed)
            .map(|address| normal_email(address))
            .filter(|address| (3..=ADDRESS_BYTES).contains(&address.len()))
            .filter(|address| *address != normal_email(&mail.mailbox))
            .take(MOST_PARTICIPANTS)
            .collect()
    }

    fn message(&self, conversation_id: ConversationId, seq: u64) -> ThreadMessage {
        let inbound = self.inbound;
        let at: DateTime<Utc> = inbound.arrived_at;
        let records = inbound.span.in_scope(|| match self.no_answer {
            None => records(Channel::Email, inbound.id, conversation_id, seq, at),
            Some(_) => vec![received_record(Channel::Email, inbound.id, conversation_id, at)],
        });
        let original = inbound.message.original_text.as_deref();
        ThreadMessage {
            message: NewMessage {
                id: inbound.id,
                provider_id: inbound.message.gmail_id.clone(),
                body: inbound.body.clone(),
                sent_at: at,
                records,
            },
            attachments: inbound.attachments(),
            no_answer: self.no_answer,
            mail: Some(Mail {
                rfc822_id: inbound.rfc822_id.clone(),
                referenced_ids: inbound.referenced_ids(),
                subject: inbound.subject.clone(),
                original_text: original.map(|text| cut(storable(text), BODY_BYTES)),
                participants: self.participants(),
            }),
        }
    }
}
