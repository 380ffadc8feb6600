//! The outlet to WhatsApp, against an emulator of the provider that counts.

mod decisions;
mod doubts;
mod receipts;
mod sending;
mod settings;
mod templates;

use std::sync::Arc;
use std::time::Duration;

use bus::{BatchHandler as _, Failure, Received};
use channels::twilio::client::{self, TwilioClient};
use channels::twilio::errors::ErrorTable;
use contract::{
    Channel, DeliveryId, EventId, EventMeta, Outgoing, Reply, WhatsappBody, WhatsappInbound,
    WhatsappStatus,
};
use dispatcher::{Receipts, Recovery, Tuning, Wakers, WhatsappWorker};
use emulators::twilio::{self as emulator, TwilioEmulator};
use sqlx::PgPool;
use store::channel_configs::ChannelConfigs;
use testkit::events;

pub(crate) use crate::delivery;
use crate::{World, enabled, received, store_tickets};

/// A replica of the dispatcher with its account.
pub(crate) struct Line {
    pub(crate) world: World,
    pub(crate) twilio: TwilioEmulator,
    pub(crate) worker: WhatsappWorker,
    pub(crate) recovery: Recovery,
    receipts: Receipts,
}

impl Line {
    /// With conversations of these numbers, whose customers have just written.
    pub(crate) async fn new(pool: PgPool, numbers: impl IntoIterator<Item = u32>) -> Self {
        Self::tuned(pool, numbers, Tuning::default()).await
    }

    pub(crate) async fn tuned(
        pool: PgPool,
        numbers: impl IntoIterator<Item = u32>,
        tuning: Tuning,
    ) -> Self {
        Self::with(pool, numbers, tuning, enabled(Channel::Whatsapp)).await
    }

    pub(crate) async fn with(
        pool: PgPool,
        numbers: impl IntoIterator<Item = u32>,
        tuning: Tuning,
        configs: ChannelConfigs,
    ) -> Self {
        store_tickets(&pool, numbers).await;
        sqlx::query(
            "update conversations set channel = 'whatsapp', last_inbound_at = app_now(),
                 address = 'whatsapp:+1415555' || lpad(n::text, 4, '0'),
                 our_address = 'whatsapp:+14155238886'
             from (select id, row_number() over (order by thread_key) as n from conversations) as x
             where x.id = conversations.id",
        )
        .execute(&pool)
        .await
        .unwrap();
        let twilio = TwilioEmulator::start(emulator::Settings::default()).await.unwrap();
        let client = Arc::new(twilio_client(&twilio));
        let world = World::new(pool.clone());
        let outbox = world.outbox.clone();
        Self {
            worker: worker(&world, Arc::clone(&client), configs, tuning),
            recovery: Recovery::new(pool.clone(), outbox.clone(), client),
            receipts: Receipts::new(pool, outbox, ErrorTable::built_in().unwrap()),
            twilio,
            world,
        }
    }

    /// The same after the operators have set something else.
    pub(crate) fn with_configs(self, configs: ChannelConfigs) -> Self {
        let client = Arc::new(twilio_client(&self.twilio));
        let worker = worker(&self.world, client, configs, Tuning::default());
        Self { worker, ..self }
    }

    /// Sends until nothing is due.
    pub(crate) async fn send_all(&self) {
        while self.worker.step().await.unwrap() > 0 {}
    }

    /// Callbacks, all in one batch.
    pub(crate) async fn tell(&self, statuses: &[WhatsappStatus]) -> Result<(), Failure> {
        self.receipts.handle_batch(statuses.iter().cloned().map(told).collect()).await
    }
}

fn worker(
    world: &World,
    client: Arc<TwilioClient>,
    configs: ChannelConfigs,
    tuning: Tuning,
) -> WhatsappWorker {
    let (pool, outbox) = (world.pool.clone(), world.outbox.clone());
    WhatsappWorker::new(pool, outbox, Wakers::default(), client, configs, tuning)
}

pub(crate) fn twilio_client(twilio: &TwilioEmulator) -> TwilioClient {
    let account = emulator::Settings::default();
    TwilioClient::new(client::Settings {
        account_sid: account.account_sid,
        auth_token: account.auth_token.into(),
        api_base_url: twilio.base_url(),
        sender: account.sender,
        public_base_url: "https://support.example.com".to_owned(),
        allows_loopback: true,
        request_limit: Duration::from_secs(2),
    })
    .unwrap()
}

pub(crate) fn reply(number: u32, name: &str, change: impl FnOnce(&mut Reply)) -> Outgoing {
    crate::reply(Channel::Whatsapp, number, name, change)
}

pub(crate) fn person_reply(number: u32) -> Outgoing {
    crate::person_reply(Channel::Whatsapp, number)
}

pub(crate) fn status(
    sid: &str,
    delivery_id: Option<DeliveryId>,
    status: &str,
    error_code: Option<u32>,
) -> WhatsappStatus {
    WhatsappStatus { message_sid: sid.into(), delivery_id, status: status.into(), error_code }
}

fn told(status: WhatsappStatus) -> (WhatsappInbound, Received) {
    let id = EventId::named(&format!("twilio:{}:{}", status.message_sid, status.status));
    received(WhatsappInbound {
        meta: EventMeta::derived(id, "status", events::time()),
        body: WhatsappBody::Status(status),
    })
}
