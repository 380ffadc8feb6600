//! Reads `policy/sentiment/` once and refuses what is wrong, naming file and field.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use crate::policy::{Folder, Matcher, PatternId, PolicyError, fold, wrong};
use crate::sentiment::files::{CommonFile, LanguageFile, WeightedWords};

const COMMON: &str = "common.yaml";
/// What a word of the bundled lexicon counts beside one of ours: it was rated on tweets,
/// where one word says more of a mood than in a question to a support desk.
const OF_THE_LEXICON: f64 = 0.3;

/// A weight beyond this would be louder than the loudest word of the bundled lexicon.
const MAX_WEIGHT: f64 = 5.0;

/// Words, phrases and signs with their weights, language by language.
#[derive(Debug)]
pub struct Dictionaries {
    hash: String,
    pub(super) languages: Vec<Language>,
    pub(super) matcher: Matcher,
    pub(super) phrases: HashMap<PatternId, Phrase>,
    pub(super) emoji: HashMap<char, f64>,
    pub(super) smileys: HashMap<String, f64>,
}

/// What a found pattern means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Phrase {
    Weighs(f64),
    Thanks,
}

/// The words of one language.
#[derive(Debug, Default)]
pub(super) struct Language {
    pub(super) known_by: HashSet<String>,
    words: HashMap<String, f64>,
    /// Beginnings of words, the longest first.
    stems: Vec<(String, f64)>,
    pub(super) negators: HashSet<String>,
    pub(super) degrees: HashMap<String, f64>,
    pub(super) but: HashSet<String>,
    pub(super) but_after_comma: HashSet<String>,
    pub(super) although: HashSet<String>,
    pub(super) asks: Vec<Vec<String>>,
}

impl Language {
    /// The weight of a word by itself.
    pub(super) fn weight(&self, word: &str) -> Option<f64> {
        let stem = || self.stems.iter().find(|(stem, _)| word.starts_with(stem.as_str()));
        let weight = self.words.get(word).copied().or_else(|| stem().map(|(_, weight)| *weight));
        weight.filter(|weight| *weight != 0.0)
    }

    pub(super) fn knows(&self, word: &str) -> bool {
        self.known_by.contains(word)
            || self.negators.contains(word)
            || self.degrees.contains_key(word)
            || self.weight(word).is_some()
    }
}

impl Dictionaries {
    /// Reads and checks the folder: `common.yaml` and a file for each language.
    pub fn load(folder: &Path) -> Result<Self, PolicyError> {
        let folder = Folder::new(folder, "sentiment/");
        let mut reader = Reader { folder, matcher: Matcher::new(&[]) };
        let common: CommonFile = reader.folder.read(COMMON)?;
        let mut phrases = HashMap::new();
        let mut languages = Vec::new();
        for file in reader.language_files()? {
            languages.push(reader.language(&file, &mut phrases)?);
        }
        if languages.is_empty() {
            return Err(wrong("sentiment", "folder", "holds no language"));
        }
        let mut emoji = HashMap::new();
        for (at, group) in common.emoji.iter().enumerate() {
            check_weight(COMMON, &format!("emoji[{at}].weight"), group.weight)?;
            let signs = group.signs.chars().filter(|sign| !sign.is_whitespace());
            emoji.extend(signs.map(|sign| (sign, group.weight)));
        }
        let mut smileys = HashMap::new();
        for (at, group) in common.smileys.iter().enumerate() {
            check_weight(COMMON, &format!("smileys[{at}].weight"), group.weight)?;
            let signs = group.words.split_whitespace();
            smileys.extend(signs.map(|sign| (sign.to_owned(), group.weight)));
        }
        let Reader { folder, matcher } = reader;
        Ok(Self { hash: folder.hash(), languages, matcher, phrases, emoji, smileys })
    }

    /// SHA-256 of all files, in hexadecimal.
    pub fn hash(&self) -> &str {
        &self.hash
    }
}

/// Reads the folder and keeps the patterns of what it read.
struct Reader<'a> {
    folder: Folder<'a>,
    matcher: Matcher,
}

