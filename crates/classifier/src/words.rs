//! How like two sentences are by their words: words and pieces of words, the rarer the
//! weightier. Pieces forgive slips of the pen and know compound words.

use std::collections::{BTreeMap, HashMap};

use crate::Sample;

/// Lengths of the pieces of a word, its two ends counted.
const PIECES: [usize; 2] = [3, 4];

/// What is known of a word or piece.
#[derive(Debug, Clone, Default)]
struct Term {
    rarity: f32,
    /// Sentences that hold it, with its weight there.
    held_by: Vec<(usize, f32)>,
}

/// The words, pieces of words and cues of all learned sentences.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    parts: [HashMap<String, Term>; 3],
    sentences: usize,
}

impl Vocabulary {
    pub(crate) fn of(samples: &[Sample]) -> Self {
        let counted: Vec<[Counts; 3]> = samples.iter().map(counted).collect();
        let part = |at: usize| terms(&counted.iter().filter_map(|c| c.get(at)).collect::<Vec<_>>());
        Self { parts: [part(0), part(1), part(2)], sentences: samples.len() }
    }

    /// How like each learned sentence is: 0 to 3, one for each part that is the same.
    pub(crate) fn likeness(&self, sample: &Sample) -> Vec<f32> {
        let mut likeness = vec![0.0; self.sentences];
        for (known, counts) in self.parts.iter().zip(&counted(sample)) {
            for (term, weight) in weighed(known, counts) {
                for (sentence, other) in &term.held_by {
                    if let Some(place) = likeness.get_mut(*sentence) {
                        *place += weight * other;
                    }
                }
            }
        }
        likeness
    }
}

/// How often each term stands there, in a fixed order: sums of floats depend on it.
type Counts = BTreeMap<String, u32>;

fn counted(sample: &Sample) -> [Counts; 3] {
    let count = |terms: &mut dyn Iterator<Item = String>| {
        let mut counts = Counts::new();
        terms.for_each(|term| *counts.entry(term).or_insert(0) += 1);
        counts
    };
    [
        count(&mut sample.words.iter().cloned()),
        count(&mut sample.words.iter().flat_map(|word| pieces_of(word))),
        count(&mut sample.cues.iter().cloned()),
    ]
}

fn terms(sentences: &[&Counts]) -> HashMap<String, Term> {
    let mut known: HashMap<String, Term> = HashMap::new();
    for term in sentences.iter().flat_map(|counts| counts.keys()) {
        known.entry(term.clone()).or_default().rarity += 1.0;
    }
    for term in known.values_mut() {
        term.rarity = ((1.0 + sentences.len() as f32) / (1.0 + term.rarity)).ln() + 1.0;
    }
    for (number, counts) in sentences.iter().enumerate() {
        let weights: Vec<f32> = weighed(&known, counts).map(|(_, weight)| weight).collect();
        for (term, weight) in counts.keys().zip(weights) {
            if let Some(term) = known.get_mut(term) {
                term.held_by.push((number, weight));
            }
        }
    }
    known
}

/// The known terms of a sentence with weights whose squares sum to 1.
fn weighed<'a>(
    known: &'a HashMap<String, Term>,
    counts: &Counts,
) -> impl Iterator<Item = (&'a Term, f32)> + use<'a> {
    let weight = |(term, count): (&String, &u32)| {
        let term = known.get(term)?;
        Some((term, term.rarity * (1.0 + (*count as f32).ln())))
    };
    let weights: Vec<(&Term, f32)> = counts.iter().filter_map(weight).collect();
    let length = weights.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt();
    weights.into_iter().map(move |(term, weight)| (term, weight / length))
}

fn pieces_of(word: &str) -> Vec<String> {
    let symbols: Vec<char> = std::iter::once(' ').chain(word.chars()).chain([' ']).collect();
    let pieces = |length: usize| symbols.windows(length.min(symbols.len()));
    PIECES.into_iter().flat_map(pieces).map(|piece| piece.iter().collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(text: &str) -> Sample {
        Sample { words: text.split(' ').map(str::to_owned).collect(), ..Sample::default() }
    }

    #[test]
    fn equal_sentences_are_wholly_alike_and_rare_words_weigh_more() {
        let vocabulary =
            Vocabulary::of(&[sample("the refund"), sample("the board"), sample("the list")]);

        let likeness = vocabulary.likeness(&sample("the refund"));

        assert!((likeness[0] - 2.0).abs() < 1e-5, "{likeness:?}");
        assert!(likeness[1] > 0.0 && likeness[1] < 0.8, "{likeness:?}");
    }

    #[test]
    fn a_slip_of_the_pen_is_still_like_the_word() {
        let vocabulary = Vocabulary::of(&[sample("refund"), sample("board")]);

        let likeness = vocabulary.likeness(&sample("refunnd"));

        assert!(likeness[0] > 0.5 && likeness[1] < 0.1, "{likeness:?}");
    }

    #[test]
    fn a_common_cue_makes_sentences_alike_without_a_common_word() {
        let with = |text: &str| Sample { cues: vec!["asks".to_owned()], ..sample(text) };
        let vocabulary = Vocabulary::of(&[with("one"), sample("two")]);

        let likeness = vocabulary.likeness(&with("six"));

        assert!(likeness[0] > 0.9 && likeness[1] == 0.0, "{likeness:?}");
    }
}
