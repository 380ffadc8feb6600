//! Telling a hook, against a receiver that knows only the rules of Standard Webhooks.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use channels::handoff::addresses::{Lookup, system_lookup};
use channels::handoff::endpoint::{Endpoint, Settings, Told};
use channels::handoff::signature::Secrets;
use chrono::{DateTime, TimeDelta, Utc};
use emulators::handoff::{Fault, HandoffReceiver, Refusal};

const NEW: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

fn settings(url: String) -> Settings {
    Settings {
        url,
        secrets: Secrets::parse(NEW).unwrap(),
        allows_loopback: true,
        request_limit: Duration::from_millis(500),
        lookup: system_lookup(),
    }
}

async fn receiver() -> (HandoffReceiver, Endpoint) {
    let receiver = HandoffReceiver::start(NEW).await.unwrap();
    let endpoint = Endpoint::new(settings(receiver.url())).unwrap();
    (receiver, endpoint)
}

#[expect(clippy::disallowed_methods, reason = "the receiver has its own clock as well")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

async fn tell(endpoint: &Endpoint) -> Told {
    endpoint.tell("msg_1", now(), r#"{"name":"José Ñandú 📦"}"#.to_owned()).await
}

fn failed(told: &Told, about: &str) -> bool {
    matches!(told, Told::Failed { reason } if reason.contains(about))
}

#[tokio::test]
async fn a_hand_off_in_any_script_is_believed_by_the_receiver() {
    let (receiver, endpoint) = receiver().await;

    assert_eq!(tell(&endpoint).await, Told::Delivered);

    let received = &receiver.received()[0];
    assert_eq!(received.verified, Ok(()));
    assert_eq!(received.body()["name"], "José Ñandú 📦");
    assert_eq!(received.request.header("content-type"), Some("application/json"));
    assert_eq!((received.request.method.as_str(), received.id()), ("POST", "msg_1"));
}

#[tokio::test]
async fn a_receiver_with_the_old_or_the_new_secret_believes_during_a_rotation() {
    let receiver = HandoffReceiver::start(OLD).await.unwrap();
    let secrets = Secrets::parse(&format!("{NEW},{OLD}")).unwrap();
    let endpoint = Endpoint::new(Settings { secrets, ..settings(receiver.url()) }).unwrap();

    let before = tell(&endpoint).await;
    receiver.set_secret(NEW);
    let after = tell(&endpoint).await;

    assert_eq!((before, after), (Told::Delivered, Told::Delivered));
    assert!(receiver.received()[1].is_repeat);
}

#[tokio::test]
async fn another_secret_and_a_clock_that_is_off_are_refused() {
    let (receiver, endpoint) = receiver().await;
    let late = endpoint.tell("msg_1", now() - TimeDelta::minutes(6), "{}".to_owned()).await;
    receiver.set_secret(OLD);
    let foreign = tell(&endpoint).await;

    assert!(failed(&late, "401") && failed(&foreign, "401"));
    let verdicts: Vec<_> = receiver.received().into_iter().map(|r| r.verified).collect();
    assert_eq!(verdicts, [Err(Refusal::Time), Err(Refusal::Signature)]);
}

#[tokio::test]
async fn each_answer_has_its_meaning() {
    let (receiver, endpoint) = receiver().await;
    let status = |status, retry_after| Fault::Status { status, retry_after };
    for (fault, expected) in [
        (status(200, None), Ok(())),
        (status(202, None), Ok(())),
        (Fault::SuccessWithError, Ok(())),
        (status(410, None), Err("gone")),
        (status(429, Some(7)), Err("throttled 7")),
        (status(502, None), Err("throttled")),
        (status(503, Some(120)), Err("throttled 120")),
        (status(504, None), Err("throttled")),
        (status(500, None), Err("failed")),
        (status(404, None), Err("failed")),
        (status(304, None), Err("failed")),
    ] {
        receiver.script([fault.clone()]);

        let told = match tell(&endpoint).await {
            Told::Delivered => Ok(()),
            Told::Gone => Err("gone".to_owned()),
            Told::Throttled { after: Some(after), .. } => {
                Err(format!("throttled {}", after.as_secs()))
            }
            Told::Throttled { after: None, .. } => Err("throttled".to_owned()),
            Told::Failed { .. } => Err("failed".to_owned()),
        };
        assert_eq!(told, expected.map_err(str::to_owned), "{fault:?}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_private_host_is_never_followed() {
    let (receiver, endpoint) = receiver().await;
    let inside = HandoffReceiver::start(NEW).await.unwrap();
    receiver.script([Fault::Redirect { to: inside.url() }]);

    let told = tell(&endpoint).await;

    assert!(failed(&told, "redirects are not followed"), "{told:?}");
    assert_eq!((receiver.connections(), inside.connections()), (1, 0));
}

#[tokio::test]
async fn an_answer_that_drips_ends_with_the_time_for_the_whole_request() {
    let (receiver, endpoint) = receiver().await;
    let begun = Instant::now();
    receiver.script([Fault::Hang, Fault::SlowHead, Fault::SlowBody, Fault::HugeBody]);

    let told = [
        tell(&endpoint).await,
        tell(&endpoint).await,
        tell(&endpoint).await,
        tell(&endpoint).await,
    ];

    assert!(failed(&told[0], "in time") && failed(&told[1], "in time"), "{told:?}");
    assert_eq!(told[2..], [Told::Delivered, Told::Delivered], "their status had come");
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_receiver_that_is_away_or_drops_the_connection_has_not_been_told() {
    let (receiver, endpoint) = receiver().await;
    receiver.script([Fault::TakeThenDrop]);
    let dropped = tell(&endpoint).await;
    let nobody = Endpoint::new(settings("http://127.0.0.1:1/".to_owned())).unwrap();

    assert!(failed(&dropped, "broke"), "{dropped:?}");
    assert!(failed(&tell(&nobody).await, "could not be reached"));
}

/// A name that means something else each time it is asked for.
fn fickle(answers: &'static [&'static str], asked: Arc<AtomicUsize>) -> Lookup {
    Arc::new(move |_| {
        let at = asked.fetch_add(1, Ordering::SeqCst);
        let address = answers.get(at).or(answers.last()).unwrap();
        let address = SocketAddr::new(address.parse().unwrap(), 0);
        Box::pin(std::future::ready(Ok(vec![address])))
    })
}

#[tokio::test]
async fn a_name_that_changes_its_mind_leads_nowhere_else() {
    let receiver = HandoffReceiver::start(NEW).await.unwrap();
    let asked = Arc::new(AtomicUsize::new(0));
    let lookup = fickle(&["127.0.0.1", "10.255.255.1", "169.254.169.254"], Arc::clone(&asked));
    let url = format!("http://localhost:{}/", receiver.address().port());
    let endpoint = Endpoint::new(Settings { lookup, ..settings(url) }).unwrap();

    let told = [tell(&endpoint).await, tell(&endpoint).await, tell(&endpoint).await];

    assert_eq!(told[0], Told::Delivered, "the address that was checked is the one spoken to");
    assert!(failed(&told[1], "no public address") && failed(&told[2], "no public address"));
    assert_eq!(asked.load(Ordering::SeqCst), 3, "once for each attempt");
    assert_eq!(receiver.connections(), 1);
}

#[tokio::test]
async fn a_public_name_that_means_this_machine_is_not_spoken_to() {
    let receiver = HandoffReceiver::start(NEW).await.unwrap();
    let lookup = fickle(&["127.0.0.1", "::1"], Arc::default());
    let url = format!("https://hooks.example.com:{}/", receiver.address().port());
    let strict = Settings { lookup, allows_loopback: false, ..settings(url) };
    let endpoint = Endpoint::new(strict).unwrap();

    let told = [tell(&endpoint).await, tell(&endpoint).await];

    assert!(told.iter().all(|told| failed(told, "no public address")), "{told:?}");
    assert_eq!(receiver.connections(), 0);
}
