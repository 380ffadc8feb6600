//! Switches the database server's statement log, for benchmarks on a server of
//! their own. Needs a superuser.

use sqlx::{AssertSqlSafe, PgConnection};

use crate::Error;

/// Logs every statement behind this line prefix, or goes back to the defaults.
pub async fn set(connection: &mut PgConnection, on: bool, prefix: &str) -> Result<(), Error> {
    let quoted = prefix.replace('\'', "''");
    let statements = if on {
        [
            format!("alter system set log_line_prefix = '{quoted}'"),
            "alter system set log_statement = 'all'".to_owned(),
        ]
    } else {
        [
            "alter system reset log_line_prefix".to_owned(),
            "alter system reset log_statement".to_owned(),
        ]
    };
    for statement in statements {
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
    }
    sqlx::raw_sql("select pg_reload_conf()").execute(connection).await?;
    Ok(())
}
