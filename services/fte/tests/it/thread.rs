//! The thread through every part, on each log, in one process and in many.

use serde_json::json;
use testkit::{wait_for, wait_within};

use crate::customer::{ANSWER_LIMIT, texts};
use crate::product::{Product, is_alive};

#[tokio::test]
async fn kafka_in_one_process_carries_a_question_to_its_answer() {
    let product = Product::start(&["--bus", "kafka"]).await;

    assert!(product.said("log").unwrap().contains("Apache Kafka"));
    the_thread(product).await;
}

#[tokio::test]
async fn kafka_in_many_processes_carries_a_question_to_its_answer() {
    let product = Product::start(&["--bus", "kafka", "--processes"]).await;

    assert!(product.child_running("agent").is_some());
    the_thread(product).await;
}

#[tokio::test]
async fn the_postgres_log_carries_a_question_to_its_answer() {
    let product = Product::start(&["--bus", "postgres"]).await;

    assert!(product.said("log").unwrap().contains("tables"));
    the_thread(product).await;
}

async fn the_thread(product: Product) {
    a_question_is_answered_with_its_article(&product).await;
    a_refund_goes_to_a_person_whose_words_reach_the_customer(&product).await;
    the_figures_and_the_health_show_it(&product).await;
    product.every_promise_holds().await;
    let children = product.children();
    let (status, _data) = product.stop().await;
    assert!(status.success(), "{status}");
    wait_for("every child to be gone", async || !children.iter().any(|pid| is_alive(*pid))).await;
}

async fn a_question_is_answered_with_its_article(product: &Product) {
    let question = "I want my board as a file, how do I do that?";
    let ticket = product.submit("How do I export a board", question).await;
    let at_once = product.page(&ticket).await;
    let status = at_once["status"].as_str().unwrap();
    assert!(["received", "in_progress", "answered"].contains(&status), "{status}");

    let page = product.page_when(&ticket, "answered").await;

    assert_eq!(texts(&page, "customer"), [question]);
    let answers = texts(&page, "agent");
    assert_eq!(answers.len(), 1);
    assert!(answers[0].to_lowercase().contains("export"), "{}", answers[0]);
}

async fn a_refund_goes_to_a_person_whose_words_reach_the_customer(product: &Product) {
    let wish = "You charged me twice this month. I want a refund of the second payment.";
    let ticket = product.submit("Refund", wish).await;

    let page = product.page_when(&ticket, "escalated").await;
    assert_eq!(page["escalated_to"], "Lisa Tanaka");
    let waiting = product.waiting_conversation(&ticket).await;
    let conversation = waiting["id"].as_str().unwrap();
    product.act(conversation, "take", json!({})).await;
    product
        .act(conversation, "reply", json!({ "text": "The second payment is on its way back." }))
        .await;

    wait_within(ANSWER_LIMIT, "the person's words on the page", async || {
        texts(&product.page(&ticket).await, "person") == ["The second payment is on its way back."]
    })
    .await;
}

async fn the_figures_and_the_health_show_it(product: &Product) {
    wait_within(ANSWER_LIMIT, "the figures to count both tickets", async || {
        let figures = product.get_json("/metrics/channels?window=24h").await;
        figures.to_string().contains("\"received\":2")
    })
    .await;
    wait_within(ANSWER_LIMIT, "the health to be good", async || {
        product.get_json("/health/detailed").await["status"] == "ok"
    })
    .await;
    for service in [
        "webform-ingress",
        "whatsapp-ingress",
        "identity-resolver",
        "agent",
        "dispatcher",
        "metrics",
        "support-api",
    ] {
        for probe in ["livez", "readyz", "metrics"] {
            let url = format!("{}/services/{service}/{probe}", product.url);
            assert!(product.http.get(&url).send().await.unwrap().status().is_success(), "{url}");
        }
    }
}
