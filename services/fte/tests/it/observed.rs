//! What the product shows of itself: one trace through all steps, and logs without
//! anything personal.

use serde_json::json;
use testkit::wait_within;

use crate::collector::Collector;
use crate::customer::ANSWER_LIMIT;
use crate::product::{Product, data_folder};

#[tokio::test]
async fn one_trace_covers_submit_resolve_turn_and_dispatch() {
    let (collector, address) = Collector::start().await;
    let endpoint = format!("http://{address}");
    let environment = [("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str())];
    let product = Product::start_with(data_folder(), &["--bus", "kafka"], &environment).await;

    let ticket = product.submit("How do I export a board", "I want my board as a file.").await;
    product.page_when(&ticket, "answered").await;

    let expected = [
        "POST /support/submit",
        "consume identity-resolver",
        "consume agent",
        "consume dispatcher",
        "deliver",
    ];
    let mut seen = Vec::new();
    wait_within(ANSWER_LIMIT, "the trace to arrive", async || {
        seen = collector.trace_with("POST /support/submit");
        expected.iter().all(|name| seen.iter().any(|span| span == name))
    })
    .await;
    product.stop().await;
}

#[tokio::test]
async fn no_log_holds_an_address_a_text_or_a_token() {
    let chatty = "debug,hyper=info,h2=info,reqwest=info,sqlx::query=debug";
    let environment = [("RUST_LOG", chatty), ("FTE_LOG_FORMAT", "json")];
    let product = Product::start_with(data_folder(), &["--bus", "postgres"], &environment).await;

    let ticket = product.submit("Zanzibar subject", "Pelican sentence. Refund me, please.").await;
    product.page_when(&ticket, "escalated").await;
    let conversation = product.waiting_conversation(&ticket).await;
    let id = conversation["id"].as_str().unwrap();
    product.act(id, "reply", json!({ "text": "Walrus answer." })).await;
    let lookup = format!("{}/customers/lookup?email=sam%40example.org", product.url);
    product.http.get(&lookup).bearer_auth(&product.token).send().await.unwrap();
    let wrong = "/support/ticket/TF-20260105-0000?token=kiwi-token";
    product.http.get(format!("{}{wrong}", product.url)).send().await.unwrap();
    let rubbish = "name=Okapi&email=okapi-at-example.org&subject=Quokka&message=Narwhal";
    let form = product.http.post(format!("{}/support/submit", product.url)).body(rubbish);
    form.header("Content-Type", "application/x-www-form-urlencoded").send().await.unwrap();

    // To the end: what happens behind the last answer is logged too.
    let token = product.token.clone();
    let lines = product.stop_and_read().await;
    let (_, query) = ticket.status_url.split_once("token=").unwrap();
    let private = [
        "sam@example.org",
        "sam%40example.org",
        "Sam Doe",
        "Zanzibar",
        "Pelican",
        "Walrus",
        "kiwi-token",
        "Okapi",
        "okapi-at",
        "Quokka",
        "Narwhal",
        query,
        &token,
    ];
    assert!(lines.iter().any(|line| line.contains("\"level\":\"DEBUG\"")), "logs are recorded");
    for word in private {
        let found = lines.iter().find(|line| line.contains(word));
        assert_eq!(found, None, "{word} is in the log");
    }
}
