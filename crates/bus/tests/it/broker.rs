//! Brokers of the test's own: frozen, killed, started again, behind TLS and passwords.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bus::{
    Bus, BusConfig, BusError, ConsumerError, ConsumerSettings, KafkaConfig, Outcome, PublishError,
    Record,
};
use contract::Topic;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use servers::{Kafka, KafkaOptions, SecuredListener};
use testkit::{wait_for, wait_within};

use crate::fixture::{Fixture, database, specs};
use crate::member::{Member, Seen, event, interleaved, publish, settings, unfinished};

/// Room for time-outs of sessions and requests.
const RECOVERY: Duration = Duration::from_secs(40);

async fn fixture(broker: &Kafka) -> Fixture {
    let config =
        KafkaConfig { bootstrap_servers: broker.bootstrap_servers(), ..KafkaConfig::default() };
    Fixture::prepared(BusConfig::Kafka(config), database()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_broker_is_unavailable_and_work_goes_on_after_it() {
    let broker = Kafka::temporary().await.unwrap();
    let log = fixture(&broker).await;
    let bus = log.bus().await;
    let seen = Seen::default();
    let member = Member::noting(&bus, settings(), &seen);
    publish(&bus, interleaved(10, 5)).await;
    wait_for("the first events", async || seen.len() == 50).await;

    broker.pause().unwrap();
    let asked = Instant::now();
    let refused = bus.publisher().publish_all(vec![Record::of(&event("frozen", 0))]).await;
    assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
    assert!(asked.elapsed() < Duration::from_secs(9), "{:?}", asked.elapsed());
    assert!(matches!(bus.ping().await, Err(BusError::Unavailable(_))));
    assert!(matches!(bus.lag().await, Err(BusError::Unavailable(_))));
    broker.resume().unwrap();

    wait_within(RECOVERY, "a record that is taken", async || {
        let record = Record::of(&event("thawed", 0));
        bus.publisher().publish_all(vec![record]).await.is_ok()
    })
    .await;
    wait_within(RECOVERY, "the new event", async || seen.times(&event("thawed", 0)) > 0).await;
    wait_within(
        RECOVERY,
        "the last commit",
        async || matches!(bus.lag().await, Ok(lag) if lag.iter().all(|lag| lag.records() == 0)),
    )
    .await;
    member.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_broker_that_starts_again_has_lost_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut options =
        KafkaOptions { folder: Some(folder.path().join("kafka")), ..KafkaOptions::default() };
    // The controller keeps a killed broker's place for 9 s otherwise.
    let short = [("broker.session.timeout.ms", "1000"), ("broker.heartbeat.interval.ms", "200")];
    options.properties = short.map(|(name, value)| (name.into(), value.into())).to_vec();
    let broker = Kafka::start(options.clone()).await.unwrap();
    let log = fixture(&broker).await;
    let bus = log.bus().await;
    let (seen, tries) = (Seen::default(), Arc::new(AtomicUsize::new(0)));
    publish(&bus, interleaved(20, 10)).await;
    let (noted, tried) = (seen.clone(), Arc::clone(&tries));
    let member = Member::start(&bus, settings(), move |event, _| {
        tried.fetch_add(1, Ordering::Relaxed);
        let seen = noted.clone();
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            seen.note(&event);
            Ok(Outcome::Done)
        })
    });
    wait_for("some events", async || seen.len() > 20).await;

    broker.crash().await.unwrap();
    let port = broker.bootstrap_servers().rsplit(':').next().unwrap().parse().unwrap();
    drop(broker);
    options.port = Some(port);
    let early = Bus::connect(log.config.clone(), log.pool.clone()).await;
    assert!(early.is_ok(), "a bus connects while its broker is away: {early:?}");
    let broker = Kafka::start(options).await.unwrap();

    wait_within(RECOVERY, "a record that is taken", async || {
        let record = Record::of(&event("new", 0));
        early.as_ref().unwrap().publisher().publish_all(vec![record]).await.is_ok()
    })
    .await;
    wait_within(RECOVERY, "all events", async || seen.distinct() == 201).await;
    wait_within(
        RECOVERY,
        "the last commit",
        async || matches!(bus.lag().await, Ok(lag) if lag.iter().all(|lag| lag.records() == 0)),
    )
    .await;
    member.stop().await;
    for (key, seqs) in seen.by_key() {
        assert!(seqs.is_sorted(), "{key} was first seen as {seqs:?}");
    }
    drop(broker);
}

