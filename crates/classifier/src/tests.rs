//! The classifier as a whole, beside the same sums written down plainly.

use super::*;

fn said(words: &str) -> Said {
    Said { words: words.split(' ').map(str::to_owned).collect(), cues: Vec::new() }
}

fn sentences() -> (Vec<Vec<f32>>, Vec<Said>) {
    let vectors = vec![vec![1.0, 0.0], vec![0.96, 0.28], vec![0.8, 0.6], vec![0.0, 1.0]];
    let said = [
        "please refund me",
        "send the money back",
        "i do not want a refund",
        "how do i add a board",
    ]
    .map(said);
    (vectors, said.to_vec())
}

fn task() -> Task {
    let targets = vec![(0, vec![(0, 1.0)]), (1, vec![(0, 1.0)]), (2, vec![]), (3, vec![(1, 1.0)])];
    Task { targets, outputs: 2 }
}

fn learned(tasks: &[Task]) -> Classifier {
    let (vectors, said) = sentences();
    Classifier::train(&vectors, &said, tasks).unwrap()
}

fn judge(classifier: &Classifier, vector: [f32; 2], words: &str) -> Judged {
    classifier.judge(&[(said(words), vector.to_vec())]).remove(0)
}

#[test]
fn a_sentence_scores_as_those_it_is_like() {
    let classifier = learned(&[task()]);

    let wanted = judge(&classifier, [0.98, 0.199], "refund me please");
    let refused = judge(&classifier, [0.98, 0.199], "i do not want a refund");
    let other = judge(&classifier, [0.1, 0.995], "how do i delete a board");

    let (wanted, near) = (wanted.scores(0), &wanted.near);
    assert!(wanted[0] > refused.scores(0)[0]);
    assert!(wanted[0] > 0.5 && wanted[1] < 0.5, "{wanted:?}");
    assert!(other.scores(0)[1] > 0.5 && other.scores(0)[0] < 0.5, "{other:?}");
    let likest = near.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
    assert_eq!(likest.unwrap().0, 1);
}

#[test]
fn tasks_and_pieces_beside_each_other_change_nothing_for_each() {
    let some = Task { targets: vec![(0, vec![(0, 1.0)]), (3, vec![(0, -1.0)])], outputs: 1 };
    let both = learned(&[task(), some.clone()]);
    let pieces = [
        (said("do i want the money"), vec![0.6, 0.8]),
        (said("refund me"), vec![1.0, 0.0]),
        (said("zeppelin"), vec![0.0, -1.0]),
    ];

    let together = both.judge(&pieces);

    for (piece, judged) in pieces.iter().zip(&together) {
        let alone = std::slice::from_ref(piece);
        assert_eq!(learned(&[task()]).judge(alone)[0].scores(0), judged.scores(0));
        assert_eq!(
            learned(std::slice::from_ref(&some)).judge(alone)[0].scores(0),
            judged.scores(1)
        );
    }
}

#[test]
fn sentences_that_are_not_named_teach_nothing() {
    let some = Task { targets: vec![(0, vec![(0, 1.0)]), (3, vec![(1, 1.0)])], outputs: 2 };
    let moved = Task { targets: vec![(0, vec![(0, 1.0)]), (1, vec![(1, 1.0)])], outputs: 2 };
    let (vectors, said) = sentences();
    let few =
        (vec![vectors[0].clone(), vectors[3].clone()], vec![said[0].clone(), said[3].clone()]);

    let scores = judge(&learned(&[some]), [0.6, 0.8], "do i want the money");

    let alone = Classifier::train(&few.0, &few.1, &[moved]).unwrap();
    let expected = judge(&alone, [0.6, 0.8], "do i want the money");
    for (one, other) in scores.scores(0).iter().zip(expected.scores(0)) {
        assert!((one - other).abs() < 1e-5, "{scores:?} {expected:?}");
    }
}

#[test]
fn what_was_learned_is_what_it_scores_but_for_the_ridge() {
    let classifier = learned(&[task()]);
    let (vectors, said) = sentences();
    let pieces: Vec<_> = said.into_iter().zip(vectors).collect();
    for ((row, named), judged) in task().targets.iter().zip(classifier.judge(&pieces)) {
        for (output, score) in judged.scores(0).iter().enumerate() {
            let target = named.iter().find(|(at, _)| *at == output).map_or(0.0, |(_, v)| *v);
            let missed = RIDGE * classifier.weights[row * 2 + output];
            assert!((target - score - missed).abs() < 1e-3, "{row} {output}: {score}");
        }
    }
}

