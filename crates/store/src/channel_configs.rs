//! What people set per channel while it runs: the rows of `channel_configs`, read
//! every few seconds by whoever obeys them and changed by `fte channels set`.

mod keys;
mod reader;
mod values;

use std::collections::BTreeMap;

use contract::Channel;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::{FromRow, PgConnection, PgExecutor};

use crate::Error;
use crate::people::OperatorName;

pub use keys::{Key, Wrong};
pub use reader::{ChannelConfigs, REFRESH, Refresher};

/// One channel as it is set.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelConfig {
    /// Whether anything is sent on the channel. What comes in is taken and stored either
    /// way, and what the agent or a person answers waits.
    pub enabled: bool,
    pub settings: ChannelSettings,
}

/// The settings of a channel. A channel has the keys that [`Key::of`] lists; the others
/// keep their defaults.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ChannelSettings {
    /// Twilio's ContentSid of the approved template that opens WhatsApp's window.
    pub template_id: Option<String>,
    /// The template's variables, as a JSON object of texts.
    pub template_variables: Option<String>,
    /// Our other addresses, in lower case.
    pub aliases: Vec<String>,
    /// Who of us may answer by mail, in lower case.
    pub staff_addresses: Vec<String>,
    /// Under which name the owner of one of these addresses acts; without one it is what
    /// stands before the `@`.
    pub staff_names: BTreeMap<String, String>,
    /// Automatic replies to one address in one conversation within an hour.
    pub replies_per_hour: u32,
    /// The same within a day.
    pub replies_per_day: u32,
    /// Sends begun within a second, by each replica; none set means the program's own.
    pub sends_per_second: Option<u32>,
    /// Whether a mail's subject carries `[TF-…]`.
    pub ticket_ref_in_subject: bool,
    /// Whether the web form's sender gets a mail with the link to the status page.
    pub mail_status_link: bool,
}

impl Default for ChannelSettings {
    fn default() -> Self {
        Self {
            template_id: None,
            template_variables: None,
            aliases: Vec::new(),
            staff_addresses: Vec::new(),
            staff_names: BTreeMap::new(),
            // A person reads and writes slower than this; two machines do not.
            replies_per_hour: 5,
            replies_per_day: 20,
            sends_per_second: None,
            ticket_ref_in_subject: true,
            mail_status_link: false,
        }
    }
}

/// A change that was not made.
#[derive(Debug, thiserror::Error)]
pub enum SetError {
    #[error(transparent)]
    Wrong(#[from] Wrong),
    #[error(transparent)]
    Store(#[from] Error),
}

/// A row as it is stored.
#[derive(FromRow)]
struct Row {
    #[sqlx(try_from = "String")]
    channel: Channel,
    enabled: bool,
    settings: Value,
}

impl Row {
    /// Keys that are not known are a newer program's and pass; a value that cannot be
    /// right does not.
    fn read(self) -> Result<(Channel, ChannelConfig), (Channel, Wrong)> {
        let Self { channel, enabled, settings } = self;
        let settings = serde_json::from_value::<ChannelSettings>(settings)
            .map_err(|_| Wrong::Unreadable)
            .and_then(|settings| settings.checked().map(|()| settings))
            .map_err(|wrong| (channel, wrong))?;
        Ok((channel, ChannelConfig { enabled, settings }))
    }
}

/// Every channel that can be read; of the others, what is wrong.
pub async fn read(
    executor: impl PgExecutor<'_>,
) -> Result<Vec<Result<(Channel, ChannelConfig), (Channel, Wrong)>>, Error> {
    let rows: Vec<Row> =
        sqlx::query_as("select channel, enabled, settings from channel_configs order by channel")
            .fetch_all(executor)
            .await?;
    Ok(rows.into_iter().map(Row::read).collect())
}

/// Makes all of these changes (`key`, value) or none, and notes who made them: the keys,
/// never the values, which may be addresses. Keys of a newer program stay. A row that
/// cannot be read starts from the defaults, which mends it.
pub async fn set(
    conn: &mut PgConnection,
    channel: Channel,
    changes: &[(&str, &str)],
    operator: OperatorName<'_>,
) -> Result<ChannelConfig, SetError> {
    let row: Row = sqlx::query_as(
        "select channel, enabled, settings from channel_configs where channel = $1 for update",
    )
    .bind(channel.as_str())
    .fetch_one(&mut *conn)
    .await
    .map_err(Error::from)?;
    let enabled = row.enabled;
    let mut config = match row.read() {
        Ok((_, config)) => config,
        Err(_) => ChannelConfig { enabled, settings: ChannelSettings::default() },
    };
    let mut changed = Vec::with_capacity(changes.len());
    for (name, value) in changes {
        changed.push(Key::find(channel, name)?.set(&mut config, value)?);
    }
    let settings = serde_json::to_value(&config.settings).map_err(Error::row)?;
    sqlx::query(
        "with changed as (
             update channel_configs set enabled = $2, updated_at = app_now(),
                 settings = case jsonb_typeof(settings)
                     when 'object' then settings || $3 else $3 end
             where channel = $1)
         insert into audit_log (operator, action, detail)
         values ($4, 'set_channel', jsonb_build_object('channel', $1::text, 'keys', $5::text[]))",
    )
    .bind(channel.as_str())
    .bind(config.enabled)
    .bind(settings)
    .bind(operator.0)
    .bind(changed)
    .execute(conn)
    .await
    .map_err(Error::from)?;
    Ok(config)
}