/// An ingress answers 503 then: memory does not grow while the broker is away.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_producer_holds_is_refused_at_once() {
    let broker = Kafka::temporary().await.unwrap();
    let log = fixture(&broker).await;
    let publisher = log.bus().await.publisher();
    publisher.publish_all(vec![Record::of(&event("first", 0))]).await.unwrap();
    broker.pause().unwrap();

    let asked = Instant::now();
    let mut refused_after = Vec::new();
    let mut calls = tokio::task::JoinSet::new();
    for n in 0..100 {
        let publisher = Arc::clone(&publisher);
        let mut record = Record::of(&event("large", n));
        record.payload = vec![b'x'; 500_000].into();
        calls.spawn(async move {
            let refused = publisher.publish_all(vec![record]).await;
            (refused, asked.elapsed())
        });
    }
    while let Some(call) = calls.join_next().await {
        let (refused, after) = call.unwrap();
        assert!(matches!(refused, Err(PublishError::Unavailable(_))), "{refused:?}");
        refused_after.push(after);
    }

    // 100 records of half a megabyte, of which 32 MiB are held until they time out.
    let at_once = refused_after.iter().filter(|after| **after < Duration::from_secs(3)).count();
    assert!((30..=40).contains(&at_once), "{at_once} were refused at once");
    broker.resume().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_stops_in_time_without_its_broker() {
    let broker = Kafka::temporary().await.unwrap();
    let log = fixture(&broker).await;
    let bus = log.bus().await;
    let seen = Seen::default();
    publish(&bus, interleaved(10, 5)).await;
    // As long as sessions may last in production: closing alone would wait for them.
    let one = ConsumerSettings { session_timeout: Duration::from_secs(45), ..settings() };
    let other = ConsumerSettings { group: "other", ..one.clone() };
    let killed = Member::noting(&bus, one, &seen);
    let frozen = Member::noting(&bus, other, &seen);
    wait_for("all events, twice", async || seen.len() == 100).await;
    // With nothing left to commit, leaving the group is all that can wait.
    wait_for("the last commits", async || {
        let lag = bus.lag().await.unwrap();
        lag.len() == 6 && lag.iter().all(|lag| lag.records() == 0)
    })
    .await;

    broker.pause().unwrap();
    let asked = Instant::now();
    frozen.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
    broker.crash().await.unwrap();
    let asked = Instant::now();
    killed.stop().await;
    assert!(asked.elapsed() < Duration::from_secs(8), "{:?}", asked.elapsed());
}

/// A certificate authority, and what it signed for 127.0.0.1.
struct Authority {
    certificate: String,
    key_and_chain: (String, String),
}

fn authority(name: &str) -> Authority {
    let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "broker");
    let signed = params.signed_by(&key, &issuer).unwrap();
    Authority { certificate: issuer.pem(), key_and_chain: (key.serialize_pem(), signed.pem()) }
}

