//! Health: whether this process answers, and whether the product works. Shows no
//! internals, and answers within seconds whatever is away.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use bus::{Bus, BusError, Lag};
use chrono::{DateTime, Utc};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use serde::Serialize;
use sqlx::PgPool;
use tokio::sync::Mutex;
use tokio::time::timeout;
use utoipa::ToSchema;

use crate::Desk;

/// Longest wait for one answer of database or log: a monitor gives up after a few
/// seconds, and a check that hangs shows nothing.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long one look serves everybody who asks: the route is open to all, and one
/// look asks the broker for every group.
const FRESH: Duration = Duration::from_secs(1);

/// Records behind in one group and topic that count as trouble: more than ten
/// seconds at the rate that the pipeline is built for.
const LAGGING: i64 = 10_000;

/// What a health check asks of the log.
pub trait Log: Send + Sync + 'static {
    fn ping(&self) -> BoxFuture<'_, Result<(), BusError>>;

    fn lag(&self) -> BoxFuture<'_, Result<Vec<Lag>, BusError>>;
}

impl Log for Bus {
    fn ping(&self) -> BoxFuture<'_, Result<(), BusError>> {
        Bus::ping(self).boxed()
    }

    fn lag(&self) -> BoxFuture<'_, Result<Vec<Lag>, BusError>> {
        Bus::lag(self).boxed()
    }
}

/// This process answers.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    status: Alive,
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Alive {
    Ok,
}

/// Whether this process answers; asks nothing else.
#[utoipa::path(
    get,
    path = "/health",
    operation_id = "health",
    tag = "health",
    responses((status = 200, description = "The process answers", body = Health))
)]
pub(crate) async fn health() -> Json<Health> {
    Json(Health { status: Alive::Ok, version: env!("CARGO_PKG_VERSION") })
}

/// Whether the product works, and what does not.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct DetailedHealth {
    status: HealthStatus,
    #[schema(value_type = String, example = "0.1.0")]
    version: &'static str,
    checks: HealthChecks,
    /// Records that each group has still to handle, by topic; empty when unknown.
    #[schema(example = json!({"agent": {"fte.tickets.incoming": 0}}))]
    lag: BTreeMap<String, BTreeMap<String, i64>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HealthStatus {
    Ok,
    /// It works, but slowly, or not all of it can be seen.
    Degraded,
    /// Database or log is away.
    Down,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct HealthChecks {
    database: HealthCheck,
    bus: HealthCheck,
    /// By channel; empty when the database is away.
    channels: BTreeMap<String, ChannelCheck>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum HealthCheck {
    Ok,
    Down,
}

#[derive(Debug, Clone, Serialize, ToSchema)]
struct ChannelCheck {
    enabled: bool,
    /// When the newest message came in that the metrics have counted.
    last_inbound: Option<DateTime<Utc>>,
}

/// Looks at database and log, at most once a second for all who ask.
pub(crate) struct Monitor {
    pool: PgPool,
    log: Arc<dyn Log>,
    last: Mutex<Option<(Instant, DetailedHealth)>>,
}

impl Monitor {
    pub(crate) fn new(pool: PgPool, log: Arc<dyn Log>) -> Self {
        Self { pool, log, last: Mutex::new(None) }
    }

    async fn look(&self) -> DetailedHealth {
        // Held during the look: the others wait for it instead of looking too.
        let mut last = self.last.lock().await;
        if let Some((at, seen)) = &*last
            && at.elapsed() < FRESH
        {
            return seen.clone();
        }
        let seen = self.look_now().await;
        *last = Some((Instant::now(), seen.clone()));
        seen
    }

    async fn look_now(&self) -> DetailedHealth {
        let (database, channels, ping, lag) = tokio::join!(
            in_time("database", store::health::now(&self.pool)),
            in_time("channels", store::health::channels(&self.pool)),
            in_time("bus", self.log.ping()),
            in_time("lag", self.log.lag()),
        );
        let lags = lag.is_some();
        let lag = by_group(lag.unwrap_or_default());
        let lagging = lag.values().flat_map(BTreeMap::values).any(|records| *records > LAGGING);
        let status = match (database.is_some() && ping.is_some(), channels.is_some() && lags) {
            (false, _) => HealthStatus::Down,
            (true, true) if !lagging => HealthStatus::Ok,
            (true, _) => HealthStatus::Degraded,
        };
        let channels = channels.unwrap_or_default().into_iter().map(|channel| {
            let check =
                ChannelCheck { enabled: channel.enabled, last_inbound: channel.last_inbound };
            (channel.channel.to_string(), check)
        });
        DetailedHealth {
            status,
            version: env!("CARGO_PKG_VERSION"),
            checks: HealthChecks {
                database: check(database.is_some()),
                bus: check(ping.is_some()),
                channels: channels.collect(),
            },
            lag,
        }
    }
}

fn check(answered: bool) -> HealthCheck {
    if answered { HealthCheck::Ok } else { HealthCheck::Down }
}

/// The answer, or `None` when it failed or took too long; the cause goes to the log.
async fn in_time<T, E: Into<anyhow::Error>>(
    what: &'static str,
    answer: impl Future<Output = Result<T, E>>,
) -> Option<T> {
    match timeout(PATIENCE, answer).await {
        Ok(Ok(value)) => Some(value),
        Ok(Err(error)) => {
            let error: anyhow::Error = error.into();
            tracing::warn!(check = what, error.cause_chain = format!("{error:#}"), "check failed");
            None
        }
        Err(_) => {
            tracing::warn!(check = what, "check took too long");
            None
        }
    }
}

fn by_group(lags: Vec<Lag>) -> BTreeMap<String, BTreeMap<String, i64>> {
    let mut groups = BTreeMap::<String, BTreeMap<String, i64>>::new();
    for lag in lags {
        let topics = groups.entry(lag.group.clone()).or_default();
        *topics.entry(lag.topic.to_string()).or_default() += lag.records();
    }
    groups
}

/// Whether the product works: database, log, channels and how far each group is behind.
#[utoipa::path(
    get,
    path = "/health/detailed",
    operation_id = "detailed_health",
    tag = "health",
    responses(
        (status = 200, description = "It works, perhaps degraded", body = DetailedHealth),
        (status = 503, description = "Database or log is away", body = DetailedHealth),
    )
)]
pub(crate) async fn detailed(State(desk): State<Desk>) -> (StatusCode, Json<DetailedHealth>) {
    let seen = desk.monitor.look().await;
    let code = match seen.status {
        HealthStatus::Ok | HealthStatus::Degraded => StatusCode::OK,
        HealthStatus::Down => StatusCode::SERVICE_UNAVAILABLE,
    };
    (code, Json(seen))
}
