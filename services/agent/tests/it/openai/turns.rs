//! Whole turns with the model that the settings name, behind an emulated server.

use agent::{AnyModel, ModelSettings};
use clap::Parser;
use contract::ConversationId;
use emulators::openai::{OpenAiEmulator, Play, Settings as Emulated};
use serde_json::json;
use sqlx::PgPool;

use super::emulator;
use crate::support::{self, HANDLED, agent, conversation, count, hand_offs, handle, replies};

const WAITING: &str = "select count(*) from due_turns where conversation_id = $1";

#[derive(Debug, Parser)]
struct Only {
    #[command(flatten)]
    model: ModelSettings,
}

/// The model that a process with these settings has.
fn open(arguments: &[&str]) -> Result<AnyModel, String> {
    let only = Only::parse_from([&["agent"], arguments].concat());
    only.model.open(&support::policy()).map_err(|error| error.to_string())
}

fn remote(emulator: &OpenAiEmulator) -> AnyModel {
    let base_url = format!("--openai-base-url={}", emulator.base_url());
    let key = format!("--openai-api-key={}", Emulated::default().api_key);
    open(&["--model-provider=openai", "--allow-loopback", &base_url, &key]).unwrap()
}

async fn question(pool: &PgPool) -> ConversationId {
    support::load_article(pool).await;
    conversation(pool, "How do I export a board", "I want my board as a file.").await
}

#[test]
fn half_a_model_is_refused_by_name() {
    let without_key = open(&["--model-provider=openai"]).unwrap_err();
    let plain = ["--model-provider=openai", "--openai-api-key=k", "--openai-base-url=http://x/v1"];

    assert!(without_key.contains("OPENAI_API_KEY"), "{without_key}");
    assert!(open(&plain).unwrap_err().contains("OPENAI_BASE_URL"));
    assert!(matches!(open(&["--model-provider=builtin"]), Ok(AnyModel::Builtin(_))));
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn one_request_answers_from_the_article_and_says_what_it_cost(pool: PgPool) {
    let id = question(&pool).await;
    let emulator = emulator().await;
    let (agent, publisher) = agent(&pool, remote(&emulator));

    handle(&agent, id, 1).await;

    let text = &replies(&publisher)[0].parts[0];
    assert!(text.contains("Choose CSV or JSON"), "{text}");
    assert!(text.contains("export-data#export-a-board-as-csv-or-json"), "{text}");
    assert!(hand_offs(&publisher).is_empty());
    assert_eq!(emulator.chats(), 1);
    let (model, tokens): (String, i64) =
        sqlx::query_as("select model, prompt_tokens::bigint from turns")
            .fetch_one(&pool)
            .await
            .unwrap();
    assert_eq!(model, "gpt-4o");
    assert!(tokens > 100, "{tokens}");
    let sent = emulator.requests().remove(0);
    assert_eq!(sent.body["tools"].as_array().unwrap().len(), 6);
    assert!(!sent.messages("system").is_empty());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whatever_the_model_calls_first_it_may_mend(pool: PgPool) {
    let id = question(&pool).await;
    let emulator = emulator().await;
    emulator.script([
        Play::UnknownTool,
        Play::call("search_knowledge_base", json!("{\"query\": \"exp")),
        Play::call("search_knowledge_base", json!({"query": "export a board"})),
    ]);
    let (agent, publisher) = agent(&pool, remote(&emulator));

    handle(&agent, id, 1).await;

    assert!(replies(&publisher)[0].parts[0].contains("Choose CSV or JSON"));
    let requests = emulator.requests();
    assert!(requests.iter().all(|request| request.status == Some(200)), "{requests:#?}");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_endless_loop_and_an_essay_end_in_an_answer_all_the_same(pool: PgPool) {
    let id = question(&pool).await;
    let emulator = emulator().await;
    emulator.when("as a file", Play::SearchAgain);
    let (agent, publisher) = agent(&pool, remote(&emulator));

    handle(&agent, id, 1).await;
    emulator.when("attachments", Play::Long { characters: 20_000 });
    support::add_message(&pool, id, "And how do I export the attachments?").await;
    handle(&agent, id, 2).await;

    assert!(emulator.chats() <= 16, "{}", emulator.chats());
    assert_eq!(replies(&publisher).len(), 2);
    assert_eq!(count(&pool, HANDLED, id).await, 2);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn what_always_goes_to_a_person_is_not_asked_of_a_model(pool: PgPool) {
    let emulator = emulator().await;
    let id = conversation(&pool, "Last invoice", "Please refund me for March, I had left.").await;
    let (agent, publisher) = agent(&pool, remote(&emulator));

    handle(&agent, id, 1).await;

    assert_eq!(emulator.chats(), 0);
    assert_eq!(hand_offs(&publisher).len(), 1);
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn turns_wait_for_an_account_without_money_and_ask_once(pool: PgPool) {
    let first = question(&pool).await;
    let text = "How can I export my board as a file?";
    let second = support::numbered_conversation(&pool, 2, "Export", text).await;
    let emulator = emulator().await;
    emulator.script([Play::quota()]);
    let (agent, publisher) = agent(&pool, remote(&emulator));

    handle(&agent, first, 1).await;
    handle(&agent, second, 1).await;

    assert!(replies(&publisher).is_empty() && hand_offs(&publisher).is_empty());
    for id in [first, second] {
        assert_eq!(count(&pool, WAITING, id).await, 1);
        assert_eq!(count(&pool, HANDLED, id).await, 0);
    }
    assert_eq!(emulator.chats(), 1);
}
