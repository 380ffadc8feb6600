//! Counts SQL round trips by service from the database server's own statement log.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use sqlx::{Connection as _, PgConnection};

/// Marks the application's name in each log line.
const PREFIX: &str = "app=%a|";

/// Makes the server log every statement, or stop doing so.
pub(crate) async fn log_statements(database_url: &str, on: bool) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(database_url).await?;
    store::server_log::set(&mut connection, on, PREFIX).await?;
    connection.close().await?;
    Ok(())
}

/// Round trips by application in a log: one line a statement.
pub(crate) fn count(log: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for line in log.lines() {
        let Some((name, message)) = line.strip_prefix("app=").and_then(|l| l.split_once('|'))
        else {
            continue;
        };
        if message.contains("LOG:  execute ") || message.contains("LOG:  statement: ") {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
    }
    counts
}

/// What the server has logged since `offset` bytes.
pub(crate) fn read_since(path: &Path, offset: u64) -> anyhow::Result<String> {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let mut file = std::fs::File::open(path).with_context(|| format!("open {}", path.display()))?;
    file.seek(SeekFrom::Start(offset))?;
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_counted_by_application() {
        let log = "app=agent|LOG:  execute sqlx_s_1: select 1\n\
                   app=agent|LOG:  statement: commit\n\
                   app=metrics|LOG:  execute <unnamed>: select 2\n\
                   app=agent|DETAIL:  parameters: $1 = '7'\n\
                   \tfrom somewhere\n\
                   app=|LOG:  checkpoint starting: time\n";

        let counts = count(log);

        assert_eq!(counts.get("agent"), Some(&2));
        assert_eq!(counts.get("metrics"), Some(&1));
        assert_eq!(counts.len(), 2);
    }
}
