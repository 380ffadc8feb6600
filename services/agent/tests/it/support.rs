//! Conversations as identity-resolver leaves them, and an agent with a log that remembers.

use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use agent::{Agent, Builtin, Embedder, EmbedderSettings, Model, Policy, Reader, TurnSettings};
use bus::{Failure, Handler as _, Headers, Outcome, Received};
use contract::{ConversationId, HandOff, Outgoing, OutgoingBody, Reply, Topic};
use sqlx::PgPool;
use store::outbox::OutboxPublisher;
use testkit::{RecordingPublisher, events};
use uuid::Uuid;

pub(crate) const ARTICLE: &str = "# Export a board\n\nEvery member can take a board out as a file.\n\n## Export a board as CSV or JSON\n\n1. Open the board.\n2. Open the **Board menu** and choose **Export**.\n3. Choose CSV or JSON.\n\n## Export attachments\n\nAttachments come in a ZIP file.\n";

pub(crate) fn policy() -> Arc<Policy> {
    Arc::new(Policy::load(&policy_folder()).unwrap())
}

pub(crate) fn policy_folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy")
}

/// The local model, loaded once for all tests.
pub(crate) fn embedder() -> &'static Embedder {
    static EMBEDDER: LazyLock<Embedder> = LazyLock::new(|| {
        let runtime = std::env::var_os("FTE_RUNTIME_DIR").map(PathBuf::from);
        let beside = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.runtime");
        let embedding_folder = runtime.unwrap_or_else(beside).join("minilm");
        Embedder::open(&EmbedderSettings { embedding_folder }, None).unwrap()
    });
    &EMBEDDER
}

/// A knowledge base of one article.
pub(crate) async fn load_article(pool: &PgPool) {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("export-data.md"), ARTICLE).unwrap();
    agent::knowledge::load_dir(pool, embedder(), folder.path()).await.unwrap();
}

/// Sam Doe's conversation with its first message.
pub(crate) async fn conversation(pool: &PgPool, subject: &str, message: &str) -> ConversationId {
    numbered_conversation(pool, 1, subject, message).await
}

/// One of several conversations, each with its first message.
pub(crate) async fn numbered_conversation(
    pool: &PgPool,
    number: u32,
    subject: &str,
    message: &str,
) -> ConversationId {
    let ticket_ref = events::ticket_ref(number);
    let id = events::conversation(ticket_ref.clone());
    let customer = Uuid::new_v4();
    sqlx::query("insert into customers (id, name) values ($1, 'Sam Doe')")
        .bind(customer)
        .execute(pool)
        .await
        .unwrap();
    sqlx::query(
        "insert into conversations (id, channel, thread_key, customer_id, identity_level)
         values ($1, 'web_form', $2, $3, 'self_asserted')",
    )
    .bind(Uuid::from(id))
    .bind(ticket_ref.as_str())
    .bind(customer)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into tickets (ref, conversation_id, subject, claimed_plan, respond_by)
         values ($1, $2, $3, 'pro', app_now())",
    )
    .bind(ticket_ref.as_str())
    .bind(Uuid::from(id))
    .bind(subject)
    .execute(pool)
    .await
    .unwrap();
    add_message(pool, id, message).await;
    id
}

/// One more message, as the customer writes it.
pub(crate) async fn add_message(pool: &PgPool, conversation: ConversationId, text: &str) -> u64 {
    let id = Uuid::from(conversation);
    let seq: i64 = sqlx::query_scalar(
        "update conversations set last_seq = last_seq + 1 where id = $1 returning last_seq",
    )
    .bind(id)
    .fetch_one(pool)
    .await
    .unwrap();
    sqlx::query(
        "insert into messages (id, conversation_id, seq, channel, provider_id, body, sent_at)
         values ($1, $2, $3, 'web_form', $4, $5, app_now())",
    )
    .bind(Uuid::new_v4())
    .bind(id)
    .bind(seq)
    .bind(format!("{id}:{seq}"))
    .bind(text)
    .execute(pool)
    .await
    .unwrap();
    seq.unsigned_abs()
}

/// How long models of tests may take; none waits for it in vain.
pub(crate) const MODEL_TIME: Duration = Duration::from_millis(500);

/// An agent on this database; what it publishes is remembered.
pub(crate) fn agent<M: Model>(pool: &PgPool, model: M) -> (Agent<M>, RecordingPublisher) {
    let publisher = RecordingPublisher::new();
    let (outbox, deleter) = OutboxPublisher::new(pool.clone(), publisher.shared());
    // Never run: entries stay in the table, and only this agent knows them as published.
    tokio::spawn(async move {
        std::future::pending::<()>().await;
        drop(deleter);
    });
    let settings = TurnSettings {
        burst_window: Duration::from_millis(1_500),
        tries: 3,
        model_time: MODEL_TIME,
        model_tokens: 60_000,
    };
    let reader = Reader::by_patterns(policy());
    (Agent::new(pool.clone(), outbox, reader, embedder().clone(), model, settings), publisher)
}

pub(crate) fn builtin(pool: &PgPool) -> (Agent<Builtin>, RecordingPublisher) {
    agent(pool, Builtin::new(policy()))
}

/// Hands the event of message `seq` to the agent, as its try number `attempt`.
pub(crate) async fn try_to_handle<M: Model>(
    agent: &Agent<M>,
    conversation: ConversationId,
    seq: u64,
    attempt: u32,
) -> Result<Outcome, Failure> {
    let received = Received {
        topic: Topic::TicketsIncoming,
        partition: 0,
        offset: 0,
        key: conversation.to_string(),
        headers: Headers::default(),
        attempt,
    };
    agent.handle(events::message_stored(conversation, seq), &received).await
}

/// As [`try_to_handle`], for an event that is done at the first try.
pub(crate) async fn handle<M: Model>(agent: &Agent<M>, conversation: ConversationId, seq: u64) {
    assert_eq!(try_to_handle(agent, conversation, seq, 1).await.unwrap(), Outcome::Done);
}

/// The replies that an agent has published.
pub(crate) fn replies(publisher: &RecordingPublisher) -> Vec<Reply> {
    let outgoing = publisher.events::<Outgoing>().into_iter();
    outgoing
        .filter_map(|event| match event.body {
            OutgoingBody::Reply(reply) => Some(reply),
            OutgoingBody::HandOff(_) => None,
        })
        .collect()
}

/// The hand-offs that an agent has published.
pub(crate) fn hand_offs(publisher: &RecordingPublisher) -> Vec<HandOff> {
    let outgoing = publisher.events::<Outgoing>().into_iter();
    outgoing
        .filter_map(|event| match event.body {
            OutgoingBody::HandOff(hand_off) => Some(hand_off),
            OutgoingBody::Reply(_) => None,
        })
        .collect()
}

/// One number of the conversation's rows.
pub(crate) async fn count(pool: &PgPool, query: &'static str, conversation: ConversationId) -> i64 {
    sqlx::query_scalar(query).bind(Uuid::from(conversation)).fetch_one(pool).await.unwrap()
}

pub(crate) const TURNS: &str = "select count(*) from turns where conversation_id = $1";
pub(crate) const HANDLED: &str = "select handled_seq from conversations where id = $1";
