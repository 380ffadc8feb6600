//! The policy on sentences as customers write them.

use std::sync::{Arc, LazyLock};

use agent::Policy;
use agent::policy::{Inputs, Kind, Reading, Scores};
use contract::Category;

use crate::support::policy;

/// What belongs to a person, with the family of rules that must say so.
const ALWAYS: &str = include_str!("../fixtures/always.txt");

/// What is never for a person at first contact.
const NEVER: &str = include_str!("../fixtures/never.txt");

/// A case stands in one line; its line breaks are written as in Rust.
fn unescaped(case: &str) -> String {
    case.replace("\\n", "\n")
}

/// One message, by patterns alone.
fn read(text: &str) -> Reading {
    static POLICY: LazyLock<Arc<Policy>> = LazyLock::new(policy);
    let inputs = Inputs { bodies: &[text], ..Inputs::default() };
    POLICY.read_again(&inputs, &Scores::default())
}

fn families(text: &str) -> Vec<String> {
    let reading = read(text);
    reading.hits.iter().map(|hit| hit.rule.split('.').next().unwrap().to_owned()).collect()
}

#[test]
fn what_always_belongs_to_a_person_is_found() {
    let missed: Vec<_> = ALWAYS
        .lines()
        .map(|line| line.split_once(" | ").unwrap())
        .filter(|(family, text)| {
            let reading = read(&unescaped(text));
            !reading.hits.iter().any(|hit| hit.rule.starts_with(family))
        })
        .collect();

    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn what_never_belongs_to_a_person_is_left_alone() {
    let wrong: Vec<_> = NEVER
        .lines()
        .filter_map(|text| {
            let reading = read(&unescaped(text));
            let hit = reading.hits.into_iter().next()?;
            Some((text, hit.rule, hit.words))
        })
        .collect();

    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_request_in_the_subject_counts_like_one_in_the_message() {
    let reading = policy().read_again(
        &Inputs {
            subject: Some("Refund request"),
            bodies: &["It is about order 7."],
            ..Inputs::default()
        },
        &Scores::default(),
    );

    assert_eq!(reading.hits[0].rule, "billing.refund-wanted");
    assert_eq!(reading.category, Category::Billing);
}

#[test]
fn a_finding_is_explained_by_its_rule_and_the_words_it_found() {
    let text = "Hello. Nice tool, but I want a refund for May.";
    let reading = read(text);
    let hit = &reading.hits[0];

    assert_eq!(hit.words, "want a refund");
    assert_eq!(&reading.own_words[hit.span.0..hit.span.1], hit.words);
    assert!(!hit.reason.is_empty());
}

#[test]
fn several_findings_put_the_gravest_first_and_a_wish_for_a_person_last() {
    let found = families("I want a refund, and someone hacked my account. Let me talk to a human.");

    assert_eq!(found.first().map(String::as_str), Some("security"));
    assert_eq!(found.last().map(String::as_str), Some("person"));
}

#[test]
fn the_kind_of_a_message_is_told() {
    for (text, expected) in [
        ("Thanks, that worked!", Kind::Thanks),
        ("Thank you so much for the quick help with the export!", Kind::Thanks),
        ("Thanks, but the export is still broken.", Kind::Question),
        ("Hello there", Kind::Greeting),
        ("👍", Kind::Empty),
        ("> quoted only", Kind::Empty),
        ("I love the new calendar view.", Kind::Praise),
        ("It would be great to have recurring tasks.", Kind::Wish),
        ("Please add dark mode", Kind::Wish),
        ("We offer SEO services to rank your website on the first page of Google.", Kind::Spam),
        ("I am out of office until Monday.", Kind::Automatic),
        ("How do I export a board?", Kind::Question),
    ] {
        assert_eq!(read(text).kind, expected, "{text}");
    }
}

#[test]
fn the_category_follows_the_words_and_the_choice_decides_a_tie() {
    let policy = policy();
    let category = |text: &str, chosen| {
        let inputs = Inputs { bodies: &[text], chosen, ..Inputs::default() };
        policy.read_again(&inputs, &Scores::default()).category
    };

    for (text, expected) in [
        ("What does the yearly plan cost?", Category::Billing),
        ("I forgot my password", Category::Account),
        ("The Slack integration shows an error", Category::Technical),
        ("It would be great if boards had covers", Category::General),
        ("Tell me something", Category::General),
    ] {
        assert_eq!(category(text, None), expected, "{text}");
    }
    assert_eq!(category("Tell me something", Some(Category::Account)), Category::Account);
}
