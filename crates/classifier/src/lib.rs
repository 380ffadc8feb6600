//! Learns from labelled sentences what a sentence means: by its vector and by its words.
//! No I/O, nothing of a policy; the same sentences give the same classifier.

mod bank;
mod cholesky;
mod words;

pub use bank::Bank;
use cholesky::Factor;
use words::Vocabulary;

/// A sentence to learn from or to judge.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sample {
    /// Of length 1, all of the same model.
    pub vector: Vec<f32>,
    /// Folded for comparison.
    pub words: Vec<String>,
    /// Names of what else was noticed of the sentence.
    pub cues: Vec<String>,
}

/// Why nothing could be learned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrainError {
    #[error("there are {samples} sentences and {targets} lists of targets")]
    Count { samples: usize, targets: usize },
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

/// What was learned of some sentences of a bank.
#[derive(Debug, Clone)]
pub struct Classifier {
    /// Which sentences of the bank.
    rows: Vec<usize>,
    /// By sentence, then by output.
    weights: Vec<Vec<f32>>,
    vocabulary: Vocabulary,
    outputs: usize,
}

impl Classifier {
    /// Learns the targets of sentences of a bank, named by their places in it: pairs of
    /// output and value; what is not named is 0. `samples` are those of the bank.
    pub fn train(
        bank: &Bank,
        samples: &[Sample],
        targets: &[(usize, Vec<(usize, f32)>)],
        outputs: usize,
    ) -> Result<Self, TrainError> {
        let rows: Vec<usize> = targets.iter().map(|(row, _)| *row).collect();
        let learned: Vec<&Sample> = rows.iter().filter_map(|row| samples.get(*row)).collect();
        if learned.len() != rows.len() {
            return Err(TrainError::Count { samples: samples.len(), targets: rows.len() });
        }
        let (mut vocabulary, holdings) = Vocabulary::of(&learned);
        let row = |(number, sample): (usize, &&Sample)| {
            let near = bank.likeness_to(&sample.vector, rows.get(..=number).unwrap_or_default());
            let by_words = holdings.likeness(number);
            let mut row: Vec<f32> =
                near.iter().zip(by_words).map(|(near, words)| near + WORDS * words).collect();
            if let Some(own) = row.last_mut() {
                *own += RIDGE;
            }
            row
        };
        let lower = learned.iter().enumerate().map(row).collect();
        let factor = Factor::of(lower).ok_or(TrainError::Singular)?;
        let weights = factor.solve(&dense(targets, outputs));
        vocabulary.weigh(&holdings, &weights, outputs, WORDS);
        Ok(Self { rows, weights, vocabulary, outputs })
    }

    /// Judges a sentence, near the targets of the sentences like it: by output. `near` is
    /// what its bank says of its vector.
    pub fn scores(&self, near: &[f32], sample: &Sample) -> Vec<f32> {
        let mut outputs = vec![0.0; self.outputs];
        for (row, weights) in self.rows.iter().zip(&self.weights) {
            let like = near.get(*row).copied().unwrap_or_default();
            add(&mut outputs, like, weights);
        }
        self.vocabulary.add_scores(sample, &mut outputs);
        outputs
    }
}

fn dense(targets: &[(usize, Vec<(usize, f32)>)], outputs: usize) -> Vec<Vec<f32>> {
    let row = |(_, named): &(usize, Vec<(usize, f32)>)| {
        let mut row = vec![0.0; outputs];
        for (output, value) in named {
            if let Some(place) = row.get_mut(*output) {
                *place = *value;
            }
        }
        row
    };
    targets.iter().map(row).collect()
}

/// Adds the weights so many times.
fn add(sums: &mut [f32], times: f32, weights: &[f32]) {
    for (sum, weight) in sums.iter_mut().zip(weights) {
        *sum += times * weight;
    }
}

/// The product of two vectors with the widest instructions that the processor has. The
/// order of the sums is always the same, and so is the result on every machine.
fn dot(left: &[f32], right: &[f32]) -> f32 {
    pulp::Arch::new().dispatch(
        #[inline(always)]
        || in_lanes(left, right),
    )
}

