//! Crashes, lost leases and outages.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bus::Failure;
use contract::{MetricFact, ReplyId};
use dispatcher::{Outlet, Step, Wakers, Worker};
use sqlx::PgPool;
use store::deliveries::{self, Begun, Ending, Finished};
use store::outbox::OutboxPublisher;
use store::relay::Relay;
use testkit::{RecordingPublisher, events, wait_for, wait_within};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{World, store_tickets, ticket};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_worker_that_lost_its_lease_can_finish_nothing(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    world.handle([events::reply(ticket(1), "Choose Export.")]).await.unwrap();
    let first = deliveries::begin(&world.pool, "web_form", 10, Duration::ZERO).await.unwrap();
    let second = deliveries::begin(&world.pool, "web_form", 10, Duration::ZERO).await.unwrap();
    let late = ended(&first.begun[0], failed("late"));

    deliveries::finish(&world.pool, "dispatcher", std::slice::from_ref(&late)).await.unwrap();
    let while_sending = world.deliveries().await;
    world.send_all().await;
    deliveries::finish(&world.pool, "dispatcher", &[late]).await.unwrap();

    let expected =
        |state: &str, attempt| [(state.to_owned(), attempt, "Choose Export.".to_owned())];
    assert_eq!(second.begun.len(), 1);
    assert_eq!(while_sending, expected("sending", 2));
    assert_eq!(world.deliveries().await, expected("accepted", 3));
    assert_eq!(world.log.events::<MetricFact>().len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_delivery_that_does_not_decode_holds_up_no_other(pool: PgPool) {
    store_tickets(&pool, [1, 2]).await;
    let world = World::new(pool);
    world.handle([events::reply(ticket(1), "one"), events::reply(ticket(2), "two")]).await.unwrap();
    let newer = "alter table deliveries drop constraint deliveries_author_check;
                 update deliveries set author = 'robot' where body = 'one'";
    sqlx::raw_sql(newer).execute(&world.pool).await.unwrap();

    world.send_all().await;

    assert_eq!(world.states().await, ["sending", "accepted"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reason_with_a_nul_is_kept_without_it(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    world.handle([events::reply(ticket(1), "one")]).await.unwrap();
    let begun = deliveries::begin(&world.pool, "web_form", 10, Duration::ZERO).await.unwrap();
    let end = ended(&begun.begun[0], failed("no\0body"));

    deliveries::finish(&world.pool, "dispatcher", &[end]).await.unwrap();

    assert_eq!(world.states().await, ["failed"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_round_that_meets_only_locked_conversations_waits_before_the_next(pool: PgPool) {
    // As many as a round takes.
    let numbers = 0..256;
    store_tickets(&pool, numbers.clone()).await;
    let world = World::new(pool);
    world.handle(numbers.map(|number| events::reply(ticket(number), "one"))).await.unwrap();
    let mut locking = world.pool.begin().await.unwrap();
    sqlx::query("select from conversations for update").execute(&mut *locking).await.unwrap();

    let (step, _) = world.web_form.step().await.unwrap();

    assert_eq!(step, Step::Blocked);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_begun_delivery_is_left_alone_while_its_lease_lasts(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    world.handle([events::reply(ticket(1), "one")]).await.unwrap();
    deliveries::begin(&world.pool, "web_form", 10, Duration::from_secs(60)).await.unwrap();
    let next = events::reply_with(ticket(1), |reply| reply.reply_id = ReplyId::named("next"));
    world.handle([next]).await.unwrap();

    world.send_all().await;

    assert_eq!(world.states().await, ["sending", "pending"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_try_that_must_come_again_waits_for_its_time(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    world.handle([events::reply(ticket(1), "one")]).await.unwrap();
    let look =
        deliveries::begin(&world.pool, "web_form", 10, Duration::from_secs(60)).await.unwrap();
    let busy = Ending::Again { after: Duration::from_secs(60), reason: "busy".into() };
    let again = ended(&look.begun[0], busy);

    deliveries::finish(&world.pool, "dispatcher", &[again]).await.unwrap();
    world.send_all().await;
    let waiting = world.states().await;
    sqlx::raw_sql("update deliveries set next_attempt_at = now()")
        .execute(&world.pool)
        .await
        .unwrap();
    world.send_all().await;

    assert_eq!(waiting, ["pending"]);
    assert_eq!(world.deliveries().await, [("accepted".to_owned(), 2, "one".to_owned())]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn facts_that_a_crash_left_are_relayed_with_the_same_bytes(pool: PgPool) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    world.handle([events::reply(ticket(1), "Choose Export.")]).await.unwrap();
    let (_, lost) = world.web_form.step().await.unwrap();

    let log = RecordingPublisher::new();
    let relay = Relay::new("dispatcher", "outbox-relay/test", world.pool.clone(), log.shared());
    relay.relay_overdue(Duration::ZERO).await.unwrap();

    assert_eq!(lost.len(), 1);
    assert_eq!(log.records(), lost);
    assert_eq!(world.count("select count(*) from outbox").await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_for_an_unknown_conversation_is_tried_again_and_one_without_parts_rejected(
    pool: PgPool,
) {
    store_tickets(&pool, [1]).await;
    let world = World::new(pool);
    let no_parts = events::reply_with(ticket(1), |reply| reply.parts.clear());
    let unstorable = events::reply_with(ticket(1), |reply| reply.parts = vec!["\0".into()]);

    let unknown = world.handle([events::reply(ticket(2), "who?")]).await;

    assert!(matches!(unknown, Err(Failure::Retry(_))));
    assert!(matches!(world.handle([no_parts]).await, Err(Failure::Reject(_))));
    assert!(matches!(world.handle([unstorable]).await, Err(Failure::Reject(_))));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_worker_is_woken_at_once_and_outlives_an_outage_of_the_database(pool: PgPool) {
    store_tickets(&pool, [1, 2]).await;
    let line = Line::to(&pool).await;
    let cut_off = line.pool(&pool);
    let log = RecordingPublisher::new();
    let (outbox, _deleter) = OutboxPublisher::new(cut_off.clone(), log.shared());
    let wakers = Wakers::default();
    let intake = dispatcher::Intake::new(pool.clone(), wakers.clone());
    let world = World::new(pool.clone());
    let shutdown = CancellationToken::new();
    let worker = Worker::new(
        Outlet::WebForm,
        cut_off,
        outbox,
        wakers,
        crate::enabled(contract::Channel::WebForm),
    );
    let running = tokio::spawn(worker.run(shutdown.clone()));

    bus::BatchHandler::handle_batch(
        &intake,
        vec![crate::received(events::reply(ticket(1), "before"))],
    )
    .await
    .unwrap();
    wait_for("the first reply", async || world.states().await == ["accepted"]).await;
    line.cut();
    wait_for("a refused connection", async || line.refused()).await;
    bus::BatchHandler::handle_batch(
        &intake,
        vec![crate::received(events::reply(ticket(2), "after"))],
    )
    .await
    .unwrap();
    assert_eq!(world.states().await, ["accepted", "pending"]);
    line.mend();
    // The worker may be in its longest pause.
    let limit = Duration::from_secs(30);
    wait_within(limit, "the second reply", async || world.states().await == ["accepted"; 2]).await;
    wait_for("both facts", async || log.records().len() == 2).await;
    shutdown.cancel();

    running.await.unwrap().unwrap();
}

fn failed(reason: &str) -> Ending {
    Ending::Failed { reason: reason.into(), hands_over_to: None, provider_id: None }
}

fn ended(begun: &Begun, ending: Ending) -> Finished {
    Finished {
        id: begun.id,
        conversation_id: begun.conversation_id,
        attempt: begun.attempt,
        at: begun.begun_at,
        ending,
        is_reply: true,
        first_reply: None,
        records: Vec::new(),
    }
}

/// A way to the database that a test can cut.
struct Line {
    port: u16,
    is_cut: watch::Sender<bool>,
    has_refused: Arc<AtomicBool>,
}

impl Line {
    async fn to(pool: &PgPool) -> Self {
        let options = pool.connect_options();
        let address = (options.get_host().to_owned(), options.get_port());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (is_cut, cut) = watch::channel(false);
        let has_refused = Arc::<AtomicBool>::default();
        let line = Self { port, is_cut, has_refused: Arc::clone(&has_refused) };
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *cut.borrow() {
                    has_refused.store(true, Ordering::Relaxed);
                } else {
                    tokio::spawn(carry(near, address.clone(), cut.clone()));
                }
            }
        });
        line
    }

    fn pool(&self, pool: &PgPool) -> PgPool {
        let options = pool.connect_options().as_ref().clone().host("127.0.0.1").port(self.port);
        sqlx::postgres::PgPoolOptions::new()
            .acquire_timeout(Duration::from_millis(500))
            .connect_lazy_with(options)
    }

    fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    fn refused(&self) -> bool {
        self.has_refused.load(Ordering::Relaxed)
    }

    fn mend(&self) {
        self.is_cut.send_replace(false);
    }
}

/// Carries bytes both ways until the line is cut.
async fn carry(mut near: TcpStream, address: (String, u16), mut cut: watch::Receiver<bool>) {
    let mut far = TcpStream::connect(address).await.unwrap();
    tokio::select! {
        _ = tokio::io::copy_bidirectional(&mut near, &mut far) => {}
        _ = cut.wait_for(|is_cut| *is_cut) => {}
    }
}
