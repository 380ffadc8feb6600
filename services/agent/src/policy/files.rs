//! The files of `policy/` as types. A field that is missing, unknown or of the
//! wrong kind is refused while reading.

use std::collections::BTreeMap;

use contract::{Category, Channel, Plan, Priority};
use serde::Deserialize;

pub(crate) type Sets = BTreeMap<String, Vec<String>>;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeopleFile {
    pub(crate) people: Vec<Person>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Person {
    pub(crate) name: String,
    /// Told there by mail when no webhook could be.
    pub(crate) email: Option<String>,
    pub(crate) takes: Vec<Category>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimesFile {
    pub(crate) first_answer: BTreeMap<Plan, String>,
}

/// Every fixed text, word by word, by channel.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RepliesFile {
    pub(crate) web_form: WebForm,
    pub(crate) whatsapp: Whatsapp,
    pub(crate) email: Email,
}

impl RepliesFile {
    pub(crate) fn texts(&self, channel: Channel) -> &Texts {
        match channel {
            Channel::WebForm => &self.web_form.texts,
            Channel::Email => &self.email.texts,
            Channel::Whatsapp => &self.whatsapp.texts,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WebForm {
    pub(crate) frame: Frame,
    pub(crate) texts: Texts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whatsapp {
    pub(crate) frame: WhatsappFrame,
    pub(crate) texts: Texts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Email {
    pub(crate) frame: EmailFrame,
    pub(crate) texts: Texts,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Texts {
    pub(crate) answer: AnswerTexts,
    pub(crate) hand_over: HandOverTexts,
    pub(crate) short: ShortTexts,
    /// For a customer who waits because no answer can be prepared now.
    pub(crate) holding: String,
    pub(crate) person_notice: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WhatsappFrame {
    pub(crate) greeting: String,
    pub(crate) greeting_without_name: String,
    pub(crate) reference: String,
    pub(crate) cut: String,
    pub(crate) max_body: usize,
    pub(crate) preferred: usize,
    pub(crate) emoji: Vec<String>,
    pub(crate) max_emoji: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EmailFrame {
    pub(crate) greeting: String,
    pub(crate) greeting_without_name: String,
    pub(crate) signature: String,
    pub(crate) max_words: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Frame {
    pub(crate) greeting: String,
    pub(crate) greeting_without_name: String,
    pub(crate) reference: String,
    pub(crate) contact: String,
    pub(crate) signature: String,
    pub(crate) max_words: usize,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnswerTexts {
    pub(crate) opening: String,
    pub(crate) closing: String,
    pub(crate) source: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HandOverTexts {
    pub(crate) acknowledgement: BTreeMap<Category, String>,
    pub(crate) takes_over: String,
    pub(crate) failed: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ShortTexts {
    pub(crate) greeting: String,
    pub(crate) thanks: String,
    pub(crate) praise: String,
    pub(crate) feedback: String,
    pub(crate) wish: String,
    pub(crate) empty: String,
    /// For a message that is a file or a place and no words.
    pub(crate) wordless: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GuardFile {
    pub(crate) remove: Vec<String>,
    pub(crate) links: Vec<String>,
    pub(crate) addresses: Vec<String>,
    pub(crate) sets: Sets,
    pub(crate) refuse: Vec<String>,
    pub(crate) hand_over: Vec<String>,
}

/// How a question becomes a search.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SearchFile {
    pub(crate) answer_from: f64,
    pub(crate) wish_answer_from: f64,
    pub(crate) max_terms: usize,
    pub(crate) chatter: Vec<String>,
    pub(crate) same: Vec<Vec<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TalkFile {
    pub(crate) sets: Sets,
    pub(crate) trouble: Vec<String>,
    pub(crate) greeting: Vec<String>,
    pub(crate) thanks: Vec<String>,
    pub(crate) praise: Vec<String>,
    pub(crate) feedback: Vec<String>,
    pub(crate) wish: Vec<String>,
    pub(crate) spam: Vec<String>,
    pub(crate) automatic: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct CategoriesFile {
    pub(crate) chosen: f64,
    pub(crate) sets: Sets,
    pub(crate) categories: BTreeMap<Category, Vec<String>>,
    pub(crate) priorities: BTreeMap<Priority, Vec<String>>,
    pub(crate) otherwise: Priority,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesFile {
    pub(crate) real_words: Vec<String>,
    pub(crate) sets: Sets,
    pub(crate) meaning: Meant,
    pub(crate) signs: Vec<SignEntry>,
    pub(crate) always: Vec<RuleEntry>,
    pub(crate) likely: Vec<RuleEntry>,
}

/// How the likeness to the examples decides.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Meant {
    pub(crate) person: f64,
    /// How much counts that any rule holds for the whole message.
    pub(crate) whole: f64,
    /// How much counts the likest single rule of the whole message, and of the surest part.
    pub(crate) rule_of_whole: f64,
    pub(crate) rule_of_part: f64,
    pub(crate) one_sentence: f64,
    /// Least sum of the message that such a sentence stands in.
    pub(crate) one_of_many: f64,
    /// How much it adds that the message ends in a question, and that it is long.
    pub(crate) question: f64,
    pub(crate) long: f64,
    pub(crate) chosen: f64,
    /// How much counts for a category that its cues name it.
    pub(crate) cues: f64,
    /// How much the mood counts that the dictionaries find, and that of the examples.
    pub(crate) mood_by_words: f64,
    pub(crate) mood_by_examples: f64,
}

/// One rule as it stands in the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RuleEntry {
    pub(crate) id: String,
    pub(crate) category: Category,
    pub(crate) priority: Priority,
    pub(crate) reason: String,
    pub(crate) next_step: String,
    pub(crate) when: Vec<String>,
    #[serde(default)]
    pub(crate) unless: Vec<String>,
    #[serde(default)]
    pub(crate) also: Vec<String>,
    /// Holds, too, for a message whose mood is at most this, -1 to 1.
    pub(crate) mood: Option<f64>,
    /// Further ways to say it.
    #[serde(default)]
    pub(crate) or: Vec<WayEntry>,
    /// Text in writings that put no space between words.
    #[serde(default)]
    pub(crate) contains: Vec<String>,
}

/// What else a message says that makes it sooner or later one for a person.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SignEntry {
    pub(crate) id: String,
    pub(crate) adds: f64,
    pub(crate) when: Vec<String>,
    #[serde(default)]
    pub(crate) unless: Vec<String>,
}

/// One way to say what a rule is about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WayEntry {
    pub(crate) when: Vec<String>,
    #[serde(default)]
    pub(crate) unless: Vec<String>,
    #[serde(default)]
    pub(crate) also: Vec<String>,
}