#[inline(always)]
fn in_lanes(left: &[f32], right: &[f32]) -> f32 {
    const LANES: usize = 64;
    let mut sums = [0.0_f32; LANES];
    let (left_chunks, left_rest) = left.as_chunks::<LANES>();
    let (right_chunks, right_rest) = right.as_chunks::<LANES>();
    for (left, right) in left_chunks.iter().zip(right_chunks) {
        for ((sum, left), right) in sums.iter_mut().zip(left).zip(right) {
            *sum += left * right;
        }
    }
    let rest: f32 = left_rest.iter().zip(right_rest).map(|(left, right)| left * right).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(vector: [f32; 2], words: &str) -> Sample {
        Sample {
            vector: vector.to_vec(),
            words: words.split(' ').map(str::to_owned).collect(),
            cues: Vec::new(),
        }
    }

    fn samples() -> Vec<Sample> {
        vec![
            sample([1.0, 0.0], "please refund me"),
            sample([0.96, 0.28], "send the money back"),
            sample([0.8, 0.6], "i do not want a refund"),
            sample([0.0, 1.0], "how do i add a board"),
        ]
    }

    fn targets() -> Vec<(usize, Vec<(usize, f32)>)> {
        vec![(0, vec![(0, 1.0)]), (1, vec![(0, 1.0)]), (2, vec![]), (3, vec![(1, 1.0)])]
    }

    #[test]
    fn a_sentence_scores_as_those_it_is_like() {
        let bank = Bank::of(&samples()).unwrap();
        let classifier = Classifier::train(&bank, &samples(), &targets(), 2).unwrap();
        let judge = |sample: Sample| {
            let near = bank.likeness(&sample.vector);
            (classifier.scores(&near, &sample), near)
        };

        let (wanted, near) = judge(sample([0.98, 0.199], "refund me please"));
        let (refused, _) = judge(sample([0.98, 0.199], "i do not want a refund"));
        let (other, _) = judge(sample([0.1, 0.995], "how do i delete a board"));

        assert!(wanted[0] > refused[0]);
        assert!(wanted[0] > 0.5 && wanted[1] < 0.5, "{wanted:?}");
        assert!(other[1] > 0.5 && other[0] < 0.5, "{other:?}");
        let likest = near.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        assert_eq!(likest.unwrap().0, 1);
    }

    #[test]
    fn sentences_that_are_not_named_teach_nothing() {
        let bank = Bank::of(&samples()).unwrap();
        let some = [(0, vec![(0, 1.0)]), (3, vec![(1, 1.0)])];
        let few = [samples()[0].clone(), samples()[3].clone()];
        let moved = [(0, vec![(0, 1.0)]), (1, vec![(1, 1.0)])];
        let question = sample([0.6, 0.8], "do i want the money");

        let scores = Classifier::train(&bank, &samples(), &some, 2)
            .unwrap()
            .scores(&bank.likeness(&question.vector), &question);

        let alone = Bank::of(&few).unwrap();
        let expected = Classifier::train(&alone, &few, &moved, 2)
            .unwrap()
            .scores(&alone.likeness(&question.vector), &question);
        for (one, other) in scores.iter().zip(&expected) {
            assert!((one - other).abs() < 1e-5, "{scores:?} {expected:?}");
        }
    }

    #[test]
    fn what_was_learned_is_what_it_scores_but_for_the_ridge() {
        let bank = Bank::of(&samples()).unwrap();
        let classifier = Classifier::train(&bank, &samples(), &targets(), 2).unwrap();
        for ((row, named), sample) in targets().iter().zip(samples()) {
            let scores = classifier.scores(&bank.likeness(&sample.vector), &sample);
            for (output, score) in scores.iter().enumerate() {
                let target = named.iter().find(|(at, _)| *at == output).map_or(0.0, |(_, v)| *v);
                let missed = RIDGE * classifier.weights[*row][output];
                assert!((target - score - missed).abs() < 1e-3, "{row} {output}: {score}");
            }
        }
    }

    #[test]
    fn what_cannot_be_learned_says_why() {
        let mut samples = samples();
        let bank = Bank::of(&samples).unwrap();
        let beyond = [(9, vec![(0, 1.0)])];
        let count = Classifier::train(&bank, &samples, &beyond, 2).unwrap_err();
        samples[1].vector.pop();
        let dimension = Bank::of(&samples).unwrap_err();

        assert_eq!(count, TrainError::Count { samples: 4, targets: 1 });
        assert_eq!(dimension, TrainError::Dimension);
    }
}
