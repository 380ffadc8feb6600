//! Mails that go, arrive and come back.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use emulators::gmail::{Inbound, Verdict};
use reqwest::Method;
use serde_json::{Value, json};

use super::{ANA, MAILBOX, Owner, emulator, encoded, hello, support};

async fn raw(owner: &Owner, id: &str) -> String {
    let message = owner.get(&format!("messages/{id}?format=raw")).await;
    let bytes = URL_SAFE.decode(message["raw"].as_str().unwrap()).unwrap();
    String::from_utf8(bytes).unwrap()
}

async fn count(owner: &Owner, search: &str) -> usize {
    let mut url = reqwest::Url::parse("http://x/messages").unwrap();
    url.query_pairs_mut().append_pair("q", search);
    let found = owner.get(&format!("messages?{}", url.query().unwrap())).await;
    found["messages"].as_array().map_or(0, Vec::len)
}

#[tokio::test]
async fn a_mail_reaches_another_mailbox_with_what_gmail_writes_before_it() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;

    owner
        .send(&format!(
            "From: Somebody <else@example.net>\nTo: {ANA}\nBcc: help@example.com\n\
             Message-ID: <mine@example.com>\nSubject: Hello\n\nHi\n"
        ))
        .await;

    let ana = Owner::of(&emulator, "1//refresh-ana").await;
    let [(id, labels)] = &emulator.messages(ANA)[..] else { panic!("it did not arrive once") };
    assert!(labels.contains(&"INBOX".to_owned()));
    let arrived = raw(&ana, id).await;
    for part in [
        "Delivered-To: ana@example.org\r\n",
        "Return-Path: <support@example.com>\r\n",
        "Authentication-Results: mx.google.com;",
        "dmarc=pass",
        "Received: ",
        "From: support@example.com\r\n",
        "@mail.gmail.com>\r\n",
        "Date: ",
        "\r\n\r\nHi\r\n",
    ] {
        assert!(arrived.contains(part), "{part}: {arrived}");
    }
    assert!(!arrived.contains("Bcc") && !arrived.contains("mine@example.com"), "{arrived}");
    // To our own alias, by Bcc; and the copy of what was sent.
    let ours: Vec<_> = emulator.messages(MAILBOX).into_iter().map(|(_, labels)| labels).collect();
    assert_eq!((ours[0].clone(), ours[1][1].as_str()), (vec!["SENT".to_owned()], "INBOX"));
    assert_eq!(emulator.sent()[0].recipients, [ANA, "help@example.com"]);
}

#[tokio::test]
async fn an_alias_may_send_and_an_answer_finds_its_thread() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;
    let sent = owner
        .send(&format!("From: Help <help@example.com>\r\nTo: {ANA}\r\nSubject: Hello\r\n\r\nHi"))
        .await;
    let wire = emulator.sent()[0].message_id.clone();

    let answer = Inbound { in_reply_to: Some(wire.clone()), ..hello("Re: Hello") };
    let another = Inbound { in_reply_to: Some(wire), ..hello("Something else") };

    assert!(emulator.sent()[0].raw.contains("From: Help <help@example.com>"));
    assert_eq!(emulator.inbound(&answer).unwrap().thread_id, sent["threadId"]);
    assert_ne!(emulator.inbound(&another).unwrap().thread_id, sent["threadId"]);
}

#[tokio::test]
async fn mail_to_nobody_comes_back_as_a_report() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;
    emulator.set_undeliverable("Gone@Example.org");

    owner.send("From: support@example.com\r\nTo: gone@example.org\r\nSubject: x\r\n\r\nx").await;

    let (id, labels) = emulator.messages(MAILBOX).remove(1);
    assert!(labels.contains(&"INBOX".to_owned()));
    let report = raw(&owner, &id).await;
    let wire = &emulator.sent()[0].message_id;
    for part in ["Return-Path: <>", "X-Failed-Recipients: gone@example.org", "Status: 5.1.1", wire]
    {
        assert!(report.contains(part), "{part}: {report}");
    }
}

