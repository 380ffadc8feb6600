//! Bodies as Google writes them, and as it never should.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};
use contract::EventId;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const OURS: &str = "support@example.com";

/// Google's own example.
const BODY: &str = r#"{"message":{"attributes":{"k":"v"},"data":"eyJlbWFpbEFkZHJlc3MiOiJzdXBwb3J0QGV4YW1wbGUuY29tIiwiaGlzdG9yeUlkIjoiOTg3NjU0MzIxMCJ9","messageId":"2070443601311540","message_id":"2070443601311540","orderingKey":"","publishTime":"2021-02-26T19:13:55.749Z","publish_time":"2021-02-26T19:13:55.749Z"},"subscription":"projects/myproject/subscriptions/mysubscription","deliveryAttempt":5}"#;

fn now() -> DateTime<Utc> {
    "2026-01-05T12:00:00.25Z".parse().unwrap()
}

fn read(body: impl AsRef<[u8]>) -> Result<EmailInbound, Undecodable> {
    notification(&Verified(body), Ours { mailbox: OURS, subscription: None }, now())
}

fn inner(event: EmailInbound) -> MailboxNotification {
    let EmailBody::Notification(notification) = event.body else { panic!("{event:?}") };
    notification
}

/// A push around this data.
fn push(data: &str) -> String {
    json!({ "message": { "messageId": "1", "data": data } }).to_string()
}

fn push_of(payload: &Value) -> String {
    push(&STANDARD.encode(payload.to_string()))
}

#[test]
fn a_push_becomes_a_notification_named_by_its_message_id() {
    let event = read(BODY).unwrap();

    let name = "gmail:support@example.com:push:2070443601311540";
    assert_eq!(event.meta.event_id, EventId::named(name));
    assert_eq!(event.meta.event_time, now());
    let notification = inner(event);
    assert_eq!((notification.mailbox.as_str(), notification.history_id), (OURS, 9_876_543_210));
    assert_eq!(notification.pubsub_message_id, "2070443601311540");
    assert_eq!(notification.published_at.unwrap().timestamp_millis(), 1_614_366_835_749);
}

#[test]
fn either_spelling_alone_is_read() {
    for dropped in [["messageId", "publishTime"], ["message_id", "publish_time"]] {
        let mut body: Value = serde_json::from_str(BODY).unwrap();
        for name in dropped {
            body["message"].as_object_mut().unwrap().remove(name).unwrap();
        }
        let notification = inner(read(body.to_string()).unwrap());
        assert_eq!(notification.pubsub_message_id, "2070443601311540");
        assert!(notification.published_at.is_some());
    }
}

#[test]
fn a_history_id_is_a_string_or_a_number_up_to_the_last_u64() {
    let cases = [
        (json!("9876543210"), 9_876_543_210),
        (json!(9_876_543_210_u64), 9_876_543_210),
        (json!(0), 0),
        (json!("9007199254740993"), 9_007_199_254_740_993),
        (json!(9_007_199_254_740_993_u64), 9_007_199_254_740_993),
        (json!(u64::MAX), u64::MAX),
        (json!(u64::MAX.to_string()), u64::MAX),
    ];
    for (id, expected) in cases {
        let body = push_of(&json!({ "emailAddress": OURS, "historyId": id }));
        assert_eq!(inner(read(body).unwrap()).history_id, expected);
    }
    for id in [json!(-1), json!(1.5), json!("18446744073709551616"), json!(""), json!(null)] {
        let body = push_of(&json!({ "emailAddress": OURS, "historyId": id }));
        assert_eq!(read(body), Err(Undecodable::Field("historyId")), "{id}");
    }
}

#[test]
fn base64_of_either_alphabet_is_read_with_padding_or_without() {
    // Two characters whose code differs between the alphabets, and one byte over.
    let data = json!({ "emailAddress": OURS, "historyId": "7", "x": "¿~~?>ÿ" }).to_string();
    for engine in [STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD] {
        for data in [data.clone(), format!("{data} "), format!("{data}  ")] {
            assert!(read(push(&engine.encode(data))).is_ok());
        }
    }
}

#[test]
fn what_is_no_notification_of_ours_says_why_and_nothing_else() {
    let ours = json!({ "emailAddress": OURS, "historyId": 7 });
    let without_id = json!({ "message": { "data": STANDARD.encode(ours.to_string()) } });
    let cases = [
        ("<html>".to_owned(), Undecodable::Body),
        (String::new(), Undecodable::Body),
        ("[".repeat(100_000), Undecodable::Body),
        ("{}".to_owned(), Undecodable::Field("message")),
        // A subscription without the wrapper is set up wrong.
        (ours.to_string(), Undecodable::Field("message")),
        (without_id.to_string(), Undecodable::Field("message.messageId")),
        (
            json!({ "message": { "messageId": "1" } }).to_string(),
            Undecodable::Field("message.data"),
        ),
        (push("%%%"), Undecodable::Encoding),
        (push(""), Undecodable::Data),
        (push(&STANDARD.encode("hello")), Undecodable::Data),
        (push_of(&json!({ "historyId": 7 })), Undecodable::Field("emailAddress")),
        (
            push_of(&json!({ "emailAddress": "x@example.com", "historyId": 7 })),
            Undecodable::Mailbox,
        ),
    ];

    for (body, expected) in cases {
        assert_eq!(read(&body), Err(expected), "{}", &body[..body.len().min(80)]);
    }
}

#[test]
fn our_address_counts_in_any_case() {
    let body = push_of(&json!({ "emailAddress": "Support@Example.COM", "historyId": 7 }));

    assert_eq!(inner(read(body).unwrap()).mailbox, OURS);
}

proptest! {
    #[test]
    fn no_body_makes_it_panic(body in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _outcome = read(&body);
        let _id = id_of(&body);
    }

    #[test]
    fn whatever_google_wraps_is_read_or_refused_and_what_is_ours_comes_through(
        id in "[0-9]{1,20}",
        history_id in any::<u64>(),
        is_number in any::<bool>(),
        more in ".{0,40}",
        cut in 0_usize..400,
    ) {
        let history = if is_number { json!(history_id) } else { json!(history_id.to_string()) };
        let data = json!({ "emailAddress": OURS, "historyId": history, "more": more });
        let body = json!({
            "message": { "messageId": id, "data": URL_SAFE_NO_PAD.encode(data.to_string()) },
            "subscription": more,
        })
        .to_string();

        let read_back = inner(read(&body).unwrap());
        prop_assert_eq!(read_back.history_id, history_id);
        prop_assert_eq!(read_back.pubsub_message_id, id);
        let bytes = body.as_bytes();
        if cut < bytes.len() {
            prop_assert!(read(&bytes[..cut]).is_err());
        }
    }
}
