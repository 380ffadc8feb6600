//! The pages in a real Chromium, as a customer meets them.

use axum::response::Html;
use axum::routing::get;
use contract::{ConversationId, WebformBody};
use sqlx::PgPool;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::support::{App, rows};
use crate::webdriver::Browser;

const ANSWER: &str = "Hi Sam,\n\nthank you for writing to us. This is how you export a board:\n\n\
    1. Open the board's menu and choose Export.\n2. Choose CSV or PDF.\n3. Choose Download.\n\n\
    More about it: https://taskflow.example/help/export-data\n\n— TaskFlow Support Team";

/// A served ingress; gone when dropped.
struct Site {
    app: App,
    origin: String,
    _shutdown: DropGuard,
}

impl Site {
    async fn start(pool: &PgPool) -> Self {
        let app = App::new(pool).await;
        let listener = chassis::http::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        // Says in the browser's own words whether scripts run.
        let probe = "<p>no scripts</p><script>document.body.innerText = 'they run'</script>";
        let router = app.router.clone().route("/probe", get(async move || Html(probe)));
        tokio::spawn(chassis::http::serve(listener, router, shutdown.clone()));
        Self { app, origin, _shutdown: shutdown.drop_guard() }
    }

    async fn open(&self, browser: &Browser, path: &str) {
        browser.open(&format!("{}{path}", self.origin)).await;
    }

    /// Stores the newest event, as the pipeline does some milliseconds later.
    async fn store(&self, pool: &PgPool) -> ConversationId {
        let event = self.app.events().pop().unwrap();
        match &event.body {
            WebformBody::Submission(_) => rows::store(pool, &event).await,
            WebformBody::FollowUp { message } => {
                let conversation = ConversationId::named(&format!("webform:{}", event.ticket_ref));
                rows::add(pool, conversation, &event, message).await;
                conversation
            }
        }
    }
}

async fn fill_in(browser: &Browser) {
    browser.fill("#name", "Sam Doe").await;
    browser.fill("#email", "sam@example.org").await;
    browser.fill("#subject", "How do I export a board").await;
    browser.fill("#message", "I want my board as a file,\nhow do I do that?").await;
    browser.click("#plan option[value=pro]").await;
}

/// Sends, waits, reads, writes back, reads again.
async fn a_whole_conversation(pool: &PgPool, site: &Site, browser: &Browser, pictures: &str) {
    site.open(browser, "/support").await;
    // Those of the probe, which has no icon.
    browser.complaints().await;
    browser.picture(&format!("{pictures}-1-form")).await;
    fill_in(browser).await;
    browser.click("button[type=submit]").await;
    browser.wait_for_text(".badge", "Received").await;
    assert!(browser.address().await.contains("/support/ticket/TF-20260105-"));
    browser.picture(&format!("{pictures}-2-received")).await;

    let conversation = site.store(pool).await;
    browser.wait_for_text(".badge", "In progress").await;
    browser.wait_for_text(".customer .text", "I want my board as a file,\nhow do I do that?").await;
    rows::answer(pool, conversation, "agent", "", ANSWER).await;
    browser.wait_for_text(".badge", "Answered").await;
    browser.wait_for_text(".agent .text", ANSWER).await;
    browser.wait_for_text(".agent a", "https://taskflow.example/help/export-data").await;
    browser.picture(&format!("{pictures}-3-answered")).await;

    browser.fill("#message", "And <b>as PDF</b>?").await;
    site.app.set_time("2026-01-05T12:02:00Z");
    browser.click("button[type=submit]").await;
    browser.wait_for_text("main", "Add something to your message").await;
    site.store(pool).await;
    browser.wait_for_text(".entry:nth-child(3) .text", "And <b>as PDF</b>?").await;
    rows::answer(pool, conversation, "agent", "", "Yes, choose PDF in step 2.").await;
    browser.wait_for_text(".entry:nth-child(4) .text", "Yes, choose PDF in step 2.").await;
    browser.picture(&format!("{pictures}-4-follow-up")).await;
    assert_eq!(browser.complaints().await, Vec::<String>::new());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_customer_sends_waits_reads_and_writes_back(pool: PgPool) {
    let browser = Browser::start(true).await;
    let site = Site::start(&pool).await;
    site.open(&browser, "/probe").await;
    browser.wait_for_text("body", "they run").await;

    a_whole_conversation(&pool, &site, &browser, "conversation").await;

    browser.close().await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_customer_without_javascript_misses_nothing(pool: PgPool) {
    let browser = Browser::start(false).await;
    let site = Site::start(&pool).await;
    site.open(&browser, "/probe").await;
    browser.wait_for_text("body", "no scripts").await;

    a_whole_conversation(&pool, &site, &browser, "without-javascript").await;

    browser.close().await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_was_typed_stays_when_something_is_wrong(pool: PgPool) {
    let browser = Browser::start(true).await;
    let site = Site::start(&pool).await;
    site.open(&browser, "/support").await;
    fill_in(&browser).await;
    browser.fill("#email", "sam at example").await;
    browser.fill("#subject", " ").await;

    browser.click("button[type=submit]").await;

    browser.wait_for_text("#email-error", "is not a valid address").await;
    browser.wait_for_text("#subject-error", "is required").await;
    browser.picture("errors").await;
    assert_eq!(browser.value("#name").await, "Sam Doe");
    assert_eq!(browser.value("#email").await, "sam at example");
    assert_eq!(browser.value("#message").await, "I want my board as a file,\nhow do I do that?");
    assert_eq!(browser.value("#plan").await, "pro");
    assert!(site.app.events().is_empty());

    browser.fill("#email", "sam@example.org").await;
    browser.fill("#subject", "How do I export a board").await;
    browser.click("button[type=submit]").await;
    browser.wait_for_text(".badge", "Received").await;
    assert_eq!(site.app.events().len(), 1);
    browser.close().await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_log_that_was_away_costs_one_more_click_and_opens_one_ticket(pool: PgPool) {
    let browser = Browser::start(true).await;
    let site = Site::start(&pool).await;
    site.app.publisher.leave_next_unconfirmed();
    site.open(&browser, "/support").await;
    fill_in(&browser).await;
    browser.click("button[type=submit]").await;
    browser.wait_for_text(".notice", "We could not confirm your message").await;
    browser.picture("not-confirmed").await;

    browser.click("button[type=submit]").await;

    browser.wait_for_text(".badge", "Received").await;
    let events = site.app.events();
    assert_eq!(events.len(), 2);
    assert_eq!(events[0], events[1], "the same event again");
    browser.close().await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_pages_fit_a_phone(pool: PgPool) {
    let browser = Browser::start(true).await;
    browser.resize(500, 900).await;
    let site = Site::start(&pool).await;
    let url = site.app.ticket().await;
    let conversation = site.store(&pool).await;
    let long = format!("{ANSWER}\n\n{}", "unbroken".repeat(60));
    rows::answer(&pool, conversation, "agent", "", &long).await;
    rows::set(&pool, "update conversations set owner = 'person', person = 'Lisa Tanaka'").await;
    rows::answer(&pool, conversation, "person", "Lisa Tanaka", "Hello Sam, Lisa here.").await;

    for (path, name) in [("/support", "phone-form"), (&url, "phone-ticket")] {
        site.open(&browser, path).await;
        browser.picture(name).await;
        let sizes = browser
            .evaluate(
                "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
            )
            .await;
        assert_eq!(sizes[0], sizes[1], "{path} scrolls sideways");
    }
    browser.close().await;
}
