//! The remote model against an emulated server: every row of what can come back.

mod embeddings;
mod turns;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::{Duration, Instant};

use agent::openai::{Dialect, OpenAi, Settings};
use agent::policy::{Kind, Reading, Scores};
use agent::sentiment::Sentiment;
use agent::{Answer, CaseFile, Finish, Message, Model, ModelError, ModelFault, Prompt, ToolSpec};
use contract::{Category, Channel, Priority};
use emulators::openai::{OpenAiEmulator, Play, Settings as Emulated, Shape};
use futures::future::join_all;
use serde_json::{Value, json};

const ASKED: &str =
    "<customer_message number=\"1\">\nHow do I export a board?\n</customer_message>";
const ARTICLE: &str =
    "<article chunk=\"export-data#csv\" title=\"Export\">\nOpen the Board menu.\n</article>";

/// Long enough for every retry, on a busy machine too.
const LIMIT: Duration = Duration::from_secs(30);

async fn emulator() -> OpenAiEmulator {
    OpenAiEmulator::start(Emulated::default()).await.unwrap()
}

fn settings(emulator: &OpenAiEmulator) -> Settings {
    Settings {
        api_key: Emulated::default().api_key.into(),
        base_url: emulator.base_url(),
        model: "gpt-4o".to_owned(),
        dialect: Dialect::Openai,
        allows_loopback: true,
        limit: LIMIT,
        in_flight: 64,
        per_minute: None,
    }
}

fn model(emulator: &OpenAiEmulator) -> OpenAi {
    OpenAi::new(&settings(emulator)).unwrap()
}

fn prompt() -> Prompt {
    let reading = Reading {
        own_words: String::new(),
        hits: Vec::new(),
        likely: Vec::new(),
        is_never: false,
        kind: Kind::Question,
        category: Category::General,
        priority: Priority::Medium,
        sentiment: Sentiment::NEUTRAL,
        scores: Scores::default(),
    };
    let parameters = json!({
        "type": "object", "additionalProperties": false, "required": ["answer", "citations"],
        "properties": {
            "answer": {"type": "string"},
            "citations": {"type": "array", "items": {"type": "string"}},
        },
    });
    let send = ToolSpec { name: "send_response", description: "Sends the answer.", parameters };
    Prompt {
        instructions: Arc::from("You answer customers."),
        messages: vec![Message::Customer(format!("{ASKED}\n\n{ARTICLE}"))],
        tools: Arc::from([send]),
        must_conclude: false,
        max_completion_tokens: 500,
        case: Arc::new(CaseFile { channel: Channel::WebForm, reading, found: Vec::new() }),
    }
}

async fn ask(model: &OpenAi) -> Result<Answer, ModelError> {
    model.complete(&prompt()).await
}

/// What one play brings, met at every attempt, and how often the server was asked.
async fn met(play: Play) -> (Result<Answer, ModelError>, u64) {
    let emulator = emulator().await;
    emulator.script(vec![play; 8]);
    let answer = ask(&model(&emulator)).await;
    (answer, emulator.chats())
}

fn refused(body: Value) -> Play {
    let mut play = json!({"play": "refuse", "refusal": body});
    play["refusal"]["message"] = json!("This model's prompt was: hunter2");
    serde_json::from_value(play).unwrap()
}

#[tokio::test]
async fn the_article_comes_back_as_a_call_with_what_it_cost() {
    let emulator = emulator().await;

    let answer = ask(&model(&emulator)).await.unwrap();

    let arguments: Value = serde_json::from_str(&answer.calls[0].arguments).unwrap();
    assert_eq!(answer.calls[0].name, "send_response");
    assert_eq!(arguments["citations"], json!(["export-data#csv"]));
    assert_eq!(arguments["answer"], "Open the Board menu.");
    assert_eq!((answer.finish, answer.text), (Finish::Stopped, None));
    assert!(answer.usage.prompt_tokens > 20 && answer.usage.cost_micro_usd.unwrap() > 50);
    let sent = &emulator.requests()[0];
    assert!(sent.is_authorized);
    assert_eq!((&sent.body["store"], &sent.body["model"]), (&json!(false), &json!("gpt-4o")));
    assert_eq!(sent.body["tools"][0]["function"]["strict"], true);
}

