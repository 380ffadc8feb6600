//! The list of messages and single messages.

use emulators::twilio::{Inbound, Settings, TwilioEmulator};
use serde_json::Value;
use testkit::wait_for;

use crate::{CUSTOMER, emulator, messages_url, send};

async fn get(url: &str, query: &[(&str, &str)]) -> Value {
    let settings = Settings::default();
    let client = reqwest::Client::new();
    let request = client.get(url).query(query);
    let request = request.basic_auth(&settings.account_sid, Some(&settings.auth_token));
    request.send().await.unwrap().json().await.unwrap()
}

fn bodies(page: &Value) -> Vec<&str> {
    page["messages"].as_array().unwrap().iter().map(|m| m["body"].as_str().unwrap()).collect()
}

async fn with_messages() -> TwilioEmulator {
    let emulator = emulator().await;
    for text in ["one", "two", "three"] {
        send(&emulator, &[("Body", text)]).await.unwrap();
    }
    let inbound = Inbound { from: CUSTOMER.into(), body: "mine".into(), ..Inbound::default() };
    emulator.inbound(inbound).await;
    emulator
}

#[tokio::test]
async fn the_newest_comes_first_and_pages_lead_to_each_other() {
    let emulator = with_messages().await;
    let query = [("To", CUSTOMER), ("PageSize", "2")];

    let first = get(&messages_url(&emulator), &query).await;
    let next = first["next_page_uri"].as_str().unwrap();
    let second = get(&format!("{}{next}", emulator.base_url()), &[]).await;

    assert_eq!(bodies(&first), ["three", "two"]);
    assert_eq!(bodies(&second), ["one"]);
    assert_eq!(second["next_page_uri"], Value::Null);
    assert!(second["previous_page_uri"].is_string());
}

#[tokio::test]
async fn filters_hold_and_a_queued_message_has_no_date() {
    let emulator = with_messages().await;
    let url = messages_url(&emulator);
    wait_for("all to be delivered", async || {
        emulator.sent().iter().all(|message| message.status == "delivered")
    })
    .await;

    let mine = get(&url, &[("From", CUSTOMER)]).await;
    let since = get(&url, &[("DateSent>", "2020-01-01")]).await;
    let before = get(&url, &[("DateSent<", "2020-01-01")]).await;
    let broken = get(&url, &[("DateSent>", "yesterday")]).await;
    let direction = &mine["messages"][0]["direction"];

    assert_eq!((bodies(&mine), direction.as_str()), (vec!["mine"], Some("inbound")));
    assert_eq!(bodies(&since).len(), 4);
    assert!(bodies(&before).is_empty());
    assert_eq!(broken["code"], 20_001);
}

#[tokio::test]
async fn one_message_is_shown_by_its_sid() {
    let emulator = with_messages().await;
    let sid = &emulator.sent()[0].sid;
    let account = Settings::default().account_sid;
    let at = |sid: &str| {
        format!("{}/2010-04-01/Accounts/{account}/Messages/{sid}.json", emulator.base_url())
    };

    assert_eq!(get(&at(sid), &[]).await["body"], "one");
    assert_eq!(get(&at("SM0"), &[]).await["code"], 20_404);
}
