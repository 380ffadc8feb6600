//! The sweep: what no webhook brought arrives, and nothing arrives twice.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bus::Lag;
use channels::twilio::client::{self, TwilioClient};
use channels::twilio::webhook::Ours;
use chrono::{DateTime, TimeDelta, Utc};
use contract::{DeadLetter, EventId, Topic, WhatsappBody, WhatsappInbound, WhatsappMessage};
use emulators::twilio::{self as emulator, Inbound, InboundMedia, TwilioEmulator};
use opentelemetry::metrics::MeterProvider as _;
use opentelemetry_sdk::metrics::SdkMeterProvider;
use sqlx::PgPool;
use testkit::RecordingPublisher;
use tokio::net::TcpListener;
use whatsapp_ingress::{Lags, RESOLVER, Sweep};

use crate::support::{ACCOUNT, App, SAM, TOKEN, US};

type Happening = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Twilio, an ingress that it calls, and the sweep beside it.
struct World {
    pool: PgPool,
    twilio: TwilioEmulator,
    /// What the ingress published.
    webhooks: RecordingPublisher,
    /// What the sweep published.
    log: RecordingPublisher,
    time: Arc<Mutex<DateTime<Utc>>>,
    /// Where the resolver is in the log.
    lags: Arc<Mutex<Vec<Lag>>>,
    /// What happens before it says so.
    before_lags: Arc<Mutex<Option<Happening>>>,
    registry: prometheus::Registry,
    meters: SdkMeterProvider,
}

impl World {
    async fn new(pool: PgPool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let twilio = TwilioEmulator::start(emulator::Settings {
            webhook_url: Some(format!("{origin}/webhooks/whatsapp")),
            ..emulator::Settings::default()
        })
        .await
        .unwrap();
        let app = App::with(|parts| {
            parts.account.public_base_urls = vec![origin];
            parts.account.api_base_url = twilio.base_url();
        });
        let webhooks = app.publisher.clone();
        tokio::spawn(async move {
            let _app = &app;
            axum::serve(listener, app.router.clone()).await
        });
        let registry = prometheus::Registry::new();
        let exporter = opentelemetry_prometheus::exporter().with_registry(registry.clone());
        let meters = SdkMeterProvider::builder().with_reader(exporter.build().unwrap()).build();
        // Later than every message by what a webhook may take.
        let time = chassis::clock::now() + TimeDelta::minutes(2);
        let log = RecordingPublisher::new();
        let time = Arc::new(Mutex::new(time));
        Self {
            pool,
            twilio,
            webhooks,
            log,
            time,
            lags: Arc::default(),
            before_lags: Arc::default(),
            registry,
            meters,
        }
    }

    /// A process that has just started.
    fn sweep(&self) -> Sweep {
        let client = TwilioClient::new(client::Settings {
            account_sid: ACCOUNT.to_owned(),
            auth_token: TOKEN.into(),
            api_base_url: self.twilio.base_url(),
            sender: US.to_owned(),
            public_base_url: "https://support.example.com".to_owned(),
            allows_loopback: true,
            request_limit: Duration::from_secs(2),
        });
        let ours = Ours {
            account_sid: ACCOUNT.to_owned(),
            address: US.to_owned(),
            api_base_url: self.twilio.base_url(),
        };
        let now = Arc::clone(&self.time);
        let clock = Arc::new(move || *now.lock().unwrap());
        let publisher = self.log.shared();
        let meter = self.meters.meter("test");
        let (lags, before) = (Arc::clone(&self.lags), Arc::clone(&self.before_lags));
        let lags: Lags = Arc::new(move || {
            let lags = lags.lock().unwrap().clone();
            let happening = before.lock().unwrap().take();
            Box::pin(async move {
                if let Some(happening) = happening {
                    happening.await;
                }
                Ok(lags)
            })
        });
        Sweep::new(self.pool.clone(), publisher, client.unwrap(), ours, clock, lags, &meter)
    }

    async fn write(&self, body: &str) -> String {
        let inbound = Inbound { from: SAM.into(), body: body.into(), ..Inbound::default() };
        self.twilio.inbound(inbound).await.message_sid
    }

    /// The log has `end` records, and the resolver has read this many of them.
    fn has_read(&self, committed: i64, end: i64) {
        let (group, topic) = (RESOLVER.to_owned(), Topic::WhatsappInbound);
        *self.lags.lock().unwrap() = vec![Lag { group, topic, partition: 0, committed, end }];
    }

    async fn store(&self, sid: &str) {
        store(self.pool.clone(), sid.to_owned()).await;
    }

    fn filled(&self) -> Vec<WhatsappInbound> {
        self.log.events()
    }

