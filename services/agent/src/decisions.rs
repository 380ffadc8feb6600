//! What the policy makes of a model's plans, whatever the rules are that found it.

use std::path::Path;
use std::sync::{Arc, Mutex};

use contract::{Category, Channel, IdentityLevel, MessageId, Priority, TurnOutcome};
use futures::FutureExt as _;
use serde_json::json;
use store::turn_context::{Earlier, KnownTicket};

use crate::draft::Decider;
use crate::log::{Bounds, InputMessage, Inputs, TurnLog};
use crate::model::{Answer, Call, Finish, Prompt, Usage};
use crate::policy::{Evidence, Hit, Kind, Policy, Reading};
use crate::search::Found;
use crate::source::{DraftError, Source, Stop};

/// A reading, one article and a model's answers.
struct Told {
    reading: Reading,
    found: Vec<Found>,
    answers: Mutex<Vec<Answer>>,
}

impl Source for Told {
    fn model(&self) -> &str {
        "told"
    }

    fn reads_messages(&self) -> bool {
        true
    }

    async fn read(&self, _: &Inputs) -> Result<Reading, DraftError> {
        Ok(self.reading.clone())
    }

    async fn search(&self, queries: &[String]) -> Result<Vec<Vec<Found>>, DraftError> {
        Ok(vec![self.found.clone(); queries.len()])
    }

    async fn earlier(&self) -> Result<Vec<Earlier>, DraftError> {
        Ok(Vec::new())
    }

    async fn known_tickets(&self, _: u32) -> Result<Vec<KnownTicket>, DraftError> {
        Ok(Vec::new())
    }

    async fn complete(&self, _: &Prompt) -> Result<Answer, Stop> {
        let mut answers = self.answers.lock().unwrap();
        Ok(if answers.len() > 1 { answers.remove(0) } else { answers[0].clone() })
    }
}

fn calls<const N: usize>(calls: [(&str, serde_json::Value); N]) -> Answer {
    let call = |(name, arguments): (&str, serde_json::Value)| Call {
        id: String::new(),
        name: name.to_owned(),
        arguments: arguments.to_string(),
    };
    let calls = calls.into_iter().map(call).collect();
    Answer { text: None, calls, finish: Finish::Stopped, usage: Usage::default() }
}

const TEXT: &str = "It is in the settings of the workspace.";

fn responds() -> (&'static str, serde_json::Value) {
    ("send_response", json!({"answer": TEXT, "citations": ["plans#limits"]}))
}

fn escalates() -> (&'static str, serde_json::Value) {
    ("escalate_to_human", json!({"reason": "it wants to", "category": "legal"}))
}

fn inputs() -> Inputs {
    Inputs {
        channel: Channel::WebForm,
        ticket_ref: "TF-20260105-7K3Q".parse().unwrap(),
        identity_level: IdentityLevel::SelfAsserted,
        subject: "Question".to_owned(),
        category: None,
        priority: None,
        claimed_plan: None,
        plan: None,
        customer_name: "Sam Doe".to_owned(),
        handled_seq: 0,
        has_turns: false,
        replies_are_used_up: false,
        messages: vec![InputMessage {
            id: MessageId::from(uuid::Uuid::nil()),
            seq: 1,
            body: "Where are the limits?".to_owned(),
            attachments: Vec::new(),
        }],
    }
}

fn hit() -> Hit {
    Hit {
        rule: "churn".to_owned(),
        category: Category::Billing,
        priority: Priority::High,
        reason: "thinks of leaving".to_owned(),
        next_step: "Call them.".to_owned(),
        words: String::new(),
        span: (0, 0),
        by: Evidence::Pattern,
    }
}

fn reading(likely: Vec<Hit>, is_never: bool) -> Reading {
    Reading {
        own_words: "Where are the limits?".to_owned(),
        kind: Kind::Question,
        category: if likely.is_empty() { Category::Technical } else { Category::Billing },
        priority: if likely.is_empty() { Priority::Medium } else { Priority::High },
        likely,
        is_never,
        ..Reading::unread(None, None)
    }
}

fn found(relevance: f64) -> Vec<Found> {
    vec![Found {
        chunk_id: "plans#limits".to_owned(),
        version: 1,
        article: "plans".to_owned(),
        title: "Plans".to_owned(),
        heading: "Limits".to_owned(),
        body: "The limits stand on the page of the plans.".to_owned(),
        relevance,
        by_words: 0.5,
        by_meaning: 0.5,
    }]
}