impl Reader<'_> {
    /// In the order of their names; English is the last resort and comes first.
    fn language_files(&self) -> Result<Vec<String>, PolicyError> {
        let entries = std::fs::read_dir(self.folder.path)
            .map_err(|error| wrong("sentiment", "folder", error))?;
        let names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned());
        let mut files: Vec<String> =
            names.filter(|name| name.ends_with(".yaml") && name != COMMON).collect();
        files.sort_by_key(|name| (name != "en.yaml", name.clone()));
        Ok(files)
    }

    fn language(
        &mut self,
        file: &str,
        phrases: &mut HashMap<PatternId, Phrase>,
    ) -> Result<Language, PolicyError> {
        let read: LanguageFile = self.folder.read(file)?;
        let name = self.folder.name(file);
        let mut language = Language {
            known_by: words(&read.known_by),
            negators: words(&read.negators),
            but: words(&read.but),
            but_after_comma: words(&read.but_after_comma),
            although: words(&read.although),
            asks: read
                .asks
                .iter()
                .map(|begin| begin.split_whitespace().map(fold).collect())
                .collect(),
            ..Language::default()
        };
        if let Some(lexicon) = &read.lexicon {
            language.words = self.lexicon(lexicon)?;
        }
        for word in words(&read.says_nothing) {
            language.words.insert(word, 0.0);
        }
        for (word, weight) in weights(&name, "words", &read.words)? {
            match word.strip_suffix('*') {
                Some(stem) => language.stems.push((stem.to_owned(), weight)),
                None => drop(language.words.insert(word, weight)),
            }
        }
        language.stems.sort_by_key(|(stem, _)| std::cmp::Reverse(stem.len()));
        language.degrees = weights(&name, "degrees", &read.degrees)?.into_iter().collect();

        let groups = read.phrases.iter().enumerate();
        for (at, group) in groups {
            check_weight(&name, &format!("phrases[{at}].weight"), group.weight)?;
            for source in &group.phrases {
                let id = self.pattern(&name, &format!("phrases[{at}]"), source, &read)?;
                phrases.insert(id, Phrase::Weighs(group.weight));
            }
        }
        for source in &read.thanks {
            phrases.insert(self.pattern(&name, "thanks", source, &read)?, Phrase::Thanks);
        }
        Ok(language)
    }

    fn pattern(
        &mut self,
        name: &str,
        field: &str,
        source: &str,
        file: &LanguageFile,
    ) -> Result<PatternId, PolicyError> {
        self.matcher.add(source, &file.sets).map_err(|error| wrong(name, field, error))
    }

    fn lexicon(&mut self, file: &str) -> Result<HashMap<String, f64>, PolicyError> {
        let text = self.folder.text(file)?;
        let name = self.folder.name(file);
        let mut read = HashMap::new();
        for (number, line) in text.lines().enumerate() {
            let entry = line.split_once('\t');
            let entry = entry.and_then(|(word, weight)| Some((word, weight.parse().ok()?)));
            let Some((word, weight)) = entry else {
                let field = format!("line {}", number + 1);
                return Err(wrong(&name, field, "is no word and weight"));
            };
            check_weight(&name, &format!("line {}", number + 1), weight)?;
            read.insert(fold(word), OF_THE_LEXICON * weight);
        }
        Ok(read)
    }
}

fn words(text: &str) -> HashSet<String> {
    text.split_whitespace().map(fold).collect()
}

fn weights(
    name: &str,
    field: &str,
    groups: &[WeightedWords],
) -> Result<Vec<(String, f64)>, PolicyError> {
    let mut all: HashMap<String, f64> = HashMap::new();
    for (at, group) in groups.iter().enumerate() {
        check_weight(name, &format!("{field}[{at}].weight"), group.weight)?;
        for word in group.words.split_whitespace().map(fold) {
            if all.insert(word.clone(), group.weight).is_some() {
                let field = format!("{field}[{at}].words");
                return Err(wrong(name, field, format!("{word} stands twice")));
            }
        }
    }
    Ok(all.into_iter().collect())
}

fn check_weight(file: &str, field: &str, weight: f64) -> Result<(), PolicyError> {
    if weight.is_finite() && weight.abs() <= MAX_WEIGHT {
        return Ok(());
    }
    Err(wrong(file, field, "is not between -5 and 5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own_folder() -> std::path::PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy/sentiment")
    }

    /// A copy of the project's own dictionaries with one file changed.
    fn load_with(
        file: &str,
        change: impl FnOnce(String) -> String,
    ) -> Result<Dictionaries, String> {
        let folder = tempfile::tempdir().unwrap();
        for entry in std::fs::read_dir(own_folder()).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
        }
        let text = std::fs::read_to_string(folder.path().join(file)).unwrap();
        std::fs::write(folder.path().join(file), change(text)).unwrap();
        Dictionaries::load(folder.path()).map_err(|error| error.to_string())
    }

    #[test]
    fn a_wrong_file_is_named_with_its_field() {
        let error = |file, from: &'static str, to: &str| {
            let change = |text: String| {
                assert!(text.contains(from), "{from}");
                text.replacen(from, to, 1)
            };
            load_with(file, change).unwrap_err()
        };

        assert!(error("en.yaml", "weight: ", "weight: 9").contains("en.yaml: words[0].weight"));
        assert!(error("en.yaml", "negators:", "negator:").contains("en.yaml: negator"));
        assert!(
            error("en.yaml", "phrases:\n      - ", "phrases:\n      - (a ").contains("phrases[0]")
        );
        assert!(error("vader.tsv", "\t", " ").contains("vader.tsv: line 1"));
    }

    #[test]
    fn every_changed_byte_changes_the_hash() {
        let own = Dictionaries::load(&own_folder()).unwrap();
        let changed = load_with("de.yaml", |text| format!("{text}# more\n")).unwrap();

        assert_ne!(own.hash(), changed.hash());
    }
}
