//! The search over the knowledge base: which chunks are about what a question asks, by
//! its words and by its meaning.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::knowledge::{self, Posting, Section, Space};

use crate::nearest::{Near, Shelf};

/// What a word weighs that no article has, beside the rarest that one has.
const UNKNOWN_WORD: f64 = 0.5;

/// What a chunk has of a word by itself, and by the best chunk of its article.
const OWN_WEIGHT: f64 = 0.75;
const ARTICLES_WEIGHT: f64 = 0.25;

/// What counts beside the meaning of all that was written: the meaning of the sentence
/// that asks, the words, the meaning of the whole article. Chosen on labelled tickets, of
/// which they find some 4 in 100 more at the first place than meaning alone; weights half
/// as large or twice as large find one or two fewer. (Ranks added up instead of scores
/// lose as many, and say nothing of how well the best fits.)
const BY_QUESTION: f64 = 0.6;
const BY_WORDS: f64 = 0.4;
const BY_ARTICLE: f64 = 0.3;

/// Chunks of one article before those of others.
const MOST_OF_ARTICLE: usize = 2;

/// What is searched for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Question {
    pub(crate) terms: Vec<Term>,
    /// Of all that was written, then of the sentences that ask.
    pub(crate) vectors: Vec<Vec<f32>>,
    /// Whose vectors they are; all of one dimension.
    pub(crate) model: Arc<str>,
}

/// A word that is searched for, or one that stands for it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Term {
    /// Words of one number stand for one another: the best of them counts.
    pub(crate) number: usize,
    pub(crate) word: String,
    /// 1 for the customer's own word, less for another with its meaning.
    pub(crate) likeness: f64,
    /// How much the word matters to the question.
    pub(crate) importance: f64,
}

/// A chunk that answers some of a question.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    pub chunk_id: String,
    pub version: i32,
    pub article: String,
    pub title: String,
    pub heading: String,
    pub body: String,
    /// How surely it answers, 0 to 1: words and meaning together.
    pub relevance: f64,
    /// The share of what was asked that the chunk is about, 0 to 1: rare words count more.
    pub by_words: f64,
    /// How alike question and chunk are, -1 to 1.
    pub by_meaning: f64,
}

/// How well a chunk fits a question.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Score {
    number: i32,
    relevance: f64,
    by_words: f64,
    by_meaning: f64,
}

/// The best chunks for each question, in two round trips however many there are, and a
/// third where the vectors have changed; ties by chunk id. The vectors are of one model.
pub(crate) async fn search(
    connection: &mut PgConnection,
    shelf: &Shelf,
    questions: &[Question],
    limit: usize,
) -> Result<Vec<Vec<Found>>, store::Error> {
    let words: BTreeSet<&str> =
        questions.iter().flat_map(|question| &question.terms).map(|term| &*term.word).collect();
    let words: Vec<&str> = words.into_iter().collect();
    let model = questions.first().map_or("", |question| &*question.model);
    let dimension =
        questions.iter().find_map(|question| question.vectors.first()).map_or(0, Vec::len);
    let space = Space { model, dimension: i32::try_from(dimension).unwrap_or(i32::MAX) };
    let looked_up = knowledge::look_up(&mut *connection, &words).await?;
    let vectors = shelf.vectors(&mut *connection, space, looked_up.vectors_version).await?;
    let index = Index::new(&looked_up.postings);
    let rank = |question: &Question| {
        let near: Vec<Vec<Near>> =
            question.vectors.iter().map(|vector| vectors.near(vector)).collect();
        let near: Vec<&[Near]> = near.iter().map(Vec::as_slice).collect();
        best(&index.rank(&question.terms), &near, 4 * limit)
    };
    let ranked: Vec<Vec<Score>> = questions.iter().map(rank).collect();
    let numbers: BTreeSet<i32> = ranked.iter().flatten().map(|score| score.number).collect();
    let numbers: Vec<i32> = numbers.into_iter().collect();
    let sections = knowledge::sections(connection, &numbers).await?;
    let sections: HashMap<i32, Section> =
        sections.into_iter().map(|section| (section.number, section)).collect();
    let found = |best: Vec<Score>| {
        let found = best.into_iter();
        let mut found: Vec<Found> = found
            .filter_map(|score| Some(Found::of(sections.get(&score.number)?, score)))
            .collect();
        found.sort_by(|left, right| {
            let by_relevance = right.relevance.total_cmp(&left.relevance);
            by_relevance.then_with(|| left.chunk_id.cmp(&right.chunk_id))
        });
        let mut found = varied(found);
        found.truncate(limit);
        found
    };
    Ok(ranked.into_iter().map(found).collect())
}

