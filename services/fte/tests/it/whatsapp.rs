//! WhatsApp through every part, with the emulator that `fte up` brings.

use std::process::Output;

use testkit::wait_within;

use crate::customer::ANSWER_LIMIT;
use crate::product::{Product, fte, to_end};

const CUSTOMER: &str = "+14155550123";

#[tokio::test]
async fn kafka_carries_a_whatsapp_message_to_its_reply_and_the_reply_to_its_receipt() {
    a_conversation(Product::start(&["--bus", "kafka"]).await).await;
}

#[tokio::test]
async fn the_postgres_log_carries_a_whatsapp_message_to_its_reply_and_its_receipt() {
    a_conversation(Product::start(&["--bus", "postgres", "--processes"]).await).await;
}

async fn a_conversation(product: Product) {
    assert!(product.said("whatsapp").unwrap().starts_with("an emulator of Twilio at http://"));

    let first = say(&product, "How do I export my board to CSV?").await;
    let second = say(&product, "And how do I reset my password?").await;

    assert!(first.contains("Export"), "{first}");
    assert!(second.contains("assword") && !second.contains("CSV"), "{second}");
    let database = product.database().await;
    let count = async |query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(&database).await.unwrap()
    };
    assert_eq!(count("select count(*) from conversations where channel = 'whatsapp'").await, 1);
    wait_within(ANSWER_LIMIT, "every receipt", async || {
        let open = "select count(*) from deliveries where outlet = 'whatsapp'
            and state <> 'delivered'";
        count(open).await == 0
    })
    .await;
    let once = "select count(*) from deliveries where outlet = 'whatsapp' and attempt <> 1";
    assert_eq!(count(once).await, 0);
    let (status, _data) = product.stop().await;
    assert!(status.success(), "{status}");
}

/// What a customer reads after writing this.
async fn say(product: &Product, text: &str) -> String {
    let output = product.command(&["say", "whatsapp", "--from", CUSTOMER, text]).await;
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn said(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[tokio::test]
async fn saying_something_wrong_or_to_nobody_is_told_in_one_line() {
    let nobody = "http://127.0.0.1:1";
    let cases: [(&[&str], i32, &str); 3] = [
        (&["--from", "4155550123", "hi"], 64, "--from"),
        (&["--from", CUSTOMER, "hi"], 64, "fte up"),
        (&["--from", CUSTOMER, "--emulator", nobody, "hi"], 1, "is `fte up` running?"),
    ];

    for (arguments, code, named) in cases {
        let mut command = fte(&["say", "whatsapp"]);
        command.args(arguments);
        let output = to_end(command).await;

        let said = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
}
