//! How like two sentences are by their words: words and pieces of words, the rarer the
//! weightier. Pieces forgive slips of the pen and know compound words.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::Said;
use crate::bytes::{Reader, Writer};
use crate::lanes::add;

/// Lengths of the pieces of a word, its two ends counted.
const PIECES: [usize; 2] = [3, 4];

/// Words, pieces of words, cues.
const PARTS: usize = 3;

/// The words, pieces of words and cues of all learned sentences, and what each task has
/// learned of them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Vocabulary {
    parts: [Part; PARTS],
    /// How many.
    tasks: usize,
    /// Outputs of all tasks.
    width: usize,
}

#[derive(Debug, Clone, Default, PartialEq)]
struct Part {
    /// The terms in the order of their names: sums of floats depend on the order.
    numbers: HashMap<Box<str>, usize>,
    /// By term, then by task; 0 where no sentence of the task has it.
    rarity: Vec<f32>,
    /// By term, then by output of all tasks: what it adds.
    adds: Vec<f32>,
}

/// Which sentence of a task holds which term, and the weight that it has there.
#[derive(Debug)]
pub(crate) struct Holdings {
    parts: [Held; PARTS],
}

/// By sentence: number of the term and weight. By term: sentence and weight.
#[derive(Debug, Default)]
struct Held {
    terms: Vec<Vec<(usize, f32)>>,
    holders: Vec<Vec<(usize, f32)>>,
}

impl Vocabulary {
    /// Of all sentences, with nothing learned of them yet.
    pub(crate) fn of(sentences: &[Said], tasks: usize, width: usize) -> Self {
        let part = |part: usize| {
            let mut names: HashSet<Box<str>> = HashSet::new();
            for said in sentences {
                each_term(said, part, |term| {
                    if !names.contains(term) {
                        names.insert(term.into());
                    }
                });
            }
            let mut names: Vec<Box<str>> = names.into_iter().collect();
            names.sort_unstable();
            let count = names.len();
            Part {
                numbers: names.into_iter().zip(0..).collect(),
                rarity: vec![0.0; count * tasks],
                adds: vec![0.0; count * width],
            }
        };
        Self { parts: std::array::from_fn(part), tasks, width }
    }

    /// Learns how rare terms are among the sentences of a task.
    pub(crate) fn learn(&mut self, learned: &[&Said], task: usize) -> Holdings {
        let mut holdings = Holdings { parts: Default::default() };
        let parts = self.parts.iter_mut().zip(&mut holdings.parts);
        for (number, (part, held)) in parts.enumerate() {
            let counts: Vec<Counts> =
                learned.iter().map(|said| part.counted(said, number)).collect();
            part.rarify(&counts, self.tasks, task);
            held.holders = vec![Vec::new(); part.numbers.len()];
            for (sentence, counts) in counts.iter().enumerate() {
                let of_sentence: Vec<(usize, f32)> =
                    part.weighed(counts, self.tasks, task).collect();
                for (term, weight) in &of_sentence {
                    if let Some(holders) = held.holders.get_mut(*term) {
                        holders.push((sentence, *weight));
                    }
                }
                held.terms.push(of_sentence);
            }
        }
        holdings
    }

    /// Adds up once what each term adds to each output: the likeness by words is a sum over
    /// terms, so that nobody has to look at the sentences again. `weights` are those of the
    /// task, whose outputs begin at `first`.
    pub(crate) fn weigh(
        &mut self,
        holdings: &Holdings,
        weights: &[f32],
        outputs: usize,
        first: usize,
        share: f32,
    ) {
        for (part, held) in self.parts.iter_mut().zip(&holdings.parts) {
            let adds = part.adds.chunks_exact_mut(self.width.max(1));
            for (adds, holders) in adds.zip(&held.holders) {
                let Some(adds) = adds.get_mut(first..first + outputs) else { continue };
                for (sentence, weight) in holders {
                    let start = sentence * outputs;
                    let learned = weights.get(start..start + outputs).unwrap_or_default();
                    add(adds, share * weight, learned);
                }
            }
        }
    }

    /// Adds to each output what the words say; `outputs` are the counts of each task's.
    pub(crate) fn add_scores(&self, said: &Said, outputs: &[usize], scores: &mut [f32]) {
        for (number, part) in self.parts.iter().enumerate() {
            let counts = part.counted(said, number);
            let mut first = 0;
            for (task, count) in outputs.iter().enumerate() {
                let place = first..first + count;
                first += count;
                let Some(scores) = scores.get_mut(place.clone()) else { continue };
                for (term, weight) in part.weighed(&counts, self.tasks, task) {
                    add(scores, weight, part.adds(term, self.width, &place));
                }
            }
        }
    }

    pub(crate) fn write(&self, writer: &mut Writer) {
        for part in &self.parts {
            let mut names: Vec<(&usize, &str)> =
                part.numbers.iter().map(|(name, number)| (number, &**name)).collect();
            names.sort_unstable();
            writer.numbers([names.len()].into_iter());
            names.iter().for_each(|(_, name)| writer.name(name));
            writer.floats(&part.rarity);
            writer.floats(&part.adds);
        }
    }

    pub(crate) fn read(reader: &mut Reader<'_>, tasks: usize, width: usize) -> Option<Self> {
        let mut vocabulary = Self { parts: Default::default(), tasks, width };
        for part in &mut vocabulary.parts {
            let [count] = *reader.numbers()?.as_slice() else { return None };
            for number in 0..count {
                part.numbers.insert(reader.name()?.into(), number);
            }
            part.rarity = reader.floats()?;
            part.adds = reader.floats()?;
            let is_whole = part.numbers.len() == count
                && part.rarity.len() == count.checked_mul(tasks)?
                && part.adds.len() == count.checked_mul(width)?;
            if !is_whole {
                return None;
            }
        }
        Some(vocabulary)
    }
}

