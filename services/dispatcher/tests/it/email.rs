//! The outlet to e-mail, against an emulator of the mailbox that counts what it sends.

mod bounces;
mod doubts;
mod sending;
mod service;
mod status_links;

use std::sync::Arc;
use std::time::Duration;

use bus::{BatchHandler as _, Failure, Received};
use channels::gmail::{self, GmailClient};
use contract::{
    Channel, EmailBody, EmailBounce, EmailInbound, EventId, EventMeta, Outgoing, Reply,
};
use dispatcher::{Bounces, MailRecovery, MailTuning, MailWorker, Ourselves, Wakers};
use emulators::gmail::{self as emulator, GmailEmulator, Inbound};
use sqlx::PgPool;
use testkit::events;

pub(crate) use crate::delivery;
use crate::{World, enabled, received, store_tickets};

/// A replica of the dispatcher with its mailbox.
pub(crate) struct Post {
    pub(crate) world: World,
    pub(crate) gmail: GmailEmulator,
    pub(crate) client: Arc<GmailClient>,
    pub(crate) worker: MailWorker,
    pub(crate) recovery: MailRecovery,
    bounces: Bounces,
}

pub(crate) const US: &str = "support@example.com";

impl Post {
    /// With conversations of these numbers, whose customers have just written.
    pub(crate) async fn new(pool: PgPool, numbers: impl IntoIterator<Item = u32>) -> Self {
        Self::tuned(pool, numbers, MailTuning::default()).await
    }

    pub(crate) async fn tuned(
        pool: PgPool,
        numbers: impl IntoIterator<Item = u32>,
        tuning: MailTuning,
    ) -> Self {
        let numbers: Vec<u32> = numbers.into_iter().collect();
        let settings = emulator::Settings { units_per_minute: None, ..Default::default() };
        let gmail = GmailEmulator::start(settings).await.unwrap();
        store_tickets(&pool, numbers.clone()).await;
        for number in numbers {
            customer_writes(&pool, &gmail, number).await;
        }
        let client = Arc::new(gmail_client(&gmail));
        let world = World::new(pool.clone());
        let outbox = world.outbox.clone();
        Self {
            worker: worker(&world, &client, tuning),
            recovery: MailRecovery::new(pool.clone(), outbox.clone(), Arc::clone(&client)),
            bounces: Bounces::new(pool, outbox),
            client,
            gmail,
            world,
        }
    }

    /// Another process with the same mailbox and database.
    pub(crate) fn another_worker(&self) -> MailWorker {
        let client = Arc::new(gmail_client(&self.gmail));
        worker(&self.world, &client, MailTuning::default())
    }

    /// Sends until nothing is due.
    pub(crate) async fn send_all(&self) {
        while self.worker.step().await.unwrap() > 0 {}
    }

    /// As the minutes pass: leases run out, waits end, doubts are looked up.
    pub(crate) async fn settle(&self) {
        for _ in 0..6 {
            self.world.run(
                "update deliveries set next_attempt_at = now(), lease_until = now() - interval '1 s'
                 where state in ('pending', 'sending', 'outcome_unknown')",
            )
            .await;
            self.another_worker().step().await.unwrap();
            self.world
                .run(
                    "update deliveries set next_attempt_at = now() where state = 'outcome_unknown'",
                )
                .await;
            self.recovery.step().await.unwrap();
        }
    }

    /// Whom mails went to, in alphabetical order.
    pub(crate) fn recipients(&self) -> Vec<String> {
        let sent = self.gmail.sent();
        let mut all: Vec<String> = sent.into_iter().flat_map(|mail| mail.recipients).collect();
        all.sort();
        all
    }

    /// Reports, all in one batch.
    pub(crate) async fn report(&self, bounces: &[EmailBounce]) -> Result<(), Failure> {
        self.bounces.handle_batch(bounces.iter().cloned().map(reported).collect()).await
    }
}

fn worker(world: &World, client: &Arc<GmailClient>, tuning: MailTuning) -> MailWorker {
    let ourselves = ourselves();
    let configs = enabled(Channel::Email);
    let (pool, outbox) = (world.pool.clone(), world.outbox.clone());
    let wakers = Wakers::default();
    MailWorker::new(pool, outbox, wakers, Arc::clone(client), ourselves, configs, tuning)
}

pub(crate) fn ourselves() -> Ourselves {
    Ourselves { name: "TaskFlow Support".into(), address: US.into() }
}

pub(crate) fn gmail_client(gmail: &GmailEmulator) -> GmailClient {
    let played = emulator::Settings::default();
    GmailClient::new(&gmail::Settings {
        client_id: played.client_id,
        client_secret: played.client_secret.into(),
        refresh_token: played.mailboxes[0].refresh_token.clone().into(),
        api_base_url: gmail.base_url(),
        token_url: gmail.token_url(),
        allows_loopback: true,
        request_limit: Duration::from_secs(2),
        units_per_minute: 10_000_000,
    })
    .unwrap()
}

/// The first mail of a conversation: in the mailbox, and in the tables as the resolver
/// writes it.
async fn customer_writes(pool: &PgPool, gmail: &GmailEmulator, number: u32) {
    let arrived = gmail
        .inbound(&Inbound {
            from: format!("Sam <sam{number}@example.org>"),
            subject: format!("Board {number}"),
            text: "How?".into(),
            message_id: Some(format!("<orig-{number}@example.org>")),
            ..Inbound::default()
        })
        .unwrap();
    sqlx::query(
        "with thread as (
             update conversations set channel = 'email', thread_key = $3, mail_thread = $3,
                 address = 'sam' || $2 || '@example.org', our_address = $4,
                 last_inbound_at = app_now()
             where id = $1
         )
         insert into mails (message_id, rfc822_id, referenced_ids, subject)
         select id, 'orig-' || $2 || '@example.org', '{first@example.org}', 'Board ' || $2
         from messages where conversation_id = $1",
    )
    .bind(crate::conversation(number).as_uuid())
    .bind(number.to_string())
    .bind(&arrived.thread_id)
    .bind(US)
    .execute(pool)
    .await
    .unwrap();
}

pub(crate) fn reply(number: u32, name: &str, change: impl FnOnce(&mut Reply)) -> Outgoing {
    crate::reply(Channel::Email, number, name, change)
}

pub(crate) fn person_reply(number: u32) -> Outgoing {
    crate::person_reply(Channel::Email, number)
}

fn reported(bounce: EmailBounce) -> (EmailInbound, Received) {
    received(EmailInbound {
        meta: EventMeta::derived(EventId::named(&bounce.gmail_id), "bounce", events::time()),
        body: EmailBody::Bounce(bounce),
    })
}
