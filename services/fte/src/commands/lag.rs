//! `fte lag`: how far each consumer group is behind.

use std::collections::BTreeMap;
use std::process::ExitCode;

use chassis::settings::{BusSettings, DatabaseSettings};
use clap::Args;

use crate::output::{line, table};

/// Show how many records each group has not finished
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// One line a partition instead of one a topic
    #[arg(long)]
    partitions: bool,
    /// Exit 1 unless every group is at its end
    #[arg(long)]
    expect_zero: bool,
    #[command(flatten)]
    database: DatabaseSettings,
    #[command(flatten)]
    bus: BusSettings,
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let pool = arguments.database.pool("lag")?;
    let lags = arguments.bus.connect(&pool).await?.lag().await?;
    let mut rows = BTreeMap::new();
    for lag in &lags {
        let partition =
            if arguments.partitions { lag.partition.to_string() } else { "all".to_owned() };
        *rows.entry((lag.group.clone(), lag.topic, partition)).or_insert(0) += lag.records();
    }
    let mut table = table(["group", "topic", "partition", "lag"]);
    for ((group, topic, partition), records) in &rows {
        table.add_row([group, topic.name(), partition, &records.to_string()]);
    }
    line(table.to_string())?;
    let is_behind = rows.values().any(|records| *records > 0);
    Ok(if arguments.expect_zero && is_behind { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}
