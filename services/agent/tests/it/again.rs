//! A decision made again from its log alone: the same, or it is seen where it is not.

use std::sync::Arc;

use agent::log::TurnLog;
use agent::{Answer, Finish, Model, ModelFault, Policy};
use contract::ConversationId;
use serde_json::{Value, json};
use sqlx::PgPool;
use uuid::Uuid;

use crate::models::{CHUNK, Scripted, call, calls, escalates, responds, says};
use crate::support::{
    self, agent, builtin, handle, numbered_conversation, policy, policy_folder, try_to_handle,
};

async fn logged(pool: &PgPool, id: ConversationId) -> Value {
    sqlx::query_scalar("select log from turns where conversation_id = $1")
        .bind(Uuid::from(id))
        .fetch_one(pool)
        .await
        .unwrap()
}

async fn again(log: &Value, policy: Arc<Policy>) -> Result<Value, agent::LogError> {
    let log: TurnLog = serde_json::from_value(log.clone()).unwrap();
    let log = agent::decide_again(policy, &log).await?;
    Ok(agent::replay::sealed(&log).unwrap())
}

async fn is_decided_again<M: Model>(pool: &PgPool, id: ConversationId, model: M) -> Value {
    handle(&agent(pool, model).0, id, 1).await;
    let log = logged(pool, id).await;
    assert_eq!(again(&log, policy()).await.unwrap(), log);
    log
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn every_kind_of_turn_is_decided_again_from_what_the_database_kept(pool: PgPool) {
    support::load_article(&pool).await;
    let messages = [
        "How do I export a board as CSV?",
        "I want a refund for March.",
        "Which barcode scanner fits your warehouse?",
        "Thank you, that helped!",
        "It would be great if boards had a dark mode.",
        "We offer backlinks and SEO services to increase traffic to your website.",
        "",
    ];
    for (number, message) in (1..).zip(messages) {
        let id = numbered_conversation(&pool, number, "", message).await;
        handle(&builtin(&pool).0, id, 1).await;
        let log = logged(&pool, id).await;

        assert_eq!(again(&log, policy()).await.unwrap(), log, "{message}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn rounds_with_tools_are_decided_again_without_a_model(pool: PgPool) {
    support::load_article(&pool).await;
    let search = json!({"query": "export attachments"});
    let read = calls([
        ("search_knowledge_base", search.to_string()),
        ("get_customer_history", json!({"limit": 3}).to_string()),
        ("analyze_sentiment", json!({"text": "I am happy"}).to_string()),
        ("unknown", String::new()),
    ]);
    let nul =
        format!("{{\"answer\": \"It is \\u0000 in the menu.\", \"citations\": [\"{CHUNK}\"]}}");
    let scripts: [Vec<Result<Answer, ModelFault>>; 6] = [
        vec![Ok(read.clone()), Ok(responds("It is in the Board menu."))],
        vec![Ok(call("search_knowledge_base", &search)), Err(ModelFault::TooLong)],
        vec![Ok(says("We will refund you today."))],
        vec![Ok(escalates("billing"))],
        vec![Ok(Answer { finish: Finish::Refused, ..says("No.\0") })],
        vec![Ok(calls([("send_response", nul)]))],
    ];
    for (number, script) in (1..).zip(scripts) {
        let question = "How do I export a board as CSV?";
        let id = numbered_conversation(&pool, number, "Export", question).await;

        let log = is_decided_again(&pool, id, Arc::new(Scripted::new(script))).await;

        assert_eq!(log["instructions"].as_str().unwrap().len(), 64);
        assert_eq!(log["rounds"][0]["prompt"].as_str().unwrap().len(), 64);
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_turn_that_failed_is_decided_again(pool: PgPool) {
    let id = numbered_conversation(&pool, 1, "Boards", "How do boards work?").await;
    let panics = crate::models::Broken { panics: true };
    try_to_handle(&agent(&pool, panics).0, id, 1, 1).await.unwrap();
    let log = logged(&pool, id).await;

    assert_eq!(again(&log, policy()).await.unwrap(), log);
    assert!(log["failed"].is_string());
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_changed_log_or_policy_decides_differently(pool: PgPool) {
    support::load_article(&pool).await;
    let question = "How do I export a board as CSV?";
    let id = numbered_conversation(&pool, 1, "Export", question).await;
    let searches = call("search_knowledge_base", &json!({"query": "export attachments"}));
    let script = [searches, responds("It is in the Board menu.")];
    let log = is_decided_again(&pool, id, Arc::new(Scripted::answers(script))).await;
    let changes = [
        ("/inputs/messages/0/body", json!("How do I export a board as JSON?")),
        ("/searches/0/query", json!("something else")),
        ("/searches/0/found/0/body", json!("Another article.")),
        ("/searches/0/found/1/body", json!("An article that nobody cites.")),
        ("/searches/1/found/0/relevance", json!(0.999)),
        ("/rounds/1/answer/calls/0/arguments", json!("{\"answer\": \"Hello\"}")),
        ("/rounds/0/results/0/content", json!("{}")),
        ("/draft/reply/0", json!("Hello")),
        ("/inputs/customer_name", json!("Kim")),
    ];
    for (place, change) in changes {
        let mut changed = log.clone();
        *changed.pointer_mut(place).unwrap() = change;

        let decided = again(&changed, policy()).await.ok();
        assert_ne!(decided, Some(changed), "{place}");
    }

    let folder = tempfile::tempdir().unwrap();
    copy(&policy_folder(), folder.path());
    let file = folder.path().join("replies.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("If this does not settle it", "If that is not it")).unwrap();
    let other = Arc::new(Policy::load(folder.path()).unwrap());
    let decided = again(&log, other).await.unwrap();
    assert_ne!(decided["policy"], log["policy"]);
    assert_ne!(decided["draft"]["reply"], log["draft"]["reply"]);
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    for entry in std::fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            std::fs::create_dir(&target).unwrap();
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
