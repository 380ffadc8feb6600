//! E-mail through every part, with the emulator that `fte up` brings.

use serde_json::{Value, json};
use testkit::wait_within;

use crate::customer::ANSWER_LIMIT;
use crate::product::{Product, fte, to_end};

const CUSTOMER: &str = "sam@example.org";

#[tokio::test]
async fn kafka_carries_a_mail_to_one_reply_in_its_thread() {
    a_conversation(Product::start(&["--bus", "kafka"]).await).await;
}

#[tokio::test]
async fn the_postgres_log_carries_a_mail_to_one_reply_in_its_thread() {
    a_conversation(Product::start(&["--bus", "postgres", "--processes"]).await).await;
}

async fn a_conversation(product: Product) {
    let gmail = Gmail::of(&product);
    let first = gmail
        .write(json!({
            "from": "Sam Doe <Sam@Example.org>",
            "subject": "Export to CSV",
            "text": "Hello,\n\nHow do I export my board to CSV?\n\n-- \nSam Doe, Example Ltd",
            "message_id": "<first@example.org>",
            "references": ["<zeroth@example.org>"],
        }))
        .await;
    let mut sent = Vec::new();
    wait_within(ANSWER_LIMIT, "the reply", async || {
        sent = gmail.sent().await;
        !sent.is_empty()
    })
    .await;

    let reply = sent[0].clone();
    assert_eq!(reply["recipients"], json!([CUSTOMER]));
    assert_eq!(reply["thread_id"], first["thread_id"]);
    let subject = reply["subject"].as_str().unwrap();
    assert!(subject.starts_with("Re: [TF-") && subject.ends_with("] Export to CSV"), "{subject}");
    let header = |name: &str| header(&reply, name);
    assert_eq!(header("In-Reply-To").unwrap(), "<first@example.org>");
    assert_eq!(header("References").unwrap(), "<zeroth@example.org> <first@example.org>");
    assert_eq!(header("Auto-Submitted").unwrap(), "auto-replied");
    assert!(reply["text"].as_str().unwrap().contains("Export"), "{reply}");

    let said = say(&product, &["--reply", "And how do I reset my password?"]).await;
    assert!(said.starts_with("Subject: Re: [TF-") && said.contains("assword"), "{said}");
    an_automatic_mail_gets_no_answer(&gmail, &product, &reply).await;
    product.every_promise_holds().await;
    let (status, _data) = product.stop().await;
    assert!(status.success(), "{status}");
}

/// Nor does it open anything again; and everything so far was said once, in one conversation.
async fn an_automatic_mail_gets_no_answer(gmail: &Gmail, product: &Product, reply: &Value) {
    let database = product.database().await;
    let count = async |query: &'static str| -> i64 {
        sqlx::query_scalar(query).fetch_one(&database).await.unwrap()
    };
    // Under the id that Gmail gave it our reply is known a little later.
    wait_within(ANSWER_LIMIT, "the ids of our replies", async || {
        count("select count(*) from mail_ids where rfc822_id like '%@mail.gmail.com'").await == 2
    })
    .await;
    gmail
        .write(json!({
            "from": "Sam Doe <sam@example.org>",
            "subject": "Automatic reply: Export to CSV",
            "text": "I am out of office.",
            "in_reply_to": reply["message_id"],
            "headers": [["Auto-Submitted", "auto-replied"]],
        }))
        .await;
    wait_within(ANSWER_LIMIT, "the automatic mail to be stored", async || {
        count("select count(*) from messages where channel = 'email'").await == 3
    })
    .await;

    assert_eq!(count("select count(*) from conversations where channel = 'email'").await, 1);
    let unanswered = "select count(*) from messages where channel = 'email' and outcome is null";
    assert_eq!(count(unanswered).await, 0);
    let level = "select count(*) from conversations where identity_level = 'authenticated'";
    assert_eq!(count(level).await, 1);
    let twice = "select count(*) from deliveries where outlet = 'email' and attempt <> 1";
    assert_eq!(count(twice).await, 0);
    assert_eq!(gmail.sent().await.len(), 2);
}

/// Google as `fte up` plays it.
struct Gmail {
    http: reqwest::Client,
    url: String,
}

impl Gmail {
    fn of(product: &Product) -> Self {
        let said = product.said("email").unwrap();
        let url = said.strip_prefix("an emulator of Gmail at ").unwrap();
        let url = url.split(',').next().unwrap().to_owned();
        Self { http: product.http.clone(), url }
    }

    /// A customer's mail; where it arrived.
    async fn write(&self, mail: Value) -> Value {
        let sent = self.http.post(format!("{}/_test/inbound", self.url)).json(&mail).send();
        sent.await.unwrap().error_for_status().unwrap().json().await.unwrap()
    }

    /// What came from us, in order.
    async fn sent(&self) -> Vec<Value> {
        let asked = self.http.get(format!("{}/_test/sent", self.url)).send();
        asked.await.unwrap().json().await.unwrap()
    }
}

/// A header of a mail that was sent, unfolded.
fn header(mail: &Value, name: &str) -> Option<String> {
    let raw = mail["raw"].as_str().unwrap().replace("\r\n", "\n");
    let head = raw.split("\n\n").next().unwrap().replace("\n ", " ").replace("\n\t", " ");
    let found = head.lines().find_map(|line| {
        let (field, value) = line.split_once(':')?;
        field.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    });
    found.map(|value| value.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// What a customer reads after writing this.
async fn say(product: &Product, arguments: &[&str]) -> String {
    let arguments = [&["say", "email", "--from", CUSTOMER], arguments].concat();
    let output = product.command(&arguments).await;
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(0), "{said}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn a_mail_that_cannot_be_written_is_told_in_one_line() {
    let nobody = "http://127.0.0.1:1";
    let cases: [(&[&str], i32, &str); 4] = [
        (&["--from", "sam", "--subject", "x", "hi"], 64, "--from"),
        (&["--from", CUSTOMER, "hi"], 64, "--subject"),
        (&["--from", CUSTOMER, "--subject", "x", "hi"], 64, "fte up"),
        (&["--from", CUSTOMER, "--emulator", nobody, "--reply", "hi"], 1, "is `fte up` running?"),
    ];

    for (arguments, code, named) in cases {
        let mut command = fte(&["say", "email"]);
        command.args(arguments);
        let output = to_end(command).await;

        let said = String::from_utf8(output.stderr.clone()).unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {said}");
        assert!(said.contains(named), "{arguments:?}: {said}");
    }
}
