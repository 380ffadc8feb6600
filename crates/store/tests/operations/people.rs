//! Taking, replying, giving back and closing: design §4.5 to the letter.

use bus::Record;
use contract::{
    Author, ConversationId, Event as _, Outgoing, OutgoingBody, ReplyId, TicketBody, TicketEvent,
    Topic,
};
use sqlx::PgPool;
use store::people::{Ending, NewReply, OperatorName, Refusal, SERVICE, Standing};
use store::{outbox, people};
use testkit::events::time;

use crate::rows::{self, JAMES, LISA, handled_seq, outcomes};

async fn take(
    pool: &PgPool,
    id: ConversationId,
    operator: OperatorName<'_>,
) -> Result<Standing, Refusal> {
    people::take(&mut pool.acquire().await.unwrap(), id, operator).await
}

async fn reply(
    pool: &PgPool,
    id: ConversationId,
    operator: OperatorName<'_>,
    reply: ReplyId,
    text: &str,
) -> Result<Standing, Refusal> {
    let reply = NewReply {
        id: reply,
        text,
        parts: |_, text| vec![text.into()],
        at: time(),
        service: SERVICE,
    };
    people::reply(&mut pool.acquire().await.unwrap(), id, operator, reply).await
}

async fn give_back(
    pool: &PgPool,
    id: ConversationId,
    operator: OperatorName<'_>,
) -> Result<Standing, Refusal> {
    people::give_back(&mut pool.acquire().await.unwrap(), id, operator, time()).await
}

async fn close(
    pool: &PgPool,
    id: ConversationId,
    operator: OperatorName<'_>,
    ending: Ending,
) -> Result<Standing, Refusal> {
    people::close(&mut pool.acquire().await.unwrap(), id, operator, ending).await
}

async fn pending(pool: &PgPool, id: ConversationId) -> Vec<Record> {
    outbox::pending(pool, SERVICE, &[id]).await.unwrap()
}

async fn actions(pool: &PgPool) -> Vec<(String, String)> {
    sqlx::query_as("select operator, action from audit_log order by id")
        .fetch_all(pool)
        .await
        .unwrap()
}

