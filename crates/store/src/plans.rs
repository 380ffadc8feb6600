//! Hot statements must be index look-ups also in a plan that was made while the
//! tables were empty: such a plan stays until the first analyze, a minute of load away.

use sqlx::{AssertSqlSafe, PgPool};

use crate::{
    deliveries, delivery_ends, delivery_sends, identity, inbound_sql, knowledge, mail_sql, outbox,
    threads, turns_sql, whatsapp,
};

/// Name, types of parameters that the statement does not tell, their number, text.
const HOT: [(&str, &str, usize, &str); 15] = [
    ("identity::store_submissions", "", 25, identity::STORE_SUBMISSIONS),
    ("threads::find", "", 2, threads::FIND),
    ("threads::append", "", 17, threads::APPEND_MESSAGES),
    ("whatsapp::find", "", 5, whatsapp::FIND),
    ("mail::find", "", 7, mail_sql::FIND),
    ("inbound::store", "(text, text)", 47, inbound_sql::STORE),
    ("deliveries::begin", "(text, bigint, float8)", 3, deliveries::BEGIN),
    ("deliveries::finish", "", 19, delivery_ends::FINISH),
    ("delivery_sends::begin", "(text, bigint, float8, float8)", 4, delivery_sends::BEGIN),
    ("delivery_sends::start", "", 2, delivery_sends::START),
    ("outbox::pending", "(text, uuid[])", 2, outbox::PENDING),
    ("turns::read", "(uuid[], text, bigint)", 3, turns_sql::READ),
    ("turns::commit", "", 28, turns_sql::COMMIT),
    ("knowledge::look_up", "", 1, knowledge::lookup::LOOK_UP),
    ("knowledge::sections", "", 1, knowledge::SECTIONS),
];

#[sqlx::test(migrator = "crate::MIGRATOR")]
async fn no_hot_statement_reads_a_whole_table(pool: PgPool) {
    let mut conn = pool.acquire().await.unwrap();
    let mut run = async |statement: String| -> Vec<String> {
        sqlx::query_scalar(AssertSqlSafe(statement))
            .persistent(false)
            .fetch_all(&mut *conn)
            .await
            .unwrap()
    };
    // As the services set their connections up.
    run("set plan_cache_mode = force_generic_plan".into()).await;
    run("set random_page_cost = 1.1".into()).await;
    for (name, types, parameters, text) in HOT {
        run(format!("prepare hot{types} as {text}")).await;
        let nulls = vec!["null"; parameters].join(", ");
        let plan = run(format!("explain execute hot({nulls})")).await;
        run("deallocate hot".into()).await;

        let scans: Vec<_> = plan.iter().filter(|line| line.contains("Seq Scan")).collect();
        assert!(scans.is_empty(), "{name}: {scans:?}");
    }
}
