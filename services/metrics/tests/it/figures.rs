//! What the routes show is what the facts say, however they came.

use bus::BatchHandler as _;
use chrono::{DateTime, TimeDelta, Utc};
use contract::{Channel, ConversationId, Fact, MetricFact, TurnFinished, TurnOutcome};
use metrics::Counter;
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::events;
use tokio::task::JoinSet;

use crate::support::{figures, received, request, request_with};

/// A day of a few hundred conversations; the same number gives the same facts.
fn day(now: DateTime<Utc>) -> Vec<MetricFact> {
    (0..240_i64).flat_map(|n| conversation(n, now - TimeDelta::minutes(n * 5))).collect()
}

fn conversation(n: i64, at: DateTime<Utc>) -> Vec<MetricFact> {
    let id = ConversationId::named(&format!("{n}"));
    let outcome = match n % 10 {
        0 | 1 => TurnOutcome::HandedOver,
        2 => TurnOutcome::NoAnswer,
        _ => TurnOutcome::Answered,
    };
    let turn = |n: u32, first| {
        Fact::TurnFinished(TurnFinished {
            outcome,
            category: None,
            messages: n,
            first_outcome: first,
            first_hand_over: first && outcome == TurnOutcome::HandedOver,
            duration_us: 1_000,
            prompt_tokens: 0,
            completion_tokens: 0,
            sentiment: Some(-0.25),
        })
    };
    let latency_us = 1_500 + (n.unsigned_abs() * 7_919_000) % 90_000_000;
    let mut facts = vec![
        ("received-1", Fact::MessageReceived),
        ("received-2", Fact::MessageReceived),
        ("turn-1", turn(2, true)),
        ("reply", Fact::FirstReplyDelivered { latency_us }),
    ];
    if n % 4 == 0 {
        facts.extend([("received-3", Fact::MessageReceived), ("turn-2", turn(1, false))]);
    }
    if n % 30 == 0 {
        facts.push(("failed", Fact::SendFailed { reason: "refused".into() }));
        facts.push(("duplicate", Fact::DuplicateIgnored));
    }
    let channel = if n % 3 == 0 { Channel::Email } else { Channel::WebForm };
    let make = |(role, fact)| {
        let mut event = events::fact(id, role, fact);
        event.channel = channel;
        event.meta.event_time = at;
        event
    };
    facts.into_iter().map(make).collect()
}

/// Off the topic in batches, several at once, each fact on its key's partition.
async fn replay(pool: &PgPool, facts: &[MetricFact], batch: usize) {
    let mut runs = JoinSet::new();
    for chunk in facts.chunks(batch) {
        let counter = Counter::new(pool.clone());
        let batch: Vec<_> = chunk
            .iter()
            .map(|fact| received(fact, i32::from(fact.meta.cause_id.as_bytes()[0] % 6)))
            .collect();
        runs.spawn(async move { counter.handle_batch(batch).await.unwrap() });
    }
    runs.join_all().await;
}

