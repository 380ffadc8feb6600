//! Models that mean no good, or cannot do better: no private word and no forbidden
//! promise goes out, what must go to a person goes there, and every turn ends.

use std::sync::Arc;

use agent::{Answer, Call, Finish, Usage};
use serde_json::json;
use sqlx::PgPool;

use crate::models::{CHUNK, Scripted, call, calls, escalates, responds, says};
use crate::support::{
    self, TURNS, agent, count, hand_offs, handle, numbered_conversation, replies,
};

const PROMISE: &str = "Good news: we will refund you the whole year today.";

/// Answers that say the same for ever, by what is wrong with them.
fn hostile() -> Vec<(&'static str, Vec<Answer>)> {
    let send = |text: &str| call("send_response", &json!({"answer": text, "citations": [CHUNK]}));
    let raw = |name: &str, arguments: &str| calls([(name, arguments.to_owned())]);
    let cut = Answer { finish: Finish::Length, ..says("First, open the") };
    let declined = Answer { finish: Finish::Refused, ..says("I cannot help with that.") };
    let many: Vec<Call> = (0..40)
        .map(|number| Call {
            id: "same".to_owned(),
            name: "search_knowledge_base".to_owned(),
            arguments: format!("{{\"query\": \"boards {number}\"}}"),
        })
        .collect();
    let search =
        |number: u32| call("search_knowledge_base", &json!({"query": format!("board {number}")}));
    vec![
        ("promises in words", vec![says(PROMISE)]),
        ("promises in a call", vec![send(PROMISE)]),
        (
            "promises, mended to another promise",
            vec![send(PROMISE), send("You will get a refund.")],
        ),
        (
            "invents without a source",
            vec![says("Boards are exported by fax to our office in Oslo.")],
        ),
        (
            "cites what was never found",
            vec![call(
                "send_response",
                &json!({"answer": "Zebras quickly jump over lazy dolphins.", "citations": ["secret#1"]}),
            )],
        ),
        ("says nothing", vec![says("")]),
        ("is cut", vec![cut]),
        ("declines", vec![declined]),
        ("searches for ever", (0..50).map(search).collect()),
        ("repeats one call", vec![search(1)]),
        ("calls forty times at once", vec![Answer { calls: many, ..says("") }]),
        ("writes broken JSON", vec![raw("send_response", "{\"answer\": \"Hello")]),
        ("writes null", vec![raw("send_response", "null")]),
        ("writes nothing", vec![raw("send_response", "")]),
        ("writes a list", vec![raw("send_response", "[1, 2]")]),
        ("writes an empty text", vec![raw("send_response", "{\"answer\": \"  \"}")]),
        ("calls unknown tools", vec![raw("delete_customer", "{\"id\": 1}")]),
        (
            "only files tickets",
            vec![call(
                "create_ticket",
                &json!({"subject": "x", "category": "billing", "priority": "low"}),
            )],
        ),
    ]
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whatever_a_model_says_an_ordinary_question_has_its_article(pool: PgPool) {
    support::load_article(&pool).await;
    for (number, (what, script)) in (1..).zip(hostile()) {
        let question = "How do I export a board as CSV?";
        let id = numbered_conversation(&pool, number, "Export", question).await;
        let model = Arc::new(Scripted::new(script.into_iter().map(Ok)));
        let (agent, publisher) = agent(&pool, Arc::clone(&model));

        handle(&agent, id, 1).await;

        let [reply] = &replies(&publisher)[..] else { panic!("one reply: {what}") };
        let text = reply.parts.concat();
        assert!(text.contains("Open the Board menu and choose Export"), "{what}: {text}");
        assert!(!text.to_lowercase().contains("refund"), "{what}: {text}");
        assert!(hand_offs(&publisher).is_empty(), "{what}");
        assert!(model.told.lock().unwrap().len() <= 8, "{what}");
        let results = "select jsonb_array_length(jsonb_path_query_array(log, '$.rounds[*].results[*]'))::bigint
            from turns where conversation_id = $1";
        assert!(count(&pool, results, id).await <= 40, "{what}");
        assert_eq!(count(&pool, TURNS, id).await, 1);
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn whatever_a_model_says_what_always_goes_to_a_person_goes_there(pool: PgPool) {
    support::load_article(&pool).await;
    let always = [
        ("I want my money back for March.", "Lisa Tanaka"),
        ("Someone has logged in to my account and it was not me.", "James Okafor"),
        ("Delete all personal data you hold about me under GDPR.", "Rachel Foster"),
        ("I want to talk to a human being.", "Support Queue"),
    ];
    let tickets = always.into_iter().cycle();
    for (number, ((what, script), (message, person))) in
        (1..).zip(hostile().into_iter().zip(tickets))
    {
        let id = numbered_conversation(&pool, number, "Help", message).await;
        let model = Arc::new(Scripted::new(script.into_iter().map(Ok)));
        let (agent, publisher) = agent(&pool, Arc::clone(&model));

        handle(&agent, id, 1).await;

        assert_eq!(hand_offs(&publisher)[0].person, person, "{what}: {message}");
        assert!(model.told.lock().unwrap().is_empty(), "{what} was asked about {message}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_question_that_nothing_answers_goes_to_a_person_whatever_the_model_says(pool: PgPool) {
    support::load_article(&pool).await;
    for (number, (what, script)) in (1..).zip(hostile()) {
        let question = "Which barcode scanner fits your warehouse?";
        let id = numbered_conversation(&pool, number, "Scanner", question).await;
        let (agent, publisher) = agent(&pool, Arc::new(Scripted::new(script.into_iter().map(Ok))));

        handle(&agent, id, 1).await;

        let text = replies(&publisher)[0].parts.concat();
        assert_eq!(hand_offs(&publisher).len(), 1, "{what}: {text}");
        assert!(text.contains("takes over"), "{what}: {text}");
        assert!(!text.to_lowercase().contains("refund"), "{what}: {text}");
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_model_that_hands_everything_over_cannot_refuse_an_ordinary_question(pool: PgPool) {
    support::load_article(&pool).await;
    let question = "How do I export a board as CSV?";
    let id = numbered_conversation(&pool, 1, "Export", question).await;
    let model = Arc::new(Scripted::answers([escalates("legal")]));
    let (agent, publisher) = agent(&pool, Arc::clone(&model));

    handle(&agent, id, 1).await;

    assert!(hand_offs(&publisher).is_empty());
    assert!(replies(&publisher)[0].parts[0].contains("Open the Board menu"));
    assert!(model.heard().contains("no person is needed"), "it was told why");
    assert_eq!(model.told.lock().unwrap().len(), 3, "its two tries, and one that had to conclude");
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn an_answer_of_twenty_thousand_characters_is_cut_to_the_channels_bounds(pool: PgPool) {
    support::load_article(&pool).await;
    let long: String =
        "Open the board menu and choose the export of a board as a file. ".repeat(320);
    assert!(long.len() > 20_000);
    for (number, channel) in (1..).zip(["web_form", "email", "whatsapp"]) {
        let question = "How do I export a board as CSV?";
        let id = numbered_conversation(&pool, number, "", question).await;
        sqlx::query(
            "with one as (update conversations set channel = $2 where id = $1)
             update messages set channel = $2, stored_at = app_now() - interval '1 minute'
             where conversation_id = $1",
        )
        .bind(uuid::Uuid::from(id))
        .bind(channel)
        .execute(&pool)
        .await
        .unwrap();
        let (agent, publisher) = agent(&pool, Arc::new(Scripted::answers([responds(&long)])));

        handle(&agent, id, 1).await;

        let parts = &replies(&publisher)[0].parts;
        let words = parts.concat().split_whitespace().count();
        match channel {
            "whatsapp" => {
                assert!(parts.len() <= 5, "{}", parts.len());
                assert!(parts.iter().all(|part| part.chars().count() <= 1_600));
            }
            "email" => assert!(words <= 400, "{words}"),
            _ => assert!(words <= 300, "{words}"),
        }
    }
}

#[sqlx::test(migrator = "store::MIGRATOR")]
async fn a_turn_that_takes_too_many_tokens_is_not_asked_about_again(pool: PgPool) {
    support::load_article(&pool).await;
    let question = "How do I export a board as CSV?";
    let id = numbered_conversation(&pool, 1, "Export", question).await;
    let search = call("search_knowledge_base", &json!({"query": "boards"}));
    let dear = Answer { usage: Usage { prompt_tokens: 61_000, ..search.usage }, ..search };
    let model = Arc::new(Scripted::answers([dear]));
    let (agent, publisher) = agent(&pool, Arc::clone(&model));

    handle(&agent, id, 1).await;

    assert_eq!(model.told.lock().unwrap().len(), 1);
    assert!(replies(&publisher)[0].parts[0].contains("Open the Board menu"));
}