/// The error as a person reads it: one line.
fn line(error: &(dyn std::error::Error + Send + Sync)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    assert!(!line.contains('\n'), "{line}");
    line
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_and_passwords_let_in_who_may_and_say_why_not() {
    let folder = tempfile::tempdir().unwrap();
    let (right, wrong) = (authority("right"), authority("wrong"));
    for (name, authority) in [("right.pem", &right), ("wrong.pem", &wrong)] {
        std::fs::write(folder.path().join(name), &authority.certificate).unwrap();
    }
    let listener = SecuredListener {
        protocol: "SASL_SSL".into(),
        key_and_chain: Some(right.key_and_chain),
        users: vec![("agent".into(), "correct horse".into())],
    };
    let options = KafkaOptions { secured: Some(listener), ..KafkaOptions::default() };
    let broker = Kafka::start(options).await.unwrap();
    let config = KafkaConfig {
        bootstrap_servers: broker.secured_bootstrap_servers(),
        security_protocol: Some("SASL_SSL".into()),
        sasl_mechanism: Some("SCRAM-SHA-256".into()),
        sasl_username: Some("agent".into()),
        sasl_password: Some("correct horse".into()),
        ca_file: Some(folder.path().join("right.pem")),
        prefix: String::new(),
    };
    let connect = async |config: &KafkaConfig| {
        Bus::connect(BusConfig::Kafka(config.clone()), database()).await
    };

    let log = Fixture::prepared(BusConfig::Kafka(config.clone()), database()).await;
    let (bus, seen) = (log.bus().await, Seen::default());
    publish(&bus, interleaved(3, 3)).await;
    let member = Member::noting(&bus, settings(), &seen);
    wait_for("all events", async || seen.len() == 9).await;
    member.stop().await;
    assert_eq!(unfinished(&bus).await, 0);

    let other_ca = KafkaConfig { ca_file: Some(folder.path().join("wrong.pem")), ..config.clone() };
    let refused = connect(&other_ca).await.unwrap_err();
    assert!(matches!(refused, BusError::Refused(_)), "{refused:?}");
    assert!(line(&refused).contains("certificate verify failed"), "{}", line(&refused));

    let other_password = KafkaConfig { sasl_password: Some("wrong".into()), ..config.clone() };
    let refused = connect(&other_password).await.unwrap_err();
    assert!(matches!(refused, BusError::Refused(_)), "{refused:?}");
    assert!(line(&refused).contains("invalid credentials"), "{}", line(&refused));
    assert!(!line(&refused).contains("wrong"), "the password shows");

    let no_file = KafkaConfig { ca_file: Some(folder.path().join("none.pem")), ..config.clone() };
    let refused = connect(&no_file).await.unwrap_err();
    assert!(matches!(refused, BusError::Refused(_)), "{refused:?}");
    assert!(line(&refused).contains("none.pem"), "{}", line(&refused));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_whose_password_is_refused_stops_with_the_reason() {
    let listener = SecuredListener {
        protocol: "SASL_PLAINTEXT".into(),
        key_and_chain: None,
        users: vec![("agent".into(), "correct horse".into())],
    };
    let options = KafkaOptions { secured: Some(listener), ..KafkaOptions::default() };
    let broker = Kafka::start(options).await.unwrap();
    let plain = fixture(&broker).await;
    plain.bus().await.apply_topics(&specs(&[Topic::TicketsIncoming])).await.unwrap();

    let config = BusConfig::Kafka(KafkaConfig {
        bootstrap_servers: broker.secured_bootstrap_servers(),
        security_protocol: Some("SASL_PLAINTEXT".into()),
        sasl_mechanism: Some("SCRAM-SHA-256".into()),
        sasl_username: Some("agent".into()),
        sasl_password: Some("wrong".into()),
        ..KafkaConfig::default()
    });
    // While the broker is away nobody is refused, so that the consumer meets it first.
    broker.pause().unwrap();
    let bus = Bus::connect(config, database()).await.unwrap();
    let member = Member::noting(&bus, settings(), &Seen::default());
    broker.resume().unwrap();
    wait_within(RECOVERY, "the end of the consumer", async || member.has_ended()).await;

    let ended = member.ended().await.unwrap_err();
    assert!(matches!(ended, ConsumerError::Fatal(_)), "{ended:?}");
    assert!(line(&ended).contains("invalid credentials"), "{}", line(&ended));
}
