//! The project's own dictionaries: what a support desk's customers mean.

use std::path::Path;

use agent::sentiment::{Dictionaries, Label, sentiment};
use serde::Deserialize;

use crate::support::policy_folder;

/// Of the sentences that are tuned on; unseen ones are counted by `fte eval`.
const TUNED_FROM: f64 = 0.93;

fn dictionaries() -> Dictionaries {
    Dictionaries::load(&policy_folder().join("sentiment")).unwrap()
}

#[track_caller]
fn feels(expected: Label, texts: &[&str]) {
    let dictionaries = dictionaries();
    for text in texts {
        let found = sentiment(&dictionaries, text);
        assert_eq!(found.label, expected, "{} {text}", found.score);
    }
}

#[test]
fn a_question_is_neutral_whatever_it_is_about() {
    feels(
        Label::Neutral,
        &[
            "How do I cancel a recurring task?",
            "What does error 500 mean?",
            "Is there a way to kill a timer?",
            "Hi there, can I share a board for free? Thanks!",
            "Please help me understand which plan supports critical path views.",
            "Where do I report a problem? Thank you in advance.",
            "Wie kann ich ein Board löschen?",
            "¿Cómo puedo compartir un tablero?",
            "Comment puis-je supprimer un tableau ?",
            "",
        ],
    );
}

#[test]
fn a_complaint_stays_one_however_politely_it_ends() {
    feels(
        Label::Negative,
        &[
            "The export doesn't work. Thanks!",
            "I'm still waiting for an answer. Kind regards",
            "This is the third time I'm writing about this.",
            "I am disappointed, no one answers.",
            "It stopped working and I have a deadline. Thank you",
            "Great app, but it loses my work every single day.",
            "Der Kalender funktioniert nicht. Vielen Dank",
            "La aplicación no funciona, gracias.",
            "L'application ne marche pas, merci.",
        ],
    );
}

#[test]
fn praise_is_positive_and_negated_praise_is_not() {
    feels(
        Label::Positive,
        &[
            "Thanks!",
            "Great work, the new board is wonderful.",
            "It was slow, but now it works perfectly.",
            "Not bad at all!",
            "👍👍 love it",
            "Vielen Dank, jetzt läuft alles!",
        ],
    );
    feels(Label::Negative, &["The update is not good.", "I'm not happy with it.", "👎👎"]);
}

#[test]
fn capitals_marks_and_degrees_make_it_louder() {
    let dictionaries = dictionaries();
    let score = |text| sentiment(&dictionaries, text).score;

    assert!(score("This is really terrible.") < score("This is terrible."));
    assert!(score("This is TERRIBLE.") < score("This is terrible."));
    assert!(score("This is terrible!!!") < score("This is terrible."));
    assert!(score("It is a bit annoying.") > score("It is annoying."));
    assert!(score("The CSV and the API of the PDF") == 0.0, "names are not shouted");
}

#[test]
fn what_is_quoted_as_a_name_is_no_feeling() {
    let dictionaries = dictionaries();

    assert_eq!(sentiment(&dictionaries, "We have a board 'Terrible fraud'.").score, 0.0);
    assert!(sentiment(&dictionaries, "It's a terrible fraud, isn't it.").score < -0.5);
}

#[derive(Deserialize)]
struct Sentence {
    text: String,
    label: Label,
}

#[test]
fn the_sentences_tuned_on_go_the_right_way() {
    let set = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../evaluation/sentiment-tuning.jsonl");
    let dictionaries = dictionaries();
    let text = std::fs::read_to_string(set).unwrap();
    let sentences: Vec<Sentence> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();

    let wrong: Vec<&str> = sentences
        .iter()
        .filter(|sentence| sentiment(&dictionaries, &sentence.text).label != sentence.label)
        .map(|sentence| sentence.text.as_str())
        .collect();

    let right = 1.0 - wrong.len() as f64 / sentences.len() as f64;
    assert!(right >= TUNED_FROM, "{right:.3}: {wrong:#?}");
}
