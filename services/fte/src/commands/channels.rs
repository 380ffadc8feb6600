//! `fte channels`: what people set per channel while everything runs.

use std::process::ExitCode;

use chassis::SettingsError;
use chassis::settings::DatabaseSettings;
use clap::{Args, Subcommand};
use contract::Channel;
use sqlx::PgPool;
use store::channel_configs::{self, ChannelConfig, Key, SetError};
use store::people::OperatorName;

use crate::output::{line, table};

/// Show and change what is set per channel; services obey within 10 seconds
///
/// A channel with enabled=false still takes messages in, and the agent still writes its answers:
/// nothing is lost, but no reply leaves on the channel until it is enabled again. Then what waits
/// is sent.
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show the settings of every channel, or of one; exit 1 when one cannot be read
    Show {
        /// email, whatsapp or web_form
        channel: Option<Channel>,
        #[command(flatten)]
        database: DatabaseSettings,
    },
    /// Change settings of a channel: all of these, or none
    ///
    /// A list is comma-separated; an empty value (`key=`) unsets. An address of staff may carry the
    /// operator's name under which its owner answers: staff_addresses=anna@example.com=Anna. What was changed, without values,
    /// is noted in the audit log.
    Set {
        /// email, whatsapp or web_form
        channel: Channel,
        /// Settings as key=value; `fte channels show` lists the keys
        #[arg(required = true, value_name = "KEY=VALUE")]
        changes: Vec<String>,
        /// Who changes it, for the audit log
        #[arg(long = "as", value_name = "NAME", env = "USER", default_value = "command line")]
        operator: String,
        #[command(flatten)]
        database: DatabaseSettings,
    },
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Show { channel, database } => show(&database.pool("channels")?, channel).await,
        Action::Set { channel, changes, operator, database } => {
            set(&database.pool("channels")?, channel, &changes, &operator).await
        }
    }
}

async fn show(pool: &PgPool, only: Option<Channel>) -> anyhow::Result<ExitCode> {
    let mut rows = table(["channel", "setting", "value", "what"]);
    let mut code = ExitCode::SUCCESS;
    for read in channel_configs::read(pool).await? {
        let is_asked = |channel| only.is_none_or(|only| only == channel);
        match read {
            Ok((channel, config)) if is_asked(channel) => add(&mut rows, channel, &config),
            Err((channel, wrong)) if is_asked(channel) => {
                eprintln!("error: {}: {wrong}", channel.as_str());
                code = ExitCode::FAILURE;
            }
            Ok(_) | Err(_) => {}
        }
    }
    line(rows.to_string())?;
    Ok(code)
}

fn add(rows: &mut comfy_table::Table, channel: Channel, config: &ChannelConfig) {
    for key in Key::of(channel) {
        rows.add_row([channel.as_str(), key.name, &key.show(config), key.help]);
    }
}

async fn set(
    pool: &PgPool,
    channel: Channel,
    changes: &[String],
    operator: &str,
) -> anyhow::Result<ExitCode> {
    let pairs = changes.iter().map(|change| {
        change.split_once('=').ok_or_else(|| SettingsError(format!("{change:?} is no key=value")))
    });
    let pairs = pairs.collect::<Result<Vec<_>, _>>()?;
    let mut transaction = pool.begin().await?;
    let config =
        channel_configs::set(&mut transaction, channel, &pairs, OperatorName(operator)).await;
    let config = config.map_err(|error| match error {
        SetError::Wrong(wrong) => anyhow::Error::new(SettingsError(wrong.to_string())),
        SetError::Store(error) => error.into(),
    })?;
    transaction.commit().await?;
    let mut rows = table(["channel", "setting", "value", "what"]);
    add(&mut rows, channel, &config);
    line(rows.to_string())?;
    Ok(ExitCode::SUCCESS)
}
