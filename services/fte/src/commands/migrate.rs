//! `fte migrate`: brings the tables up to date.

use std::process::ExitCode;

use anyhow::Context as _;
use chassis::settings::DatabaseSettings;
use clap::Args;
use sqlx::PgPool;

/// Bring the database's tables up to date
///
/// Forward only, and safe while the services of the release before are running. Services never
/// do it themselves: run it before they are replaced. Two at once wait for each other.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    database: DatabaseSettings,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    apply(&arguments.database.pool("migrate")?).await?;
    eprintln!("the tables are up to date");
    Ok(ExitCode::SUCCESS)
}

/// The product's tables and those of the log, which have version tables of their own.
pub(crate) async fn apply(pool: &PgPool) -> anyhow::Result<()> {
    store::MIGRATOR.run(pool).await.context("the tables of the product")?;
    bus::migrate(pool).await.context("the tables of the log")
}
