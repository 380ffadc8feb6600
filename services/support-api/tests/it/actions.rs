//! People's actions over HTTP: what is answered, and what goes into the log.

use contract::{ConversationId, Outgoing, OutgoingBody, TicketBody, TicketEvent};
use serde_json::{Value, json};
use sqlx::PgPool;
use testkit::wait_for;

use crate::rows;
use crate::support::{JAMES, LISA, Service};

fn texts(service: &Service) -> Vec<String> {
    let replies = service.publisher.events::<Outgoing>().into_iter();
    let parts = replies.filter_map(|event| match event.body {
        OutgoingBody::Reply(reply) => Some(reply.parts),
        OutgoingBody::HandOff(_) => None,
    });
    parts.flatten().collect()
}

async fn outbox_is_empty(pool: &PgPool) -> bool {
    let left: i64 =
        sqlx::query_scalar("select count(*) from outbox").fetch_one(pool).await.unwrap();
    left == 0
}

fn reply(text: &str) -> String {
    json!({ "text": text }).to_string()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn take_lists_what_was_cancelled_and_what_is_in_flight(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let agents = rows::turn(&pool, id, 1, 1).await;
    rows::part(&pool, id, agents, (1, 1), 0, "sending").await;
    rows::part(&pool, id, agents, (1, 1), 1, "pending").await;
    let service = Service::new(&pool);

    let first = service.act(LISA, id, "take", "").await.ok(200);
    let again = service.act(LISA, id, "take", " {} ").await.ok(200);
    let other = service.act(JAMES, id, "take", "").await.problem(409);

    assert_eq!(first, again);
    assert_eq!((&first["owner"], &first["person"]), (&json!("person"), &json!("lisa")));
    let part = |part, state| json!([{"reply_id": agents, "part": part, "state": state, "text": format!("part {part}")}]);
    assert_eq!(first["cancelled"], part(1, "cancelled"));
    assert_eq!(first["in_flight"], part(0, "sending"));
    assert!(other["detail"].as_str().unwrap().contains("lisa"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_long_reply_goes_to_whatsapp_in_parts_and_to_the_web_form_whole(pool: PgPool) {
    let web = rows::conversation(&pool, "a", 1).await;
    let phone = rows::conversation(&pool, "b", 1).await;
    sqlx::query("update conversations set channel = 'whatsapp' where id = $1")
        .bind(phone.as_uuid())
        .execute(&pool)
        .await
        .unwrap();
    let service = Service::new(&pool);
    let long = "A sentence of a person. ".repeat(100);

    service.act(LISA, web, "reply", &reply(&long)).await.ok(202);
    let whole = texts(&service);
    service.publisher.take();
    service.act(LISA, phone, "reply", &reply(&long)).await.ok(202);
    let parts = texts(&service);

    assert_eq!(whole, std::slice::from_ref(&long));
    assert_eq!(parts.len(), 2);
    assert!(parts[0].ends_with("person. (1/2)") && parts[1].ends_with("person. (2/2)"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_goes_into_the_log_once_per_key(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let service = Service::new(&pool);
    let (hello, good_bye) = (reply("Hello <b>Sam</b>\u{0}"), reply("Good-bye"));
    let send = |text, key| service.act_with_key(LISA, id, "reply", text, key);

    let first = send(&hello, Some("k1")).await.ok(202);
    let again = send(&hello, Some("k1")).await.ok(202);
    let other_text = send(&good_bye, Some("k1")).await.problem(409);
    let other_key = send(&hello, Some("k2")).await.ok(202);

    assert_eq!(first, again);
    assert!(first["reply_id"].is_string());
    assert_ne!(first["reply_id"], other_key["reply_id"]);
    assert!(other_text["detail"].as_str().unwrap().contains("another text"));
    assert_eq!(texts(&service), ["Hello <b>Sam</b>\u{FFFD}"; 2]);
    wait_for("the outbox to be deleted", async || outbox_is_empty(&pool).await).await;
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn twenty_requests_at_once_with_one_key_send_once(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let service = Service::new(&pool);
    let body = reply("Hello");
    let requests = (0..20).map(|_| service.act_with_key(LISA, id, "reply", &body, Some("k")));

    let answers = futures::future::join_all(requests).await;

    assert!(answers.iter().all(|answer| answer.status.as_u16() == 202));
    assert!(answers.iter().all(|answer| answer.body["reply_id"] == answers[0].body["reply_id"]));
    let given: i64 = sqlx::query_scalar("select count(*) from audit_log where action = 'reply'")
        .fetch_one(&pool)
        .await
        .unwrap();
    let ids: std::collections::HashSet<_> =
        service.publisher.records().into_iter().map(|record| record.event_id).collect();
    assert_eq!((given, ids.len()), (1, 1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_stands_while_the_log_is_away(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let service = Service::new(&pool);
    service.publisher.set_down(true);

    let first = service.act_with_key(LISA, id, "reply", &reply("Hello"), Some("k")).await.ok(202);
    service.publisher.set_down(false);
    let again = service.act_with_key(LISA, id, "reply", &reply("Hello"), Some("k")).await.ok(202);

    assert_eq!(first, again);
    assert_eq!(texts(&service), ["Hello"], "the repetition published what stood in the outbox");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_return_wakes_the_agent_when_something_is_unhandled(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 2).await;
    let service = Service::new(&pool);
    service.act(LISA, id, "take", "").await.ok(200);

    let body = service.act(LISA, id, "return", "").await.ok(200);
    let again = service.act(LISA, id, "return", "").await.ok(200);

    assert_eq!((&body["owner"], &body["unhandled"]), (&json!("agent"), &json!(2)));
    assert_eq!(body, again);
    let events = service.publisher.events::<TicketEvent>();
    assert_eq!(events.len(), 1);
    assert_eq!((events[0].conversation_id, events[0].body), (id, TicketBody::TurnDue { seq: 2 }));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn close_ends_for_good_or_with_a_solution(pool: PgPool) {
    let service = Service::new(&pool);
    let cases = [
        ("", "closed"),
        ("null", "closed"),
        ("{}", "closed"),
        (r#"{"resolved":false}"#, "closed"),
        (r#"{"resolved":true}"#, "resolved"),
    ];
    for (index, (body, status)) in cases.into_iter().enumerate() {
        let id = rows::conversation(&pool, &format!("c{index}"), 1).await;

        let answer = service.act(LISA, id, "close", body).await.ok(200);

        assert_eq!((&answer["status"], &answer["unhandled"]), (&json!(status), &json!(0)));
        let taken = service.act(LISA, id, "take", "").await;
        assert_eq!(taken.status.as_u16(), if status == "closed" { 409 } else { 200 });
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn of_two_operators_at_once_one_takes(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let service = Service::new(&pool);

    let (lisa, james) =
        tokio::join!(service.act(LISA, id, "take", ""), service.act(JAMES, id, "take", ""));

    let mut statuses = [lisa.status.as_u16(), james.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_unknown_conversation_is_a_404(pool: PgPool) {
    let service = Service::new(&pool);
    let nobody = ConversationId::named("nobody");

    for action in ["take", "return", "close"] {
        service.act(LISA, nobody, action, "").await.problem(404);
    }
    service.act(LISA, nobody, "reply", &reply("Hello")).await.problem(404);
    service.get("/conversations/not-an-id").await.problem(404);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_wrong_body_is_refused_by_field_and_changes_nothing(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let service = Service::new(&pool);
    let long = reply(&"x".repeat(10_001));
    let huge = reply(&"x".repeat(70_000));
    let cases = [
        ("reply", "", 400, None),
        ("reply", "{", 400, None),
        ("reply", "[]", 422, Some("body")),
        ("reply", "{}", 422, Some("text")),
        ("reply", r#"{"text":1}"#, 422, Some("text")),
        ("reply", r#"{"text":" \n"}"#, 422, Some("text")),
        ("reply", r#"{"text":"x","as":"bob"}"#, 422, Some("as")),
        ("reply", &long, 422, Some("text")),
        ("reply", &huge, 413, None),
        ("take", r#"{"as":"bob"}"#, 422, Some("as")),
        ("take", "nonsense", 400, None),
        ("reply", r#"["Hello"]"#, 422, Some("body")),
        ("reply", "null", 422, Some("body")),
        ("return", "[]", 422, Some("body")),
        ("close", r#"{"resolved":"yes"}"#, 422, Some("resolved")),
        ("close", &huge, 413, None),
    ];

    for (action, body, status, field) in cases {
        let shown: String = body.chars().take(40).collect();
        let answer = service.act(LISA, id, action, body).await;
        assert_eq!(answer.status.as_u16(), status, "{action} {shown}");
        let problem = answer.problem(status);
        if let Some(field) = field {
            assert_eq!(problem["errors"][0]["field"], field, "{action} {shown} {problem}");
        }
    }
    let epoch =
        rows::number(&pool, "select owner_epoch from conversations where id = $1", id).await;
    assert_eq!((epoch, service.publisher.records().len()), (0, 0));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_key_that_is_no_text_is_refused(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let service = Service::new(&pool);
    let long = "k".repeat(256);

    for key in ["", &long] {
        let answer = service.act_with_key(LISA, id, "reply", &reply("Hello"), Some(key)).await;
        let problem = answer.problem(422);
        assert_eq!(problem["errors"][0]["field"], "Idempotency-Key");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_body_of_another_type_is_a_415(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let service = Service::new(&pool);
    let mut request = crate::support::request(
        "POST",
        &format!("/conversations/{id}/reply"),
        LISA,
        None,
        "text=Hello".into(),
    );
    request.headers_mut().insert("content-type", "text/plain".parse().unwrap());

    let problem: Value = service.send(request).await.problem(415);

    assert!(problem["detail"].as_str().unwrap().contains("application/json"));
}
