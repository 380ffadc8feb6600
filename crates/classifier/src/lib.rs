//! Learns from labelled sentences what a sentence means: by its vector and by its words.
//! No I/O, nothing of a policy; the same sentences give the same classifier.

mod bank;
mod bytes;
mod cholesky;
mod lanes;
mod words;

use bank::Bank;
use bytes::{Reader, Writer};
use cholesky::{Factor, Triangle};
use lanes::add;
pub use lanes::{in_lanes, product};
use words::{Holdings, Vocabulary};

/// What is said in a sentence, beside its vector.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Folded for comparison.
    pub words: Vec<String>,
    /// Names of what else was noticed of the sentence.
    pub cues: Vec<String>,
}

/// One thing to learn of sentences, named by their places: pairs of output and value; what
/// is not named is 0, and a sentence that is not named teaches nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    pub targets: Vec<(usize, Vec<(usize, f32)>)>,
    pub outputs: usize,
}

/// Why nothing could be learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    #[error("there are {vectors} vectors and {sentences} sentences")]
    Count { vectors: usize, sentences: usize },
    #[error("a target names sentence {sentence} of {sentences}")]
    Target { sentence: usize, sentences: usize },
    #[error("the vectors are of different lengths")]
    Dimension,
    #[error("the sentences are no basis to learn from")]
    Singular,
}

/// How much words, their pieces and cues count, each, beside the vector: a vector knows
/// paraphrases, the words know "not" and "how". Measured by cross-validation on labelled
/// sentences of support; between a quarter and one the results are the same.
const WORDS: f32 = 0.5;
/// How much a new sentence is trusted to differ from those learned; higher is smoother.
const RIDGE: f32 = 0.3;

/// The way of learning and the form of what is kept of it: to be raised with either.
pub const FORM: u32 = 2;

/// What was learned, for several tasks over the same sentences.
#[derive(Debug, Clone, PartialEq)]
pub struct Classifier {
    bank: Bank,
    vocabulary: Vocabulary,
    /// By sentence, then by output of all tasks; 0 where a task does not name it.
    weights: Vec<f32>,
    /// Of each task.
    outputs: Vec<usize>,
}

/// A sentence as it was judged.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    /// How like it is to each sentence learned, by its vector: 1 where it is the same.
    pub near: Vec<f32>,
    /// Of all tasks, one after the other.
    scores: Vec<f32>,
    outputs: Vec<usize>,
}

impl Judged {
    /// The scores of a task: near the targets of the sentences like it.
    pub fn scores(&self, task: usize) -> &[f32] {
        let place = place(&self.outputs, task);
        self.scores.get(place).unwrap_or_default()
    }
}

impl Classifier {
    /// Learns from sentences, each with its vector of length 1, all of the same model.
    pub fn train(
        vectors: &[Vec<f32>],
        sentences: &[Said],
        tasks: &[Task],
    ) -> Result<Self, TrainError> {
        if vectors.len() != sentences.len() {
            let (vectors, sentences) = (vectors.len(), sentences.len());
            return Err(TrainError::Count { vectors, sentences });
        }
        let bank = Bank::of(vectors)?;
        let outputs: Vec<usize> = tasks.iter().map(|task| task.outputs).collect();
        let width = outputs.iter().sum();
        let mut vocabulary = Vocabulary::of(sentences, tasks.len(), width);
        let mut weights = vec![0.0; sentences.len() * width];
        for (number, task) in tasks.iter().enumerate() {
            let place = place(&outputs, number);
            let learned = learn(&bank, sentences, task, &mut vocabulary, number, place.start)?;
            for ((row, _), of_row) in
                task.targets.iter().zip(learned.chunks_exact(task.outputs.max(1)))
            {
                let (start, end) = (row * width + place.start, row * width + place.end);
                if let Some(weights) = weights.get_mut(start..end) {
                    weights.copy_from_slice(of_row);
                }
            }
        }
        Ok(Self { bank, vocabulary, weights, outputs })
    }

