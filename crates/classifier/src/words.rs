//! How like two sentences are by their words: words and pieces of words, the rarer the
//! weightier. Pieces forgive slips of the pen and know compound words.

use std::collections::{BTreeMap, HashMap};

use crate::{Sample, add};

/// Lengths of the pieces of a word, its two ends counted.
const PIECES: [usize; 2] = [3, 4];

/// What is known of a word or piece.
#[derive(Debug, Clone, Default)]
struct Term {
    rarity: f32,
    /// By output, what it adds.
    adds: Vec<f32>,
}

/// The words, pieces of words and cues of all learned sentences.
#[derive(Debug, Clone, Default)]
pub(crate) struct Vocabulary {
    parts: [HashMap<String, Term>; 3],
}

/// Which sentence holds which term, and the weight that it has there; for learning.
#[derive(Debug)]
pub(crate) struct Holdings {
    /// By part and sentence: number of the term and weight.
    terms: [Vec<Vec<(usize, f32)>>; 3],
    /// By part and term: sentence and weight.
    holders: [Vec<Vec<(usize, f32)>>; 3],
    /// By part: the terms in the order of their numbers.
    names: [Vec<String>; 3],
}

impl Vocabulary {
    pub(crate) fn of(samples: &[&Sample]) -> (Self, Holdings) {
        let counted: Vec<[Counts; 3]> = samples.iter().map(|sample| counted(sample)).collect();
        let part = |at: usize| terms(&counted.iter().filter_map(|c| c.get(at)).collect::<Vec<_>>());
        let [(one, first), (two, second), (three, third)] = [part(0), part(1), part(2)];
        let holdings = Holdings {
            terms: [first.0, second.0, third.0],
            holders: [first.1, second.1, third.1],
            names: [first.2, second.2, third.2],
        };
        (Self { parts: [one, two, three] }, holdings)
    }

    /// Adds up once what each term adds to each output: the likeness by words is a sum over
    /// terms, so that nobody has to look at the sentences again.
    pub(crate) fn weigh(
        &mut self,
        holdings: &Holdings,
        weights: &[Vec<f32>],
        outputs: usize,
        share: f32,
    ) {
        let parts = holdings.names.iter().zip(&holdings.holders);
        for (known, (names, holders)) in self.parts.iter_mut().zip(parts) {
            for (name, held_by) in names.iter().zip(holders) {
                let mut adds = vec![0.0; outputs];
                for (sentence, weight) in held_by {
                    let learned = weights.get(*sentence).map_or(&[][..], Vec::as_slice);
                    add(&mut adds, share * weight, learned);
                }
                if let Some(term) = known.get_mut(name) {
                    term.adds = adds;
                }
            }
        }
    }

    /// Adds to each output what the words say.
    pub(crate) fn add_scores(&self, sample: &Sample, outputs: &mut [f32]) {
        for (known, counts) in self.parts.iter().zip(&counted(sample)) {
            for (term, weight) in weighed(known, counts) {
                add(outputs, weight, &term.adds);
            }
        }
    }
}

impl Holdings {
    /// How like a sentence is to those up to itself: 0 to 3, one for each part that is the
    /// same.
    pub(crate) fn likeness(&self, sentence: usize) -> Vec<f32> {
        let mut likeness = vec![0.0; sentence + 1];
        for (terms, holders) in self.terms.iter().zip(&self.holders) {
            for (term, weight) in terms.get(sentence).into_iter().flatten() {
                let held_by = holders.get(*term).into_iter().flatten();
                for (other, theirs) in held_by.take_while(|(other, _)| *other <= sentence) {
                    if let Some(place) = likeness.get_mut(*other) {
                        *place += weight * theirs;
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

/// By sentence its terms, by term its sentences, and the names of the terms.
type Held = (Vec<Vec<(usize, f32)>>, Vec<Vec<(usize, f32)>>, Vec<String>);

fn terms(sentences: &[&Counts]) -> (HashMap<String, Term>, Held) {
    let mut known: HashMap<String, Term> = HashMap::new();
    for term in sentences.iter().flat_map(|counts| counts.keys()) {
        known.entry(term.clone()).or_default().rarity += 1.0;
    }
    for term in known.values_mut() {
        term.rarity = ((1.0 + sentences.len() as f32) / (1.0 + term.rarity)).ln() + 1.0;
    }
    let mut names: Vec<String> = known.keys().cloned().collect();
    names.sort_unstable();
    let numbers: HashMap<&str, usize> =
        names.iter().enumerate().map(|(number, name)| (name.as_str(), number)).collect();
    let mut holders = vec![Vec::new(); names.len()];
    let mut held = Vec::with_capacity(sentences.len());
    for (sentence, counts) in sentences.iter().enumerate() {
        let weights = weighed(&known, counts).map(|(_, weight)| weight);
        let of_sentence: Vec<(usize, f32)> = counts
            .keys()
            .zip(weights)
            .filter_map(|(term, weight)| Some((*numbers.get(term.as_str())?, weight)))
            .collect();
        for (term, weight) in &of_sentence {
            if let Some(holders) = holders.get_mut(*term) {
                holders.push((sentence, *weight));
            }
        }
        held.push(of_sentence);
    }
    (known, (held, holders, names))
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

    /// How like the last sentence is to each.
    fn likeness(samples: &[Sample]) -> Vec<f32> {
        let (_, holdings) = Vocabulary::of(&samples.iter().collect::<Vec<_>>());
        holdings.likeness(samples.len() - 1)
    }

    #[test]
    fn equal_sentences_are_wholly_alike_and_rare_words_weigh_more() {
        let likeness = likeness(&[
            sample("the refund"),
            sample("the board"),
            sample("the list"),
            sample("the refund"),
        ]);

        assert!((likeness[0] - 2.0).abs() < 1e-5, "{likeness:?}");
        assert!(likeness[1] > 0.0 && likeness[1] < 0.8, "{likeness:?}");
    }

    #[test]
    fn a_slip_of_the_pen_is_still_like_the_word() {
        let likeness = likeness(&[sample("refund"), sample("board"), sample("refunnd")]);

        assert!(likeness[0] > 0.3 && likeness[1] < 0.1, "{likeness:?}");
    }

    #[test]
    fn a_common_cue_makes_sentences_alike_without_a_common_word() {
        let with = |text: &str| Sample { cues: vec!["asks".to_owned()], ..sample(text) };

        let likeness = likeness(&[with("one"), sample("two"), with("six")]);

        assert!(likeness[0] > 0.9 && likeness[1] == 0.0, "{likeness:?}");
    }
}
