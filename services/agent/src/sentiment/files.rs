//! The dictionaries' files, field by field.

use std::collections::BTreeMap;

use serde::Deserialize;

/// What holds in every language: signs, and phrases with their own words only.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommonFile {
    pub(super) emoji: Vec<WeightedSigns>,
    pub(super) smileys: Vec<WeightedWords>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightedSigns {
    pub(super) weight: f64,
    pub(super) signs: String,
}

/// Words of one weight, separated by white space; `stem*` stands for all that begin so.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightedWords {
    pub(super) weight: f64,
    pub(super) words: String,
}

/// Phrases of one weight, in the pattern language of `rules.yaml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WeightedPhrases {
    pub(super) weight: f64,
    pub(super) phrases: Vec<String>,
}

/// One language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LanguageFile {
    /// Small words by which a sentence of this language is known.
    pub(super) known_by: String,
    /// A list of `word<tab>weight` lines in the same folder; the words below go before it.
    #[serde(default)]
    pub(super) lexicon: Option<String>,
    #[serde(default)]
    pub(super) sets: BTreeMap<String, Vec<String>>,
    pub(super) words: Vec<WeightedWords>,
    /// Words of the lexicon that say nothing in mail to a support team.
    #[serde(default)]
    pub(super) says_nothing: String,
    pub(super) phrases: Vec<WeightedPhrases>,
    /// Words that turn what follows within the window.
    pub(super) negators: String,
    /// Words that multiply the weight of what follows.
    pub(super) degrees: Vec<WeightedWords>,
    /// After one of these words the speaker says what counts.
    pub(super) but: String,
    /// The same, where they open a clause.
    #[serde(default)]
    pub(super) but_after_comma: String,
    /// What comes before these words counts, what follows is the lesser part.
    #[serde(default)]
    pub(super) although: String,
    /// How a question for information begins.
    pub(super) asks: Vec<String>,
    /// Thanks, which close a letter as often as they are meant.
    pub(super) thanks: Vec<String>,
}