    fn texts(&self) -> Vec<String> {
        self.filled().into_iter().map(|event| message(event).body).collect()
    }

    fn pass(&self, time: TimeDelta) {
        *self.time.lock().unwrap() += time;
    }
}

/// As the resolver does with what the log brings.
async fn store(pool: PgPool, sid: String) {
    sqlx::query(
        "with customer as (
                 insert into customers (id, name) values (gen_random_uuid(), 'Sam') returning id
             ), thread as (
                 insert into conversations
                     (id, channel, thread_key, customer_id, identity_level, last_seq)
                 select gen_random_uuid(), 'whatsapp', $1, id, 'authenticated', 1 from customer
                 returning id
             )
             insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at)
             select gen_random_uuid(), id, 1, 'whatsapp', $1, 'x', app_now() from thread",
    )
    .bind(&sid)
    .execute(&pool)
    .await
    .unwrap();
}

impl World {
    fn metrics(&self) -> String {
        prometheus::TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap()
    }

    /// Whether the meter of filled gaps says this.
    fn has_counted(&self, gaps: u64) -> bool {
        let end = format!(" {gaps}");
        let is_meter = |line: &&str| line.starts_with("fte_whatsapp_sweep_gaps_filled_total");
        match self.metrics().lines().find(is_meter) {
            Some(line) => line.ends_with(&end),
            None => gaps == 0,
        }
    }
}