#[tokio::test]
async fn every_error_is_told_apart_and_only_what_passes_is_asked_again() {
    use ModelFault::{Denied, Invalid, Malformed, Quota, RateLimited, TooLong, Unavailable};
    let rows = vec![
        (refused(json!({"status": 400, "code": "context_length_exceeded"})), TooLong, 1),
        (refused(json!({"status": 400, "kind": "invalid_request_error"})), Invalid, 1),
        (
            refused(json!({"status": 400, "code": 400, "kind": "exceed_context_size_error"})),
            TooLong,
            1,
        ),
        (
            refused(json!({"status": 400, "code": 400, "kind": "BadRequestError", "form": "flat"})),
            Invalid,
            1,
        ),
        (refused(json!({"status": 401, "code": "invalid_api_key"})), Denied, 1),
        (refused(json!({"status": 403, "code": null})), Denied, 1),
        (refused(json!({"status": 404, "form": "text"})), Denied, 1),
        (refused(json!({"status": 408})), Unavailable, 3),
        (refused(json!({"status": 409})), Unavailable, 3),
        (refused(json!({"status": 422})), Invalid, 1),
        (refused(json!({"status": 429, "code": "rate_limit_exceeded"})), RateLimited, 3),
        (Play::quota(), Quota, 1),
        (refused(json!({"status": 429, "code": "credit_balance_exhausted"})), Quota, 1),
        (refused(json!({"status": 429, "code": "organization_spend_limit_exceeded"})), Quota, 1),
        (refused(json!({"status": 500})), Unavailable, 3),
        (refused(json!({"status": 500, "headers": [["x-should-retry", "false"]]})), Unavailable, 1),
        (refused(json!({"status": 503, "code": "server_is_overloaded"})), Unavailable, 3),
        (refused(json!({"status": 200, "code": 502})), Unavailable, 3),
        (Play::Html { status: 502 }, Unavailable, 3),
        (Play::Html { status: 200 }, Malformed, 3),
        (Play::BrokenJson, Malformed, 3),
        (Play::Drop, Unavailable, 3),
    ];

    let met = join_all(rows.iter().map(|(play, ..)| met(play.clone()))).await;

    for ((play, fault, requests), (answer, asked)) in rows.iter().zip(met) {
        let error = answer.unwrap_err();
        assert_eq!((error.fault, asked), (*fault, *requests), "{play:?}");
        let text = format!("{error:?} {error:#} {}", error.source);
        assert!(!text.contains("hunter2"), "{text}");
    }
}

#[tokio::test]
async fn a_server_that_says_nothing_is_waited_for_as_long_as_allowed() {
    let emulator = emulator().await;
    emulator.script([Play::Hang]);
    let limit = Duration::from_millis(300);
    let model = OpenAi::new(&Settings { limit, ..settings(&emulator) }).unwrap();

    let error = ask(&model).await.unwrap_err();

    assert_eq!((error.fault, emulator.chats()), (ModelFault::TimedOut, 1));
}

#[tokio::test]
async fn an_error_that_passes_is_not_seen_by_the_turn() {
    let emulator = emulator().await;
    emulator.script([Play::Drop, Play::Html { status: 502 }]);

    let answer = ask(&model(&emulator)).await.unwrap();

    assert_eq!(answer.calls.len(), 1);
    assert_eq!(emulator.chats(), 3);
}

#[tokio::test]
async fn strange_answers_are_read_like_others() {
    let strange = [
        Shape::NoUsage,
        Shape::SameIds,
        Shape::NoIds,
        Shape::ObjectArguments,
        Shape::StopWithCalls,
        Shape::NoFinish,
        Shape::FunctionCall,
    ];

    for how in strange {
        let (answer, _) = met(Play::Strange { how }).await;
        let answer = answer.unwrap();
        let arguments: Value = serde_json::from_str(&answer.calls[0].arguments).unwrap();
        assert_eq!(arguments["citations"][0], "export-data#csv", "{how:?}");
        assert_eq!(answer.finish, Finish::Stopped, "{how:?}");
        assert_eq!(answer.usage.cost_micro_usd.is_none(), how == Shape::NoUsage, "{how:?}");
    }
}

#[tokio::test]
async fn cut_declined_empty_and_endless_answers_say_what_they_are() {
    let answer = async |play| met(play).await.0.unwrap();

    let cut = answer(Play::Cut).await;
    assert_eq!(cut.finish, Finish::Length);
    assert!(serde_json::from_str::<Value>(&cut.calls[0].arguments).is_err());
    assert_eq!(answer(Play::Filtered).await.finish, Finish::Refused);
    assert_eq!(answer(Play::Declined { text: "No.".to_owned() }).await.finish, Finish::Refused);
    let nothing = answer(Play::Nothing).await;
    assert_eq!((nothing.text, nothing.calls.len()), (None, 0));
    let long = answer(Play::Long { characters: 20_000 }).await;
    assert_eq!(long.text.unwrap().len(), 20_000);
    let parts = answer(Play::Parts { text: "Hello".to_owned() }).await;
    assert_eq!(parts.text.as_deref(), Some("Hello"));
    assert_eq!(answer(Play::UnknownTool).await.calls[0].name, "delete_customer");
    let null = answer(Play::call("send_response", Value::Null)).await;
    assert_eq!(null.calls[0].arguments, "{}");
}

