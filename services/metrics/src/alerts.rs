//! `GET /metrics/alerts`: the thresholds of the support policy, where they stand,
//! and whether they are passed.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chassis::problem::Problem;
use clap::Args;
use serde::Serialize;
use store::facts::{self, ChannelSums};
use store::{hand_off_notices, health};
use utoipa::ToSchema;

use crate::channels::{ratio, refused};
use crate::{Figures, docs, histogram};

/// The window of the alerts that are rates or percentiles.
const HOUR: Duration = Duration::from_secs(3_600);

/// From when on a hand-off counts as untold: two attempts and a mail are quicker.
const UNTOLD_AFTER: Duration = Duration::from_secs(600);

/// Above what an alert fires.
#[derive(Debug, Clone, Args)]
pub struct AlertSettings {
    /// Conversations handed over within an hour, of those with an outcome
    #[arg(long, env = "FTE_ALERT_ESCALATION_RATE", default_value_t = 0.25)]
    pub alert_escalation_rate: f64,
    /// 95th percentile of the time to the first reply within an hour
    #[arg(long, env = "FTE_ALERT_ANSWER_TIME", default_value = "10s",
          value_parser = humantime::parse_duration)]
    pub alert_answer_time: Duration,
    /// Turns that fail and wait, of all turns within an hour
    #[arg(long, env = "FTE_ALERT_FAILED_TURNS", default_value_t = 0.05)]
    pub alert_failed_turns: f64,
    /// Conversations in which a message waits longer than promised
    #[arg(long, env = "FTE_ALERT_OVERDUE", default_value_t = 0)]
    pub alert_overdue: u32,
    /// Dead letters that nobody has dealt with
    #[arg(long, env = "FTE_ALERT_DEAD_LETTERS", default_value_t = 0)]
    pub alert_dead_letters: u32,
    /// Sends of which nobody knows whether they arrived
    #[arg(long, env = "FTE_ALERT_SENDS_IN_DOUBT", default_value_t = 0)]
    pub alert_sends_in_doubt: u32,
    /// Hand-offs that wait and of which no person could be told for ten minutes
    #[arg(long, env = "FTE_ALERT_HAND_OFFS_UNTOLD", default_value_t = 0)]
    pub alert_hand_offs_untold: u32,
}

/// Every alert, firing or not.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Alerts {
    alerts: Vec<Alert>,
}

/// One threshold and where it stands.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
pub(crate) struct Alert {
    name: AlertName,
    /// Fires above this.
    threshold: f64,
    /// Null while there is nothing to measure.
    value: Option<f64>,
    firing: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AlertName {
    EscalationRate,
    /// In milliseconds.
    AnswerTimeP95Ms,
    FailedTurns,
    OverdueConversations,
    DeadLetters,
    SendsInDoubt,
    HandOffsUntold,
}

impl Alert {
    fn of(name: AlertName, threshold: f64, value: Option<f64>) -> Self {
        Self { name, threshold, value, firing: value.is_some_and(|value| value > threshold) }
    }
}

/// Where every threshold of the support policy stands.
#[utoipa::path(
    get,
    path = "/metrics/alerts",
    operation_id = "alerts",
    tag = "metrics",
    responses((status = 200, description = "Every alert", body = Alerts), docs::Refusals)
)]
pub(crate) async fn alerts(State(figures): State<Figures>) -> Result<Json<Alerts>, Problem> {
    let measured = measure(&figures).await.map_err(refused)?;
    Ok(Json(Alerts { alerts: judge(&figures.thresholds, &measured) }))
}

/// What the alerts look at.
#[derive(Debug, Default)]
struct Measured {
    sums: Vec<ChannelSums>,
    failing_turns: i64,
    overdue: i64,
    dead_letters: Option<usize>,
    in_doubt: i64,
    untold: i64,
}

async fn measure(figures: &Figures) -> Result<Measured, store::Error> {
    let pool = &figures.pool;
    Ok(Measured {
        sums: facts::sums(pool, HOUR).await?,
        failing_turns: health::failing_turns(pool).await?,
        overdue: health::overdue_conversations(pool).await?,
        dead_letters: figures.letters.count().await,
        in_doubt: health::sends_in_doubt(pool).await?,
        untold: hand_off_notices::untold(pool, UNTOLD_AFTER).await?,
    })
}

