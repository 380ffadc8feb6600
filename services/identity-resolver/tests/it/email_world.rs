//! A resolver for mail, its database and what it published; mails as customers send
//! them, already read.

use chrono::{DateTime, Utc};
use contract::{
    Authentication, ConversationId, EmailBody, EmailInbound, EmailMessage, EventId, EventMeta,
    MailKind,
};
use identity_resolver::EmailResolver;
use sqlx::PgPool;

use crate::channel_world::ChannelWorld;
pub(crate) use crate::channel_world::at;

pub(crate) const MAILBOX: &str = "support@taskflow.example";
pub(crate) const ANA: &str = "ana@example.org";

pub(crate) type EmailWorld = ChannelWorld<EmailResolver>;

impl EmailWorld {
    pub(crate) async fn new(pool: &PgPool) -> Self {
        Self::with(pool, EmailResolver::new).await
    }

    /// The conversation that holds the mail with this number.
    pub(crate) async fn home(&self, number: u32) -> ConversationId {
        self.home_of(&gmail_id(number)).await
    }

    pub(crate) async fn home_of(&self, gmail_id: &str) -> ConversationId {
        let query = "select conversation_id from messages where provider_id = $1";
        let id = sqlx::query_scalar::<_, uuid::Uuid>(query).bind(gmail_id);
        id.fetch_one(&self.pool).await.unwrap().into()
    }

    /// A mail of ours as it is known once the provider has it.
    pub(crate) async fn sent(&self, conversation: ConversationId, rfc822_id: &str, to: &str) {
        sqlx::query("insert into mail_ids (rfc822_id, conversation_id) values ($1, $2)")
            .bind(rfc822_id)
            .bind(conversation.as_uuid())
            .execute(&self.pool)
            .await
            .unwrap();
        let participant = "insert into mail_participants (conversation_id, address)
            values ($1, $2) on conflict do nothing";
        sqlx::query(participant)
            .bind(conversation.as_uuid())
            .bind(to)
            .execute(&self.pool)
            .await
            .unwrap();
    }
}

/// Mail `number` of Ana, proven, in a thread of its own, `number` minutes after the first.
pub(crate) fn mail(number: u32, body: &str) -> EmailInbound {
    mail_with(number, |mail| mail.text = body.into())
}

/// As [`mail`], in answer to the mail with this Message-ID.
pub(crate) fn answer(number: u32, to: &str, body: &str) -> EmailInbound {
    mail_with(number, |mail| {
        mail.in_reply_to = vec![to.into()];
        mail.text = body.into();
    })
}

/// As [`mail`], with the changed fields of your choice.
pub(crate) fn mail_with(number: u32, change: impl FnOnce(&mut EmailMessage)) -> EmailInbound {
    let mut message = EmailMessage {
        mailbox: MAILBOX.into(),
        gmail_id: gmail_id(number),
        thread_id: format!("thread-{number}"),
        message_id: Some(rfc822_id(number)),
        in_reply_to: Vec::new(),
        references: Vec::new(),
        from: ANA.into(),
        from_name: "Ana Ruiz".into(),
        reply_to: String::new(),
        to: vec![MAILBOX.into()],
        cc: Vec::new(),
        subject: "Recurring tasks start twice".into(),
        text: "Our weekly task starts twice.".into(),
        original_text: None,
        attachments: Vec::new(),
        kind: MailKind::Human,
        authentication: Authentication::Pass,
    };
    change(&mut message);
    if message.reply_to.is_empty() {
        message.reply_to = message.from.clone();
    }
    event(message, at(i64::from(number)))
}

pub(crate) fn event(message: EmailMessage, at: DateTime<Utc>) -> EmailInbound {
    let event_id = EventId::named(&format!("gmail:{}:{}", message.mailbox, message.gmail_id));
    let meta = EventMeta { event_id, cause_id: event_id.into(), event_time: at, schema_version: 1 };
    EmailInbound { meta, body: EmailBody::Message(message) }
}

pub(crate) fn gmail_id(number: u32) -> String {
    format!("19b8f0{number:010x}")
}

pub(crate) fn rfc822_id(number: u32) -> String {
    format!("CA{number}@mail.example.org")
}

/// The conversation that mail `number` opens.
pub(crate) fn conversation(number: u32) -> ConversationId {
    ConversationId::named(&format!("email:{MAILBOX}:{}", gmail_id(number)))
}
