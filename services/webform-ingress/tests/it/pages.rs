//! The pages: values kept, everything escaped, links only where they are safe.

use axum::body::Body;
use axum::http::Request;
use sqlx::PgPool;

use crate::support::{App, BROWSER, and, post_form, post_raw, rows};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_form_is_a_page_with_labels_and_a_fresh_key(pool: PgPool) {
    let app = App::new(&pool).await;

    let (page, again) = (app.page("/support").await, app.get("/support").await);

    assert_eq!(page.status.as_u16(), 200);
    assert_eq!(page.header("content-type"), "text/html; charset=utf-8");
    for field in ["name", "email", "subject", "message", "category", "priority", "plan"] {
        assert!(page.body.contains(&format!("<label for=\"{field}\">")), "{field}");
        assert!(page.body.contains(&format!("name=\"{field}\"")), "{field}");
    }
    assert!(!page.body.contains("<script"));
    let key = |body: &str| {
        let (_, rest) = body.split_once("name=\"idempotency_key\" value=\"").unwrap();
        rest.split_once('"').unwrap().0.to_owned()
    };
    assert_eq!(key(&page.body).len(), 36);
    assert_ne!(key(&page.body), key(&again.body));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_style_is_served_and_may_be_kept(pool: PgPool) {
    let app = App::new(&pool).await;

    let style = app.get("/support/style.css").await;

    assert_eq!(style.header("content-type"), "text/css; charset=utf-8");
    assert!(style.header("cache-control").starts_with("public"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn wrong_values_come_back_marked_and_kept(pool: PgPool) {
    let app = App::new(&pool).await;
    let form = "name=Sam+%22%3Cscript%3E&email=nowhere&subject=&message=a%0D%0A%3C/textarea%3Eb\
                &category=billing&priority=high&plan=pro&idempotency_key=f1";

    let answer = app.send(and(post_form("/support/submit", form), "accept", BROWSER)).await;

    assert_eq!(answer.status.as_u16(), 422);
    let page = &answer.body;
    assert!(page.contains("value=\"Sam &#34;&#60;script&#62;\""), "{page}");
    assert!(
        page.contains("value=\"nowhere\" aria-invalid=\"true\" aria-describedby=\"email-error\"")
    );
    assert!(page.contains("id=\"email-error\">This is not a valid address."));
    assert!(page.contains("id=\"subject-error\">This is required."));
    assert!(!page.contains("name-error"), "the name is fine");
    assert!(page.contains("&#60;/textarea&#62;b</textarea>"));
    for chosen in ["billing", "high", "pro"] {
        assert!(page.contains(&format!("<option value=\"{chosen}\" selected>")), "{chosen}");
    }
    assert!(page.contains("value=\"f1\""), "the key stays");
    assert!(app.events().is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_browser_gets_a_page_for_every_refusal(pool: PgPool) {
    let app = App::new(&pool).await;
    let html = |request: Request<Body>| and(request, "accept", BROWSER);
    let huge = "x".repeat(300 << 10);

    let answers = [
        (415, app.send(html(post_raw("/support/submit", "text/plain", "hi"))).await),
        (400, app.send(html(post_raw("/support/submit", "application/json", "{"))).await),
        (422, app.send(html(post_form("/support/submit", "a=1"))).await),
        (413, app.send(html(post_form("/support/submit", &huge))).await),
        (404, app.page("/support/ticket/TF-20260105-0000?token=no").await),
    ];

    for (status, answer) in answers {
        assert_eq!(answer.status.as_u16(), status);
        assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{status}");
        assert!(answer.body.contains("</html>"), "{status}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_anybody_wrote_is_escaped_on_the_page(pool: PgPool) {
    let app = App::new(&pool).await;
    let attack = "<script>alert(1)</script>\n\"'><img src=x onerror=alert(1)>";
    let body = serde_json::json!({
        "name": "<b>Sam</b>", "email": "sam@example.org", "subject": attack, "message": attack,
    });
    let url = app.submit(&body).await.json()["status_url"].as_str().unwrap().to_owned();
    let conversation = rows::store(&pool, &app.events()[0]).await;
    rows::answer(&pool, conversation, "agent", "", attack).await;
    rows::answer(&pool, conversation, "person", attack, attack).await;
    rows::set(&pool, "update conversations set owner = 'person', person = '<i>Eve</i>'").await;

    let page = app.page(&url).await.body;

    assert!(!page.contains("<script") && !page.contains("<img") && !page.contains("<i>"), "{page}");
    assert_eq!(page.matches("&#60;script&#62;alert(1)&#60;/script&#62;").count(), 5);
    let json = app.get(&url).await.json();
    assert_eq!(json["messages"][0]["text"], attack, "kept as it was");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn only_allowed_addresses_in_the_agents_texts_are_links(pool: PgPool) {
    let app = App::new(&pool).await;
    let good = "https://taskflow.example/help/export-data";
    let text = format!("See {good}. Not https://evil.example/x nor javascript:alert(1).");
    let body = crate::support::question_with("message", text.as_str());
    let url = app.submit(&body).await.json()["status_url"].as_str().unwrap().to_owned();
    let conversation = rows::store(&pool, &app.events()[0]).await;
    rows::answer(&pool, conversation, "agent", "", &text).await;
    rows::answer(&pool, conversation, "person", "Lisa Tanaka", &text).await;

    let page = app.page(&url).await.body;

    let thread = page.split_once("<ol").unwrap().1.split_once("</ol>").unwrap().0;
    assert_eq!(thread.matches("<a ").count(), 1, "{thread}");
    assert!(
        thread.contains(&format!(
            "<a href=\"{good}\" rel=\"noopener noreferrer nofollow\">{good}</a>."
        ))
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_waiting_page_asks_again_ever_more_rarely_and_never_while_one_writes(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    assert!(app.page(&url).await.body.contains("content=\"2\""), "received");
    rows::store(&pool, &app.events()[0]).await;
    let refresh = async |path: &str| {
        let page = app.page(path).await.body;
        let found = page.split_once("http-equiv=\"refresh\" content=\"");
        found.map(|(_, rest)| rest.split_once('"').unwrap().0.to_owned())
    };

    for (time, expected) in [
        ("2026-01-05T12:00:30Z", Some("2")),
        ("2026-01-05T12:05:00Z", Some("10")),
        ("2026-01-05T15:00:00Z", Some("60")),
        ("2026-01-07T12:00:00Z", None),
    ] {
        app.set_time(time);
        assert_eq!(refresh(&url).await.as_deref(), expected, "{time}");
    }
    app.set_time("2026-01-05T12:00:30Z");
    let waiting = app.page(&url).await.body;
    assert!(!waiting.contains("<textarea"), "a reload would throw it away");
    let writing = app.page(&format!("{url}&write=true")).await.body;
    assert!(writing.contains("<textarea") && !writing.contains("http-equiv=\"refresh\""));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_closed_ticket_has_no_form(pool: PgPool) {
    let app = App::new(&pool).await;
    let url = app.ticket().await;
    rows::store(&pool, &app.events()[0]).await;
    rows::set(&pool, "update conversations set status = 'closed'").await;

    let page = app.page(&url).await.body;

    assert!(!page.contains("<textarea") && page.contains("Open a new ticket"));
}
