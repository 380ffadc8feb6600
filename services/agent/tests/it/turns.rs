//! What a turn decides and publishes.

use std::sync::Arc;

use contract::{Author, Category, Fact, MetricFact, Priority, ReplyId, TurnId, TurnOutcome};
use sqlx::PgPool;

use crate::models::{CHUNK, Scripted, responds};
use crate::support::{
    self, HANDLED, TURNS, agent, builtin, conversation, count, hand_offs, handle, replies,
};

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_question_is_answered_from_the_article_that_fits_and_cites_it(pool: PgPool) {
    support::load_article(&pool).await;
    let id = conversation(&pool, "How do I export a board", "I want my board as a file.").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    let replies = replies(&publisher);
    let text = &replies[0].parts[0];
    assert!(text.starts_with("Hi Sam Doe,\nYour ticket: TF-"), "{text}");
    assert!(text.contains("2. Open the Board menu and choose Export."), "{text}");
    assert!(
        text.contains("Source: Export a board (export-data#export-a-board-as-csv-or-json v1)"),
        "{text}"
    );
    assert!(text.contains("within 4 hours"), "{text}");
    assert!(text.ends_with("— TaskFlow Support Team"), "{text}");
    assert_eq!(
        (replies[0].author, replies[0].first_seq, replies[0].last_seq),
        (Author::Agent, 1, 1)
    );
    assert!(hand_offs(&publisher).is_empty());
    assert_eq!(count(&pool, HANDLED, id).await, 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_refund_request_goes_to_billing_with_a_line_that_says_so(pool: PgPool) {
    support::load_article(&pool).await;
    let id = conversation(&pool, "Last invoice", "Please refund me for March, I had left.").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    let text = &replies(&publisher)[0].parts[0];
    assert!(text.contains("Lisa Tanaka takes over"), "{text}");
    assert!(text.contains("within 4 hours"), "{text}");
    let hand_off = &hand_offs(&publisher)[0];
    assert_eq!(hand_off.person, "Lisa Tanaka");
    assert_eq!((hand_off.category, hand_off.priority), (Category::Billing, Priority::Medium));
    assert_eq!(hand_off.reason, "asks for a refund");
    assert!(hand_off.summary.contains("Please refund me for March"));
    let (owner, person, outcome): (String, String, String) = sqlx::query_as(
        "select c.owner, c.person, m.outcome from conversations c
         join messages m on m.conversation_id = c.id",
    )
    .fetch_one(&pool)
    .await
    .unwrap();
    assert_eq!(
        (owner.as_str(), person.as_str(), outcome.as_str()),
        ("person", "Lisa Tanaka", "handed_over")
    );
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_question_that_no_article_answers_goes_to_a_person(pool: PgPool) {
    support::load_article(&pool).await;
    let id =
        conversation(&pool, "Barcode scanner", "Which barcode scanner fits your warehouse?").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    let hand_off = &hand_offs(&publisher)[0];
    assert_eq!(hand_off.person, "Support Queue");
    assert_eq!(hand_off.reason, "nothing in the knowledge base fits the question");
    assert!(hand_off.tried.starts_with("searched the knowledge base"));
    assert!(replies(&publisher)[0].parts[0].contains("Support Queue takes over"));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn thanks_get_a_friendly_line_and_spam_gets_none(pool: PgPool) {
    let id = conversation(&pool, "Thanks", "Thank you, that helped!").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;
    let spam = "We offer backlinks and SEO services to increase traffic to your website.";
    support::add_message(&pool, id, spam).await;
    handle(&agent, id, 2).await;

    assert_eq!(replies(&publisher).len(), 1);
    assert!(replies(&publisher)[0].parts[0].contains("You are welcome"));
    assert!(hand_offs(&publisher).is_empty());
    let outcomes: Vec<(String, String)> =
        sqlx::query_as("select outcome, outcome_reason from messages order by seq")
            .fetch_all(&pool)
            .await
            .unwrap();
    assert_eq!(outcomes[1], ("no_answer".to_owned(), "spam".to_owned()));
}

const GENEROUS: &str = "No problem, we will refund you today.";

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_draft_that_promises_a_refund_is_never_sent(pool: PgPool) {
    let id = conversation(&pool, "Boards", "How do boards work?").await;
    let (agent, publisher) = agent(&pool, Arc::new(Scripted::answers([responds(GENEROUS)])));

    handle(&agent, id, 1).await;

    assert!(!replies(&publisher)[0].parts[0].contains("refund"));
    assert_eq!(hand_offs(&publisher)[0].reason, "the draft promises what only a person may");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_turn_is_logged_and_counted_with_what_it_saw(pool: PgPool) {
    support::load_article(&pool).await;
    let id = conversation(&pool, "How do I export a board", "As CSV if possible.").await;
    let (agent, publisher) = builtin(&pool);

    handle(&agent, id, 1).await;

    let (model, hash, log): (String, String, serde_json::Value) =
        sqlx::query_as("select model, policy_hash, log from turns").fetch_one(&pool).await.unwrap();
    assert_eq!((model.as_str(), hash.len()), ("builtin", 64));
    let turn = TurnId::derived(id, "0:1");
    assert_eq!(replies(&publisher)[0].reply_id, ReplyId::of(turn));
    let found = &log["searches"][0]["found"][0];
    assert_eq!(found["chunk_id"], CHUNK);
    assert!(found["relevance"].as_f64().unwrap() > 0.4);
    assert_eq!(log["draft"]["cites"][0]["chunk_id"], CHUNK);
    assert_eq!(log["reading"]["kind"], "question");
    assert_eq!(log["draft"]["reply"][0], replies(&publisher)[0].parts[0]);
    let facts = publisher.events::<MetricFact>();
    let Fact::TurnFinished(fact) = &facts[0].fact else { panic!("no turn in {facts:?}") };
    assert_eq!((fact.outcome, fact.first_outcome), (TurnOutcome::Answered, true));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_follow_up_is_a_turn_of_its_own_and_keeps_the_category(pool: PgPool) {
    support::load_article(&pool).await;
    let id = conversation(&pool, "How do I export a board", "I get an error at export.").await;
    let (agent, publisher) = builtin(&pool);
    handle(&agent, id, 1).await;
    let before: String =
        sqlx::query_scalar("select category from tickets").fetch_one(&pool).await.unwrap();

    support::add_message(&pool, id, "And how do I export the attachments?").await;
    handle(&agent, id, 2).await;

    let after: String =
        sqlx::query_scalar("select category from tickets").fetch_one(&pool).await.unwrap();
    assert_eq!(before, after);
    assert_eq!(count(&pool, TURNS, id).await, 2);
    assert!(replies(&publisher)[1].parts[0].contains("ZIP file"));
}