    /// Judges sentences; several at once look at each learned one only once.
    pub fn judge(&self, sentences: &[(Said, Vec<f32>)]) -> Vec<Judged> {
        let width = self.outputs.iter().sum();
        let vectors: Vec<&[f32]> = sentences.iter().map(|(_, vector)| &**vector).collect();
        let near = self.bank.likeness(&vectors);
        let judge = |((said, _), near): (&(Said, Vec<f32>), Vec<f32>)| {
            let mut scores = self.by_vector(&near, width);
            self.vocabulary.add_scores(said, &self.outputs, &mut scores);
            Judged { near, scores, outputs: self.outputs.clone() }
        };
        sentences.iter().zip(near).map(judge).collect()
    }

    fn by_vector(&self, near: &[f32], width: usize) -> Vec<f32> {
        let mut scores = vec![0.0; width];
        in_lanes(
            #[inline(always)]
            || {
                for (near, weights) in near.iter().zip(self.weights.chunks_exact(width.max(1))) {
                    add(&mut scores, *near, weights);
                }
            },
        );
        scores
    }

    /// All that was learned but the vectors, which whoever has the sentences has anyway.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.numbers(self.outputs.iter().copied());
        writer.floats(&self.weights);
        self.vocabulary.write(&mut writer);
        writer.bytes
    }

    /// What [`Self::to_bytes`] gave, for the same vectors. `None` for anything else.
    pub fn from_bytes(vectors: &[Vec<f32>], bytes: &[u8]) -> Option<Self> {
        let sentences = vectors.len();
        let mut reader = Reader { bytes };
        let outputs = reader.numbers()?;
        let width = outputs.iter().try_fold(0_usize, |sum, count| sum.checked_add(*count))?;
        let weights = reader.floats()?;
        let vocabulary = Vocabulary::read(&mut reader, outputs.len(), width)?;
        let is_whole = reader.bytes.is_empty() && weights.len() == sentences.checked_mul(width)?;
        if !is_whole {
            return None;
        }
        Some(Self { bank: Bank::of(vectors).ok()?, vocabulary, weights, outputs })
    }
}

/// Where the outputs of a task stand among those of all.
fn place(outputs: &[usize], task: usize) -> std::ops::Range<usize> {
    let start = outputs.iter().take(task).sum();
    start..start + outputs.get(task).copied().unwrap_or_default()
}

/// Weights of the sentences of one task, by sentence and output; the vocabulary learns what
/// its words add.
fn learn(
    bank: &Bank,
    sentences: &[Said],
    task: &Task,
    vocabulary: &mut Vocabulary,
    number: usize,
    first: usize,
) -> Result<Vec<f32>, TrainError> {
    let rows: Vec<usize> = task.targets.iter().map(|(row, _)| *row).collect();
    let count = sentences.len();
    if let Some(sentence) = rows.iter().copied().find(|row| *row >= count) {
        return Err(TrainError::Target { sentence, sentences: count });
    }
    let learned: Vec<&Said> = rows.iter().filter_map(|row| sentences.get(*row)).collect();
    let holdings = vocabulary.learn(&learned, number);
    let lower = equations(bank, &rows, &holdings);
    let factor = Factor::of(lower).ok_or(TrainError::Singular)?;
    let weights = factor.solve(dense(task), task.outputs);
    vocabulary.weigh(&holdings, &weights, task.outputs, first, WORDS);
    Ok(weights)
}

/// How like the sentences are to one another, each a little surer of itself.
fn equations(bank: &Bank, rows: &[usize], holdings: &Holdings) -> Triangle {
    let mut lower = Triangle::with_rows(rows.len());
    let mut by_words = vec![0.0; rows.len()];
    for (number, row) in lower.rows_mut().enumerate() {
        bank.likeness_to(rows.get(number), rows, row);
        holdings.likeness(number, &mut by_words);
        for (near, words) in row.iter_mut().zip(&by_words) {
            *near += WORDS * words;
        }
        if let Some(own) = row.last_mut() {
            *own += RIDGE;
        }
    }
    lower
}

fn dense(task: &Task) -> Vec<f32> {
    let mut dense = vec![0.0; task.targets.len() * task.outputs];
    for ((_, named), row) in task.targets.iter().zip(dense.chunks_exact_mut(task.outputs.max(1))) {
        for (output, value) in named {
            if let Some(place) = row.get_mut(*output) {
                *place = *value;
            }
        }
    }
    dense
}

#[cfg(test)]
mod tests;
