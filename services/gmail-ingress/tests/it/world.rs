//! A mailbox at an emulator of Gmail, and readers of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use channels::gmail::{GmailClient, Settings};
use contract::{EmailBody, EmailInbound, EventId};
use emulators::gmail::{Arrived, GmailEmulator, Inbound, Settings as Account};
use gmail_ingress::{Ended, Patience, Sync, SyncError, Tuning};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use sqlx::PgPool;
use store::channel_configs::ChannelConfigs;
use store::mailboxes::{self, Mailbox};
use testkit::RecordingPublisher;

use crate::support::OURS;

pub(crate) struct World {
    pub(crate) emulator: GmailEmulator,
    pub(crate) publisher: RecordingPublisher,
    pub(crate) pool: PgPool,
    pub(crate) sync: Arc<Sync>,
    pub(crate) registry: prometheus::Registry,
    _meters: SdkMeterProvider,
}

/// Waits of milliseconds where production has seconds.
pub(crate) fn quick() -> Tuning {
    Tuning {
        patience: Patience { unit: Duration::from_millis(2), limit: Duration::from_millis(400) },
        lease: Duration::from_secs(30),
    }
}

impl World {
    /// A mailbox that was read for the first time.
    pub(crate) async fn new(pool: &PgPool) -> Self {
        let world = Self::unread(pool, |_| (), quick()).await;
        world.read().await;
        world
    }

    pub(crate) async fn unread(
        pool: &PgPool,
        change: impl FnOnce(&mut Account),
        tuning: Tuning,
    ) -> Self {
        let mut account = Account { units_per_minute: None, ..Account::default() };
        change(&mut account);
        let emulator = GmailEmulator::start(account.clone()).await.unwrap();
        let publisher = RecordingPublisher::new();
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let meters = SdkMeterProvider::builder().with_reader(exporter.build().unwrap()).build();
        let sync = Arc::new(Sync::new(
            pool.clone(),
            Arc::new(client(&emulator, &account)),
            publisher.shared(),
            OURS.to_owned(),
            ChannelConfigs::fixed([]),
            tuning,
            &meters.meter("test"),
        ));
        Self { emulator, publisher, pool: pool.clone(), sync, registry, _meters: meters }
    }

    /// Another replica, with a log of its own.
    pub(crate) fn replica(&self, tuning: Tuning) -> (Sync, RecordingPublisher) {
        let publisher = RecordingPublisher::new();
        let sync = Sync::new(
            self.pool.clone(),
            Arc::new(client(&self.emulator, &Account::default())),
            publisher.shared(),
            OURS.to_owned(),
            ChannelConfigs::fixed([]),
            tuning,
            &opentelemetry::global::meter("test"),
        );
        (sync, publisher)
    }

    /// A customer writes.
    pub(crate) fn mail(&self, text: &str) -> Arrived {
        let inbound = Inbound {
            from: "Sam Doe <sam@example.org>".to_owned(),
            subject: "Export".to_owned(),
            text: text.to_owned(),
            ..Inbound::default()
        };
        self.emulator.inbound(&inbound).unwrap()
    }

    /// So many customers' mails; their ids at Gmail.
    pub(crate) fn mails(&self, count: usize) -> Vec<String> {
        (0..count).map(|n| self.mail(&format!("Question {n}")).id).collect()
    }

    pub(crate) async fn read(&self) -> Ended {
        self.sync.run(None).await.unwrap()
    }

    pub(crate) async fn fails(&self) -> SyncError {
        self.sync.run(None).await.unwrap_err()
    }

    pub(crate) async fn mailbox(&self) -> Mailbox {
        mailboxes::find(&self.pool, OURS).await.unwrap().unwrap()
    }

    /// Where the mailbox is read to.
    pub(crate) async fn cursor(&self) -> u64 {
        self.mailbox().await.cursor.unwrap()
    }

    pub(crate) fn events(&self) -> Vec<EmailInbound> {
        self.publisher.events()
    }

    /// How many events each mail has in the log.
    pub(crate) fn published(&self) -> BTreeMap<String, usize> {
        let mut counts = BTreeMap::new();
        for event in self.events() {
            let gmail_id = match &event.body {
                EmailBody::Message(message) => &message.gmail_id,
                EmailBody::Bounce(bounce) => &bounce.gmail_id,
                EmailBody::Unreadable(unreadable) => &unreadable.gmail_id,
                EmailBody::Notification(_) => panic!("{event:?}"),
            };
            // Every event of a mail has the mail's id, so repeats are known.
            let expected = EventId::named(&format!("gmail:{OURS}:{gmail_id}"));
            assert_eq!(event.meta.event_id, expected);
            *counts.entry(gmail_id.clone()).or_default() += 1;
        }
        counts
    }

    /// Asserts that each of these mails is in the log, and no other.
    #[track_caller]
    pub(crate) fn assert_published(&self, ids: &[String]) {
        let mut ids = ids.to_vec();
        ids.sort_unstable();
        assert_eq!(self.published().into_keys().collect::<Vec<_>>(), ids);
    }

    /// The same, and each once.
    #[track_caller]
    pub(crate) fn assert_published_once(&self, ids: &[String]) {
        self.assert_published(ids);
        assert!(self.published().into_values().all(|count| count == 1));
    }

    /// Does as identity-resolver does with what is in the log so far.
    pub(crate) async fn store_published(&self) {
        let messages = self.events().into_iter().filter_map(|event| match event.body {
            EmailBody::Message(message) => Some(message.gmail_id),
            _ => None,
        });
        for gmail_id in messages.collect::<BTreeSet<_>>() {
            sqlx::query(
                "with customer as (
                     insert into customers (id, name) values (gen_random_uuid(), '') returning id
                 ), conversation as (
                     insert into conversations
                         (id, channel, thread_key, customer_id, identity_level, last_seq)
                     select gen_random_uuid(), 'email', $1, id, 'authenticated', 1 from customer
                     returning id
                 )
                 insert into messages
                     (id, conversation_id, seq, channel, provider_id, body, sent_at)
                 select gen_random_uuid(), id, 1, 'email', $1, '', now() from conversation",
            )
            .bind(&gmail_id)
            .execute(&self.pool)
            .await
            .unwrap();
        }
    }

    /// Forgets what was asked so far, and says how often this method was asked since.
    pub(crate) fn asked(&self, method: &str) -> usize {
        self.emulator.requests_for(method).len()
    }

    pub(crate) fn metrics(&self) -> String {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }
}

pub(crate) fn client(emulator: &GmailEmulator, account: &Account) -> GmailClient {
    let settings = Settings {
        client_id: account.client_id.clone(),
        client_secret: account.client_secret.clone().into(),
        refresh_token: account.mailboxes[0].refresh_token.clone().into(),
        api_base_url: emulator.base_url(),
        token_url: emulator.token_url(),
        allows_loopback: true,
        request_limit: Duration::from_secs(5),
        // What Gmail's limit does is the emulator's to say.
        units_per_minute: u32::MAX,
    };
    GmailClient::new(&settings).unwrap()
}
