//! A model that gives no answer: the turn waits, the customer is told once, and in the
//! end a person takes over. Nobody else waits with them.

use std::sync::Arc;
use std::time::Duration;

use agent::{Agent, Model, ModelFault};
use bus::Outcome;
use contract::{Author, ConversationId, TicketBody, TicketEvent};
use sqlx::PgPool;
use testkit::RecordingPublisher;
use uuid::Uuid;

use crate::models::{Broken, Scripted, fails, responds};
use crate::support::{
    self, HANDLED, MODEL_TIME, TURNS, agent, conversation, count, hand_offs, handle, replies,
    try_to_handle,
};

const DUE: &str = "select count(*) from due_turns where conversation_id = $1";
const ATTEMPTS: &str = "select attempts::bigint from due_turns where conversation_id = $1";

fn down() -> Arc<Scripted> {
    Arc::new(Scripted::new([Err(ModelFault::Unavailable)]))
}

/// Moves the clock of what people see, and gives the connections of a process that
/// starts then.
async fn later(pool: &PgPool, offset: &str) -> PgPool {
    let statement = format!(
        "do $$ begin execute format('alter database %I set fte.clock_offset = ''{offset}''',
             current_database()); end $$"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(pool).await.unwrap();
    PgPool::connect_with((*pool.connect_options()).clone()).await.unwrap()
}

/// As the dispatcher does it: what was published is sent, and the outbox is empty.
async fn deliver(pool: &PgPool, id: ConversationId, publisher: &RecordingPublisher) {
    for reply in replies(publisher) {
        sqlx::query(
            "insert into deliveries (id, conversation_id, outlet, reply_id, part, author,
                 owner_epoch, body) values ($1, $2, 'web_form', $3, 0, 'system', 0, 'x')",
        )
        .bind(Uuid::new_v4())
        .bind(Uuid::from(id))
        .bind(Uuid::from(reply.reply_id))
        .execute(pool)
        .await
        .unwrap();
    }
    sqlx::query("delete from outbox").execute(pool).await.unwrap();
}

async fn try_once<M: Model>(agent: &Agent<M>, id: ConversationId) -> Outcome {
    try_to_handle(agent, id, 1, 1).await.unwrap()
}

