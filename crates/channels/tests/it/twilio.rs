//! Sending at Twilio and finding again what was sent.

use std::time::Duration;

use channels::twilio::client::{REQUEST_LIMIT, Sent, Settings, SetupError, Text, TwilioClient};
use channels::twilio::errors::Action;
use channels::twilio::window::OpenWindow;
use chrono::{DateTime, TimeDelta, Utc};
use contract::DeliveryId;
use emulators::twilio::{self as emulator, Fault, TwilioEmulator};

const CUSTOMER: &str = "whatsapp:+14155550123";
const TEXT: &str = "Wähle *Export* 📦 & 100%";

fn settings(base_url: &str) -> Settings {
    let account = emulator::Settings::default();
    Settings {
        account_sid: account.account_sid,
        auth_token: account.auth_token.into(),
        api_base_url: base_url.to_owned(),
        sender: account.sender,
        public_base_url: "https://support.example.com".to_owned(),
        allows_loopback: true,
        request_limit: REQUEST_LIMIT,
    }
}

async fn world() -> (TwilioEmulator, TwilioClient) {
    let emulator = TwilioEmulator::start(emulator::Settings::default()).await.unwrap();
    let client = TwilioClient::new(settings(&emulator.base_url())).unwrap();
    (emulator, client)
}

fn window() -> OpenWindow {
    OpenWindow::at(DateTime::UNIX_EPOCH, Some(DateTime::UNIX_EPOCH)).unwrap()
}

fn delivery() -> DeliveryId {
    DeliveryId::named("one")
}

fn text(body: &str) -> Text<'_> {
    Text { delivery_id: delivery(), to: CUSTOMER, from: None, body }
}

async fn send(client: &TwilioClient) -> Sent {
    client.send(&window(), text(TEXT)).await
}

#[tokio::test]
async fn a_text_is_sent_as_it_is_with_our_delivery_in_the_callback() {
    let (emulator, client) = world().await;

    let sent = send(&client).await;

    let message = emulator.sent().remove(0);
    let expected =
        Sent::Accepted { sid: message.sid, status: "queued".to_owned(), error_code: None };
    assert_eq!(sent, expected);
    assert_eq!((message.to.as_str(), message.body.as_str()), (CUSTOMER, TEXT));
    let request = emulator.send_requests().remove(0);
    let callback = format!("https://support.example.com/webhooks/whatsapp/status?d={}", delivery());
    assert_eq!(request.parameter("StatusCallback"), Some(callback.as_str()));
    assert_eq!(request.parameter("From"), Some("whatsapp:+14155238886"));
}

#[tokio::test]
async fn what_was_certainly_not_sent_says_whether_it_may_go_later() {
    let (mut emulator, client) = world().await;
    emulator.script([
        Fault::TooMany { retry_after: Some(2) },
        Fault::TooMany { retry_after: None },
        Fault::Refuse { status: 400, code: 21_611 },
        Fault::Refuse { status: 400, code: 21_211 },
        Fault::Refuse { status: 400, code: 54_321 },
        Fault::Refuse { status: 401, code: 20_003 },
        Fault::BadRequestHtml,
    ]);

    let mut waits = Vec::new();
    for _ in 0..3 {
        match send(&client).await {
            Sent::Again { after, .. } => waits.push(after.map(|after| after.as_secs())),
            other => panic!("{other:?}"),
        }
    }
    let mut actions = Vec::new();
    for _ in 0..4 {
        match send(&client).await {
            Sent::Refused(meaning) => actions.push(meaning.action),
            other => panic!("{other:?}"),
        }
    }
    emulator.stop().await;
    let refused = send(&client).await;

    assert_eq!(waits, [Some(2), None, Some(300)]);
    assert_eq!(actions, [Action::Person, Action::Person, Action::Settings, Action::Person]);
    assert!(matches!(refused, Sent::Again { after: None, .. }), "{refused:?}");
    assert!(emulator.sent().is_empty());
}