fn judge(thresholds: &AlertSettings, measured: &Measured) -> Vec<Alert> {
    let sum = |of: fn(&ChannelSums) -> i64| measured.sums.iter().map(of).sum::<i64>();
    let failing = measured.failing_turns;
    let turns = sum(|sums| sums.turns);
    let p95 = histogram::quantile_ms(&all_replies(&measured.sums), 0.95);
    let count = |number: i64| Some(number as f64);
    vec![
        Alert::of(
            AlertName::EscalationRate,
            thresholds.alert_escalation_rate,
            ratio(sum(|sums| sums.escalated), sum(|sums| sums.with_outcome)),
        ),
        Alert::of(
            AlertName::AnswerTimeP95Ms,
            thresholds.alert_answer_time.as_secs_f64() * 1_000.0,
            p95,
        ),
        Alert::of(
            AlertName::FailedTurns,
            thresholds.alert_failed_turns,
            ratio(failing, turns + failing),
        ),
        Alert::of(
            AlertName::OverdueConversations,
            thresholds.alert_overdue.into(),
            count(measured.overdue),
        ),
        Alert::of(
            AlertName::DeadLetters,
            thresholds.alert_dead_letters.into(),
            measured.dead_letters.map(|letters| letters as f64),
        ),
        Alert::of(
            AlertName::SendsInDoubt,
            thresholds.alert_sends_in_doubt.into(),
            count(measured.in_doubt),
        ),
        Alert::of(
            AlertName::HandOffsUntold,
            thresholds.alert_hand_offs_untold.into(),
            count(measured.untold),
        ),
    ]
}

/// The histograms of all channels in one.
fn all_replies(sums: &[ChannelSums]) -> Vec<i64> {
    let longest = sums.iter().map(|sums| sums.first_replies.len()).max().unwrap_or(0);
    let mut all = vec![0; longest];
    for channel in sums {
        for (total, replies) in all.iter_mut().zip(&channel.first_replies) {
            *total += replies;
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use contract::Channel;

    use super::*;

    #[derive(Parser)]
    struct Settings {
        #[command(flatten)]
        alerts: AlertSettings,
    }

    fn sums(channel: Channel, escalated: i64, first_replies: Vec<i64>) -> ChannelSums {
        ChannelSums {
            channel,
            received: 0,
            answered: 0,
            turns: 19,
            with_outcome: 10,
            escalated,
            failed_sends: 0,
            sentiment_count: 0,
            sentiment_sum_milli: 0,
            first_replies,
        }
    }

    fn firing(measured: &Measured) -> Vec<AlertName> {
        let thresholds = Settings::parse_from(["x"]).alerts;
        let alerts = judge(&thresholds, measured);
        assert_eq!(alerts.len(), 7);
        alerts.into_iter().filter(|alert| alert.firing).map(|alert| alert.name).collect()
    }

    #[test]
    fn with_nothing_to_measure_nothing_fires() {
        assert_eq!(firing(&Measured::default()), []);
    }

    #[test]
    fn a_value_at_its_threshold_does_not_fire() {
        let at = Measured {
            // 5 of 20, and 2 of 40.
            sums: vec![sums(Channel::Email, 5, vec![]), sums(Channel::WebForm, 0, vec![])],
            failing_turns: 2,
            ..Measured::default()
        };

        assert_eq!(firing(&at), []);
    }

    #[test]
    fn every_alert_fires_above_its_threshold() {
        let mut slow = vec![0; histogram::bucket_of(10_500_000) as usize];
        *slow.last_mut().unwrap() = 1;
        let above = Measured {
            sums: vec![sums(Channel::Email, 6, vec![1]), sums(Channel::WebForm, 0, slow)],
            failing_turns: 3,
            overdue: 1,
            dead_letters: Some(1),
            in_doubt: 1,
            untold: 1,
        };

        assert_eq!(firing(&above).len(), 7);
    }
}