/// The same with the third and later chunks of an article behind all others: what is
/// about something else says more than one more section.
fn varied(found: Vec<Found>) -> Vec<Found> {
    let mut of_article: HashMap<String, usize> = HashMap::new();
    let mut is_early = |found: &Found| {
        let count = of_article.entry(found.article.clone()).or_default();
        *count += 1;
        *count <= MOST_OF_ARTICLE
    };
    let (mut first, rest): (Vec<Found>, Vec<Found>) =
        found.into_iter().partition(|found| is_early(found));
    first.extend(rest);
    first
}

/// The best chunks by words and meaning together, the best first; more than the limit
/// where the last ones are equal. `near` is of all that was written, then of each
/// sentence that asks.
fn best(by_words: &BTreeMap<i32, f64>, near: &[&[Near]], limit: usize) -> Vec<Score> {
    let (whole, asking) = near.split_first().map_or((&[][..], &[][..]), |(w, a)| (*w, a));
    let whole = Meaning::of(whole);
    let asking: Vec<Meaning> = asking.iter().map(|near| Meaning::of(near)).collect();
    let numbers: BTreeSet<i32> = near
        .iter()
        .copied()
        .flatten()
        .map(|near| near.number)
        .chain(by_words.keys().copied())
        .collect();
    let score = |number: i32| {
        let by_words = by_words.get(&number).copied().unwrap_or_default();
        let (of_whole, of_article) = whole.get(number);
        let of_question = asking.iter().map(|meaning| meaning.get(number).0).reduce(f64::max);
        let meaning = of_whole + BY_QUESTION * of_question.unwrap_or(of_whole);
        let sum = meaning + BY_WORDS * by_words + BY_ARTICLE * of_article;
        let relevance = (sum / (1.0 + BY_QUESTION + BY_WORDS + BY_ARTICLE)).clamp(0.0, 1.0);
        Score { number, relevance, by_words, by_meaning: meaning / (1.0 + BY_QUESTION) }
    };
    let mut ranked: Vec<Score> = numbers.into_iter().map(score).collect();
    ranked.sort_by(|left, right| right.relevance.total_cmp(&left.relevance));
    let least = limit.checked_sub(1).and_then(|last| ranked.get(last)).map(|last| last.relevance);
    ranked.retain(|score| least.is_none_or(|least| score.relevance >= least));
    ranked
}

/// How alike the chunks and one text are, and their articles and the text.
struct Meaning {
    near: BTreeMap<i32, (f64, f64)>,
    /// Taken for what is not among the nearest.
    least: (f64, f64),
}

impl Meaning {
    fn of(near: &[Near]) -> Self {
        let scores = |near: &Near| (near.likeness, near.of_article);
        Self {
            near: near.iter().map(|near| (near.number, scores(near))).collect(),
            least: near.last().map(scores).unwrap_or_default(),
        }
    }

    fn get(&self, number: i32) -> (f64, f64) {
        self.near.get(&number).copied().unwrap_or(self.least)
    }
}

impl Found {
    fn of(section: &Section, score: Score) -> Self {
        let Section { number: _, chunk_id, version, article, title, heading, body } =
            section.clone();
        let Score { number: _, relevance, by_words, by_meaning } = score;
        Self { chunk_id, version, article, title, heading, body, relevance, by_words, by_meaning }
    }
}

/// What was looked up, by word.
struct Index<'a> {
    of_word: HashMap<&'a str, Vec<&'a Posting>>,
    of_chunks: f64,
}

/// What is known of the words of one number.
#[derive(Default)]
struct Asked {
    importance: f64,
    /// By chunk: its article and how much it is about the best of the words.
    chunks: BTreeMap<i32, (i32, f64)>,
}

impl<'a> Index<'a> {
    fn new(postings: &'a [Posting]) -> Self {
        let mut of_word: HashMap<&str, Vec<&Posting>> = HashMap::new();
        for posting in postings {
            of_word.entry(&posting.word).or_default().push(posting);
        }
        let of_chunks = postings.iter().map(|posting| posting.of_chunks).max().unwrap_or_default();
        Self { of_word, of_chunks: of_chunks.into() }
    }

    /// The share of what was asked that each chunk is about.
    fn rank(&self, terms: &[Term]) -> BTreeMap<i32, f64> {
        let asked = self.asked(terms);
        let mut total = 0.0;
        let mut shares: BTreeMap<i32, f64> = BTreeMap::new();
        for asked in asked.values() {
            let value = asked.importance * self.rarity(asked.chunks.len());
            total += value;
            let mut of_article: HashMap<i32, f64> = HashMap::new();
            for (article, weight) in asked.chunks.values() {
                let best = of_article.entry(*article).or_default();
                *best = best.max(*weight);
            }
            for (chunk, (article, weight)) in &asked.chunks {
                let of_article = of_article.get(article).copied().unwrap_or_default();
                *shares.entry(*chunk).or_default() +=
                    value * (OWN_WEIGHT * weight + ARTICLES_WEIGHT * of_article);
            }
        }
        for share in shares.values_mut() {
            *share /= total;
        }
        shares
    }