fn named(standing: &Standing) -> (Vec<i32>, Vec<i32>) {
    let numbers = |parts: &[people::Part]| parts.iter().map(|part| part.part).collect();
    (numbers(&standing.cancelled), numbers(&standing.in_flight))
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn taking_cancels_a_reply_that_was_not_begun_and_gives_its_messages_back(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 2).await;
    let first = rows::turn(&pool, id, 1, 1).await;
    rows::part(&pool, id, first, (1, 1), 0, "accepted").await;
    let second = rows::turn(&pool, id, 2, 2).await;
    rows::part(&pool, id, second, (2, 2), 0, "pending").await;

    let standing = take(&pool, id, LISA).await.unwrap();

    assert_eq!((standing.owner.as_str(), standing.owner_epoch), ("person", 1));
    assert_eq!(standing.person.as_deref(), Some("lisa"));
    assert_eq!(standing.cancelled[0].reply_id, second.as_uuid());
    assert_eq!(named(&standing), (vec![0], vec![]));
    assert_eq!((standing.handled_seq, handled_seq(&pool, id).await), (1, 1));
    assert_eq!(outcomes(&pool, id).await, [Some("answered".to_owned()), None]);
    let noted = "select count(*) from delivery_events e join deliveries d on d.id = e.delivery_id
                 where d.conversation_id = $1 and e.state = 'cancelled'";
    assert_eq!(rows::number(&pool, noted, id).await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn taking_between_two_parts_keeps_the_messages_handled(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let reply = rows::turn(&pool, id, 1, 1).await;
    rows::part(&pool, id, reply, (1, 1), 0, "accepted").await;
    rows::part(&pool, id, reply, (1, 1), 1, "pending").await;

    let standing = take(&pool, id, LISA).await.unwrap();

    assert_eq!(named(&standing), (vec![1], vec![]));
    assert_eq!(handled_seq(&pool, id).await, 1);
    assert_eq!(outcomes(&pool, id).await, [Some("answered".to_owned())]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn taking_during_a_send_says_what_is_in_flight(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let reply = rows::turn(&pool, id, 1, 1).await;
    rows::part(&pool, id, reply, (1, 1), 0, "sending").await;
    rows::part(&pool, id, reply, (1, 1), 1, "pending").await;

    let standing = take(&pool, id, LISA).await.unwrap();

    assert_eq!(named(&standing), (vec![1], vec![0]));
    assert_eq!(handled_seq(&pool, id).await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn taking_gives_back_the_messages_of_a_reply_still_on_its_way(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let reply = rows::turn(&pool, id, 1, 1).await;

    let standing = take(&pool, id, LISA).await.unwrap();

    assert_eq!(standing.cancelled.len(), 1);
    assert_eq!(
        (standing.cancelled[0].reply_id, &standing.cancelled[0].text),
        (reply.as_uuid(), &None)
    );
    assert_eq!(handled_seq(&pool, id).await, 0);
    assert_eq!(outcomes(&pool, id).await, [None]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn taking_again_gives_the_same_answer_and_raises_nothing(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let reply = rows::turn(&pool, id, 1, 1).await;
    rows::part(&pool, id, reply, (1, 1), 0, "pending").await;

    let first = take(&pool, id, LISA).await.unwrap();
    let again = take(&pool, id, LISA).await.unwrap();

    assert_eq!(first, again);
    assert_eq!(actions(&pool).await, [("lisa".into(), "take".into())]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn of_two_who_take_at_once_one_wins(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;

    let (lisa, james) = tokio::join!(take(&pool, id, LISA), take(&pool, id, JAMES));

    let (winner, loser) = match (lisa, james) {
        (Ok(standing), Err(refusal)) | (Err(refusal), Ok(standing)) => (standing, refusal),
        other => panic!("not exactly one won: {other:?}"),
    };
    assert_eq!(winner.owner_epoch, 1);
    let holder = winner.person.unwrap();
    assert!(matches!(loser, Refusal::TakenBy(by) if by == holder));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reply_takes_first_and_answers_every_message(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 2).await;
    let agents = rows::turn(&pool, id, 1, 1).await;
    rows::part(&pool, id, agents, (1, 1), 0, "pending").await;

    let standing = reply(&pool, id, LISA, ReplyId::named("r"), "Hello").await.unwrap();

    assert_eq!((standing.owner.as_str(), standing.handled_seq), ("person", 2));
    assert_eq!(named(&standing), (vec![0], vec![]));
    assert_eq!(outcomes(&pool, id).await, vec![Some("answered".to_owned()); 2]);
    let records = pending(&pool, id).await;
    let event = Outgoing::decode(&records[0].payload).unwrap();
    let OutgoingBody::Reply(body) = event.body else { panic!("not a reply") };
    assert_eq!((records.len(), records[0].topic), (1, Topic::TicketsOutgoing));
    assert_eq!((body.author, body.author_name.as_str()), (Author::Person, "lisa"));
    assert_eq!((body.owner_epoch, body.first_seq, body.last_seq), (1, 1, 2));
    assert_eq!(body.parts, ["Hello"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_same_reply_again_sends_once_and_another_text_is_refused(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let key = ReplyId::named("r");

    let first = reply(&pool, id, LISA, key, "Hello").await.unwrap();
    let again = reply(&pool, id, LISA, key, "Hello").await.unwrap();
    let other = reply(&pool, id, LISA, key, "Good-bye").await;

    assert_eq!(first, again);
    assert!(matches!(other, Err(Refusal::OtherText)));
    assert_eq!(pending(&pool, id).await.len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_second_reply_covers_only_what_came_since(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    reply(&pool, id, LISA, ReplyId::named("1"), "Hello").await.unwrap();

    reply(&pool, id, LISA, ReplyId::named("2"), "One more thing").await.unwrap();

    let records = pending(&pool, id).await;
    let OutgoingBody::Reply(second) = Outgoing::decode(&records[1].payload).unwrap().body else {
        panic!("not a reply")
    };
    assert_eq!((second.first_seq, second.last_seq), (0, 0));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn another_operator_can_neither_reply_return_nor_close(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    take(&pool, id, LISA).await.unwrap();

    let refusals = [
        reply(&pool, id, JAMES, ReplyId::named("r"), "Hello").await,
        give_back(&pool, id, JAMES).await,
        close(&pool, id, JAMES, Ending::Closed).await,
    ];

    assert!(refusals.iter().all(|r| matches!(r, Err(Refusal::TakenBy(by)) if by == "lisa")));
    assert!(pending(&pool, id).await.is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn giving_back_wakes_the_agent_when_something_is_unhandled(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 2).await;
    take(&pool, id, LISA).await.unwrap();

    let standing = give_back(&pool, id, LISA).await.unwrap();

    assert_eq!((standing.owner.as_str(), standing.owner_epoch), ("agent", 1));
    assert_eq!(standing.person, None);
    let records = pending(&pool, id).await;
    let event = TicketEvent::decode(&records[0].payload).unwrap();
    assert_eq!((event.conversation_id, event.body), (id, TicketBody::TurnDue { seq: 2 }));
    assert_eq!(
        rows::number(&pool, "select seq from due_turns where conversation_id = $1", id).await,
        2
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn giving_back_again_changes_nothing_and_the_agents_own_is_refused(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let never_taken = give_back(&pool, id, LISA).await;
    take(&pool, id, LISA).await.unwrap();

    let first = give_back(&pool, id, LISA).await.unwrap();
    let again = give_back(&pool, id, LISA).await.unwrap();

    assert!(matches!(never_taken, Err(Refusal::NotAPersons)));
    assert_eq!(first, again);
    assert!(matches!(give_back(&pool, id, JAMES).await, Err(Refusal::NotAPersons)));
    assert_eq!(pending(&pool, id).await.len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn giving_back_with_nothing_unhandled_wakes_nobody(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    reply(&pool, id, LISA, ReplyId::named("r"), "Hello").await.unwrap();

    give_back(&pool, id, LISA).await.unwrap();

    assert_eq!(pending(&pool, id).await.len(), 1, "only the reply");
    let due = "select count(*) from due_turns where conversation_id = $1";
    assert_eq!(rows::number(&pool, due, id).await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_waiting_hand_over_is_taken_by_whoever_comes_first(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    rows::hand_over(&pool, id, "Lisa Tanaka").await;

    let standing = take(&pool, id, JAMES).await.unwrap();

    assert_eq!((standing.person.as_deref(), standing.owner_epoch), (Some("james"), 1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn closing_ends_everything_of_the_agents_and_leaves_nothing_waiting(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 2).await;
    let agents = rows::turn(&pool, id, 1, 1).await;
    rows::part(&pool, id, agents, (1, 1), 0, "pending").await;
    take(&pool, id, LISA).await.unwrap();
    give_back(&pool, id, LISA).await.unwrap();

    let standing = close(&pool, id, JAMES, Ending::Closed).await.unwrap();
    let again = close(&pool, id, JAMES, Ending::Closed).await.unwrap();

    assert_eq!((standing.status.as_str(), standing.owner_epoch), ("closed", 2));
    assert_eq!((standing.handled_seq, again.owner_epoch), (2, 2));
    assert_eq!(outcomes(&pool, id).await, vec![Some("no_answer".to_owned()); 2]);
    let due = "select count(*) from due_turns where conversation_id = $1";
    assert_eq!(rows::number(&pool, due, id).await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn closing_says_what_it_cancelled_and_says_it_again(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    let agents = rows::turn(&pool, id, 1, 1).await;
    rows::part(&pool, id, agents, (1, 1), 0, "sending").await;
    rows::part(&pool, id, agents, (1, 1), 1, "pending").await;

    let first = close(&pool, id, LISA, Ending::Resolved).await.unwrap();
    let again = close(&pool, id, LISA, Ending::Resolved).await.unwrap();

    assert_eq!(first, again);
    assert_eq!(named(&first), (vec![1], vec![0]));
    assert_eq!(outcomes(&pool, id).await, [Some("answered".to_owned())]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_resolved_conversation_can_be_taken_and_a_closed_one_cannot(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    close(&pool, id, LISA, Ending::Resolved).await.unwrap();

    let taken = take(&pool, id, LISA).await.unwrap();
    close(&pool, id, LISA, Ending::Closed).await.unwrap();
    let refusals = [
        take(&pool, id, LISA).await,
        reply(&pool, id, LISA, ReplyId::named("r"), "Hello").await,
        give_back(&pool, id, LISA).await,
        close(&pool, id, LISA, Ending::Resolved).await,
    ];

    assert_eq!((taken.status.as_str(), taken.owner.as_str()), ("open", "person"));
    assert!(refusals.iter().all(|r| matches!(r, Err(Refusal::Closed))), "{refusals:?}");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_unknown_conversation_is_said_so(pool: PgPool) {
    let id = ConversationId::named("nobody");

    assert!(matches!(take(&pool, id, LISA).await, Err(Refusal::Unknown)));
    assert!(matches!(close(&pool, id, LISA, Ending::Closed).await, Err(Refusal::Unknown)));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn every_action_stands_in_the_audit_log_without_a_text(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    take(&pool, id, LISA).await.unwrap();
    reply(&pool, id, LISA, ReplyId::named("r"), "a private word").await.unwrap();
    give_back(&pool, id, LISA).await.unwrap();
    close(&pool, id, JAMES, Ending::Closed).await.unwrap();

    let expected = [("lisa", "take"), ("lisa", "reply"), ("lisa", "return"), ("james", "close")];
    assert_eq!(actions(&pool).await, expected.map(|(who, what)| (who.into(), what.into())));
    let details: Vec<String> =
        sqlx::query_scalar("select detail::text from audit_log").fetch_all(&pool).await.unwrap();
    assert!(details.iter().all(|detail| !detail.contains("private")));
}
