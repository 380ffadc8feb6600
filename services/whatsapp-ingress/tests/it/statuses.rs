//! What becomes of what we sent, from Twilio's callback to the event in the log.

use contract::{DeliveryId, EventId};
use uuid::Uuid;

use crate::support::{App, SID, STATUSES, signed, status};

const DELIVERY: &str = "0191d7a4-7c7b-7f3e-8b2e-4a3f1c2d5e6f";

fn query() -> String {
    format!("?d={DELIVERY}")
}

#[tokio::test]
async fn a_status_names_our_delivery_and_is_keyed_by_it() {
    let app = App::new();

    app.status(&query(), &[]).await.assert_taken();

    let status = app.only_status();
    let delivery: DeliveryId = DELIVERY.parse::<Uuid>().unwrap().into();
    assert_eq!((status.message_sid.as_str(), status.delivery_id), (SID, Some(delivery)));
    assert_eq!((status.status.as_str(), status.error_code), ("delivered", None));
    assert_eq!(app.publisher.records()[0].key, DELIVERY);
    let id = EventId::named(&format!("twilio:{SID}:delivered:0"));
    assert_eq!(app.events()[0].meta.event_id, id);
}

#[tokio::test]
async fn a_failure_carries_its_code() {
    let app = App::new();
    let failed = [
        ("MessageStatus", "undelivered"),
        ("ErrorCode", "63016"),
        ("ChannelStatusMessage", "Re-engagement message"),
    ];

    app.status(&query(), &failed).await.assert_taken();

    let status = app.only_status();
    assert_eq!((status.status.as_str(), status.error_code), ("undelivered", Some(63016)));
    let id = EventId::named(&format!("twilio:{SID}:undelivered:63016"));
    assert_eq!(app.events()[0].meta.event_id, id);
}

#[tokio::test]
async fn every_status_of_a_message_is_an_event_of_its_own_and_a_repeat_is_not() {
    let app = App::new();
    // In the order in which they may come: reversed, repeated, with gaps.
    for word in ["read", "sent", "delivered", "undelivered", "delivered", "read"] {
        app.status(&query(), &[("MessageStatus", word)]).await.assert_taken();
    }

    let ids: Vec<_> = app.events().iter().map(|event| event.meta.event_id).collect();
    assert_eq!((ids[2], ids[0]), (ids[4], ids[5]));
    let distinct: std::collections::HashSet<_> = ids.iter().collect();
    assert_eq!(distinct.len(), 4);
}

#[tokio::test]
async fn a_status_of_a_message_that_nobody_here_sent_is_taken() {
    let app = App::new();
    let elsewhere = "MMffffffffffffffffffffffffffffffff";

    app.status("", &[("MessageSid", elsewhere)]).await.assert_taken();

    let status = app.only_status();
    assert_eq!((status.message_sid.as_str(), status.delivery_id), (elsewhere, None));
    assert_eq!(app.publisher.records()[0].key, elsewhere);
}

#[tokio::test]
async fn a_status_word_that_nobody_knows_yet_is_taken() {
    let app = App::new();

    app.status(&query(), &[("MessageStatus", "teleported")]).await.assert_taken();

    assert_eq!(app.only_status().status, "teleported");
}

#[tokio::test]
async fn an_error_code_that_is_none_is_no_error() {
    for code in ["", "0", "abc", "-63016", "99999999999"] {
        let app = App::new();
        app.status(&query(), &[("ErrorCode", code)]).await.assert_taken();
        assert_eq!(app.only_status().error_code, None, "{code}");
    }
}

#[tokio::test]
async fn a_masked_or_missing_recipient_is_no_obstacle() {
    for address in ["+1415555XXXX", ""] {
        let app = App::new();
        app.status(&query(), &[("ChannelToAddress", address)]).await.assert_taken();
        assert_eq!(app.only_status().status, "delivered");
    }
}

#[tokio::test]
async fn the_delivery_in_the_url_is_signed_like_the_rest() {
    let app = App::new();
    let mut request = signed(&format!("{STATUSES}{}", query()), &status(&[]));
    let other = format!("{STATUSES}?d=0191d7a4-7c7b-7f3e-8b2e-4a3f1c2d5e60");
    *request.uri_mut() = other.parse().unwrap();

    app.send(request).await.assert_problem(403);

    app.assert_nothing_published();
}

#[tokio::test]
async fn a_url_without_a_delivery_of_ours_is_taken() {
    for query in ["", "?d=", "?d=42", "?x=1&y=%2B"] {
        let app = App::new();
        app.status(query, &[]).await.assert_taken();
        assert_eq!(app.only_status().delivery_id, None, "{query}");
    }
}

#[tokio::test]
async fn a_status_that_the_log_does_not_confirm_is_answered_503() {
    let app = App::new();
    app.publisher.set_down(true);

    app.status(&query(), &[]).await.assert_problem(503);

    assert!(app.events().is_empty());
}
