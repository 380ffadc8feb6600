//! The operator's list, a conversation's view and the customer's lookup.

use contract::{ConversationId, ReplyId};
use sqlx::PgPool;
use store::conversations::{self, Cursor};
use store::customers::{self, Address};
use store::people;

use crate::rows::{self, LISA};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_list_shows_what_waits_for_a_person_and_why(pool: PgPool) {
    let waiting = rows::conversation(&pool, "a", 1).await;
    rows::hand_over(&pool, waiting, "Lisa Tanaka").await;
    rows::conversation(&pool, "b", 1).await;

    let list = conversations::waiting(&pool, None, 10).await.unwrap();

    assert_eq!(list.len(), 1);
    assert_eq!((list[0].id, list[0].person.as_deref()), (waiting.as_uuid(), Some("Lisa Tanaka")));
    assert_eq!(list[0].reason.as_deref(), Some("a refund is asked for"));
    assert_eq!(list[0].category.as_deref(), Some("billing"));
    assert_eq!((list[0].unhandled, list[0].taken_at), (0, None));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn pages_of_the_list_follow_each_other_without_a_gap(pool: PgPool) {
    for name in ["a", "b", "c", "d", "e"] {
        let id = rows::conversation(&pool, name, 1).await;
        rows::hand_over(&pool, id, "Lisa Tanaka").await;
    }
    // Two that wait since the same instant.
    rows::run(
        &pool,
        "update conversations set escalated_at = (select min(escalated_at) from conversations)
         where thread_key in ('b', 'c')",
    )
    .await;

    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = conversations::waiting(&pool, after, 2).await.unwrap();
        let Some(last) = page.last() else { break };
        after = Some(Cursor { waits_since: last.waits_since, id: last.id.into() });
        seen.extend(page.iter().map(|row| (row.waits_since, row.id)));
    }

    assert_eq!(seen.len(), 5);
    assert!(seen.is_sorted());
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_view_has_all_of_its_conversation_and_nothing_else(pool: PgPool) {
    let id = rows::conversation(&pool, "a", 2).await;
    let reply = rows::turn(&pool, id, 1, 2).await;
    rows::part(&pool, id, reply, (1, 2), 0, "accepted").await;
    rows::part(&pool, id, reply, (1, 2), 1, "pending").await;
    let other = rows::conversation(&pool, "b", 1).await;
    rows::part(&pool, other, ReplyId::named("x"), (1, 1), 0, "pending").await;
    people::take(&mut pool.acquire().await.unwrap(), id, LISA).await.unwrap();

    let view = conversations::view(&pool, id).await.unwrap().unwrap();

    assert_eq!(view.conversation.ticket_ref.as_deref(), Some("TF-20260105-0000"));
    assert_eq!(view.conversation.customer_name, "Sam Doe");
    assert_eq!(view.identifiers[0].value, "a@example.org");
    assert_eq!(
        view.messages.iter().map(|m| m.text.as_str()).collect::<Vec<_>>(),
        ["message 1", "message 2"]
    );
    assert_eq!(
        view.deliveries.iter().map(|d| d.state.as_str()).collect::<Vec<_>>(),
        ["accepted", "cancelled"]
    );
    assert_eq!((view.turns.len(), view.actions.len()), (1, 1));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_view_of_an_unknown_id_is_nothing(pool: PgPool) {
    let view = conversations::view(&pool, ConversationId::named("nobody")).await.unwrap();

    assert!(view.is_none());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_customer_is_found_by_each_of_its_addresses(pool: PgPool) {
    let id = rows::conversation(&pool, "sam", 1).await;
    rows::run(
        &pool,
        "insert into customer_identifiers (kind, value, customer_id, level)
         select 'whatsapp', '+4912345', customer_id, 'authenticated' from conversations",
    )
    .await;

    let email = Address::Email("sam@example.org".to_owned());
    let phone = Address::Phone("+4912345".to_owned());
    let by_email = customers::lookup(&pool, &email).await.unwrap().unwrap();
    let by_phone = customers::lookup(&pool, &phone).await.unwrap().unwrap();
    let nobody = customers::lookup(&pool, &Address::Phone("sam@example.org".to_owned())).await;

    assert_eq!((by_email.id, by_email.identifiers.len()), (by_phone.id, 2));
    assert_eq!(by_email.conversations[0].id, id.as_uuid());
    assert!(nobody.unwrap().is_none());
}
