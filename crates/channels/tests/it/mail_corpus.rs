//! Reading mails against mails that were written from the rules, before any reader.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use channels::email::{Mail, Ourselves, read};
use contract::Authentication;

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
    read(&raw, &ourselves()).unwrap_or_else(|error| panic!("{file}: {error}"))
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