#[tokio::test]
async fn an_account_without_money_opens_the_breaker_instead_of_a_storm() {
    let emulator = emulator().await;
    emulator.script([Play::quota()]);
    let model = model(&emulator);

    let first = ask(&model).await.unwrap_err();
    let others = join_all((0..50).map(|_| ask(&model))).await;

    assert_eq!(first.fault, ModelFault::Quota);
    for other in others {
        let error = other.unwrap_err();
        assert_eq!(error.fault, ModelFault::BreakerOpen);
        assert!(error.after.unwrap() > Duration::from_secs(50), "{error:?}");
    }
    assert_eq!(emulator.chats(), 1);
}

#[tokio::test]
async fn a_server_that_is_away_is_left_alone_after_a_few_attempts() {
    let mut emulator = emulator().await;
    let model = model(&emulator);
    emulator.stop().await;

    let first = ask(&model).await.unwrap_err();
    let second = ask(&model).await.unwrap_err();
    let third = ask(&model).await.unwrap_err();

    assert_eq!(first.fault, ModelFault::Unavailable);
    assert_eq!(second.fault, ModelFault::Unavailable);
    assert_eq!(third.fault, ModelFault::BreakerOpen);
    assert!(third.after.unwrap() <= Duration::from_secs(10));
}

#[tokio::test]
async fn a_wrong_key_and_an_unknown_model_are_denied() {
    let known = Emulated { models: vec!["gpt-4o".to_owned()], ..Emulated::default() };
    let emulator = OpenAiEmulator::start(known).await.unwrap();
    let with = |change: fn(&mut Settings)| {
        let mut settings = settings(&emulator);
        change(&mut settings);
        OpenAi::new(&settings).unwrap()
    };

    let wrong_key = ask(&with(|it| it.api_key = "sk-other".into())).await.unwrap_err();
    let unknown = ask(&with(|it| it.model = "gpt-9".to_owned())).await.unwrap_err();

    assert_eq!((wrong_key.fault, unknown.fault), (ModelFault::Denied, ModelFault::Denied));
    assert!(ask(&with(|_| ())).await.is_ok());
}

#[tokio::test]
async fn a_short_wait_is_kept_and_a_long_one_holds_every_turn() {
    let emulator = emulator().await;
    let model = model(&emulator);
    emulator.script([Play::too_many(&[("retry-after-ms", "700"), ("retry-after", "90")])]);
    let began = Instant::now();

    assert!(ask(&model).await.is_ok());
    assert!(began.elapsed() >= Duration::from_millis(700));

    emulator.script([Play::too_many(&[("retry-after", "60")])]);
    let refused = ask(&model).await.unwrap_err();
    let next = ask(&model).await.unwrap_err();

    for error in [refused, next] {
        assert_eq!(error.fault, ModelFault::RateLimited);
        assert!(error.after.unwrap() > Duration::from_secs(50), "{error:?}");
    }
    assert_eq!(emulator.chats(), 3);
}

#[tokio::test]
async fn no_more_requests_are_on_their_way_than_allowed() {
    let emulator = emulator().await;
    emulator.set_latency(Duration::from_millis(50));
    let model = OpenAi::new(&Settings { in_flight: 4, ..settings(&emulator) }).unwrap();

    let answers = join_all((0..24).map(|_| ask(&model))).await;

    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(emulator.most_at_once(), 4);
}

#[tokio::test]
async fn a_rate_of_ours_is_shared_by_all_turns() {
    let emulator = emulator().await;
    let per_minute = NonZeroU32::new(600);
    let model = OpenAi::new(&Settings { per_minute, ..settings(&emulator) }).unwrap();
    let began = Instant::now();

    let answers = join_all((0..70).map(|_| ask(&model))).await;

    // Sixty go at once, one more every tenth of a second.
    assert!(answers.iter().all(Result::is_ok));
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());
}

#[tokio::test]
async fn plain_http_leads_to_this_machine_only_and_only_where_allowed() {
    let emulator = emulator().await;
    let settings = settings(&emulator);

    let outside = Settings { base_url: "http://example.com/v1".to_owned(), ..settings.clone() };
    assert!(OpenAi::new(&outside).is_err());
    assert!(OpenAi::new(&Settings { allows_loopback: false, ..settings }).is_err());
}
