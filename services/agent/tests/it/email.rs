//! What a turn says by mail, what it reads of one, and when it says nothing more.

use contract::{ConversationId, TurnOutcome};
use sqlx::PgPool;
use uuid::Uuid;

use crate::support::{
    self, HANDLED, add_message, builtin, count, hand_offs, handle, numbered_conversation, replies,
};

const SAM: &str = "sam@example.org";

/// One of several mails of this address, each in a conversation of its own.
async fn mail(
    pool: &PgPool,
    number: u32,
    address: &str,
    subject: &str,
    text: &str,
) -> ConversationId {
    let id = numbered_conversation(pool, number, subject, text).await;
    sqlx::query("update conversations set channel = 'email', address = $2 where id = $1")
        .bind(Uuid::from(id))
        .bind(address)
        .execute(pool)
        .await
        .unwrap();
    id
}

async fn outcomes(pool: &PgPool, id: ConversationId) -> Vec<String> {
    sqlx::query_scalar(
        "select coalesce(outcome, 'none') || ': ' || coalesce(outcome_reason, '') from messages
         where conversation_id = $1 order by seq",
    )
    .bind(Uuid::from(id))
    .fetch_all(pool)
    .await
    .unwrap()
}

/// The newest message is a machine's, stored as such.
async fn automatic(pool: &PgPool, id: ConversationId) {
    sqlx::query(
        "update messages set outcome = 'no_answer', outcome_reason = 'auto_reply'
         where conversation_id = $1 and seq = (select last_seq from conversations where id = $1)",
    )
    .bind(Uuid::from(id))
    .execute(pool)
    .await
    .unwrap();
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_question_by_mail_gets_a_formal_answer_with_numbered_steps(pool: PgPool) {
    support::load_article(&pool).await;
    let id = mail(&pool, 1, SAM, "Export", "How do I export a board as CSV?").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    let [reply] = &replies(&publisher)[..] else { panic!("one reply") };
    let [text] = &reply.parts[..] else { panic!("one mail: {:?}", reply.parts) };
    assert!(text.starts_with("Dear Sam,\n\nThank you for your question."), "{text}");
    assert!(text.contains("\n2. Open the Board menu and choose Export.\n"), "{text}");
    assert!(text.ends_with("\n\nBest regards,\nTaskFlow Support Team"), "{text}");
    assert!(!text.contains("this ticket's page") && !text.contains("Your ticket:"), "{text}");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_subject_is_part_of_the_question_also_when_the_mail_is_empty(pool: PgPool) {
    support::load_article(&pool).await;
    let id = mail(&pool, 1, SAM, "How do I export a board as CSV?", " \n").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    assert!(replies(&publisher)[0].parts[0].contains("Board menu"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_mail_that_says_nothing_is_asked_about_once(pool: PgPool) {
    let id = mail(&pool, 1, SAM, "", "").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;
    add_message(&pool, id, "").await;
    handle(&agent, id, 2).await;

    let replies = replies(&publisher);
    assert_eq!(replies.len(), 1);
    assert!(replies[0].parts[0].contains("We could not find a question"));
    let expected = ["answered: answered", "no_answer: a message without words"];
    assert_eq!(outcomes(&pool, id).await, expected);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_refund_by_mail_is_handed_over_and_the_customer_told(pool: PgPool) {
    let id = mail(&pool, 1, SAM, "Charged twice", "I want a refund.").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    let text = &replies(&publisher)[0].parts[0];
    assert!(text.contains("Lisa Tanaka takes over from here and replies to you within"), "{text}");
    assert_eq!(hand_offs(&publisher).len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_machines_mail_is_no_part_of_a_turn_and_keeps_its_outcome(pool: PgPool) {
    support::load_article(&pool).await;
    let id = mail(&pool, 1, SAM, "Export", "How do I export a board as CSV?").await;
    add_message(&pool, id, "I am away and want a refund.").await;
    automatic(&pool, id).await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    assert!(hand_offs(&publisher).is_empty());
    assert_eq!(outcomes(&pool, id).await, ["answered: answered", "no_answer: auto_reply"]);
    assert_eq!(count(&pool, HANDLED, id).await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_five_answers_in_an_hour_a_person_takes_over_without_another_mail(pool: PgPool) {
    let id = mail(&pool, 1, SAM, "", "Thank you!").await;
    let (agent, publisher) = builtin(&pool);
    for seq in 1..=5 {
        handle(&agent, id, seq).await;
        add_message(&pool, id, "Thank you!").await;
    }
    assert_eq!(replies(&publisher).len(), 5);

    handle(&agent, id, 6).await;
    // Nor does the note for one who writes to a person.
    add_message(&pool, id, "Thank you!").await;
    handle(&agent, id, 7).await;

    assert_eq!(replies(&publisher).len(), 5);
    let [hand_off] = &hand_offs(&publisher)[..] else { panic!("one hand-off") };
    assert!(hand_off.reason.contains("used up"), "{}", hand_off.reason);
    assert!(outcomes(&pool, id).await[5].starts_with(TurnOutcome::HandedOver.as_str()));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_hour_passes_and_its_answers_count_no_more(pool: PgPool) {
    let id = mail(&pool, 1, SAM, "", "Thank you!").await;
    let (agent, publisher) = builtin(&pool);
    for seq in 1..=5 {
        handle(&agent, id, seq).await;
        add_message(&pool, id, "Thank you!").await;
    }
    let later = "update turns set created_at = created_at - interval '61 minutes'";
    sqlx::query(later).execute(&pool).await.unwrap();

    handle(&agent, id, 6).await;

    assert_eq!(replies(&publisher).len(), 6);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn after_twenty_answers_in_a_day_an_address_gets_no_more_in_any_conversation(pool: PgPool) {
    let (agent, publisher) = builtin(&pool);
    for number in 1..=20 {
        let id = mail(&pool, number, SAM, "", "Thank you!").await;
        handle(&agent, id, 1).await;
    }

    let next = mail(&pool, 21, SAM, "", "Thank you!").await;
    let other = mail(&pool, 22, "ana@example.org", "", "Thank you!").await;
    handle(&agent, next, 1).await;
    handle(&agent, other, 1).await;

    assert_eq!(replies(&publisher).len(), 21);
    assert!(outcomes(&pool, next).await[0].starts_with("handed_over"));
    assert_eq!(outcomes(&pool, other).await, ["answered: answered"]);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn the_number_of_answers_is_a_setting_and_only_mail_has_it(pool: PgPool) {
    let set = "update channel_configs set settings = '{\"replies_per_hour\": 1}'";
    sqlx::query(set).execute(&pool).await.unwrap();
    let (agent, publisher) = builtin(&pool);
    let by_mail = mail(&pool, 1, SAM, "", "Thank you!").await;
    let by_form = numbered_conversation(&pool, 2, "", "Thank you!").await;

    for id in [by_mail, by_form] {
        handle(&agent, id, 1).await;
        add_message(&pool, id, "Thank you!").await;
        handle(&agent, id, 2).await;
    }

    assert_eq!(replies(&publisher).len(), 3);
    assert_eq!(hand_offs(&publisher).len(), 1);
}
