//! The database: the given one, or a PostgreSQL of our own.

use anyhow::Context as _;
use chassis::settings::DatabaseSettings;
use secrecy::SecretString;
use servers::{Postgres, PostgresOptions};
use sqlx::PgPool;

use crate::up::data::DataFolder;

/// Connections of `fte up` itself; the services have their own.
const CONNECTIONS: u32 = 4;

/// The database that is used now.
pub(crate) struct Database {
    pub(crate) url: SecretString,
    /// The server, when it is ours.
    pub(crate) server: Option<Postgres>,
}

impl Database {
    /// Takes the given URL, or starts a server whose data stays in the folder.
    pub(crate) async fn start(
        given: Option<SecretString>,
        folder: &DataFolder,
    ) -> anyhow::Result<Self> {
        if let Some(url) = given {
            return Ok(Self { url, server: None });
        }
        let is_kept = !folder.is_temporary();
        let options = PostgresOptions {
            folder: is_kept.then(|| folder.join("postgres")),
            password: Some(folder.secret("database-password")?),
            durable: is_kept,
            ..Default::default()
        };
        let server = Postgres::start(options).await?;
        Ok(Self { url: server.url("postgres").into(), server: Some(server) })
    }

    /// One line for the person who started it.
    pub(crate) fn describe(&self) -> String {
        match &self.server {
            Some(server) => format!("its own PostgreSQL at 127.0.0.1:{}", server.port()),
            None => "the one of DATABASE_URL".to_owned(),
        }
    }

    /// A pool whose first connection stands, so that a wrong URL shows now.
    pub(crate) async fn connect(&self) -> anyhow::Result<PgPool> {
        let database_url = self.url.clone();
        let settings = DatabaseSettings { database_url, database_connections: CONNECTIONS };
        let pool = settings.pool("fte-up")?;
        pool.acquire().await.context("the database does not answer")?;
        Ok(pool)
    }
}
