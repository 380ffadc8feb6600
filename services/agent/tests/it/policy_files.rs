//! A wrong policy folder is refused by file and field.

use std::path::Path;

use agent::Policy;
use contract::{Category, Plan};

use crate::support::policy_folder;

/// A copy of the policy with one change in one file.
fn changed(file: &str, from: &str, to: &str) -> Result<Policy, String> {
    let folder = tempfile::tempdir().unwrap();
    copy(&policy_folder(), folder.path());
    let path = folder.path().join(file);
    if let Ok(text) = std::fs::read_to_string(&path) {
        assert!(text.contains(from), "{file} has no {from:?}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
    } else {
        std::fs::write(&path, to).unwrap();
    }
    Policy::load(folder.path()).map_err(|error| error.to_string())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let copied = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &copied);
        } else {
            std::fs::copy(&path, copied).unwrap();
        }
    }
}

#[test]
fn the_policy_of_the_project_is_complete() {
    let policy = Policy::load(&policy_folder()).unwrap();

    assert_eq!(policy.person(Category::Billing), "Lisa Tanaka");
    assert_eq!(policy.person(Category::Legal), "Rachel Foster");
    assert_eq!(policy.person(Category::Security), "James Okafor");
    assert_eq!(policy.person(Category::Technical), "Marcus Webb");
    assert_eq!(policy.person(Category::Account), "Support Queue");
    assert_eq!(policy.first_answer(Some(Plan::Enterprise)), "within 1 hour");
    assert_eq!(policy.first_answer(None), "within 24 hours");
}

#[test]
fn the_policy_promises_the_times_that_the_program_holds() {
    let policy = Policy::load(&policy_folder()).unwrap();

    for plan in Plan::ALL {
        let hours = plan.first_answer().num_hours();
        let unit = if hours == 1 { "hour" } else { "hours" };
        assert_eq!(policy.first_answer(Some(*plan)), format!("within {hours} {unit}"));
    }
}

#[test]
fn a_wrong_file_is_named_with_its_field_in_one_line() {
    for (file, from, to, named) in [
        ("people.yaml", "takes: [billing]", "takes: [billing, legal]", "people[1].takes"),
        ("people.yaml", "takes: [billing]", "takes: []", "nobody takes billing"),
        ("people.yaml", "takes: [billing]", "takes: [biling]", "biling"),
        ("people.yaml", "  - name: Lisa", "  - nam: Lisa", "nam"),
        ("people.yaml", "takes: [billing]", "takes: [billing]\n    email: Lisa <l@x.org>", "email"),
        ("people.yaml", "takes: [legal]", "takes: [legal]\n    email: rachel", "people[1].email"),
        ("times.yaml", "  pro: within 4 hours\n", "", "first_answer.pro"),
        ("replies.yaml", "{person} takes over", "Someone takes over", "hand_over.takes_over"),
        ("replies.yaml", "You are welcome.", "Unfortunately not.", "short.thanks"),
        (
            "rules.yaml",
            "      - \"^ refund $\"",
            "      - \"^ (refund $\"",
            "always.billing.refund-wanted.when",
        ),
        ("rules.yaml", "      - \"@asks_how\"", "      - \"@nothing\"", "nothing"),
        ("rules.yaml", "- \"false alarm\"", "- \"(false alarm\"", "signs.settled.when"),
        (
            "examples/new.yaml",
            "",
            "examples: [{rule: account.deletion, means: [\"\"]}]",
            "means[0]",
        ),
        ("examples/new.txt", "", "a", "is no list of examples"),
        ("search.yaml", "answer_from: 0", "answer_from: 7", "answer_from"),
        ("talks.yaml", "", "a: b", "talks.yaml"),
    ] {
        let error = changed(file, from, to).unwrap_err();

        assert!(error.contains(file) && error.contains(named), "{file}: {error}");
        assert!(!error.contains('\n'), "{error}");
    }
    assert!(
        Policy::load(Path::new("/nowhere")).unwrap_err().to_string().contains("categories.yaml")
    );
}

#[test]
fn another_person_in_the_file_is_another_person_in_the_policy_and_another_hash() {
    let policy = changed("people.yaml", "Lisa Tanaka", "Bo Berg").unwrap();

    assert_eq!(policy.person(Category::Billing), "Bo Berg");
    assert_ne!(policy.hash(), Policy::load(&policy_folder()).unwrap().hash());
}

#[test]
fn a_person_may_have_an_address_and_a_queue_needs_none() {
    let policy =
        changed("people.yaml", "takes: [billing]", "takes: [billing]\n    email: lisa@example.com")
            .unwrap();

    assert_eq!(policy.person_email(Category::Billing), Some("lisa@example.com"));
    assert_eq!(policy.person_email(Category::Account), None);
}

#[test]
fn an_example_that_stands_twice_is_refused() {
    let twice = "ordinary: [{category: general, texts: [Once upon a time., once upon a TIME.]}]";

    let error = changed("examples/new.yaml", "", twice).unwrap_err();

    assert!(error.contains("stands twice, first as ordinary.general[0]"), "{error}");
}

#[test]
fn an_example_of_no_rule_is_refused() {
    let unknown = "examples: [{rule: likely.chrn, means: [Bye.]}]";

    let error = changed("examples/new.yaml", "", unknown).unwrap_err();

    assert!(error.contains("likely.chrn") && error.contains("no rule"), "{error}");
}

#[test]
fn a_rule_without_examples_is_refused() {
    let rule = "  - id: account.new\n    category: account\n    priority: low\n    reason: a\n    next_step: b\n    when: [c]\nlikely:\n";

    let error = changed("rules.yaml", "likely:\n", rule).unwrap_err();

    assert!(error.contains("account.new") && error.contains("no examples"), "{error}");
}

#[test]
fn another_example_is_another_policy() {
    let more = "ordinary: [{category: general, texts: [Once upon a time.]}]";

    let policy = changed("examples/new.yaml", "", more).unwrap();

    assert_ne!(policy.hash(), Policy::load(&policy_folder()).unwrap().hash());
}

#[test]
fn tickets_of_one_file_are_taken_out_with_their_labels_and_no_others() {
    let file = "tickets-for-a-person.yaml";
    let mut policy = Policy::load(&policy_folder()).unwrap();
    let files = policy.ticket_files();

    let left_out = policy.leave_out(file);

    let rule = |ticket: &agent::policy::LeftOut| ticket.rule.clone().unwrap_or_default();
    assert!(left_out.iter().any(|ticket| rule(ticket).starts_with("always:security.")));
    assert!(left_out.iter().any(|ticket| rule(ticket).starts_with("likely:likely.")));
    assert_eq!(left_out[0].id, format!("{file}:1"));
    let mut remaining = policy.ticket_files();
    assert!(remaining.insert(file.to_owned()));
    assert_eq!(remaining, files);
    assert!(policy.leave_out(file).is_empty());
}