/// Numbers without a pattern, always the same.
fn numbers() -> impl FnMut(usize) -> usize {
    let mut state = 88_172_645_463_325_252_u64;
    move |below| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state % below as u64).unwrap()
    }
}

fn many(count: usize) -> Vec<(Said, Vec<f32>)> {
    const WORDS: [&str; 12] = [
        "refund", "board", "the", "not", "export", "invoice", "how", "delete", "i", "añadir",
        "team", "?",
    ];
    let mut next = numbers();
    let sentence = |_| {
        let words = (0..3 + next(9)).map(|_| WORDS[next(WORDS.len())].to_owned()).collect();
        let cues = (0..next(3)).map(|_| ["asks", "rule"][next(2)].to_owned()).collect();
        let vector: Vec<f32> = (0..70).map(|_| next(2_000) as f32 / 1_000.0 - 1.0).collect();
        let length = vector.iter().map(|number| number * number).sum::<f32>().sqrt();
        (Said { words, cues }, vector.iter().map(|number| number / length).collect())
    };
    (0..count).map(sentence).collect()
}

/// The kernel between two sentences, sum by sum in double precision.
mod plainly {
    use std::collections::BTreeMap;

    use super::*;

    fn terms(said: &Said, part: usize) -> BTreeMap<String, f64> {
        let pieces = |word: &String| {
            let symbols: Vec<char> = format!(" {word} ").chars().collect();
            let of = |length: usize| {
                let windows = symbols.windows(length.min(symbols.len()));
                windows.map(|piece| piece.iter().collect::<String>()).collect::<Vec<_>>()
            };
            [of(3), of(4)].concat()
        };
        let all: Vec<String> = match part {
            0 => said.words.clone(),
            1 => said.words.iter().flat_map(pieces).collect(),
            _ => said.cues.clone(),
        };
        let mut counts = BTreeMap::new();
        all.into_iter().for_each(|term| *counts.entry(term).or_insert(0.0) += 1.0);
        counts
    }

    /// A sentence's terms by part with their weights, beside its vector.
    type Weighed = ([BTreeMap<String, f64>; 3], Vec<f32>);

    /// How many of the learned sentences have a term, by part.
    fn holders(learned: &[&Said]) -> [BTreeMap<String, f64>; 3] {
        std::array::from_fn(|part| {
            let mut holders = BTreeMap::new();
            let all = learned.iter().flat_map(|said| terms(said, part).into_keys());
            all.for_each(|term| *holders.entry(term).or_insert(0.0) += 1.0);
            holders
        })
    }

    fn weighed(
        (said, vector): &(Said, Vec<f32>),
        holders: &[BTreeMap<String, f64>; 3],
        learned: usize,
    ) -> Weighed {
        let weights = |part: usize| {
            let mut weights = terms(said, part);
            weights.retain(|term, _| holders[part].contains_key(term));
            for (term, count) in &mut weights {
                let rarity = ((1.0 + learned as f64) / (1.0 + holders[part][term])).ln() + 1.0;
                *count = rarity * (1.0 + count.ln());
            }
            let length = weights.values().map(|weight| weight * weight).sum::<f64>().sqrt();
            weights.values_mut().for_each(|weight| *weight /= length);
            weights
        };
        (std::array::from_fn(weights), vector.clone())
    }

    fn likeness(one: &Weighed, other: &Weighed) -> f64 {
        let product = |(left, right): (&f32, &f32)| f64::from(*left) * f64::from(*right);
        let near: f64 = one.1.iter().zip(&other.1).map(product).sum();
        let by_words = one.0.iter().zip(&other.0).map(|(one, other)| {
            one.iter().filter_map(|(term, weight)| Some(weight * other.get(term)?)).sum::<f64>()
        });
        (2.0 * near - 2.0).exp() + f64::from(WORDS) * by_words.sum::<f64>()
    }

