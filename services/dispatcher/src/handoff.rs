//! Telling people of hand-offs, beside the list in which every hand-off stands: by a
//! signed webhook, and by mail where that does not work.

mod mail;
mod schedule;
mod settings;
mod webhook;

use std::time::Duration;

use channels::handoff::escalation::Escalation;
use chassis::SettingsError;
use contract::HandOff;
use sqlx::PgPool;
use store::hand_off_notices::{self, End, Notice, Way};
use store::jobs::{self, Schedule};
use tokio_util::sync::CancellationToken;

use crate::{Config, Tasks};

pub use mail::HandoffMail;
pub use settings::HandoffSettings;
pub use webhook::{HandoffTuning, HandoffWebhook};

/// The ways that are set up.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ways {
    pub webhook: bool,
    pub mail: bool,
}

impl Ways {
    /// How a person is told first.
    pub(crate) fn first(self, hand_off: &HandOff) -> Option<Way> {
        if self.webhook {
            Some(Way::Webhook)
        } else {
            self.has_mail_for(hand_off).then_some(Way::Mail)
        }
    }

    fn has_mail_for(self, hand_off: &HandOff) -> bool {
        self.mail && hand_off.person_email.is_some()
    }
}

/// Starts what tells of hand-offs, as far as it is set up.
pub(crate) fn start(
    config: &Config,
    pool: &PgPool,
    tasks: &mut Tasks,
    shutdown: &CancellationToken,
) -> Result<Ways, SettingsError> {
    let endpoint = config.handoff.endpoint(config.outbound.allow_loopback)?;
    let ways = Ways { webhook: endpoint.is_some(), mail: config.mail.gmail.optional()?.is_some() };
    match endpoint {
        Some(endpoint) => {
            let (origin, tuning) = (config.twilio.public.first(), HandoffTuning::default());
            let webhook = HandoffWebhook::new(pool.clone(), endpoint, origin, ways, tuning);
            tasks.spawn(webhook.run(shutdown.clone()));
        }
        None => tracing::info!("no webhook for hand-offs: they stand in the list"),
    }
    tasks.spawn(run_retention(pool.clone(), shutdown.clone()));
    Ok(ways)
}

const RETENTION: Schedule = Schedule {
    name: "dispatcher/notice-retention",
    every: Duration::from_secs(3_600),
    lease: Duration::from_secs(60),
};

/// Rows per statement: some tens of milliseconds of locks and log.
const CHUNK: i64 = 5_000;

async fn run_retention(pool: PgPool, shutdown: CancellationToken) -> anyhow::Result<()> {
    jobs::run(pool.clone(), RETENTION, shutdown, || delete_old(&pool)).await
}

async fn delete_old(pool: &PgPool) -> Result<(), store::Error> {
    while hand_off_notices::delete_old(pool, CHUNK).await? > 0 {}
    Ok(())
}

fn escalation(notice: &Notice) -> Escalation {
    Escalation {
        hand_off: notice.hand_off.0.clone(),
        conversation_id: notice.conversation_id,
        channel: notice.channel,
        ticket_ref: notice.ticket_ref.clone(),
        customer_id: notice.customer_id,
        last_message: notice.last_message.clone(),
        respond_by: notice.respond_by,
        at: notice.created_at,
    }
}

fn report(notice: &Notice, end: &End) {
    let (id, attempt) = (notice.delivery_id, notice.attempt);
    match end {
        End::Delivered => tracing::info!(delivery.id = %id, attempt, "a hand-off was told"),
        End::Again { reason, .. } => {
            tracing::warn!(delivery.id = %id, attempt, reason, "a hand-off was not told, comes again");
        }
        End::GaveUp { reason } => {
            tracing::error!(delivery.id = %id, attempt, reason, "a hand-off could not be told");
        }
        End::Gone { reason } => {
            tracing::error!(delivery.id = %id, reason, "the endpoint of hand-offs is switched off");
        }
    }
}