    /// The terms by number, without those that say nothing.
    fn asked(&self, terms: &[Term]) -> BTreeMap<usize, Asked> {
        let mut all: BTreeMap<usize, Asked> = BTreeMap::new();
        for term in terms {
            for posting in self.of_word.get(&*term.word).into_iter().flatten() {
                let asked = all.entry(term.number).or_default();
                asked.importance = asked.importance.max(term.importance);
                let places = posting.chunks.iter().zip(&posting.articles).zip(&posting.weights);
                for ((chunk, article), weight) in places {
                    let (_, best) = asked.chunks.entry(*chunk).or_insert((*article, 0.0));
                    *best = best.max(term.likeness * weight);
                }
            }
        }
        all
    }

    /// How much a word says that stands in so many chunks.
    fn rarity(&self, chunks: usize) -> f64 {
        match chunks {
            0 => UNKNOWN_WORD * self.of_chunks.ln_1p(),
            some => (self.of_chunks / some as f64).ln_1p(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn posting(word: &str, places: &[(i32, i32, f64)]) -> Posting {
        Posting {
            word: word.to_owned(),
            lexeme: word.to_owned(),
            chunks: places.iter().map(|place| place.0).collect(),
            articles: places.iter().map(|place| place.1).collect(),
            weights: places.iter().map(|place| place.2).collect(),
            of_chunks: 10,
        }
    }

    fn term(number: usize, word: &str, likeness: f64) -> Term {
        Term { number, word: word.to_owned(), likeness, importance: 1.0 }
    }

    fn near(number: i32, likeness: f64) -> Near {
        Near { number, likeness, of_article: likeness / 2.0 }
    }

    #[test]
    fn a_rare_word_counts_more_than_a_common_one() {
        let common: Vec<_> = (1..=8).map(|chunk| (chunk, chunk, 1.0)).collect();
        let postings = [posting("board", &common), posting("webhook", &[(9, 9, 1.0)])];

        let shares = Index::new(&postings).rank(&[term(0, "board", 1.0), term(1, "webhook", 1.0)]);
        let ranked = best(&shares, &[], 3);

        assert_eq!((ranked.len(), ranked[0].number), (9, 9), "those that are equal stay together");
        assert!(shares[&9] > 0.7, "{shares:?}");
    }

    #[test]
    fn words_of_one_number_count_once_by_the_best() {
        let postings = [posting("export", &[(1, 1, 0.8)]), posting("download", &[(1, 1, 1.0)])];
        let terms = [term(0, "export", 1.0), term(0, "download", 0.5)];

        let shares = Index::new(&postings).rank(&terms);

        assert_eq!(shares, BTreeMap::from([(1, 0.8)]));
    }

    #[test]
    fn a_chunk_gains_from_its_article_and_an_unknown_word_takes_from_all() {
        let postings = [posting("export", &[(1, 1, 1.0), (2, 1, 0.4), (3, 3, 0.4)])];
        let known = Index::new(&postings).rank(&[term(0, "export", 1.0)]);
        let postings = [postings[0].clone(), Posting { of_chunks: 0, ..posting("zeppelin", &[]) }];
        let beside =
            Index::new(&postings).rank(&[term(0, "export", 1.0), term(1, "zeppelin", 1.0)]);

        assert!((known[&2] - 0.55).abs() < 1e-9 && (known[&3] - 0.4).abs() < 1e-9);
        assert!(beside[&1] < known[&1]);
    }

    #[test]
    fn words_and_meaning_add_up_and_either_finds_alone() {
        let words = BTreeMap::from([(1, 0.4), (2, 0.4)]);

        let ranked = best(&words, &[&[near(3, 0.9), near(1, 0.6), near(4, 0.1)]], 4);

        let numbers: Vec<i32> = ranked.iter().map(|score| score.number).collect();
        assert_eq!(numbers, [3, 1, 2, 4]);
        assert!((ranked[1].by_meaning - 0.6).abs() < 1e-9 && ranked[1].by_words == 0.4);
        assert!(ranked.iter().all(|score| (0.0..=1.0).contains(&score.relevance)));
        assert!((ranked[2].by_meaning - 0.1).abs() < 1e-9, "as alike as the last one found");
    }

    #[test]
    fn the_sentence_that_asks_decides_between_what_the_rest_speaks_of() {
        let whole = [near(1, 0.62), near(2, 0.6)];

        let ranked = best(&BTreeMap::new(), &[&whole, &[near(2, 0.7), near(1, 0.3)]], 1);

        assert_eq!(ranked[0].number, 2);
    }
}
