//! Tokens, quota, faults, and the hand of a test.

use std::time::Duration;

use emulators::gmail::{Fault, GmailEmulator, Settings};
use reqwest::Method;
use serde_json::{Value, json};

use super::{MAILBOX, emulator, hello, support, token};

#[tokio::test]
async fn a_token_opens_its_own_mailbox_until_it_ends() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;

    let own = owner.get("profile").await;
    let (other, _) = owner.call(Method::GET, "../ana@example.org/profile", None).await;
    emulator.advance(Duration::from_secs(3598));
    let (in_time, _) = owner.call(Method::GET, "profile", None).await;
    emulator.advance(Duration::from_secs(1));
    let (ended, answer) = owner.call(Method::GET, "profile", None).await;

    assert_eq!(own["emailAddress"], MAILBOX);
    assert_eq!((other, in_time, ended), (403, 200, 401));
    assert_eq!(answer["error"]["errors"][0]["reason"], "authError");
    let requests = emulator.requests_for("getProfile");
    assert_eq!(requests.last().unwrap().status, Some(401));
}

#[tokio::test]
async fn the_token_endpoint_refuses_in_oauths_words() {
    let emulator = emulator().await;

    assert_eq!(token(&emulator, "1//unknown").await["error"], "invalid_grant");
    emulator.set_revoked(MAILBOX, true);
    assert_eq!(token(&emulator, "1//refresh-support").await["error"], "invalid_grant");
    emulator.set_revoked(MAILBOX, false);
    let granted = token(&emulator, "1//refresh-support").await;
    assert_eq!((&granted["token_type"], &granted["expires_in"]), (&json!("Bearer"), &json!(3599)));
}

#[tokio::test]
async fn the_quota_of_a_minute_is_per_mailbox_and_comes_back() {
    let settings = Settings { units_per_minute: Some(100), ..super::settings() };
    let emulator = GmailEmulator::start(settings).await.unwrap();
    let owner = support(&emulator).await;
    let ana = super::Owner::of(&emulator, "1//refresh-ana").await;

    owner.post("watch", json!({ "topicName": "projects/p/topics/t" })).await;
    let (over, answer) = owner.call(Method::GET, "profile", None).await;
    let (another, _) = ana.call(Method::GET, "profile", None).await;
    emulator.advance(Duration::from_secs(61));
    let (later, _) = owner.call(Method::GET, "profile", None).await;

    assert_eq!((over, another, later), (403, 200, 200));
    assert_eq!(answer["error"]["errors"][0]["reason"], "rateLimitExceeded");
}

#[tokio::test]
async fn a_script_is_for_one_method_and_says_what_went() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;
    let raw = super::encoded("To: a@example.org\r\nSubject: x\r\n\r\nx");
    emulator.script(
        "messages.send",
        [
            Fault::ServerErrorJson,
            Fault::ServerErrorHtml,
            Fault::Refuse { status: 429, reason: "rateLimitExceeded".to_owned() },
            Fault::ServerErrorAfterProcessing,
            Fault::Pass,
        ],
    );

    let mut statuses = Vec::new();
    for _ in 0..5 {
        owner.get("profile").await;
        let (status, _) =
            owner.call(Method::POST, "messages/send", Some(json!({ "raw": raw }))).await;
        statuses.push(status);
    }

    assert_eq!(statuses, [500, 502, 429, 500, 200]);
    assert_eq!(emulator.sent().len(), 2);
    assert_eq!(emulator.requests_for("messages.send").len(), 5);
}

#[tokio::test]
async fn a_person_writes_reads_and_breaks_things_over_http() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;
    let http = reqwest::Client::new();
    let at = |path: &str| format!("{}/_test/{path}", emulator.base_url());
    let post = async |path: &str, body: Value| {
        let response = http.post(at(path)).json(&body).send().await.unwrap();
        (response.status().as_u16(), response.json::<Value>().await.unwrap_or_default())
    };
    let mail = json!({ "from": "ana@example.org", "subject": "Order 42", "text": "Hello" });

    let (written, arrived) = post("inbound", mail).await;
    let (unknown, _) = post("inbound", json!({ "from": "a@b.org", "to": "x@y.org" })).await;
    let (scripted, _) = post("faults", json!({ "getProfile": [{ "fault": "drop" }] })).await;
    let dropped = http.get(format!("{}/gmail/v1/users/me/profile", emulator.base_url()));
    let dropped = dropped.bearer_auth("x").send().await;
    let changes = [
        json!({ "change": "time", "seconds": 5 }),
        json!({ "change": "history_forgotten", "mailbox": MAILBOX }),
        json!({ "change": "undeliverable", "address": "gone@example.org" }),
        json!({ "change": "keys_rotated" }),
        json!({ "change": "deleted", "mailbox": MAILBOX, "id": arrived["id"] }),
    ];
    for change in changes {
        assert_eq!(post("change", change.clone()).await.0, 204, "{change}");
    }
    let (nothing, _) =
        post("change", json!({ "change": "deleted", "mailbox": MAILBOX, "id": "1" })).await;
    owner.send("To: a@example.org\r\nSubject: x\r\n\r\nHi").await;
    let sent: Value = http.get(at("sent")).send().await.unwrap().json().await.unwrap();

    assert_eq!((written, unknown, scripted, nothing), (200, 404, 204, 404));
    assert!(dropped.is_err());
    assert_eq!((&sent[0]["text"], &sent[0]["subject"]), (&json!("Hi"), &json!("x")));
    let requests: Value = http.get(at("requests")).send().await.unwrap().json().await.unwrap();
    assert!(requests.as_array().unwrap().iter().any(|one| one["route"] == "getProfile"));
}

#[tokio::test]
async fn what_it_holds_outlives_a_stop_and_a_new_one_begins_anew() {
    let mut emulator = emulator().await;
    let owner = support(&emulator).await;
    let arrived = emulator.inbound(&hello("Order 42")).unwrap();

    emulator.stop().await;
    let refused = reqwest::get(emulator.base_url()).await.unwrap_err();
    emulator.restart().await.unwrap();
    let (kept, _) = owner.call(Method::GET, &format!("messages/{}", arrived.id), None).await;
    let another = super::emulator().await;
    let again = another.inbound(&hello("Order 42")).unwrap();

    assert!(refused.is_connect());
    assert_eq!(kept, 200);
    assert_ne!(again.id, arrived.id, "ids are not given twice");
}