#[tokio::test]
async fn what_breaks_the_contract_is_refused_with_googles_reason() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;
    let long = "a@example.org, ".repeat(501).replace("a@", "a");
    let many: Vec<String> = (0..501).map(|number| format!("a{number}@example.org")).collect();
    let raw = |text: &str| json!({ "raw": encoded(text) });
    let cases: [(&str, Value, u16, &str); 9] = [
        ("messages/send", json!({}), 400, "invalidArgument"),
        ("messages/send", json!({ "raw": "?" }), 400, "invalidArgument"),
        ("messages/send", raw("no headers"), 400, "invalidArgument"),
        ("messages/send", raw("Subject: x\r\n\r\nx"), 400, "invalidArgument"),
        ("messages/send", raw("To: not an address\r\n\r\nx"), 400, "invalidArgument"),
        ("messages/send", raw(&format!("To: {long}\r\n\r\nx")), 400, "invalidArgument"),
        ("messages/send", raw(&format!("To: {}\r\n\r\nx", many.join(", "))), 400, "limitExceeded"),
        ("drafts/send", json!({ "id": "r1" }), 404, "notFound"),
        ("messages/1/modify", json!({ "addLabelIds": ["Label_1"] }), 400, "invalidArgument"),
    ];

    for (path, body, status, reason) in cases {
        let (answered, answer) = owner.call(Method::POST, path, Some(body)).await;
        assert_eq!((answered, &answer["error"]["errors"][0]["reason"]), (status, &json!(reason)));
        assert_eq!(answer["error"]["code"], status);
    }
    assert!(emulator.sent().is_empty());
    let (unknown, _) = owner.call(Method::GET, "messages/send/x", None).await;
    assert_eq!(unknown, 404);
}

#[tokio::test]
async fn searches_find_by_their_words() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;
    let arrived = emulator.inbound(&hello("Order 42")).unwrap();
    owner.send(&format!("To: {ANA}\r\nSubject: Re: Order 42\r\n\r\nDone token-7")).await;
    emulator.advance(std::time::Duration::from_secs(8 * 24 * 3600));
    emulator.inbound(&hello("Order 43")).unwrap();
    let owner = support(&emulator).await;
    let id = arrived.message_id.unwrap();
    let id = id.trim_matches(['<', '>']);

    for (search, expected) in [
        ("in:inbox", 2),
        ("in:inbox newer_than:7d -from:me", 1),
        ("in:sent to:ana \"token-7\"", 1),
        ("from:me", 1),
        (&format!("rfc822msgid:{id}"), 1),
        ("rfc822msgid:other@example.org", 0),
        ("subject:\"order 42\" is:unread", 1),
        ("after:2100/01/01", 0),
        ("before:4102444800", 3),
        ("has:attachment", 0),
        ("nothing", 0),
    ] {
        assert_eq!(count(&owner, search).await, expected, "{search}");
    }
    owner.post(&format!("messages/{}/trash", arrived.id), json!({})).await;
    assert_eq!(count(&owner, "order").await, 2);
    assert_eq!(count(&owner, "order in:anywhere").await, 3);
}

#[tokio::test]
async fn a_mail_is_delivered_as_its_sender_wrote_it_and_judged_as_the_test_says() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;
    let with = |verdict| Inbound { verdict, ..hello("x") };
    let mut verdicts = Vec::new();
    for verdict in [Verdict::Pass, Verdict::Fail, Verdict::None, Verdict::Missing] {
        let arrived = emulator.inbound(&with(verdict)).unwrap();
        let mail = raw(&owner, &arrived.id).await;
        let found = mail.split("dmarc=").nth(1).map(|rest| rest[..4].to_owned());
        verdicts.push(found);
    }
    let unknown = Inbound { to: Some("nobody@example.com".to_owned()), ..hello("x") };

    let expected = [Some("pass"), Some("fail"), Some("none"), None];
    assert_eq!(verdicts, expected.map(|word| word.map(str::to_owned)));
    assert!(emulator.inbound(&unknown).is_err());
}

#[tokio::test]
async fn the_history_has_gaps_and_pages_that_are_empty_and_have_a_next() {
    let emulator = emulator().await;
    let owner = support(&emulator).await;
    let start = emulator.history_id(MAILBOX).unwrap();
    let raw = encoded("To: a@example.org\r\nSubject: x\r\n\r\nx");
    for _ in 0..2 {
        owner.post("drafts", json!({ "message": { "raw": raw } })).await;
    }
    emulator.inbound(&hello("x")).unwrap();

    let first =
        owner.get(&format!("history?startHistoryId={start}&maxResults=2&labelId=INBOX")).await;
    let next = first["nextPageToken"].as_str().unwrap();
    let second = owner
        .get(&format!("history?startHistoryId={start}&maxResults=2&labelId=INBOX&pageToken={next}"))
        .await;

    assert_eq!(first["history"], Value::Null);
    assert_eq!(second["history"].as_array().unwrap().len(), 1);
    assert_eq!(second["nextPageToken"], Value::Null);
    assert!(emulator.history_id(MAILBOX).unwrap() > start + 3, "ids have gaps");
}
