//! What a turn says on WhatsApp, with and without words to answer.

use contract::{ConversationId, TurnOutcome};
use sqlx::PgPool;
use testkit::RecordingPublisher;
use uuid::Uuid;

use crate::support::{
    self, HANDLED, TURNS, add_message, builtin, conversation, count, hand_offs, handle, replies,
};

/// A WhatsApp conversation whose only message, with these attachments, is long stored.
async fn whatsapp(pool: &PgPool, text: &str, attachments: &'static str) -> ConversationId {
    let id = conversation(pool, "", text).await;
    sqlx::query("update conversations set channel = 'whatsapp'").execute(pool).await.unwrap();
    attach(pool, attachments).await;
    id
}

/// Gives every message without an outcome these attachments and ends its burst.
async fn attach(pool: &PgPool, attachments: &'static str) {
    sqlx::query(
        "update messages set attachments = $1::jsonb, channel = 'whatsapp',
             stored_at = app_now() - interval '1 minute' where outcome is null",
    )
    .bind(attachments)
    .execute(pool)
    .await
    .unwrap();
}

fn messages(publisher: &RecordingPublisher) -> Vec<Vec<String>> {
    replies(publisher).into_iter().map(|reply| reply.parts).collect()
}

async fn outcome(pool: &PgPool, id: ConversationId) -> (String, String) {
    sqlx::query_as(
        "select outcome, outcome_reason from messages where conversation_id = $1
         order by seq desc limit 1",
    )
    .bind(Uuid::from(id))
    .fetch_one(pool)
    .await
    .unwrap()
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_question_on_whatsapp_gets_a_short_answer_in_its_markup(pool: PgPool) {
    support::load_article(&pool).await;
    let id = whatsapp(&pool, "How do I export a board as CSV?", "[]").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    let replies = messages(&publisher);
    let text = replies[0].join("\n");
    assert!(text.starts_with("Hi Sam! This is how it works 👉"), "{text}");
    assert!(text.contains("2. Open the *Board menu* and choose *Export*."), "{text}");
    assert!(text.contains("Your ticket: TF-20260105-"), "{text}");
    assert!(!text.contains("this ticket's page"), "{text}");
    assert!(replies[0].iter().all(|part| part.chars().count() <= 300), "{replies:?}");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_long_article_becomes_parts_in_their_order(pool: PgPool) {
    let steps: String =
        (1..=20).map(|step| format!("{step}. Open the export menu number {step}.\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let article = format!(
        "# Export a board\n\nHow to export a board.\n\n## Export a board as CSV\n\n{steps}"
    );
    std::fs::write(folder.path().join("export.md"), article).unwrap();
    agent::knowledge::load_dir(&pool, support::embedder(), folder.path()).await.unwrap();
    let id = whatsapp(&pool, "How do I export a board as CSV?", "[]").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    let parts = &messages(&publisher)[0];
    assert!((2..=5).contains(&parts.len()), "{parts:?}");
    for (at, part) in parts.iter().enumerate() {
        assert!(part.ends_with(&format!("({}/{})", at + 1, parts.len())), "{part}");
    }
    let all = parts.join("\n");
    let places: Vec<usize> =
        (1..=20).map(|step| all.find(&format!("\n{step}. Open")).unwrap()).collect();
    assert!(places.is_sorted());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_picture_without_words_is_asked_about_and_the_next_goes_to_a_person(pool: PgPool) {
    let picture = r#"[{"kind": "image", "url": "https://media.example/secret"}]"#;
    let id = whatsapp(&pool, "", picture).await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;
    let asked = messages(&publisher);
    add_message(&pool, id, "").await;
    attach(&pool, picture).await;
    handle(&agent, id, 2).await;

    assert!(asked[0][0].contains("Thanks for a picture. I can only read text"), "{asked:?}");
    let hand_offs = hand_offs(&publisher);
    assert_eq!(hand_offs.len(), 1);
    assert!(hand_offs[0].summary.ends_with("They sent a picture."), "{}", hand_offs[0].summary);
    let said = format!("{:?}{hand_offs:?}", messages(&publisher));
    assert!(!said.contains("media.example"), "{said}");
    assert_eq!(outcome(&pool, id).await.0, TurnOutcome::HandedOver.as_str());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_reaction_or_a_sticker_is_no_question_and_gets_no_answer(pool: PgPool) {
    for (number, attachments) in
        [r#"[{"kind": "reaction"}]"#, r#"[{"kind": "sticker"}]"#, "[]"].into_iter().enumerate()
    {
        sqlx::query("truncate conversations, deliveries cascade").execute(&pool).await.unwrap();
        let id = whatsapp(&pool, "", attachments).await;
        let (agent, publisher) = builtin(&pool);

        handle(&agent, id, 1).await;

        assert!(messages(&publisher).is_empty(), "{number}");
        let expected = ("no_answer".to_owned(), "a message without words".to_owned());
        assert_eq!(outcome(&pool, id).await, expected);
        assert_eq!(count(&pool, HANDLED, id).await, 1);
        assert_eq!(count(&pool, TURNS, id).await, 1);
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn words_beside_a_picture_are_answered(pool: PgPool) {
    support::load_article(&pool).await;
    let picture = r#"[{"kind": "image", "url": "https://media.example/secret"}]"#;
    let id = whatsapp(&pool, "How do I export a board as CSV?", picture).await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    assert!(messages(&publisher)[0].join("\n").contains("*Board menu*"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_refund_on_whatsapp_is_handed_over_in_a_few_words(pool: PgPool) {
    let id = whatsapp(&pool, "You charged me twice, I want a refund", "[]").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    let [parts] = &messages(&publisher)[..] else { panic!("one reply") };
    let [text] = &parts[..] else { panic!("one message: {parts:?}") };
    assert!(text.contains("Lisa Tanaka takes over and answers you here within"), "{text}");
    assert!(text.chars().count() <= 300, "{text}");
    assert!(!hand_offs(&publisher)[0].summary.contains("about “”"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_burst_of_five_is_answered_once_with_all_of_its_words(pool: PgPool) {
    support::load_article(&pool).await;
    let id = whatsapp(&pool, "hi", "[]").await;
    for text in ["I have a question", "about boards", "How do I export a board as CSV?", "please"] {
        add_message(&pool, id, text).await;
    }
    attach(&pool, "[]").await;
    let (agent, publisher) = builtin(&pool);

    for seq in 1..=5 {
        handle(&agent, id, seq).await;
    }

    let replies = messages(&publisher);
    assert_eq!(replies.len(), 1);
    assert!(replies[0].join("\n").contains("*Board menu*"), "{replies:?}");
    assert_eq!(count(&pool, TURNS, id).await, 1);
    assert_eq!(count(&pool, HANDLED, id).await, 5);
}