/// Numbers of terms and how often each stands there, in their order.
type Counts = Vec<(usize, u32)>;

impl Part {
    /// The known terms of a sentence.
    fn counted(&self, said: &Said, part: usize) -> Counts {
        let mut terms = Vec::new();
        each_term(said, part, |term| terms.extend(self.numbers.get(term).copied()));
        terms.sort_unstable();
        let mut counts = Counts::with_capacity(terms.len());
        for term in terms {
            match counts.last_mut() {
                Some((last, count)) if *last == term => *count += 1,
                _ => counts.push((term, 1)),
            }
        }
        counts
    }

    fn rarify(&mut self, sentences: &[Counts], tasks: usize, task: usize) {
        for (term, _) in sentences.iter().flatten() {
            if let Some(rarity) = self.rarity.get_mut(term * tasks + task) {
                *rarity += 1.0;
            }
        }
        let all = 1.0 + sentences.len() as f32;
        for rarity in self.rarity.iter_mut().skip(task).step_by(tasks.max(1)) {
            if *rarity > 0.0 {
                *rarity = (all / (1.0 + *rarity)).ln() + 1.0;
            }
        }
    }

    /// The terms that a task knows with weights whose squares sum to 1.
    fn weighed(
        &self,
        counts: &[(usize, u32)],
        tasks: usize,
        task: usize,
    ) -> impl Iterator<Item = (usize, f32)> + use<> {
        let weight = |(term, count): &(usize, u32)| {
            let rarity = self.rarity.get(term * tasks + task).filter(|rarity| **rarity > 0.0)?;
            Some((*term, rarity * (1.0 + (*count as f32).ln())))
        };
        let weights: Vec<(usize, f32)> = counts.iter().filter_map(weight).collect();
        let length = weights.iter().map(|(_, weight)| weight * weight).sum::<f32>().sqrt();
        weights.into_iter().map(move |(term, weight)| (term, weight / length))
    }

    fn adds(&self, term: usize, width: usize, place: &Range<usize>) -> &[f32] {
        let start = term * width;
        self.adds.get(start + place.start..start + place.end).unwrap_or_default()
    }
}

impl Holdings {
    /// How like a sentence is to those up to itself: 0 to 3, one for each part that is the
    /// same.
    pub(crate) fn likeness(&self, sentence: usize, likeness: &mut [f32]) {
        likeness.fill(0.0);
        for held in &self.parts {
            for (term, weight) in held.terms.get(sentence).into_iter().flatten() {
                let held_by = held.holders.get(*term).into_iter().flatten();
                for (other, theirs) in held_by.take_while(|(other, _)| *other <= sentence) {
                    if let Some(place) = likeness.get_mut(*other) {
                        *place += weight * theirs;
                    }
                }
            }
        }
    }
}

/// Hands over each term of a part of what is said, as often as it stands there.
fn each_term(said: &Said, part: usize, mut hand: impl FnMut(&str)) {
    match part {
        0 => said.words.iter().for_each(|word| hand(word)),
        1 => said.words.iter().for_each(|word| each_piece(word, &mut hand)),
        _ => said.cues.iter().for_each(|cue| hand(cue)),
    }
}

fn each_piece(word: &str, hand: &mut impl FnMut(&str)) {
    let ended = format!(" {word} ");
    let places: Vec<usize> =
        ended.char_indices().map(|(place, _)| place).chain([ended.len()]).collect();
    for length in PIECES {
        let length = length.min(places.len() - 1);
        for (start, end) in places.iter().zip(places.iter().skip(length)) {
            hand(ended.get(*start..*end).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> Said {
        Said { words: text.split(' ').map(str::to_owned).collect(), ..Said::default() }
    }

    /// How like the last sentence is to each.
    fn likeness(sentences: &[Said]) -> Vec<f32> {
        let mut vocabulary = Vocabulary::of(sentences, 1, 0);
        let holdings = vocabulary.learn(&sentences.iter().collect::<Vec<_>>(), 0);
        let mut likeness = vec![0.0; sentences.len()];
        holdings.likeness(sentences.len() - 1, &mut likeness);
        likeness
    }

    #[test]
    fn equal_sentences_are_wholly_alike_and_rare_words_weigh_more() {
        let likeness = likeness(&[
            said("the refund"),
            said("the board"),
            said("the list"),
            said("the refund"),
        ]);

        assert!((likeness[0] - 2.0).abs() < 1e-5, "{likeness:?}");
        assert!(likeness[1] > 0.0 && likeness[1] < 0.8, "{likeness:?}");
    }

    #[test]
    fn a_slip_of_the_pen_is_still_like_the_word() {
        let likeness = likeness(&[said("refund"), said("board"), said("refunnd")]);

        assert!(likeness[0] > 0.3 && likeness[1] < 0.1, "{likeness:?}");
    }

    #[test]
    fn a_common_cue_makes_sentences_alike_without_a_common_word() {
        let with = |text: &str| Said { cues: vec!["asks".to_owned()], ..said(text) };

        let likeness = likeness(&[with("one"), said("two"), with("six")]);

        assert!(likeness[0] > 0.9 && likeness[1] == 0.0, "{likeness:?}");
    }

    #[test]
    fn a_word_has_pieces_of_three_and_four_with_its_ends() {
        let mut pieces = Vec::new();
        each_piece("añb", &mut |piece: &str| pieces.push(piece.to_owned()));
        each_piece("i", &mut |piece: &str| pieces.push(piece.to_owned()));

        assert_eq!(pieces, [" añ", "añb", "ñb ", " añb", "añb ", " i ", " i "]);
    }
}
