//! `POST /test/queue`: a synthetic message through the whole pipeline, from the
//! log to the stored answer, with the time of each stage.
//!
//! It is a web ticket like any other, by a customer named "Pipeline test" at a
//! domain that cannot exist: it shows in the figures, and is closed at the end so
//! that no person meets it.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bus::{Publisher, Record};
use chassis::clock;
use chassis::operator::Operator;
use chassis::problem::Problem;
use chrono::{DateTime, TimeDelta, Utc};
use contract::{
    ConversationId, EventId, EventMeta, SCHEMA_VERSION, Submission, TicketRef, WebformBody,
    WebformInbound,
};
use serde::Serialize;
use sqlx::PgPool;
use store::people::{self, Ending, OperatorName};
use store::pipeline::{self, Stages};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::body::{Nothing, OptionalJson};
use crate::{Desk, docs, refusal};

/// Tests that run at once: each polls the database for seconds.
const MOST_AT_ONCE: usize = 4;

/// How long the log may take to confirm.
const PUBLISH_TIME: Duration = Duration::from_secs(5);

/// Between two looks at the rows.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// Runs tests, a few at a time.
pub(crate) struct PipelineTests {
    publisher: Arc<dyn Publisher>,
    places: Semaphore,
    /// How long a test waits for its answer.
    patience: Duration,
}

impl PipelineTests {
    pub(crate) fn new(publisher: Arc<dyn Publisher>, patience: Duration) -> Self {
        Self { publisher, places: Semaphore::new(MOST_AT_ONCE), patience }
    }
}

/// How far a test message came.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PipelineTest {
    #[schema(value_type = String, example = "TF-20260105-7K3Q")]
    ticket_ref: TicketRef,
    conversation_id: Uuid,
    /// Whether it went through every stage in time.
    complete: bool,
    /// answered, handed_over or no_answer; null while there is none.
    outcome: Option<String>,
    stages: StageTimes,
}

/// Milliseconds from the start of the test, by the database's clock; null for a
/// stage that was not reached.
#[derive(Debug, Serialize, ToSchema)]
struct StageTimes {
    /// The log has confirmed the message.
    accepted_ms: Option<f64>,
    /// It is stored in its conversation.
    stored_ms: Option<f64>,
    /// The agent has decided.
    turn_ms: Option<f64>,
    /// The answer stands on the customer's page.
    dispatched_ms: Option<f64>,
}

/// Sends a test message through the whole pipeline and waits for its answer.
#[utoipa::path(
    post,
    path = "/test/queue",
    operation_id = "test_pipeline",
    tag = "health",
    security(("operator" = [])),
    request_body(content = Option<Nothing>, description = "May be left out"),
    responses(
        (status = 200, description = "It went through every stage", body = PipelineTest),
        (status = 202, description = "It did not come through in time", body = PipelineTest),
        docs::TooMany, docs::BodyRefusals, docs::Refusals,
    )
)]
pub(crate) async fn test(
    operator: Operator,
    State(desk): State<Desk>,
    OptionalJson(Nothing {}): OptionalJson<Nothing>,
) -> Result<(StatusCode, Json<PipelineTest>), Problem> {
    let _place = desk.tests.places.try_acquire().map_err(|_| Problem::too_many(1))?;
    let ticket_ref = next_ref(&desk.pool).await?;
    let event = submission(ticket_ref.clone());
    let id = ConversationId::named(&format!("webform:{ticket_ref}"));
    let started_at = now(&desk.pool).await?;
    publish(&*desk.tests.publisher, Record::of(&event)).await?;
    let accepted_at = now(&desk.pool).await?;
    let stages = wait(&desk.pool, id, desk.tests.patience).await.map_err(refusal::of_store)?;
    let complete = stages.is_complete();
    if complete {
        tidy(&desk.pool, id, &operator).await;
    }
    let since_start = |at: DateTime<Utc>| tenth_ms(at - started_at);
    let answer = PipelineTest {
        ticket_ref,
        conversation_id: id.as_uuid(),
        complete,
        outcome: stages.outcome,
        stages: StageTimes {
            accepted_ms: Some(since_start(accepted_at)),
            stored_ms: stages.stored_at.map(since_start),
            turn_ms: stages.turn_at.map(since_start),
            dispatched_ms: stages.dispatched_at.map(since_start),
        },
    };
    let status = if complete { StatusCode::OK } else { StatusCode::ACCEPTED };
    Ok((status, Json(answer)))
}

/// Milliseconds to a tenth.
fn tenth_ms(span: TimeDelta) -> f64 {
    (span.as_seconds_f64() * 10_000.0).round() / 10.0
}

async fn now(pool: &PgPool) -> Result<DateTime<Utc>, Problem> {
    store::health::now(pool).await.map_err(refusal::of_store)
}

async fn next_ref(pool: &PgPool) -> Result<TicketRef, Problem> {
    let day = clock::now().date_naive();
    let block = store::refs::take_block(pool, day, 1).await.map_err(refusal::of_store)?;
    block.and_then(|block| TicketRef::numbered(day, block.start)).ok_or_else(refusal::unavailable)
}

/// The event as the web form would have published it.
fn submission(ticket_ref: TicketRef) -> WebformInbound {
    let event_id = EventId::named(&format!("webform:{ticket_ref}"));
    WebformInbound {
        meta: EventMeta {
            event_id,
            cause_id: event_id.into(),
            event_time: clock::now(),
            schema_version: SCHEMA_VERSION,
        },
        ticket_ref,
        body: WebformBody::Submission(Submission {
            name: "Pipeline test".to_owned(),
            email: "pipeline-test@fte.invalid".to_owned(),
            subject: "How do I export a board".to_owned(),
            message: "I want my board as a file, how do I do that? (This is a test of the \
                      pipeline.)"
                .to_owned(),
            category: None,
            priority: None,
            claimed_plan: None,
            // Two tests within ten minutes are two tickets.
            has_idempotency_key: true,
        }),
    }
}

async fn publish(publisher: &dyn Publisher, record: Record) -> Result<(), Problem> {
    let failed = match timeout(PUBLISH_TIME, publisher.publish_all(vec![record])).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => format!("{:#}", anyhow::Error::new(error)),
        Err(_) => "the log did not answer in time".to_owned(),
    };
    tracing::warn!(error.cause_chain = failed, "a test message was not confirmed");
    Err(refusal::unavailable())
}

/// Looks until every stage is done or the time is over.
async fn wait(
    pool: &PgPool,
    id: ConversationId,
    patience: Duration,
) -> Result<Stages, store::Error> {
    let deadline = Instant::now() + patience;
    loop {
        let stages = pipeline::stages(pool, id).await?;
        if stages.is_complete() || Instant::now() >= deadline {
            return Ok(stages);
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Closes the ticket; one that stays open does no harm.
async fn tidy(pool: &PgPool, id: ConversationId, operator: &Operator) {
    let close = async {
        let mut conn = pool.acquire().await.map_err(store::Error::from)?;
        people::close(&mut conn, id, OperatorName(&operator.0), Ending::Closed).await
    };
    if let Err(refusal) = close.await {
        tracing::warn!(conversation.id = %id, error = %refusal, "a test ticket stays open");
    }
}
