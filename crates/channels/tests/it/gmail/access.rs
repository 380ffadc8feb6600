//! Tokens, and what happens without one.

use std::time::Duration;

use channels::gmail::{Error, GmailClient, SetupError};
use emulators::gmail::{Fault, GmailEmulator, Settings};

use super::{MAILBOX, mail, settings, world, world_of};

#[tokio::test]
async fn a_token_that_ends_in_the_middle_of_a_history_is_replaced_once() {
    let (emulator, client) = world().await;
    let start = client.profile().await.unwrap().history_id;
    for number in 0..501 {
        emulator.inbound(&mail(&format!("Order {number}"))).unwrap();
    }

    let first = client.history(start, None).await.unwrap();
    emulator.expire_tokens();
    let second = client.history(start, first.next_page_token.as_deref()).await.unwrap();

    assert_eq!(second.messages.len(), 1);
    assert_eq!(emulator.requests_for("token").len(), 2);
}

#[tokio::test]
async fn many_callers_at_once_fetch_one_token() {
    let (emulator, client) = world().await;
    let calls = || async { tokio::join!(client.profile(), client.profile(), client.profile()) };

    let fresh = calls().await;
    emulator.expire_tokens();
    let expired = calls().await;

    assert!(fresh.0.is_ok() && fresh.1.is_ok() && fresh.2.is_ok());
    assert!(expired.0.is_ok() && expired.1.is_ok() && expired.2.is_ok());
    assert_eq!(emulator.requests_for("token").len(), 2);
}

#[tokio::test]
async fn a_token_with_less_than_five_minutes_left_is_replaced_before_it_is_used() {
    let short = Settings { token_life: Duration::from_secs(299), ..Settings::default() };
    let long = Settings { token_life: Duration::from_secs(310), ..Settings::default() };

    for (settings, expected) in [(short, 2), (long, 1)] {
        let (emulator, client) = world_of(settings).await;
        client.profile().await.unwrap();
        client.profile().await.unwrap();
        assert_eq!(emulator.requests_for("token").len(), expected);
    }
}

#[tokio::test]
async fn while_the_token_endpoint_is_away_a_token_serves_until_it_ends() {
    let settings = Settings { token_life: Duration::from_secs(60), ..Settings::default() };
    let (emulator, client) = world_of(settings).await;
    client.profile().await.unwrap();
    emulator.script("token", [Fault::ServerErrorHtml, Fault::ServerErrorHtml]);

    let served = client.profile().await;
    emulator.expire_tokens();
    emulator.script("token", [Fault::ServerErrorHtml]);
    let ended = client.profile().await;

    assert!(served.is_ok(), "{served:?}");
    assert!(matches!(ended, Err(Error::Retryable { .. })), "{ended:?}");
}

#[tokio::test]
async fn a_new_refresh_token_takes_the_place_of_the_old_one() {
    let (emulator, client) = world().await;
    emulator.rotate_refresh_tokens();

    client.profile().await.unwrap();
    emulator.expire_tokens();
    let again = client.profile().await;

    assert!(again.is_ok(), "{again:?}");
    let used = emulator.requests_for("token");
    assert_ne!(used[0].parameter("refresh_token"), used[1].parameter("refresh_token"));
}

#[tokio::test]
async fn access_that_was_taken_away_calls_a_person_and_names_no_secret() {
    let (emulator, client) = world().await;
    emulator.set_revoked(MAILBOX, true);

    let revoked = client.profile().await.unwrap_err();
    emulator.set_revoked(MAILBOX, false);
    let back = client.profile().await;
    let mut wrong = settings(&emulator);
    wrong.client_secret = "wrong".into();
    let wrong = GmailClient::new(&wrong).unwrap().profile().await.unwrap_err();

    assert_eq!(revoked, Error::AuthBroken { reason: "invalid_grant".to_owned() });
    assert!(back.is_ok(), "{back:?}");
    assert_eq!(wrong, Error::AuthBroken { reason: "invalid_client".to_owned() });
    let said = format!("{client:?} {:?} {revoked}", settings(&emulator));
    assert!(!said.contains("1//refresh") && !said.contains("GOCSPX"), "{said}");
}

#[tokio::test]
async fn a_new_token_that_is_refused_as_well_calls_a_person() {
    let (emulator, client) = world().await;
    let refused = Fault::Refuse { status: 401, reason: "authError".to_owned() };
    emulator.script("getProfile", [refused.clone(), refused]);

    let error = client.profile().await.unwrap_err();

    assert_eq!(error, Error::AuthBroken { reason: "authError".to_owned() });
    assert_eq!(emulator.requests_for("getProfile").len(), 2);
}

#[tokio::test]
async fn a_token_endpoint_that_fails_for_a_while_may_be_asked_again() {
    let (emulator, client) = world().await;
    let busy = Fault::TooMany { retry_after: Some(3), retry_after_in_words: None };
    emulator.script("token", [busy, Fault::Drop, Fault::BrokenReply]);

    let busy = client.profile().await.unwrap_err();
    let dropped = client.profile().await.unwrap_err();
    let broken = client.profile().await.unwrap_err();

    let after = Some(Duration::from_secs(3));
    assert!(matches!(busy, Error::RateLimited { after: told, .. } if told == after), "{busy:?}");
    assert!(matches!(dropped, Error::Retryable { .. }), "{dropped:?}");
    assert!(matches!(broken, Error::Retryable { .. }), "{broken:?}");
    assert!(client.profile().await.is_ok());
}

#[tokio::test]
async fn without_tls_only_this_machine_is_spoken_to_and_only_when_allowed() {
    let emulator = GmailEmulator::start(Settings::default()).await.unwrap();
    let with = |api: &str, token: &str, allows_loopback| {
        let mut settings = settings(&emulator);
        (settings.api_base_url, settings.token_url) = (api.to_owned(), token.to_owned());
        settings.allows_loopback = allows_loopback;
        GmailClient::new(&settings).map(|_| ())
    };
    let (https, http) = ("https://gmail.googleapis.com", "http://127.0.0.1:1");

    assert!(with(https, "https://oauth2.googleapis.com/token", false).is_ok());
    assert!(with(http, http, true).is_ok());
    assert!(matches!(with(http, https, false), Err(SetupError::ApiUrl)));
    assert!(matches!(with("http://gmail.googleapis.com", https, true), Err(SetupError::ApiUrl)));
    assert!(matches!(with(https, http, false), Err(SetupError::TokenUrl)));
}
