//! What is noted of calls that are not signed as they should be.

use sqlx::PgPool;
use store::refused_webhooks;
use testkit::wait_for;
use tokio_util::sync::CancellationToken;
use whatsapp_ingress::refusals;

use crate::support::{App, MESSAGES, ORIGIN, call};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_flood_of_forged_calls_leaves_a_row_with_names_and_no_values(pool: PgPool) {
    let (refusals, notes) = refusals(vec![ORIGIN.to_owned()]);
    let app = App::with(|parts| parts.refusals = refusals);
    let shutdown = CancellationToken::new();
    let noting = tokio::spawn(notes.run(pool.clone(), shutdown.clone()));

    for _ in 0..50 {
        let forged = call(&format!("{MESSAGES}?key=secret"), "", "Body=secret&F%00rom<x>=secret");
        app.send(forged).await.assert_problem(403);
    }
    let mut kept = Vec::new();
    wait_for("the note", async || {
        kept = refused_webhooks::newest(&pool, 10).await.unwrap();
        !kept.is_empty()
    })
    .await;
    shutdown.cancel();
    noting.await.unwrap().unwrap();

    // One now; the next in five seconds at the earliest.
    assert_eq!(kept.len(), 1);
    assert_eq!(
        (kept[0].route.as_str(), &kept[0].public_urls),
        (MESSAGES, &vec![ORIGIN.to_owned()])
    );
    assert_eq!(kept[0].parameters, ["Body", "F?00rom?x?"]);
    assert!(!format!("{kept:?}").contains("secret"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn of_refused_calls_the_last_hundred_are_kept(pool: PgPool) {
    for n in 0..130 {
        let refused = refused_webhooks::RefusedWebhook {
            route: n.to_string(),
            public_urls: Vec::new(),
            parameters: Vec::new(),
            reason: "x".into(),
        };
        refused_webhooks::keep(&pool, &refused).await.unwrap();
    }

    let kept = refused_webhooks::newest(&pool, 1000).await.unwrap();

    assert_eq!(kept.len(), 100);
    assert_eq!(kept[0].route, "129");
}
