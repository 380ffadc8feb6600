//! The policy with its model of meaning, on the tickets that may be tuned on. Thresholds
//! were chosen on them and some examples written after them: a guard against regressions,
//! no measure of how unseen tickets are read.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use agent::policy::{Evidence, Inputs, Reading};
use agent::{Embedder, EmbedderSettings, Policy, Reader};
use contract::{Category, Plan};
use serde::Deserialize;
use tokio::sync::OnceCell;

use crate::support::policy;

/// One labelled ticket.
#[derive(Debug, Clone, Deserialize)]
struct Ticket {
    id: String,
    plan: Plan,
    name: String,
    subject: String,
    message: String,
    category: Category,
    escalate: bool,
    #[serde(default)]
    rule: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn tickets() -> Vec<Ticket> {
    let path = root().join("evaluation/tuning.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Learned once for all tests.
async fn reader() -> &'static Reader {
    static READER: OnceCell<Reader> = OnceCell::const_new();
    READER.get_or_init(|| learned(policy())).await
}

async fn learned(policy: Arc<Policy>) -> Reader {
    let folder = root().join(".runtime/minilm");
    let embedder = Embedder::open(&EmbedderSettings { embedding_folder: folder }, None).unwrap();
    Reader::learned(policy, embedder).await.unwrap()
}

async fn read(ticket: &Ticket) -> Reading {
    let inputs = Inputs {
        subject: Some(&ticket.subject),
        bodies: &[&ticket.message],
        plan: Some(ticket.plan),
        ..Inputs::default()
    };
    reader().await.read(&inputs).await.unwrap()
}

/// Whether a person is asked; what the knowledge base cannot answer is not the policy's.
fn is_judged(ticket: &Ticket) -> bool {
    ticket.rule != "likely:low_confidence"
}

fn escalates(reading: &Reading) -> bool {
    !reading.hits.is_empty() || !reading.likely.is_empty()
}

#[tokio::test]
async fn every_ticket_that_always_belongs_to_a_person_goes_to_one() {
    let mut missed = Vec::new();
    for ticket in tickets().iter().filter(|ticket| ticket.rule.starts_with("always")) {
        let reading = read(ticket).await;
        if reading.hits.is_empty() {
            missed.push((ticket.id.clone(), reading.scores));
        }
    }

    assert!(missed.is_empty(), "{missed:#?}");
}

#[tokio::test]
async fn tickets_go_to_a_person_or_not_and_to_the_right_one() {
    let (mut wrong, mut elsewhere, mut judged) = (Vec::new(), Vec::new(), 0);
    let all = tickets();
    for ticket in all.iter().filter(|ticket| is_judged(ticket)) {
        let reading = read(ticket).await;
        judged += 1;
        if escalates(&reading) != ticket.escalate {
            let by: Vec<_> =
                reading.hits.iter().chain(&reading.likely).map(|hit| &hit.by).collect();
            wrong.push(format!("{} {by:?}", ticket.id));
        }
        if reading.category != ticket.category {
            elsewhere.push((ticket.id.clone(), reading.category));
        }
    }
    let share = |count: usize| 1.0 - count as f64 / f64::from(judged);

    println!("escalation {:.3} {wrong:#?}", share(wrong.len()));
    println!("category {:.3} {elsewhere:?}", share(elsewhere.len()));
    assert!(share(wrong.len()) >= 0.95, "{wrong:#?}");
    assert!(share(elsewhere.len()) >= 0.85, "{elsewhere:?}");
}

#[tokio::test]
async fn a_logged_reading_is_had_again_byte_for_byte_without_a_model() {
    for ticket in tickets().iter().step_by(20) {
        let reading = read(ticket).await;
        let logged = serde_json::to_string(&reading).unwrap();

        let restored: Reading = serde_json::from_str(&logged).unwrap();
        let inputs = Inputs {
            subject: Some(&ticket.subject),
            bodies: &[&ticket.message],
            plan: Some(ticket.plan),
            ..Inputs::default()
        };
        let again = reader().await.policy().read_again(&inputs, &restored.scores);

        assert_eq!(serde_json::to_string(&again).unwrap(), logged, "{}", ticket.id);
    }
}

#[tokio::test]
async fn another_name_or_plan_changes_no_decision() {
    for ticket in tickets().iter().filter(|ticket| !ticket.name.is_empty()).step_by(10) {
        let before = read(ticket).await;
        let plan = if ticket.plan == Plan::Pro { Plan::Free } else { Plan::Pro };
        let message = ticket.message.replace(&ticket.name, "Ada Kowalski");

        let after = read(&Ticket { plan, message, ..ticket.clone() }).await;

        assert_eq!(escalates(&before), escalates(&after), "{}", ticket.id);
        assert_eq!(before.category, after.category, "{}", ticket.id);
    }
}

#[tokio::test]
async fn a_finding_names_the_example_it_is_like_and_the_words() {
    let inputs = Inputs {
        bodies: &["The sum we sent you in March ought to return to where it came from."],
        ..Inputs::default()
    };

    let reading = reader().await.read(&inputs).await.unwrap();

    let hit = reading.hits.first().unwrap();
    assert_eq!(hit.rule, "billing.refund-wanted");
    assert!(reading.own_words.contains(&hit.words) && !hit.words.is_empty());
    assert!(
        matches!(&hit.by, Evidence::Example { text, score } if !text.is_empty() && *score > 0.4)
    );
}

#[tokio::test]
async fn what_stands_around_frightening_words_says_whether_a_person_is_needed() {
    for (near_miss, real) in [
        (
            "The second payment on our statement turned out to be my brother's. Sorry for the fuss, you can close this.",
            "You wrote that the second payment is explained, but both are still on our statement. Please return one.",
        ),
        (
            "We are a law office and keep our lawsuits on boards. How do I add a column?",
            "We are a law office and will file a lawsuit against you next week.",
        ),
        (
            "Just curious, do you have a refund policy for yearly plans?",
            "I want a refund for the yearly plan, whatever your policy says.",
        ),
        ("Hoe verander ik de volgorde van mijn lijsten?", "Ik wil met een medewerker spreken."),
        ("Como altero a senha da minha conta?", "Alguém invadiu a minha conta e trocou a senha."),
        (
            "The horrible, terrible, awful filter is reset whenever I leave the board. What can I set?",
            "This is the third time that I write about the filter! Your horrible support is a disgrace!",
        ),
    ] {
        for (message, is_for_a_person) in [(near_miss, false), (real, true)] {
            let inputs = Inputs { bodies: &[message], ..Inputs::default() };
            let reading = reader().await.read(&inputs).await.unwrap();

            assert_eq!(escalates(&reading), is_for_a_person, "{message}: {:?}", reading.scores);
        }
    }
}
