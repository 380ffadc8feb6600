//! Reading mails against mails that were written from the rules, before any reader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use channels::email::{Mail, Ourselves, read};
use contract::{Authentication, BounceAction};

pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus").join(name)
}

pub(crate) fn ourselves() -> Ourselves {
    Ourselves {
        addresses: ["support@taskflow.example", "help@taskflow.example"].map(String::from).into(),
        message_id_domains: ["taskflow.example".to_owned()].into(),
    }
}

/// File name → the columns behind it, from a table with a heading.
pub(crate) fn table(path: &Path) -> BTreeMap<String, Vec<String>> {
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().skip(1).map(|row| row.split('\t').map(String::from));
    rows.map(|mut row| (row.next().unwrap(), row.collect())).collect()
}

fn mail(folder: &Path, file: &str) -> Mail {
    let raw = std::fs::read(folder.join(file)).unwrap();
    read(&raw, &ourselves()).map_err(|error| format!("{file}: {error}")).unwrap()
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn wrong_texts(folder: &Path) -> Vec<String> {
    let mut wrong = Vec::new();
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut texts: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|e| e == "text")).collect();
    texts.sort();
    assert!(texts.len() > 10, "{}", texts.len());
    for path in texts {
        let expected = collapsed(&std::fs::read_to_string(&path).unwrap());
        let file = path.with_extension("eml");
        let file = file.file_name().unwrap().to_str().unwrap();
        let found = collapsed(&mail(folder, file).text);
        if found != expected {
            wrong.push(format!("{file}\n  found    {found}\n  expected {expected}\n"));
        }
    }
    wrong
}

#[test]
fn the_new_text_of_every_mail_of_the_corpus_is_found() {
    let wrong = [wrong_texts(&folder("mail")), wrong_texts(&folder("threads"))].concat();

    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_verdict_of_our_own_receiver_is_read_from_every_mail_of_the_corpus() {
    let folder = folder("mail");
    for (file, row) in table(&folder.join("authentication.tsv")) {
        let expected = match row.first().unwrap().as_str() {
            "pass" => Authentication::Pass,
            "fail" => Authentication::Fail,
            _ => Authentication::None,
        };
        assert_eq!(mail(&folder, &file).authentication, expected, "{file}");
    }
}
fn wrong_kinds(folder: &Path, least: usize) -> Vec<String> {
    let expected = table(&folder.join("expected.tsv"));
    assert!(expected.len() >= least, "{}", expected.len());
    let mut wrong = Vec::new();
    for (file, row) in &expected {
        let Mail { kind, why, .. } = mail(folder, file);
        if kind.as_str() != row[0] {
            wrong.push(format!("{file}: {kind:?} because {why}; expected {}", row.join(": ")));
        }
    }
    wrong
}

#[test]
fn every_mail_of_the_corpus_has_the_kind_that_was_written_beside_it() {
    let wrong = wrong_kinds(&folder("mail"), 170);

    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn mails_written_after_the_rules_were_fixed_have_their_kinds_and_texts() {
    let folder = folder("mail-unseen");
    let wrong = [wrong_kinds(&folder, 50), wrong_texts(&folder)].concat();

    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_report_of_the_corpus_names_its_delivery_recipient_and_outcome() {
    let folder = folder("mail");
    for (file, recipient, action, status, marked) in [
        ("bounce-postfix-unknown-user", "ana@example.org", BounceAction::Failed, "5.1.1", true),
        ("bounce-postfix-delayed", "ben@example.net", BounceAction::Delayed, "4.4.1", true),
        ("bounce-delivered", "nora@example.org", BounceAction::Delivered, "2.1.5", true),
        ("bounce-relayed", "omar@example.com", BounceAction::Relayed, "2.0.0", true),
        ("bounce-expanded", "crew@example.net", BounceAction::Expanded, "2.0.0", true),
        ("bounce-exchange-remote", "dinesh@example.net", BounceAction::Failed, "5.7.1", true),
        ("bounce-exchange-ndr-german", "carla@example.com", BounceAction::Failed, "5.1.10", true),
        ("bounce-gmail-address-not-found", "elif@example.com", BounceAction::Failed, "5.1.1", true),
        ("bounce-gmail-delay", "femi@example.org", BounceAction::Delayed, "4.4.2", true),
        ("bounce-international", "jörg@example.org", BounceAction::Failed, "5.6.7", true),
        ("bounce-exim-plain", "gita@example.com", BounceAction::Failed, "", true),
        ("bounce-exim-report", "hugo@example.net", BounceAction::Failed, "5.0.0", true),
        ("bounce-qmail-plain", "ines@example.org", BounceAction::Failed, "5.1.1", false),
        ("bounce-sendmail-warning", "jan@example.com", BounceAction::Delayed, "", false),
        ("bounce-mailbox-full-plain", "kira@example.com", BounceAction::Failed, "", false),
        ("bounce-mailbox-full-friendly", "liam@example.org", BounceAction::Failed, "", false),
        ("bounce-rejected-by-filter", "mei@example.net", BounceAction::Failed, "5.7.1", false),
        ("bounce-french-prose", "rosa@example.org", BounceAction::Failed, "", false),
        (
            "bounce-of-our-bounce",
            "mailer-daemon@robot.example.net",
            BounceAction::Failed,
            "5.2.1",
            true,
        ),
        ("bounce-from-our-own-domain", "quinn@example.net", BounceAction::Failed, "5.4.4", true),
        ("bounce-with-our-marks-inside", "petra@example.com", BounceAction::Failed, "5.1.1", true),
    ] {
        let report = mail(&folder, &format!("{file}.eml")).bounce.unwrap();

        assert_eq!(report.recipient, recipient, "{file}");
        assert_eq!((report.action, report.status.as_str()), (action, status), "{file}");
        assert_eq!(report.delivery_id.is_some(), marked, "{file}");
        assert!(report.diagnostic.chars().count() <= 500);
    }
    let remote = mail(&folder, "bounce-gmail-address-not-found.eml").bounce.unwrap();
    assert_eq!(remote.diagnostic, "550-5.1.1 no such user 550 5.1.1 check the spelling");
    assert!(remote.original_message_id.is_some());

    let several = mail(&self::folder("mail-unseen"), "bounce-multi-recipient.eml").bounce.unwrap();
    assert_eq!(
        (several.recipient.as_str(), several.status.as_str()),
        ("gone@example.org", "5.1.1")
    );
    assert_eq!(several.action, BounceAction::Failed);
}
