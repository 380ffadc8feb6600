//! A database for one evaluation: nobody else's articles are touched.

use anyhow::Context as _;
use chassis::SettingsError;
use chassis::settings::DatabaseSettings;
use secrecy::{ExposeSecret as _, SecretString};
use servers::Postgres;
use sqlx::migrate::MigrateDatabase as _;
use sqlx::{PgPool, Postgres as Server};

use crate::commands::migrate;

/// Tickets that are judged side by side never wait for a connection.
const CONNECTIONS: u32 = 6;

/// An empty database with the product's tables, dropped at the end.
pub(crate) struct Throwaway {
    pub(crate) pool: PgPool,
    url: SecretString,
    server: Option<Postgres>,
}

impl Throwaway {
    /// Makes one beside the given database, else on a server of its own.
    pub(crate) async fn create(given: Option<&SecretString>) -> anyhow::Result<Self> {
        let (url, server) = match given {
            Some(url) => (beside(url)?, None),
            None => {
                let server = Postgres::temporary().await?;
                (beside(&server.url("postgres").into())?, Some(server))
            }
        };
        Server::create_database(url.expose_secret()).await.context("a database to judge in")?;
        let database_url = url.clone();
        let settings = DatabaseSettings { database_url, database_connections: CONNECTIONS };
        let pool = settings.pool("eval")?;
        migrate::apply(&pool).await?;
        Ok(Self { pool, url, server })
    }

    /// Whoever holds connections of the pool must be gone.
    pub(crate) async fn drop(self) -> anyhow::Result<()> {
        self.pool.close().await;
        Server::force_drop_database(self.url.expose_secret()).await.context("the database")?;
        match self.server {
            Some(server) => Ok(server.stop().await?),
            None => Ok(()),
        }
    }
}

/// The same server, with a new name for the database.
fn beside(url: &SecretString) -> Result<SecretString, SettingsError> {
    let url = reqwest::Url::parse(url.expose_secret());
    let mut url =
        url.map_err(|_| SettingsError("DATABASE_URL is not a valid postgres:// URL".to_owned()))?;
    url.set_path(&format!("fte_eval_{}", uuid::Uuid::new_v4().simple()));
    Ok(String::from(url).into())
}