async fn question(pool: &PgPool) -> ConversationId {
    support::load_article(pool).await;
    conversation(pool, "How do I export a board", "I want my board as a file.").await
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn in_half_an_hour_without_a_model_there_is_one_note_and_then_a_person(pool: PgPool) {
    let id = question(&pool).await;
    let (before, publisher) = agent(&pool, down());

    let short = [try_once(&before, id).await, try_once(&before, id).await];
    let long = try_once(&before, id).await;
    assert!(short.iter().all(|wait| matches!(wait, Outcome::DeferUntil(_))), "{short:?}");
    assert_eq!(long, Outcome::Done);
    assert!(publisher.records().is_empty());
    assert_eq!((count(&pool, ATTEMPTS, id).await, count(&pool, HANDLED, id).await), (3, 0));

    // Another process each time: what it knows of the outage stands in the tables.
    let mut notes = Vec::new();
    for offset in ["5 minutes", "6 minutes", "29 minutes"] {
        let pool = later(&pool, offset).await;
        let woken = RecordingPublisher::new();
        agent::jobs::wake(&pool, &woken.shared()).await.unwrap();
        let woken = woken.events::<TicketEvent>();
        assert_eq!(woken[0].body, TicketBody::TurnDue { seq: 1 });
        let (restarted, publisher) = agent(&pool, down());
        assert_eq!(try_once(&restarted, id).await, Outcome::Done);
        deliver(&pool, id, &publisher).await;
        notes.extend(replies(&publisher));
    }
    assert_eq!(notes.len(), 1);
    assert_eq!(notes[0].author, Author::System);
    assert!(notes[0].parts[0].contains("takes longer than usual"), "{notes:?}");

    let pool = later(&pool, "31 minutes").await;
    let (restarted, publisher) = agent(&pool, down());
    handle(&restarted, id, 1).await;

    let [reply] = &replies(&publisher)[..] else { panic!("one reply") };
    assert!(reply.parts[0].contains("takes over"), "{reply:?}");
    let [hand_off] = &hand_offs(&publisher)[..] else { panic!("one hand-off") };
    assert!(hand_off.tried.contains("half an hour"), "{hand_off:?}");
    assert_eq!((count(&pool, DUE, id).await, count(&pool, TURNS, id).await), (0, 1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_always_goes_to_a_person_goes_there_at_once_without_a_model(pool: PgPool) {
    let id = conversation(&pool, "Last invoice", "Please refund me for March.").await;
    let waiting = support::numbered_conversation(&pool, 2, "Boards", "How do boards work?").await;
    let model = down();
    let (agent, publisher) = agent(&pool, Arc::clone(&model));

    let waits = try_once(&agent, waiting).await;
    handle(&agent, id, 1).await;

    assert!(matches!(waits, Outcome::DeferUntil(_)));
    assert_eq!(hand_offs(&publisher)[0].person, "Lisa Tanaka");
    assert_eq!(model.told.lock().unwrap().len(), 1, "only the other conversation's");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_model_that_comes_back_answers_and_nothing_waits_any_more(pool: PgPool) {
    let id = question(&pool).await;
    let script = [
        Err(ModelFault::RateLimited),
        Err(ModelFault::TimedOut),
        Ok(responds("Open the Board menu and choose Export.")),
    ];
    let (agent, publisher) = agent(&pool, Arc::new(Scripted::new(script)));

    for _ in 0..2 {
        assert!(matches!(try_once(&agent, id).await, Outcome::DeferUntil(_)));
    }
    handle(&agent, id, 1).await;

    assert_eq!(replies(&publisher).len(), 1);
    assert!(replies(&publisher)[0].parts[0].contains("Open the Board menu"));
    assert_eq!((count(&pool, DUE, id).await, count(&pool, HANDLED, id).await), (0, 1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_model_that_never_answers_holds_its_turn_no_longer_than_the_setting(pool: PgPool) {
    let id = question(&pool).await;
    let (agent, publisher) = agent(&pool, Broken { panics: false });

    let started = std::time::Instant::now();
    let outcome = try_once(&agent, id).await;

    assert!(matches!(outcome, Outcome::DeferUntil(_)));
    assert!(started.elapsed() < MODEL_TIME + Duration::from_secs(5));
    assert!(publisher.records().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_server_that_asks_for_time_gets_it_up_to_a_minute(pool: PgPool) {
    const SECONDS: &str = "select round(extract(epoch from due_at - app_now()))::bigint
        from due_turns where conversation_id = $1";
    struct Busy(u64);
    impl Model for Busy {
        fn name(&self) -> &str {
            "busy"
        }

        async fn complete(&self, _: &agent::Prompt) -> Result<agent::Answer, agent::ModelError> {
            let after = Some(Duration::from_secs(self.0));
            Err(agent::ModelError { after, ..fails(ModelFault::RateLimited) })
        }
    }
    let id = question(&pool).await;

    for (asked, given) in [(30, 30), (3_600, 60)] {
        assert_eq!(try_once(&agent(&pool, Busy(asked)).0, id).await, Outcome::Done);
        let seconds = count(&pool, SECONDS, id).await;
        assert!((given - 5..=given).contains(&seconds), "{seconds} of {asked}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_prompt_that_the_model_cannot_take_is_answered_without_it(pool: PgPool) {
    support::load_article(&pool).await;
    let faults = [ModelFault::TooLong, ModelFault::Invalid, ModelFault::Malformed];
    for (number, fault) in (1..).zip(faults) {
        let question = "How do I export a board as CSV?";
        let id = support::numbered_conversation(&pool, number, "Export", question).await;
        let (agent, publisher) = agent(&pool, Arc::new(Scripted::new([Err(fault)])));

        handle(&agent, id, 1).await;

        assert!(replies(&publisher)[0].parts[0].contains("Board menu"), "{fault:?}");
        assert!(hand_offs(&publisher).is_empty());
    }
}
