//! The agent's periodic work: waking turns that are due, resolving what is idle.

use std::sync::Arc;
use std::time::Duration;

use bus::{Publisher, Record};
use chassis::clock;
use chrono::{DateTime, Utc};
use contract::{EventMeta, TicketBody, TicketEvent};
use sqlx::PgPool;
use store::due_turns::{self, DueTurn};
use store::jobs::Schedule;
use tokio_util::sync::CancellationToken;

const DUE_TURNS: Schedule = Schedule {
    name: "agent-due-turns",
    // A turn that waits for its model waits seconds at first.
    every: Duration::from_secs(5),
    lease: Duration::from_secs(30),
};

const IDLE_CLOSE: Schedule = Schedule {
    name: "agent-idle-close",
    every: Duration::from_secs(3600),
    lease: Duration::from_secs(60),
};

/// Publishes `TurnDue` when a row is due, and every minute while it stands.
pub(crate) async fn wake_due_turns(
    pool: PgPool,
    publisher: Arc<dyn Publisher>,
    shutdown: CancellationToken,
) -> anyhow::Result<()> {
    store::jobs::run(pool.clone(), DUE_TURNS, shutdown, || wake(&pool, &publisher)).await
}

/// One round: every due conversation is woken once.
pub async fn wake(pool: &PgPool, publisher: &Arc<dyn Publisher>) -> anyhow::Result<()> {
    let due = due_turns::due(pool).await?;
    let now = clock::now();
    let records = due.iter().map(|turn| Record::of(&wake_up(turn, now))).collect();
    publisher.publish_all(records).await?;
    Ok(())
}

fn wake_up(turn: &DueTurn, now: DateTime<Utc>) -> TicketEvent {
    let role = format!("turn-due:{}:{}", turn.seq, now.timestamp());
    TicketEvent {
        meta: EventMeta::derived(turn.conversation_id, &role, now),
        conversation_id: turn.conversation_id,
        channel: turn.channel,
        body: TicketBody::TurnDue { seq: turn.seq },
    }
}

/// Resolves conversations in which nothing happened for 72 hours.
pub(crate) async fn resolve_idle(pool: PgPool, shutdown: CancellationToken) -> anyhow::Result<()> {
    store::jobs::run(pool.clone(), IDLE_CLOSE, shutdown, || async {
        let resolved = due_turns::resolve_idle(&pool).await?;
        tracing::info!(conversations.resolved = resolved, "idle conversations are resolved");
        let forgotten = store::knowledge::forget_gaps(&pool).await?;
        tracing::debug!(gaps.forgotten = forgotten, "old questions are removed");
        anyhow::Ok(())
    })
    .await
}
