//! What goes wrong with reading: all of it may be tried again, and is told apart.

use std::time::Duration;

use channels::gmail::{Error, GmailClient};
use emulators::gmail::{Fault, GmailEmulator, Settings};

use super::{mail, settings, world, world_of};

#[tokio::test]
async fn a_read_that_fails_in_any_way_may_go_again() {
    let emulator = GmailEmulator::start(Settings::default()).await.unwrap();
    let mut hasty = settings(&emulator);
    hasty.request_limit = Duration::from_millis(400);
    let client = GmailClient::new(&hasty).unwrap();
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();
    client.raw(&arrived.id).await.unwrap();

    for fault in [
        Fault::Hang,
        Fault::Drop,
        Fault::ProcessThenDrop,
        Fault::BrokenReply,
        Fault::ServerErrorJson,
        Fault::ServerErrorHtml,
        Fault::Delay { milliseconds: 2000 },
    ] {
        emulator.script("messages.get", [fault.clone()]);
        let error = client.raw(&arrived.id).await.unwrap_err();
        assert!(matches!(error, Error::Retryable { .. }), "{fault:?}: {error:?}");
    }
    assert!(client.raw(&arrived.id).await.is_ok());
}

#[tokio::test]
async fn a_draft_whose_answer_is_lost_may_be_made_again() {
    let (emulator, client) = world().await;
    emulator.script("drafts.create", [Fault::ProcessThenDrop]);
    let raw = super::reply("Re: x", "<a@b>");

    let lost = client.create_draft(raw.as_bytes(), None).await.unwrap_err();
    let made = client.create_draft(raw.as_bytes(), None).await;

    assert!(matches!(lost, Error::Retryable { .. }), "{lost:?}");
    assert!(made.is_ok(), "{made:?}");
    assert!(emulator.sent().is_empty(), "a draft that is left behind goes nowhere");
}

#[tokio::test]
async fn limits_that_pass_and_those_that_need_a_person_are_told_apart() {
    let (emulator, client) = world().await;
    let refuse = |reason: &str| Fault::Refuse { status: 403, reason: reason.to_owned() };
    emulator.script(
        "getProfile",
        [
            refuse("rateLimitExceeded"),
            refuse("dailyLimitExceeded"),
            refuse("insufficientPermissions"),
        ],
    );

    let minute = client.profile().await.unwrap_err();
    let day = client.profile().await.unwrap_err();
    let never = client.profile().await.unwrap_err();

    assert!(matches!(minute, Error::RateLimited { after: None, .. }), "{minute:?}");
    let hour = Some(Duration::from_secs(3600));
    assert!(matches!(day, Error::RateLimited { after, .. } if after == hour), "{day:?}");
    assert_eq!(never, Error::AuthBroken { reason: "insufficientPermissions".to_owned() });
}

#[tokio::test]
async fn our_account_of_the_quota_keeps_us_below_googles() {
    let limit = Settings { units_per_minute: Some(6_000), ..Settings::default() };
    let (emulator, client) = world_of(limit).await;
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();

    // More than may go at once: 1,000 units, 400 of them for sends.
    for _ in 0..35 {
        client.raw(&arrived.id).await.unwrap();
    }

    let statuses: Vec<_> = emulator.requests().iter().map(|request| request.status).collect();
    assert!(statuses.iter().all(|status| *status == Some(200)), "{statuses:?}");
}

#[tokio::test]
async fn a_quota_that_somebody_else_used_up_is_a_limit_that_passes() {
    let settings = Settings { units_per_minute: Some(10), ..Settings::default() };
    let (emulator, client) = world_of(settings).await;
    let arrived = emulator.inbound(&mail("Order 42")).unwrap();

    let error = client.raw(&arrived.id).await.unwrap_err();

    let expected = Error::RateLimited { after: None, reason: "rateLimitExceeded".to_owned() };
    assert_eq!(error, expected);
}
