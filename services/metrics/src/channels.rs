//! `GET /metrics/channels`: what each channel did in a window.

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use chassis::extract::ApiQuery;
use chassis::problem::{FieldError, Problem};
use contract::Channel;
use serde::{Deserialize, Serialize};
use store::facts::{self, ChannelSums};
use utoipa::ToSchema;

use crate::{Figures, docs, histogram};

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);
const LONGEST: Duration = Duration::from_secs(30 * 86_400);

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct WindowQuery {
    /// How far back, from one minute to 30 days; a day when absent.
    #[param(pattern = "^([1-9][0-9]{0,3}m|[1-9][0-9]?h|([1-9]|[12][0-9]|30)d)$", example = "24h")]
    window: Option<String>,
}

impl WindowQuery {
    fn window(&self) -> Result<Duration, Problem> {
        let Some(text) = &self.window else { return Ok(DAY) };
        humantime::parse_duration(text)
            .ok()
            .filter(|window| (MINUTE..=LONGEST).contains(window))
            .ok_or_else(|| {
                let message = "must be a duration from 1m to 30d, such as 24h";
                Problem::unprocessable(vec![FieldError::new("window", message)])
            })
    }
}

/// What each channel did.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ChannelFigures {
    email: FiguresOfOne,
    whatsapp: FiguresOfOne,
    web_form: FiguresOfOne,
}

/// What one channel did in the window, in whole minutes.
#[derive(Debug, Default, PartialEq, Serialize, ToSchema)]
#[schema(as = Figures)]
pub(crate) struct FiguresOfOne {
    /// Customer messages stored.
    received: i64,
    /// Customer messages that the agent answered.
    answered: i64,
    /// Conversations handed over to a person for the first time.
    escalated: i64,
    /// Conversations handed over, of those with their first outcome in the window.
    escalation_rate: Option<f64>,
    /// Median time from a conversation's first message to its first reply handed
    /// to the provider, or stored for the page.
    p50_ms: Option<f64>,
    /// 95th percentile of the same.
    p95_ms: Option<f64>,
    /// From -1.0 to +1.0; null while nothing has measured it.
    mean_sentiment: Option<f64>,
    /// Sends that failed for good.
    failed_sends: i64,
}

impl From<&ChannelSums> for FiguresOfOne {
    fn from(sums: &ChannelSums) -> Self {
        Self {
            received: sums.received,
            answered: sums.answered,
            escalated: sums.escalated,
            escalation_rate: ratio(sums.escalated, sums.with_outcome),
            p50_ms: histogram::quantile_ms(&sums.first_replies, 0.5),
            p95_ms: histogram::quantile_ms(&sums.first_replies, 0.95),
            mean_sentiment: ratio(sums.sentiment_sum_milli, sums.sentiment_count)
                .map(|milli| milli / 1_000.0),
            failed_sends: sums.failed_sends,
        }
    }
}

/// `None` without a whole.
pub(crate) fn ratio(part: i64, whole: i64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What each channel did in the last minutes, hours or days.
#[utoipa::path(
    get,
    path = "/metrics/channels",
    operation_id = "channel_figures",
    tag = "metrics",
    params(WindowQuery),
    responses(
        (status = 200, description = "The figures of each channel", body = ChannelFigures),
        docs::Refusals,
    )
)]
pub(crate) async fn channels(
    State(figures): State<Figures>,
    ApiQuery(query): ApiQuery<WindowQuery>,
) -> Result<Json<ChannelFigures>, Problem> {
    let sums = facts::sums(&figures.pool, query.window()?).await.map_err(refused)?;
    let of = |channel| {
        let found = sums.iter().find(|sums| sums.channel == channel);
        found.map_or_else(FiguresOfOne::default, FiguresOfOne::from)
    };
    Ok(Json(ChannelFigures {
        email: of(Channel::Email),
        whatsapp: of(Channel::Whatsapp),
        web_form: of(Channel::WebForm),
    }))
}

/// A database that is away or slow is no fault of the question.
pub(crate) fn refused(error: store::Error) -> Problem {
    match error {
        store::Error::Unavailable(_) | store::Error::Contended(_) | store::Error::Statement(_) => {
            tracing::warn!(
                error.cause_chain = format!("{:#}", anyhow::Error::new(error)),
                "no figures"
            );
            Problem::unavailable(RETRY_AFTER_S)
        }
        other => Problem::internal(other.into()),
    }
}

/// Outages shorter than this are the usual ones: a fail-over, a restart.
const RETRY_AFTER_S: u64 = 5;
