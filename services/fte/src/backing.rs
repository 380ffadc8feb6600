//! PostgreSQL and the broker of one run, each of which may stop and come back in its place.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use chassis::settings::BusKind;
use servers::{Kafka, KafkaOptions, Postgres, PostgresOptions};
use tokio::sync::Mutex;

/// The servers below one folder.
pub(crate) struct Backing {
    folder: PathBuf,
    /// Whether a commit survives a power cut, which costs time.
    durable: bool,
    /// Nothing while it is away; locked while it goes or comes.
    pub(crate) postgres: Mutex<Option<Postgres>>,
    pub(crate) kafka: Mutex<Option<Kafka>>,
    pub(crate) database_url: String,
    /// `None` where the log stands in the database.
    pub(crate) bootstrap_servers: Option<String>,
}

impl Backing {
    pub(crate) async fn start(folder: &Path, bus: BusKind, durable: bool) -> anyhow::Result<Self> {
        // PostgreSQL may run as another user, whose folder lies inside.
        fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
        let broker = async {
            match bus {
                BusKind::Kafka => Ok(Some(start_kafka(folder, None).await?)),
                BusKind::Postgres => anyhow::Ok(None),
            }
        };
        let (postgres, kafka) = tokio::try_join!(start_postgres(folder, None, durable), broker)?;
        Ok(Self {
            folder: folder.to_owned(),
            durable,
            database_url: postgres.url("postgres"),
            bootstrap_servers: kafka.as_ref().map(Kafka::bootstrap_servers),
            postgres: Mutex::new(Some(postgres)),
            kafka: Mutex::new(kafka),
        })
    }

    /// Crashes the database and starts it again in its place.
    pub(crate) async fn crash_database(&self) -> anyhow::Result<()> {
        let mut held = self.postgres.lock().await;
        let Some(old) = held.take() else { return Ok(()) };
        let port = old.port();
        old.crash().await?;
        drop(old);
        *held = Some(start_postgres(&self.folder, Some(port), self.durable).await?);
        Ok(())
    }

    /// Crashes the broker and starts it again in its place.
    pub(crate) async fn crash_broker(&self) -> anyhow::Result<()> {
        let mut held = self.kafka.lock().await;
        let Some(old) = held.take() else { return Ok(()) };
        old.crash().await?;
        drop(old);
        *held = Some(start_kafka(&self.folder, self.broker_port()).await?);
        Ok(())
    }

    /// Stops the database in an orderly way, and starts it again in its place after `away`.
    pub(crate) async fn stop_database(&self, away: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut held = self.postgres.lock().await;
        let Some(old) = held.take() else { return Ok(()) };
        let port = old.port();
        old.stop().await?;
        away.await;
        *held = Some(start_postgres(&self.folder, Some(port), self.durable).await?);
        Ok(())
    }

    /// Stops the broker in an orderly way, and starts it again in its place after `away`.
    pub(crate) async fn stop_broker(&self, away: impl Future<Output = ()>) -> anyhow::Result<()> {
        let mut held = self.kafka.lock().await;
        let Some(old) = held.take() else { return Ok(()) };
        old.stop().await?;
        away.await;
        *held = Some(start_kafka(&self.folder, self.broker_port()).await?);
        Ok(())
    }

    fn broker_port(&self) -> Option<u16> {
        let (_, port) = self.bootstrap_servers.as_ref()?.rsplit_once(':')?;
        port.parse().ok()
    }

    /// Stops both. The run's data is no longer needed, so the broker need not write it out.
    pub(crate) async fn stop(&self) -> anyhow::Result<()> {
        if let Some(kafka) = self.kafka.lock().await.take() {
            kafka.crash().await?;
        }
        if let Some(postgres) = self.postgres.lock().await.take() {
            postgres.stop().await?;
        }
        Ok(())
    }
}

async fn start_postgres(
    folder: &Path,
    port: Option<u16>,
    durable: bool,
) -> anyhow::Result<Postgres> {
    let folder = Some(folder.join("postgres"));
    Ok(Postgres::start(PostgresOptions { folder, port, durable, ..Default::default() }).await?)
}

async fn start_kafka(folder: &Path, port: Option<u16>) -> anyhow::Result<Kafka> {
    let folder = Some(folder.join("kafka"));
    Ok(Kafka::start(KafkaOptions { folder, port, ..Default::default() }).await?)
}
