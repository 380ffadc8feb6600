//! The settings of channels in memory, as new as a few seconds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use contract::Channel;
use sqlx::PgPool;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::{ChannelConfig, Wrong};
use crate::Error;

/// How often the rows are read: a change is obeyed within ten seconds.
pub const REFRESH: Duration = Duration::from_secs(5);

type Known = BTreeMap<Channel, Arc<ChannelConfig>>;

/// The settings of every channel as they were last read; a cheap handle.
///
/// Nothing is enabled before the first reading. While the database is away, and for a row
/// that cannot be read, what was read last stays.
#[derive(Debug, Clone)]
pub struct ChannelConfigs {
    known: watch::Receiver<Known>,
}

impl ChannelConfigs {
    /// Settings, and the task that keeps them new.
    pub fn new(pool: PgPool) -> (Self, Refresher) {
        let (sender, known) = watch::channel(Known::new());
        (Self { known }, Refresher { pool, sender, wrong: BTreeMap::new() })
    }

    /// Settings that never change, for tests.
    pub fn fixed(configs: impl IntoIterator<Item = (Channel, ChannelConfig)>) -> Self {
        let known = configs.into_iter().map(|(channel, config)| (channel, Arc::new(config)));
        Self { known: watch::channel(known.collect()).1 }
    }

    /// How the channel is set now.
    pub fn get(&self, channel: Channel) -> Arc<ChannelConfig> {
        self.known.borrow().get(&channel).cloned().unwrap_or_default()
    }
}

/// Reads the rows, again and again.
#[derive(Debug)]
pub struct Refresher {
    pool: PgPool,
    sender: watch::Sender<Known>,
    /// What was wrong at the last reading: it is logged once.
    wrong: BTreeMap<Channel, Wrong>,
}

impl Refresher {
    /// Reads until shutdown.
    pub async fn run(mut self, shutdown: CancellationToken) -> anyhow::Result<()> {
        while !shutdown.is_cancelled() {
            if let Err(error) = self.step().await {
                tracing::warn!(error = %error, "the channels keep their last settings");
            }
            tokio::select! {
                () = tokio::time::sleep(REFRESH) => {}
                () = shutdown.cancelled() => {}
            }
        }
        Ok(())
    }

    /// Reads once.
    pub async fn step(&mut self) -> Result<(), Error> {
        let mut known = self.sender.borrow().clone();
        let mut wrong = BTreeMap::new();
        for row in super::read(&self.pool).await? {
            match row {
                Ok((channel, config)) => {
                    known.insert(channel, Arc::new(config));
                }
                Err((channel, reason)) => {
                    wrong.insert(channel, reason);
                }
            }
        }
        if wrong != self.wrong {
            for (channel, reason) in &wrong {
                let channel = channel.as_str();
                tracing::error!(channel, error = %reason, "a channel keeps its last settings");
            }
            self.wrong = wrong;
        }
        self.sender.send_if_modified(|current| {
            let is_new = *current != known;
            *current = known;
            is_new
        });
        Ok(())
    }
}
