//! Limits per caller, address and domain.

use sqlx::PgPool;

use crate::support::{App, BROWSER, FORM, and, from, post, post_form, question, question_with};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_caller_over_its_limit_gets_429_with_the_time_to_wait(pool: PgPool) {
    let app = App::with(&pool, "ip=2/m", |_| ()).await;
    let send = |ip| app.send(from(post("/support/submit", &question()), ip));
    assert_eq!(send("192.0.2.1").await.status.as_u16(), 202);
    assert_eq!(send("192.0.2.1").await.status.as_u16(), 202);

    let refused = send("192.0.2.1").await;

    refused.assert_problem(429);
    assert_eq!(refused.header("retry-after"), "30");
    assert_eq!(send("192.0.2.2").await.status.as_u16(), 202, "another caller");
    app.pass_seconds(30);
    assert_eq!(send("192.0.2.1").await.status.as_u16(), 202);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_address_and_a_domain_have_limits_of_their_own(pool: PgPool) {
    let app = App::with(&pool, "address=1/h,domain=2/h", |_| ()).await;
    let send = |email: &str| {
        let request = post("/support/submit", &question_with("email", email));
        app.send(request)
    };
    assert_eq!(send("sam@example.org").await.status.as_u16(), 202);

    let address = send("SAM@example.org").await;
    assert_eq!(send("kim@example.org").await.status.as_u16(), 202);
    let domain = send("eve@example.org").await;

    address.assert_problem(429);
    assert_eq!(address.header("retry-after"), "3600");
    domain.assert_problem(429);
    assert_eq!(domain.header("retry-after"), "1800");
    assert_eq!(send("eve@example.com").await.status.as_u16(), 202);
    assert_eq!(app.events().len(), 3);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn repeats_under_one_key_are_counted_once(pool: PgPool) {
    let app = App::with(&pool, "ip=100/m,address=1/h", |_| ()).await;
    for _ in 0..20 {
        let request = and(post("/support/submit", &question()), "idempotency-key", "k1");
        assert_eq!(app.send(request).await.status.as_u16(), 202);
    }

    let other = and(post("/support/submit", &question()), "idempotency-key", "k2");
    app.send(other).await.assert_problem(429);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn invalid_submissions_count_for_the_caller_and_not_for_the_address(pool: PgPool) {
    let app = App::with(&pool, "ip=3/m,address=1/h", |_| ()).await;
    let send = |body| app.send(from(post("/support/submit", &body), "192.0.2.1"));
    assert_eq!(send(question_with("name", "")).await.status.as_u16(), 422);
    assert_eq!(send(question_with("subject", "")).await.status.as_u16(), 422);
    assert_eq!(send(question()).await.status.as_u16(), 202);

    send(question_with("name", "")).await.assert_problem(429);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn only_a_trusted_proxy_may_name_the_caller(pool: PgPool) {
    let app = App::with(&pool, "ip=1/m", |parts| {
        parts.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    })
    .await;
    let send = |peer: &str, forwarded: &str| {
        let request = and(post("/support/submit", &question()), "x-forwarded-for", forwarded);
        app.send(from(request, peer))
    };

    assert_eq!(send("10.0.0.1", "198.51.100.1").await.status.as_u16(), 202);
    assert_eq!(send("10.0.0.1", "198.51.100.2").await.status.as_u16(), 202);
    assert_eq!(send("10.0.0.1", "203.0.113.5, 198.51.100.2").await.status.as_u16(), 429);
    assert_eq!(send("192.0.2.1", "198.51.100.3").await.status.as_u16(), 202);
    assert_eq!(
        send("192.0.2.1", "198.51.100.4").await.status.as_u16(),
        429,
        "the header is its own"
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_browser_over_its_limit_keeps_its_words(pool: PgPool) {
    let app = App::with(&pool, "address=1/h", |_| ()).await;
    assert_eq!(app.submit_form(FORM).await.status.as_u16(), 202);

    let answer = app.send(and(post_form("/support/submit", FORM), "accept", BROWSER)).await;

    assert_eq!(answer.status.as_u16(), 429);
    assert_eq!(answer.header("retry-after"), "3600");
    assert!(answer.body.contains("value=\"Sam Doe\""));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn follow_ups_count_for_the_caller(pool: PgPool) {
    let app = App::with(&pool, "ip=2/m", |_| ()).await;
    let url = app.ticket().await;
    let path = url.replace('?', "/messages?");
    let send = || app.send(post(&path, &serde_json::json!({"message": "And one more"})));
    assert_eq!(send().await.status.as_u16(), 202);

    send().await.assert_problem(429);
}