fn decided(inputs: Inputs, reading: Reading, relevance: f64, answers: Vec<Answer>) -> TurnLog {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy");
    let policy = Arc::new(Policy::load(&folder).unwrap());
    let decider = Decider::new(policy, Bounds { tokens: 60_000, completion_tokens: 1_000 });
    let told = Told { reading, found: found(relevance), answers: Mutex::new(answers) };
    decider.decide(inputs, &told).now_or_never().unwrap().unwrap()
}

#[test]
fn where_a_person_is_likely_needed_the_answer_goes_out_with_the_hand_over() {
    for answer in [calls([responds()]), calls([responds(), escalates()])] {
        let draft = decided(inputs(), reading(vec![hit()], false), 0.9, vec![answer]).draft;

        assert_eq!(draft.outcome, TurnOutcome::HandedOver);
        let hand_over = draft.hand_over.unwrap();
        assert_eq!(
            (hand_over.person.as_str(), draft.reason.as_str()),
            ("Lisa Tanaka", "thinks of leaving")
        );
        assert!(hand_over.tried.ends_with("a first answer went out"), "{hand_over:?}");
        let text = &draft.reply[0];
        assert!(text.contains(TEXT) && text.contains("Lisa Tanaka takes over"), "{text}");
        assert_eq!(draft.priority, Priority::High);
    }
}

#[test]
fn where_a_person_is_likely_needed_one_comes_also_without_an_answer() {
    let silent = Answer { text: Some(String::new()), ..calls([]) };
    for (relevance, answer) in [(0.0, calls([escalates()])), (0.0, silent)] {
        let draft = decided(inputs(), reading(vec![hit()], false), relevance, vec![answer]).draft;

        assert_eq!(draft.hand_over.unwrap().person, "Lisa Tanaka");
        assert!(draft.reply[0].contains("Lisa Tanaka takes over"), "{:?}", draft.reply);
        assert_eq!(draft.reason, "thinks of leaving");
    }
}

#[test]
fn an_ordinary_question_with_an_article_reaches_no_person_at_first_contact() {
    let stubborn = vec![calls([escalates()])];
    let log = decided(inputs(), reading(Vec::new(), true), 0.9, stubborn.clone());
    let mends = vec![calls([escalates()]), calls([responds()])];
    let mended = decided(inputs(), reading(Vec::new(), true), 0.9, mends);

    assert_eq!(log.draft.outcome, TurnOutcome::Answered);
    assert!(log.draft.reply[0].contains("The limits stand on the page"), "{:?}", log.draft.reply);
    assert_eq!(mended.draft.outcome, TurnOutcome::Answered);
    assert!(mended.draft.reply[0].contains(TEXT));

    let returning = Inputs { has_turns: true, ..inputs() };
    let ordinary = reading(Vec::new(), true);
    for (inputs, reading, relevance) in [
        (returning, ordinary.clone(), 0.9),
        (inputs(), ordinary, 0.1),
        (inputs(), reading(Vec::new(), false), 0.9),
    ] {
        let draft = decided(inputs, reading, relevance, stubborn.clone()).draft;

        assert_eq!(draft.outcome, TurnOutcome::HandedOver);
        assert_eq!(draft.hand_over.unwrap().person, "Rachel Foster");
    }
}

#[test]
fn an_answer_goes_out_with_a_hand_over_that_only_the_model_wants() {
    let both = vec![calls([responds(), escalates()])];
    let draft = decided(inputs(), reading(Vec::new(), false), 0.9, both).draft;

    assert!(draft.reply[0].contains(TEXT) && draft.reply[0].contains("Rachel Foster takes over"));
    assert_eq!(draft.reason, "it wants to");
}

#[test]
fn a_model_lowers_the_priority_only_of_what_is_ordinary() {
    let files = |priority: &str| {
        let ticket = json!({"subject": "x", "category": "general", "priority": priority});
        vec![calls([("create_ticket", ticket), responds()])]
    };
    let priority = |own: Priority, proposed: &str| {
        let reading = Reading { priority: own, ..reading(Vec::new(), true) };
        decided(inputs(), reading, 0.9, files(proposed)).draft.priority
    };

    assert_eq!(priority(Priority::Medium, "low"), Priority::Low);
    assert_eq!(priority(Priority::Medium, "urgent"), Priority::Urgent);
    assert_eq!(priority(Priority::High, "low"), Priority::High);
}
