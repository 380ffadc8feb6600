//! The support policy: who takes what, what always goes to a person, what a reply
//! may say. Data from `policy/`, read once; every decision here is a pure function.

mod examples;
mod files;
mod findings;
mod floor;
mod fold;
mod folder;
mod guard;
mod left_out;
mod lessons;
mod load;
mod meaning;
mod negation;
mod own_words;
mod pattern;
mod program;
mod reader;
mod reading;
mod replies;
mod signs;
mod talk;
mod text;
mod units;

use std::collections::BTreeMap;
use std::sync::Arc;

use contract::{Category, Plan, Priority};

use crate::egress::Rows;
use crate::sentiment::Dictionaries;

use examples::Example;
use files::Meant;
pub(crate) use files::{RepliesFile, SearchFile, Texts};
pub use floor::Evidence;
pub(crate) use fold::fold;
pub(crate) use folder::Folder;
pub(crate) use guard::Guard;
pub use left_out::LeftOut;
pub use load::PolicyError;
pub(crate) use load::wrong;
pub use meaning::{Piece, RuleScore, Scores};
pub(crate) use pattern::{Match, Matcher, PatternId};
pub use reader::{ReadError, Reader};
pub use reading::{Hit, Inputs, Reading};
use signs::Sign;
pub use talk::Kind;
use talk::Talk;
pub(crate) use text::{Sentence, Token, sentences};

/// A policy that was read and checked.
#[derive(Debug)]
pub struct Policy {
    hash: String,
    people: BTreeMap<Category, Taker>,
    first_answer: BTreeMap<Plan, String>,
    pub(crate) replies: RepliesFile,
    pub(crate) search: SearchFile,
    /// What a model is told of its work, before any customer's words.
    pub(crate) instructions: Arc<str>,
    /// The same, so that a reply can be held against it.
    pub(crate) secret: Rows,
    examples: Vec<Example>,
    readers: Readers,
    pub(crate) guard: Guard,
    pub(crate) dictionaries: Dictionaries,
}

/// Who takes tickets over.
#[derive(Debug, Clone)]
struct Taker {
    name: String,
    email: Option<String>,
}

/// Everything that is looked for in a customer's words, in one matcher.
#[derive(Debug)]
struct Readers {
    matcher: Matcher,
    always: Vec<Rule>,
    likely: Vec<Rule>,
    meaning: Meant,
    signs: Vec<Sign>,
    talk: Talk,
    cues: Vec<(Category, Vec<PatternId>)>,
    chosen: f64,
    /// The gravest first.
    priorities: Vec<(Priority, Vec<PatternId>)>,
    otherwise: Priority,
}

/// A rule of rules.yaml.
#[derive(Debug)]
struct Rule {
    id: String,
    category: Category,
    priority: Priority,
    reason: String,
    next_step: String,
    ways: Vec<Way>,
    contains: Vec<String>,
    mood: Option<f64>,
}

/// One way to say what a rule is about.
#[derive(Debug)]
struct Way {
    when: Vec<PatternId>,
    unless: Vec<PatternId>,
    also: Vec<PatternId>,
}

impl Policy {
    /// SHA-256 of the files, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// What models are told; nothing of it may leave.
    pub fn instructions(&self) -> &str {
        &self.instructions
    }

    /// Who takes a ticket of this category.
    pub fn person(&self, category: Category) -> &str {
        // Every category has its person: checked while loading.
        self.people.get(&category).map_or("", |taker| taker.name.as_str())
    }

    /// Where mail reaches that person; `None` for a queue.
    pub fn person_email(&self, category: Category) -> Option<&str> {
        self.people.get(&category)?.email.as_deref()
    }

    /// By when a customer of this plan has an answer; an unknown plan counts as free.
    pub fn first_answer(&self, plan: Option<Plan>) -> &str {
        self.first_answer.get(&plan.unwrap_or(Plan::Free)).map_or("", String::as_str)
    }
}
