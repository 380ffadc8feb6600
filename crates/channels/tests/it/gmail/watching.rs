//! The standing order to be told of changes.

use channels::gmail::Error;

use super::{mail, world};

#[tokio::test]
async fn a_watch_says_where_the_history_stands_and_when_it_ends() {
    let (emulator, client) = world().await;
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();

    let watch = client.watch("projects/p/topics/t").await.unwrap();
    client.stop().await.unwrap();

    assert_eq!(watch.history_id, arrived.history_id);
    let body = &emulator.requests_for("watch")[0].body;
    assert_eq!(body["labelIds"], serde_json::json!(["INBOX"]));
    assert_eq!(body["labelFilterBehavior"], "include");
    let days = (watch.expires_at.timestamp() - now_of(&client, &arrived.id).await) / 86_400;
    assert!((6..=7).contains(&days), "{days}");
}

/// When Gmail took this mail, just now.
async fn now_of(client: &channels::gmail::GmailClient, id: &str) -> i64 {
    client.metadata(id, &[]).await.unwrap().internal_date.timestamp()
}

#[tokio::test]
async fn a_watch_on_no_topic_is_refused_for_good() {
    let (_emulator, client) = world().await;

    let refused = client.watch("topics/t").await;

    assert!(matches!(refused, Err(Error::Permanent { .. })), "{refused:?}");
}
