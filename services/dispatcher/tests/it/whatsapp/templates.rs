//! Outside the 24-hour window: the customer is asked once, and the text waits.

use contract::Channel;
use dispatcher::Tuning;
use emulators::twilio::Fault;
use sqlx::PgPool;
use store::channel_configs::{ChannelConfig, ChannelConfigs, ChannelSettings};
use store::people::{self, Ending, OperatorName};

use super::{Line, delivery, person_reply, reply, status};
use crate::conversation;

const TEMPLATE: &str = "HX0123456789abcdef0123456789abcdef";
const OWNER: &str = "select owner || ' ' || coalesce(person, '') from conversations";

const FIRST_REASON: &str = "select last_error from deliveries order by position limit 1";

/// With this template for what may not go in free text.
fn template(id: &str) -> ChannelConfigs {
    let settings = ChannelSettings {
        template_id: Some(id.to_owned()),
        template_variables: Some(r#"{"1":"{ticket_ref}"}"#.to_owned()),
        ..ChannelSettings::default()
    };
    let config = ChannelConfig { enabled: true, settings };
    ChannelConfigs::fixed([(Channel::Whatsapp, config)])
}

/// With a template, and customers who have not written for a day.
async fn silent_line(pool: PgPool) -> Line {
    let line = Line::with(pool, [1], Tuning::default(), template(TEMPLATE)).await;
    line.world
        .run("update conversations set last_inbound_at = app_now() - interval '1430 minutes'")
        .await;
    line
}

/// The customer writes; the resolver has stored it.
async fn write(line: &Line) {
    line.world.run("update conversations set last_inbound_at = app_now()").await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn outside_the_window_the_template_goes_once_and_the_text_when_the_customer_writes(
    pool: PgPool,
) {
    let line = silent_line(pool).await;
    let parts = reply(1, "answer", |reply| reply.parts = vec!["one".into(), "two".into()]);
    line.world.handle([parts]).await.unwrap();

    line.send_all().await;
    line.world.handle([reply(1, "another", |_| {})]).await.unwrap();
    line.send_all().await;

    let asked = line.twilio.send_requests();
    assert_eq!(asked.len(), 1, "{asked:?}");
    assert_eq!(asked[0].parameter("ContentSid"), Some(TEMPLATE));
    assert_eq!(asked[0].parameter("Body"), None);
    let variables = format!(r#"{{"1":"{}"}}"#, crate::ticket(1));
    assert_eq!(asked[0].parameter("ContentVariables"), Some(variables.as_str()));
    assert_eq!(line.world.states().await, ["pending", "pending", "accepted", "pending"]);
    assert_eq!(line.world.text(OWNER).await, "agent ");
    assert!(line.world.text(FIRST_REASON).await.contains("the customer was asked to write again"));

    write(&line).await;
    line.send_all().await;

    let texts: Vec<_> = line.twilio.sent().into_iter().skip(1).map(|sent| sent.body).collect();
    assert_eq!(texts, ["one", "two", "another for 1"]);
    assert_eq!(line.world.states().await, ["accepted"; 4]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_customer_who_falls_silent_again_is_asked_again(pool: PgPool) {
    let line = silent_line(pool).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    // What comes now is older than a day, too: it was filled in late.
    line.world
        .run("update conversations set last_inbound_at = app_now() - interval '1429 minutes 59 s'")
        .await;
    line.world
        .run(
            "update conversations set last_inbound_at = app_now() - interval '1430 minutes'
                  + interval '1 microsecond'",
        )
        .await;

    line.send_all().await;

    assert_eq!(line.twilio.send_requests().len(), 2);
    write(&line).await;
    line.send_all().await;
    assert_eq!(line.twilio.sent().len(), 3);
    assert_eq!(line.world.states().await, ["accepted"; 3]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_waits_behind_a_refused_template_fails_and_a_person_goes_on(pool: PgPool) {
    let line = silent_line(pool).await;
    line.twilio.script([Fault::Refuse { status: 400, code: 21_655 }]);
    let parts = reply(1, "answer", |reply| reply.parts = vec!["one".into(), "two".into()]);
    line.world.handle([parts]).await.unwrap();

    line.send_all().await;

    assert_eq!(line.world.states().await, ["failed"; 3]);
    assert_eq!(line.world.text(OWNER).await, "person Support Queue");
    assert_eq!(line.twilio.send_requests().len(), 1);
    assert!(line.world.text(FIRST_REASON).await.contains("template"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_waits_behind_a_template_that_fails_later_fails_and_a_person_goes_on(pool: PgPool) {
    let line = silent_line(pool).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    let waiting = line.world.states().await;
    let sid = line.twilio.sent().remove(0).sid;

    line.tell(&[status(&sid, None, "undelivered", Some(63_024))]).await.unwrap();
    line.send_all().await;

    assert_eq!(waiting, ["pending", "accepted"]);
    assert_eq!(line.world.states().await, ["failed"; 2]);
    assert_eq!(line.world.text(OWNER).await, "person Support Queue");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_waits_behind_a_template_that_the_customer_does_not_want_brings_nobody(pool: PgPool) {
    let line = silent_line(pool).await;
    line.twilio.script([Fault::Refuse { status: 400, code: 21_610 }]);
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();

    line.send_all().await;

    assert_eq!(line.world.states().await, ["failed"; 2]);
    assert_eq!(line.world.text(OWNER).await, "agent ");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_after_a_refused_template_does_not_wait_for_it_either(pool: PgPool) {
    let line = silent_line(pool).await;
    line.twilio.script([Fault::Refuse { status: 400, code: 21_655 }]);
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    line.world.run("update conversations set owner = 'agent', person = null").await;

    line.world.handle([reply(1, "another", |_| {})]).await.unwrap();
    line.send_all().await;

    assert_eq!(line.world.states().await, ["failed"; 3]);
    assert_eq!(line.world.text(OWNER).await, "person Support Queue");
    assert_eq!(line.twilio.send_requests().len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_template_that_was_mended_is_sent_for_the_next_reply(pool: PgPool) {
    let line = silent_line(pool).await;
    line.twilio.script([Fault::Refuse { status: 400, code: 21_655 }]);
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;

    let mended = "HXfedcba9876543210fedcba9876543210";
    let line = line.with_configs(template(mended));
    line.world.handle([reply(1, "another", |_| {})]).await.unwrap();
    line.send_all().await;

    assert_eq!(line.world.states().await, ["failed", "failed", "pending", "accepted"]);
    let asked = line.twilio.send_requests();
    assert_eq!(asked[1].parameter("ContentSid"), Some(mended));
    write(&line).await;
    line.send_all().await;
    assert_eq!(line.twilio.sent().remove(1).body, "another for 1");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_template_that_fails_after_the_customer_wrote_holds_nothing_up(pool: PgPool) {
    let line = silent_line(pool).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    let sid = line.twilio.sent().remove(0).sid;

    write(&line).await;
    line.tell(&[status(&sid, None, "failed", Some(63_024))]).await.unwrap();
    line.send_all().await;

    assert_eq!(line.world.states().await, ["accepted", "failed"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_receipt_of_the_template_says_nothing_about_the_text(pool: PgPool) {
    let line = silent_line(pool).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    let callback = line.twilio.sent().remove(0);
    let id: Option<contract::DeliveryId> =
        callback.status_callback.unwrap().rsplit("d=").next().and_then(|id| id.parse().ok());
    assert!(id.is_some() && id != Some(delivery(1, "answer")));

    line.tell(&[status(&callback.sid, id, "read", None)]).await.unwrap();

    assert_eq!(line.world.states().await, ["pending", "read"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_a_takeover_the_persons_reply_waits_and_the_customer_is_not_asked_again(
    pool: PgPool,
) {
    let line = silent_line(pool).await;
    line.world.handle([reply(1, "answer", |_| {})]).await.unwrap();
    line.send_all().await;
    let mut conn = line.world.pool.acquire().await.unwrap();
    people::take(&mut conn, conversation(1), OperatorName("lisa")).await.unwrap();

    line.world.handle([person_reply(1)]).await.unwrap();
    line.send_all().await;
    assert_eq!(line.world.states().await, ["cancelled", "accepted", "pending"]);
    assert_eq!(line.twilio.sent().len(), 1, "asked once for both");

    write(&line).await;
    line.send_all().await;

    assert_eq!(line.twilio.sent().remove(1).body, "person's for 1");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_closed_conversation_keeps_no_text_that_waits_for_the_customer(pool: PgPool) {
    let line = silent_line(pool).await;
    let mut conn = line.world.pool.acquire().await.unwrap();
    people::take(&mut conn, conversation(1), OperatorName("lisa")).await.unwrap();
    line.world.handle([person_reply(1)]).await.unwrap();
    line.send_all().await;
    let waiting = line.world.states().await;

    people::close(&mut conn, conversation(1), OperatorName("lisa"), Ending::Closed).await.unwrap();

    assert_eq!(waiting, ["pending", "accepted"]);
    assert_eq!(line.world.states().await, ["cancelled", "accepted"]);
}