#[tokio::test]
async fn what_may_have_been_sent_is_unknown() {
    let (emulator, _) = world().await;
    let impatient =
        Settings { request_limit: Duration::from_millis(300), ..settings(&emulator.base_url()) };
    let client = TwilioClient::new(impatient).unwrap();
    emulator.script([
        Fault::ServerErrorJson,
        Fault::ServerErrorHtml,
        Fault::ServerErrorAfterAccepting,
        Fault::Hang,
        Fault::HangAfterAccepting,
        Fault::Drop,
        Fault::AcceptThenDrop,
        Fault::BrokenReply,
    ]);

    for place in 0..8 {
        let sent = send(&client).await;
        assert!(matches!(sent, Sent::Unknown { .. }), "{place}: {sent:?}");
    }

    assert_eq!(emulator.send_requests().len(), 8, "nothing was tried again by itself");
    assert_eq!(emulator.sent().len(), 4);
}

#[tokio::test]
async fn a_message_that_failed_at_once_says_so() {
    let (emulator, client) = world().await;
    emulator.script([Fault::FailedAtOnce { code: 30_001 }]);

    let sent = send(&client).await;

    let Sent::Accepted { status, error_code, .. } = sent else { panic!("{sent:?}") };
    assert_eq!((status.as_str(), error_code), ("failed", Some(30_001)));
}

#[tokio::test]
async fn what_was_sent_is_found_by_its_address_text_and_time() {
    let (emulator, client) = world().await;
    let before = emulator_time(&emulator, &client).await;
    for body in ["another", TEXT, TEXT] {
        client.send(&window(), text(body)).await;
    }

    let found = client.find_sent(CUSTOMER, None, TEXT, before).await.unwrap();
    let later = client.find_sent(CUSTOMER, None, TEXT, before + TimeDelta::hours(1)).await.unwrap();
    let other = client.find_sent("whatsapp:+14155550199", None, TEXT, before).await.unwrap();

    let sids: Vec<_> = emulator.sent().into_iter().skip(2).map(|message| message.sid).collect();
    assert_eq!(found.iter().map(|listed| listed.sid.clone()).collect::<Vec<_>>(), sids);
    assert!(later.is_empty() && other.is_empty());
}

#[tokio::test]
async fn the_list_is_read_over_pages_and_its_failures_are_told() {
    let (emulator, client) = world().await;
    let before = emulator_time(&emulator, &client).await;
    client.send(&window(), text(TEXT)).await;
    for _ in 0..60 {
        client.send(&window(), text("later")).await;
    }

    let found = client.find_sent(CUSTOMER, None, TEXT, before).await.unwrap();
    emulator.set_auth_token("rotated");
    let refused = client.find_sent(CUSTOMER, None, TEXT, before).await.unwrap_err();

    assert_eq!(found.len(), 1);
    let error = refused.to_string();
    assert!(error.contains("401") && !error.contains("1415555"), "{error}");
}

#[tokio::test]
async fn without_tls_only_this_machine_is_spoken_to_and_only_when_allowed() {
    let with = |url: &str, allows_loopback| {
        TwilioClient::new(Settings { allows_loopback, ..settings(url) }).map(|_| ())
    };

    assert!(with("https://api.twilio.com", false).is_ok());
    assert!(with("http://127.0.0.1:1", true).is_ok());
    for (url, allows) in
        [("http://127.0.0.1:1", false), ("http://api.twilio.com", true), ("ftp://x", true)]
    {
        assert!(matches!(with(url, allows), Err(SetupError::Url)), "{url}");
    }
    let client = TwilioClient::new(settings("https://api.twilio.com")).unwrap();
    let secret = emulator::Settings::default().auth_token;
    assert!(!format!("{client:?}").contains(&secret));
}

/// The time of a message that is sent for it.
async fn emulator_time(emulator: &TwilioEmulator, client: &TwilioClient) -> DateTime<Utc> {
    client.send(&window(), text("what time is it")).await;
    emulator.sent().remove(0).created_at
}