fn message(event: WhatsappInbound) -> WhatsappMessage {
    let WhatsappBody::Message(message) = event.body else { panic!("{event:?}") };
    message
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_was_written_while_no_webhook_came_through_arrives_once_and_in_order(pool: PgPool) {
    let world = World::new(pool).await;
    let stored = world.write("came through").await;
    world.store(&stored).await;
    world.webhooks.set_down(true);
    let mut dropped = Vec::new();
    for n in 0..7 {
        dropped.push(world.write(&format!("dropped {n}")).await);
    }
    world.webhooks.set_down(false);
    let sweep = world.sweep();

    let filled = sweep.step().await.unwrap();

    assert_eq!(filled, 7);
    assert_eq!(world.texts(), (0..7).map(|n| format!("dropped {n}")).collect::<Vec<_>>());
    let ids: Vec<_> = world.filled().iter().map(|event| event.meta.event_id).collect();
    let named: Vec<_> =
        dropped.iter().map(|sid| EventId::named(&format!("twilio:{sid}"))).collect();
    assert_eq!(ids, named, "the webhook's event ids");
    assert!(world.has_counted(7));

    // The resolver has not come to them yet; another process starts and looks back a day.
    assert_eq!(sweep.step().await.unwrap(), 0);
    assert_eq!(world.sweep().step().await.unwrap(), 0);
    assert_eq!(world.log.calls(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_filled_gap_is_the_event_that_its_webhook_would_have_been(pool: PgPool) {
    let world = World::new(pool).await;
    let file = InboundMedia { content_type: "image/png".into(), content_base64: "AAAA".into() };
    let inbound = Inbound {
        from: SAM.into(),
        body: "look\u{0}".into(),
        media: vec![file],
        ..Inbound::default()
    };
    world.twilio.inbound(inbound).await;
    let [by_webhook] = world.webhooks.events::<WhatsappInbound>().try_into().unwrap();

    world.sweep().step().await.unwrap();

    let [filled] = world.filled().try_into().unwrap();
    assert_eq!(filled.meta.event_id, by_webhook.meta.event_id);
    let (filled, by_webhook) = (message(filled), message(by_webhook));
    assert_eq!(filled.media, by_webhook.media);
    assert!(!filled.media.is_empty());
    // What a list does not have.
    let known = WhatsappMessage {
        profile_name: by_webhook.profile_name.clone(),
        message_type: by_webhook.message_type.clone(),
        ..filled
    };
    assert_eq!(known, by_webhook);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_message_whose_webhook_may_still_come_is_no_gap(pool: PgPool) {
    let world = World::new(pool).await;
    world.pass(TimeDelta::seconds(-90));
    world.write("just now").await;
    let sweep = world.sweep();

    let at_once = sweep.step().await.unwrap();
    world.pass(TimeDelta::seconds(60));
    let later = sweep.step().await.unwrap();

    assert_eq!((at_once, later), (0, 1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_the_log_did_not_confirm_is_filled_by_the_next_sweep(pool: PgPool) {
    let world = World::new(pool).await;
    world.write("lost").await;
    world.log.lose_next();
    let sweep = world.sweep();

    assert!(sweep.step().await.is_err());
    assert_eq!(sweep.step().await.unwrap(), 1);

    assert_eq!(world.texts(), ["lost"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_sweep_reads_on_where_the_last_one_stopped_with_some_overlap(pool: PgPool) {
    let world = World::new(pool).await;
    let sweep = world.sweep();
    sweep.step().await.unwrap();
    sweep.step().await.unwrap();
    world.pass(TimeDelta::days(3));
    world.sweep().step().await.unwrap();

    let now = *world.time.lock().unwrap() - TimeDelta::days(3);
    let asked: Vec<_> = world
        .twilio
        .requests()
        .iter()
        .map(|request| request.parameter("DateSent>").unwrap().parse::<DateTime<Utc>>().unwrap())
        .map(|since| (now - since).num_minutes())
        .collect();
    assert_eq!(asked, [24 * 60, 10, 10]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn gaps_on_many_pages_arrive_once_and_in_order(pool: PgPool) {
    let world = World::new(pool).await;
    world.webhooks.set_down(true);
    for n in 0..10 {
        world.write(&format!("dropped {n}")).await;
    }
    world.twilio.limit_pages(3);

    let filled = world.sweep().step().await.unwrap();

    assert_eq!(filled, 10);
    assert_eq!(world.texts(), (0..10).map(|n| format!("dropped {n}")).collect::<Vec<_>>());
    assert_eq!(world.twilio.requests().len(), 4, "pages");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_gap_of_a_sender_with_a_user_id_belongs_to_that_sender(pool: PgPool) {
    let world = World::new(pool).await;
    let (old, new) = (world.write("old").await, world.write("new").await);
    for (sid, sender, days) in [(&old, "whatsapp:US.2019", 9), (&new, "whatsapp:US.2026", 1)] {
        world.store(sid).await;
        sqlx::query(
            "update conversations set address = $2, thread_key = $3,
                 created_at = created_at - make_interval(days => $4) where thread_key = $1",
        )
        .bind(sid)
        .bind(SAM)
        .bind(sender)
        .bind(days)
        .execute(&world.pool)
        .await
        .unwrap();
    }
    world.write("lost").await;

    world.sweep().step().await.unwrap();

    let [filled] = world.filled().try_into().unwrap();
    let filled = message(filled);
    assert_eq!((filled.sender_id.as_str(), filled.from.as_str()), ("whatsapp:US.2026", SAM));
    assert_eq!(filled.body, "lost");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_gap_that_is_no_event_is_a_dead_letter_once(pool: PgPool) {
    let world = World::new(pool).await;
    let inbound = Inbound { from: "messenger:1".into(), body: "x".into(), ..Inbound::default() };
    let sid = world.twilio.inbound(inbound).await.message_sid;
    world.write("after it").await;
    let sweep = world.sweep();

    sweep.step().await.unwrap();
    sweep.step().await.unwrap();

    assert_eq!(world.texts(), ["after it"]);
    let [letter] = world.log.events::<DeadLetter>().try_into().unwrap();
    assert_eq!((letter.key, letter.topic.as_str()), (sid, "GET Messages.json"));
    assert_eq!(letter.error, "From is no WhatsApp address");
    assert!(world.has_counted(1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_the_resolver_has_not_come_to_is_no_gap(pool: PgPool) {
    let world = World::new(pool).await;
    let slow = world.write("came through").await;
    world.has_read(3, 4);
    let sweep = world.sweep();

    let behind = [sweep.step().await.unwrap(), sweep.step().await.unwrap()];
    world.store(&slow).await;
    world.has_read(4, 4);
    let later = sweep.step().await.unwrap();

    assert_eq!((behind, later), ([0, 0], 0));
    assert!(world.filled().is_empty());
    assert!(world.has_counted(0));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_resolver_that_is_never_idle_keeps_no_gap_open(pool: PgPool) {
    let world = World::new(pool).await;
    world.webhooks.set_down(true);
    world.write("lost").await;
    let sweep = world.sweep();

    world.has_read(3, 5);
    let first = sweep.step().await.unwrap();
    world.has_read(4, 8);
    let second = sweep.step().await.unwrap();
    world.has_read(6, 9);
    let third = sweep.step().await.unwrap();

    assert_eq!((first, second, third), (0, 0, 1));
    assert!(world.has_counted(1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_is_stored_while_the_sweep_looks_is_no_gap(pool: PgPool) {
    let world = World::new(pool).await;
    let slow = world.write("came through").await;
    let sweep = world.sweep();

    // The resolver stores it after the list was compared, and says so when it is asked.
    let (storing, sid) = (world.pool.clone(), slow);
    *world.before_lags.lock().unwrap() = Some(Box::pin(store(storing, sid)));
    let filled = sweep.step().await.unwrap();

    assert_eq!(filled, 0);
    assert!(world.filled().is_empty());
}