    /// What a task's outputs score, its equations solved by elimination.
    pub(super) fn scores(
        sentences: &[(Said, Vec<f32>)],
        task: &Task,
        asked: &(Said, Vec<f32>),
    ) -> Vec<f64> {
        let named = || task.targets.iter().map(|(row, _)| &sentences[*row]);
        let learned: Vec<&Said> = named().map(|(said, _)| said).collect();
        let holders = holders(&learned);
        let rows: Vec<Weighed> =
            named().map(|sentence| weighed(sentence, &holders, learned.len())).collect();
        let asked = weighed(asked, &holders, learned.len());
        let mut equations: Vec<Vec<f64>> = (0..rows.len())
            .map(|at| {
                let own = |other| if other == at { f64::from(RIDGE) } else { 0.0 };
                let mut row: Vec<f64> = (0..rows.len())
                    .map(|other| likeness(&rows[at], &rows[other]) + own(other))
                    .collect();
                row.extend((0..task.outputs).map(|output| {
                    let named = task.targets[at].1.iter().find(|(to, _)| *to == output);
                    named.map_or(0.0, |(_, value)| f64::from(*value))
                }));
                row
            })
            .collect();
        for at in 0..rows.len() {
            let pivot = equations[at].clone();
            for (other, row) in equations.iter_mut().enumerate().filter(|(other, _)| *other != at) {
                let times = row[at] / pivot[at];
                assert!(times.is_finite(), "{other}");
                row.iter_mut().zip(&pivot).for_each(|(to, from)| *to -= times * from);
            }
        }
        (0..task.outputs)
            .map(|output| {
                let weight = |at: usize| equations[at][rows.len() + output] / equations[at][at];
                (0..rows.len()).map(|at| weight(at) * likeness(&rows[at], &asked)).sum()
            })
            .collect()
    }
}

#[test]
fn scores_are_those_of_the_plain_sums() {
    let mut all = many(100);
    let asked = all.split_off(90);
    let mut next = numbers();
    let every =
        Task { targets: (0..90).map(|row| (row, vec![(next(5), 1.0)])).collect(), outputs: 5 };
    let third = Task {
        targets: (0..90).step_by(3).map(|row| (row, vec![(0, next(3) as f32 - 1.0)])).collect(),
        outputs: 1,
    };
    let tasks = [every, third];
    let (said, vectors) = all.iter().cloned().unzip::<_, _, Vec<_>, Vec<_>>();

    let classifier = Classifier::train(&vectors, &said, &tasks).unwrap();
    let judged = classifier.judge(&asked);

    for (asked, judged) in asked.iter().zip(&judged) {
        for (number, task) in tasks.iter().enumerate() {
            let plain = plainly::scores(&all, task, asked);
            for (score, plain) in judged.scores(number).iter().zip(&plain) {
                assert!((f64::from(*score) - plain).abs() < 2e-4, "{score} {plain}");
            }
        }
    }
}

#[test]
fn what_is_kept_judges_as_what_was_learned() {
    let classifier = learned(&[task()]);
    let (vectors, _) = sentences();

    let restored = Classifier::from_bytes(&vectors, &classifier.to_bytes()).unwrap();

    assert_eq!(restored, classifier);
}

#[test]
fn what_was_not_kept_whole_is_not_taken() {
    let bytes = learned(&[task()]).to_bytes();
    let (vectors, _) = sentences();

    for length in 0..bytes.len() {
        assert!(Classifier::from_bytes(&vectors, &bytes[..length]).is_none(), "{length}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(Classifier::from_bytes(&vectors, &longer).is_none());
    assert!(Classifier::from_bytes(&vectors[..3], &bytes).is_none());
    let endless = [&u64::MAX.to_le_bytes(), &bytes[8..]].concat();
    assert!(Classifier::from_bytes(&vectors, &endless).is_none());
}

#[test]
fn what_cannot_be_learned_says_why() {
    let (vectors, said) = sentences();
    let beyond = Task { targets: vec![(9, vec![(0, 1.0)])], outputs: 2 };

    let target = Classifier::train(&vectors, &said, &[beyond]).unwrap_err();
    let count = Classifier::train(&vectors[1..], &said, &[task()]).unwrap_err();
    let mut uneven = vectors;
    uneven[1].pop();
    let dimension = Classifier::train(&uneven, &said, &[task()]).unwrap_err();

    assert_eq!(target, TrainError::Target { sentence: 9, sentences: 4 });
    assert_eq!(count, TrainError::Count { vectors: 3, sentences: 4 });
    assert_eq!(dimension, TrainError::Dimension);
}
