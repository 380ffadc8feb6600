//! Labelled sentences: what a rule means, what only looks like it, and ordinary tickets.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use contract::Category;
use serde::Deserialize;

use crate::sentiment::Label as Mood;

use crate::policy::fold::fold;
use crate::policy::folder::Folder;
use crate::policy::load::{PolicyError, wrong};

/// One file of `policy/examples/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExamplesFile {
    #[serde(default)]
    examples: Vec<OfRule>,
    #[serde(default)]
    ordinary: Vec<OfCategory>,
    #[serde(default)]
    tickets: Vec<Ticket>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfRule {
    rule: String,
    #[serde(default)]
    means: Vec<String>,
    #[serde(default)]
    does_not_mean: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct OfCategory {
    category: Category,
    texts: Vec<String>,
}

/// A whole message: the rule that holds for it or, where none does, what it is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ticket {
    rule: Option<String>,
    category: Option<Category>,
    mood: Mood,
    text: String,
}

/// What a sentence is an example of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Label {
    /// The rule holds for it.
    Means(String),
    /// It looks as if, but no rule holds.
    LooksLike(String),
    /// No rule holds, and it is about this.
    Ordinary(Category),
}

/// A labelled sentence.
#[derive(Debug, Clone)]
pub(super) struct Example {
    pub(super) text: String,
    pub(super) label: Label,
    /// Where it was said.
    pub(super) mood: Option<Mood>,
    /// The file that it stands in.
    pub(super) file: Arc<str>,
}

/// Reads the files of the folder `examples`, in the order of their names.
pub(super) fn read(folder: &mut Folder<'_>) -> Result<Vec<Example>, PolicyError> {
    let mut examples = Vec::new();
    let mut seen: HashMap<String, String> = HashMap::new();
    for name in names(&folder.path.join(FOLDER))? {
        let file = format!("{FOLDER}/{name}");
        let read: ExamplesFile = folder.read(&file)?;
        for (field, example) in labelled(read, &name.into())
            .map_err(|field| wrong(&file, field, "needs either a rule or a category"))?
        {
            let text = example.text.trim();
            if text.is_empty() {
                return Err(wrong(&file, field, "is empty"));
            }
            if let Some(first) = seen.insert(fold(text), field.clone()) {
                return Err(wrong(&file, field, format!("stands twice, first as {first}")));
            }
            examples.push(example);
        }
    }
    Ok(examples)
}

const FOLDER: &str = "examples";

fn names(path: &Path) -> Result<BTreeSet<String>, PolicyError> {
    let entries = std::fs::read_dir(path).map_err(|error| wrong(FOLDER, "folder", error))?;
    let names: BTreeSet<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    match names.iter().find(|name| !name.ends_with(".yaml")) {
        Some(other) => Err(wrong(&format!("{FOLDER}/{other}"), "file", "is no list of examples")),
        None => Ok(names),
    }
}

/// Every example of a file with the name of its field; an error names the field that has
/// no label.
fn labelled(file: ExamplesFile, name: &Arc<str>) -> Result<Vec<(String, Example)>, String> {
    let mut all = Vec::new();
    let mut add = |field: String, texts: Vec<String>, label: Label| {
        for (at, text) in texts.into_iter().enumerate() {
            let (label, file) = (label.clone(), Arc::clone(name));
            let example = Example { text, label, mood: None, file };
            all.push((format!("{field}[{at}]"), example));
        }
    };
    for entry in file.examples {
        let field = |part| format!("{}.{part}", entry.rule);
        add(field("means"), entry.means, Label::Means(entry.rule.clone()));
        add(field("does_not_mean"), entry.does_not_mean, Label::LooksLike(entry.rule.clone()));
    }
    for entry in file.ordinary {
        add(format!("ordinary.{}", entry.category), entry.texts, Label::Ordinary(entry.category));
    }
    for (at, ticket) in file.tickets.into_iter().enumerate() {
        let field = format!("tickets[{at}]");
        let label = match (ticket.rule, ticket.category) {
            (Some(rule), None) => Label::Means(rule),
            (None, Some(category)) => Label::Ordinary(category),
            _ => return Err(field),
        };
        let (mood, file) = (Some(ticket.mood), Arc::clone(name));
        all.push((field, Example { text: ticket.text, label, mood, file }));
    }
    Ok(all)
}

/// Every rule has examples, and every example a rule.
pub(super) fn check(examples: &[Example], rules: &[&str]) -> Result<(), PolicyError> {
    let unknown = examples.iter().find_map(|example| match &example.label {
        Label::Means(rule) | Label::LooksLike(rule) if !rules.contains(&rule.as_str()) => {
            Some(rule)
        }
        _ => None,
    });
    if let Some(rule) = unknown {
        return Err(wrong(FOLDER, rule, "is no rule of rules.yaml"));
    }
    let is_shown = |rule: &str| {
        examples
            .iter()
            .any(|example| matches!(&example.label, Label::Means(means) if means == rule))
    };
    match rules.iter().find(|rule| !is_shown(rule)) {
        Some(rule) => Err(wrong(FOLDER, *rule, "has no examples of what it means")),
        None => Ok(()),
    }
}
