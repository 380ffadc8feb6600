//! Learns from labelled sentences what a sentence means: by its vector and by its words.
//! No I/O, nothing of a policy; the same sentences give the same classifier.

mod cholesky;
mod words;

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

/// What was learned: a weight of every sentence for every output.
#[derive(Debug, Clone)]
pub struct Classifier {
    samples: Vec<Vec<f32>>,
    vocabulary: Vocabulary,
    /// By sentence, then by output.
    weights: Vec<Vec<f32>>,
    outputs: usize,
}

/// What a sentence scores.
#[derive(Debug, Clone, PartialEq)]
pub struct Scores {
    /// Near the target of the sentences like it: by output.
    pub outputs: Vec<f32>,
    /// How like it each learned sentence is, from 0 to 2.5.
    pub likeness: Vec<f32>,
}

impl Classifier {
    /// Learns the targets of each sentence: pairs of output and value; what is not named is 0.
    pub fn train(
        samples: &[Sample],
        targets: &[Vec<(usize, f32)>],
        outputs: usize,
    ) -> Result<Self, TrainError> {
        let (classifier, factor) = Self::prepare(samples, targets.len(), outputs)?;
        let weights = factor.solve(&dense(targets, outputs));
        Ok(Self { weights, ..classifier })
    }

    /// What every sentence would score had it not been learned: by sentence, then by output.
    pub fn leave_one_out(
        samples: &[Sample],
        targets: &[Vec<(usize, f32)>],
        outputs: usize,
    ) -> Result<Vec<Vec<f32>>, TrainError> {
        let (_, factor) = Self::prepare(samples, targets.len(), outputs)?;
        let targets = dense(targets, outputs);
        let weights = factor.solve(&targets);
        let diagonal = factor.inverse_diagonal();
        let without = |((target, weight), diagonal): ((&Vec<f32>, &Vec<f32>), f32)| {
            target.iter().zip(weight).map(|(target, weight)| target - weight / diagonal).collect()
        };
        Ok(targets.iter().zip(&weights).zip(diagonal).map(without).collect())
    }

    fn prepare(
        samples: &[Sample],
        targets: usize,
        outputs: usize,
    ) -> Result<(Self, Factor), TrainError> {
        if samples.len() != targets {
            return Err(TrainError::Count { samples: samples.len(), targets });
        }
        let dimension = samples.first().map_or(0, |sample| sample.vector.len());
        if samples.iter().any(|sample| sample.vector.len() != dimension) {
            return Err(TrainError::Dimension);
        }
        let vocabulary = Vocabulary::of(samples);
        let classifier = Self {
            samples: samples.iter().map(|sample| sample.vector.clone()).collect(),
            vocabulary,
            weights: Vec::new(),
            outputs,
        };
        let row = |(number, sample): (usize, &Sample)| {
            let mut row = classifier.likeness(sample);
            row.truncate(number + 1);
            if let Some(own) = row.last_mut() {
                *own += RIDGE;
            }
            row
        };
        let lower = samples.iter().enumerate().map(row).collect();
        let factor = Factor::of(lower).ok_or(TrainError::Singular)?;
        Ok((classifier, factor))
    }

    /// Judges a sentence.
    pub fn scores(&self, sample: &Sample) -> Scores {
        let likeness = self.likeness(sample);
        let mut outputs = vec![0.0; self.outputs];
        for (like, weights) in likeness.iter().zip(&self.weights) {
            for (output, weight) in outputs.iter_mut().zip(weights) {
                *output += like * weight;
            }
        }
        Scores { outputs, likeness }
    }

    fn likeness(&self, sample: &Sample) -> Vec<f32> {
        let by_words = self.vocabulary.likeness(sample);
        let by_vector = self.samples.iter().map(|known| dot(known, &sample.vector));
        // A bell over the distance: far away is nothing, not the contrary.
        by_vector
            .zip(by_words)
            .map(|(near, words)| (2.0 * near - 2.0).exp() + WORDS * words)
            .collect()
    }
}

fn dense(targets: &[Vec<(usize, f32)>], outputs: usize) -> Vec<Vec<f32>> {
    let row = |named: &Vec<(usize, f32)>| {
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

/// Sums in lanes, so that it compiles to vector instructions.
fn dot(left: &[f32], right: &[f32]) -> f32 {
    const LANES: usize = 16;
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

    fn learned() -> (Vec<Sample>, Vec<Vec<(usize, f32)>>) {
        let samples = vec![
            sample([1.0, 0.0], "please refund me"),
            sample([0.96, 0.28], "send the money back"),
            sample([0.8, 0.6], "i do not want a refund"),
            sample([0.0, 1.0], "how do i add a board"),
        ];
        let targets = vec![vec![(0, 1.0)], vec![(0, 1.0)], vec![], vec![(1, 1.0)]];
        (samples, targets)
    }

    #[test]
    fn a_sentence_scores_as_those_it_is_like() {
        let (samples, targets) = learned();
        let classifier = Classifier::train(&samples, &targets, 2).unwrap();

        let wanted = classifier.scores(&sample([0.98, 0.199], "refund me please"));
        let refused = classifier.scores(&sample([0.98, 0.199], "i do not want a refund"));
        let other = classifier.scores(&sample([0.1, 0.995], "how do i delete a board"));

        assert!(wanted.outputs[0] > refused.outputs[0]);
        assert!(wanted.outputs[0] > 0.5 && wanted.outputs[1] < 0.5, "{wanted:?}");
        assert!(other.outputs[1] > 0.5 && other.outputs[0] < 0.5, "{other:?}");
        let likest = wanted.likeness.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
        assert_eq!(likest.unwrap().0, 0);
    }

    #[test]
    fn leaving_one_out_is_the_same_as_learning_the_others() {
        let (samples, targets) = learned();
        // The words of the one left out weigh nothing here: none of them is its own.
        let same: Vec<Sample> = samples
            .iter()
            .map(|s| Sample { words: vec!["same".to_owned()], ..s.clone() })
            .collect();

        let at_once = Classifier::leave_one_out(&same, &targets, 2).unwrap();

        for left in 0..same.len() {
            let keep = |at: &usize| *at != left;
            let others: Vec<Sample> =
                (0..same.len()).filter(keep).map(|at| same[at].clone()).collect();
            let theirs: Vec<_> =
                (0..same.len()).filter(keep).map(|at| targets[at].clone()).collect();
            let scores = Classifier::train(&others, &theirs, 2).unwrap().scores(&same[left]);
            for (one, other) in scores.outputs.iter().zip(&at_once[left]) {
                assert!((one - other).abs() < 1e-3, "{left}: {one} {other}");
            }
        }
    }

    #[test]
    fn what_cannot_be_learned_says_why() {
        let (mut samples, targets) = learned();
        let count = Classifier::train(&samples, &targets[1..], 2).unwrap_err();
        samples[1].vector.pop();
        let dimension = Classifier::train(&samples, &targets, 2).unwrap_err();

        assert_eq!(count, TrainError::Count { samples: 4, targets: 3 });
        assert_eq!(dimension, TrainError::Dimension);
    }
}
