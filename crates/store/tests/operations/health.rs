//! Health checks and the counts behind alerts.

use contract::{Channel, ConversationId, Fact, ReplyId};
use sqlx::PgPool;
use store::facts::{self, Counts, NewFact};
use store::health;
use testkit::events;

use crate::rows;

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_channel_shows_its_newest_message(pool: PgPool) {
    let at = health::now(&pool).await.unwrap();
    let mut newest =
        events::fact(ConversationId::named("1"), "message-received", Fact::MessageReceived);
    newest.meta.event_time = at;
    let mut turn = newest.clone();
    turn.meta.event_id = contract::EventId::named("later");
    turn.meta.event_time = at + chrono::TimeDelta::minutes(2);
    let received = Counts { received: 1, ..Counts::default() };

    let facts = [
        NewFact { fact: &newest, log_partition: 0, counts: received },
        NewFact { fact: &turn, log_partition: 1, counts: Counts::default() },
    ];
    facts::record(&pool, &facts).await.unwrap();

    let channels = health::channels(&pool).await.unwrap();
    let of = |channel| channels.iter().find(|c| c.channel == channel).unwrap();
    assert_eq!(channels.len(), 3);
    assert_eq!(of(Channel::WebForm).last_inbound, Some(at));
    assert!(of(Channel::WebForm).enabled);
    assert_eq!((of(Channel::Email).enabled, of(Channel::Email).last_inbound), (true, None));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_message_is_overdue_after_its_promise_until_a_person_writes(pool: PgPool) {
    let unhandled = rows::conversation(&pool, "a", 1).await;
    let handed_over = rows::conversation(&pool, "b", 1).await;
    rows::hand_over(&pool, handed_over, "Lisa Tanaka").await;
    let answered = rows::conversation(&pool, "c", 1).await;
    rows::turn(&pool, answered, 1, 1).await;
    let early = health::overdue_conversations(&pool).await.unwrap();

    rows::run(&pool, "update messages set stored_at = stored_at - interval '5 hours'").await;
    let late = health::overdue_conversations(&pool).await.unwrap();
    rows::part(&pool, handed_over, ReplyId::named("r"), (0, 0), 0, "accepted").await;
    rows::run(&pool, "update deliveries set author = 'person' where outlet = 'web_form'").await;
    let after_reply = health::overdue_conversations(&pool).await.unwrap();

    assert_eq!((early, late, after_reply), (0, 2, 1));
    assert_eq!(rows::handled_seq(&pool, unhandled).await, 0);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn sends_in_doubt_are_counted(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 1).await;
    rows::part(&pool, id, ReplyId::named("r"), (1, 1), 0, "outcome_unknown").await;
    rows::part(&pool, id, ReplyId::named("r"), (1, 1), 1, "pending").await;

    assert_eq!(health::sends_in_doubt(&pool).await.unwrap(), 1);
}