/// The figures again, from the stored facts and without any rollup.
async fn recomputed(pool: &PgPool, channel: &str) -> Value {
    let (received, answered, escalated, outcomes, failed, latencies): (
        i64,
        i64,
        i64,
        i64,
        i64,
        Vec<i64>,
    ) = sqlx::query_as(
        "select count(*) filter (where kind = 'message_received'),
                coalesce(sum((fact #>> '{turn_finished,messages}')::bigint)
                    filter (where fact #>> '{turn_finished,outcome}' = 'answered'), 0)::bigint,
                count(*) filter (where (fact #>> '{turn_finished,first_hand_over}')::boolean),
                count(*) filter (where (fact #>> '{turn_finished,first_outcome}')::boolean),
                count(*) filter (where kind = 'send_failed'),
                array_agg((fact #>> '{first_reply_delivered,latency_us}')::bigint
                    order by (fact #>> '{first_reply_delivered,latency_us}')::bigint)
                    filter (where kind = 'first_reply_delivered')
         from metric_facts where channel = $1",
    )
    .bind(channel)
    .fetch_one(pool)
    .await
    .unwrap();
    let ms =
        |percent: usize| latencies[(percent * latencies.len()).div_ceil(100) - 1] as f64 / 1_000.0;
    json!({
        "received": received,
        "answered": answered,
        "escalated": escalated,
        "escalation_rate": escalated as f64 / outcomes as f64,
        "p50_ms": ms(50),
        "p95_ms": ms(95),
        "mean_sentiment": -0.25,
        "failed_sends": failed,
    })
}

/// Percentiles to a bucket's width, everything else to the last digit.
fn assert_same(shown: &Value, recomputed: &Value) {
    for (name, expected) in recomputed.as_object().unwrap() {
        let shown = &shown[name];
        if name.ends_with("_ms") {
            let ratio = shown.as_f64().unwrap() / expected.as_f64().unwrap();
            assert!((ratio - 1.0).abs() < 0.091, "{name}: {shown} for {expected}");
        } else {
            assert_eq!(shown, expected, "{name}");
        }
    }
}

async fn now(pool: &PgPool) -> DateTime<Utc> {
    store::health::now(pool).await.unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_figures_are_those_of_the_facts(pool: PgPool) {
    let facts = day(now(&pool).await);

    replay(&pool, &facts, 50).await;

    let shown = figures(&pool).await;
    assert_eq!(shown["email"]["received"], 80 * 2 + 20);
    for channel in ["email", "web_form"] {
        assert_same(&shown[channel], &recomputed(&pool, channel).await);
    }
    let nothing = json!({"received": 0, "answered": 0, "escalated": 0, "escalation_rate": null,
        "p50_ms": null, "p95_ms": null, "mean_sentiment": null, "failed_sends": 0});
    assert_eq!(shown["whatsapp"], nothing);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn replaying_the_topic_changes_nothing(pool: PgPool) {
    let mut facts = day(now(&pool).await);
    replay(&pool, &facts, 50).await;
    let first = figures(&pool).await;

    facts.reverse();
    replay(&pool, &facts, 77).await;
    replay(&pool, &facts, 1).await;

    assert_eq!(figures(&pool).await, first);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn batches_at_once_are_exact(pool: PgPool) {
    let facts = day(now(&pool).await);
    // Everything twice, the second time shifted, all in flight together.
    let twice: Vec<MetricFact> = facts.iter().chain(facts.iter().rev()).cloned().collect();

    replay(&pool, &twice, 120).await;

    let shown = figures(&pool).await;
    for channel in ["email", "web_form"] {
        assert_same(&shown[channel], &recomputed(&pool, channel).await);
    }
    let stored: i64 =
        sqlx::query_scalar("select count(*) from metric_facts").fetch_one(&pool).await.unwrap();
    assert_eq!(stored, facts.len() as i64);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_short_window_shows_only_its_minutes(pool: PgPool) {
    replay(&pool, &day(now(&pool).await), 500).await;

    let answer = request(&pool, "GET", "/metrics/channels?window=1m").await;

    assert_eq!(answer.body["email"]["received"], 3, "of the first conversation only");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn alerts_fire_by_the_last_hour(pool: PgPool) {
    let at = now(&pool).await;
    // Ten conversations: two handed over is below a quarter, ten are all answered slowly.
    let facts: Vec<MetricFact> = (0..10).flat_map(|n| conversation(n, at)).collect();
    replay(&pool, &facts, 500).await;

    let alerts = request(&pool, "GET", "/metrics/alerts").await.body;

    let named = |name: &str| {
        let all = alerts["alerts"].as_array().unwrap();
        all.iter().find(|alert| alert["name"] == name).unwrap().clone()
    };
    assert_eq!(named("escalation_rate")["value"], 0.2);
    assert_eq!(named("escalation_rate")["firing"], false);
    assert_eq!(named("answer_time_p95_ms")["threshold"], 10_000.0);
    assert_eq!(named("answer_time_p95_ms")["firing"], true);
    assert_eq!(named("overdue_conversations")["value"], 0.0);
    assert_eq!(named("failed_turns")["value"], 0.0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn dead_letters_fire_an_alert_and_a_silent_log_is_no_number(pool: PgPool) {
    let alert = async |letters| {
        let body = request_with(&pool, letters, "GET", "/metrics/alerts").await.body;
        let all = body["alerts"].as_array().unwrap();
        all.iter().find(|alert| alert["name"] == "dead_letters").unwrap().clone()
    };

    let (none, some, unknown) = (alert(0).await, alert(3).await, alert(-1).await);

    assert_eq!((&none["value"], &none["firing"]), (&json!(0.0), &json!(false)));
    assert_eq!((&some["value"], &some["firing"]), (&json!(3.0), &json!(true)));
    assert_eq!((&unknown["value"], &unknown["firing"]), (&json!(null), &json!(false)));
}
