//! The search over the knowledge base: which chunks are about what a question asks.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use store::knowledge::{self, Posting, Section};

/// What a word weighs that no article has, beside the rarest that one has.
const UNKNOWN_WORD: f64 = 0.5;

/// What a chunk has of a word by itself, and by the best chunk of its article.
const OWN_WEIGHT: f64 = 0.75;
const ARTICLES_WEIGHT: f64 = 0.25;

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
    /// The share of what was asked that the chunk is about, 0 to 1: rare words count more.
    pub relevance: f64,
}

/// The best chunks for each question, in two round trips however many there are; ties
/// by chunk id.
pub(crate) async fn search(
    connection: &mut PgConnection,
    questions: &[Vec<Term>],
    limit: usize,
) -> Result<Vec<Vec<Found>>, store::Error> {
    let words: BTreeSet<&str> = questions.iter().flatten().map(|term| &*term.word).collect();
    let words: Vec<&str> = words.into_iter().collect();
    let postings = knowledge::look_up(&mut *connection, &words).await?;
    let index = Index::new(&postings);
    let ranked: Vec<Vec<(i32, f64)>> =
        questions.iter().map(|terms| index.rank(terms, limit)).collect();
    let numbers: BTreeSet<i32> = ranked.iter().flatten().map(|(number, _)| *number).collect();
    let numbers: Vec<i32> = numbers.into_iter().collect();
    let sections = knowledge::sections(connection, &numbers).await?;
    let sections: HashMap<i32, Section> =
        sections.into_iter().map(|section| (section.number, section)).collect();
    let found = |best: Vec<(i32, f64)>| {
        let found = best.into_iter();
        let mut found: Vec<Found> = found
            .filter_map(|(number, relevance)| Some(Found::of(sections.get(&number)?, relevance)))
            .collect();
        found.sort_by(|left, right| {
            let by_relevance = right.relevance.total_cmp(&left.relevance);
            by_relevance.then_with(|| left.chunk_id.cmp(&right.chunk_id))
        });
        found.truncate(limit);
        found
    };
    Ok(ranked.into_iter().map(found).collect())
}

impl Found {
    fn of(section: &Section, relevance: f64) -> Self {
        let Section { number: _, chunk_id, version, article, title, heading, body } =
            section.clone();
        Self { chunk_id, version, article, title, heading, body, relevance }
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

    /// The best chunks with their relevance, the best first; more than the limit where
    /// the last ones are equal.
    fn rank(&self, terms: &[Term], limit: usize) -> Vec<(i32, f64)> {
        let asked = self.asked(terms);
        let mut total = 0.0;
        let mut relevance: BTreeMap<i32, f64> = BTreeMap::new();
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
                *relevance.entry(*chunk).or_default() +=
                    value * (OWN_WEIGHT * weight + ARTICLES_WEIGHT * of_article);
            }
        }
        let mut ranked: Vec<(i32, f64)> =
            relevance.into_iter().map(|(chunk, value)| (chunk, value / total)).collect();
        ranked.sort_by(|left, right| right.1.total_cmp(&left.1));
        let least = limit.checked_sub(1).and_then(|last| ranked.get(last)).map(|last| last.1);
        ranked.retain(|(_, relevance)| least.is_none_or(|least| *relevance >= least));
        ranked
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

    #[test]
    fn a_rare_word_counts_more_than_a_common_one() {
        let common: Vec<_> = (1..=8).map(|chunk| (chunk, chunk, 1.0)).collect();
        let postings = [posting("board", &common), posting("webhook", &[(9, 9, 1.0)])];

        let ranked =
            Index::new(&postings).rank(&[term(0, "board", 1.0), term(1, "webhook", 1.0)], 3);

        assert_eq!((ranked.len(), ranked[0].0), (9, 9), "those that are equal stay together");
        assert!(ranked[0].1 > 0.7, "{ranked:?}");
    }

    #[test]
    fn words_of_one_number_count_once_by_the_best() {
        let postings = [posting("export", &[(1, 1, 0.8)]), posting("download", &[(1, 1, 1.0)])];
        let terms = [term(0, "export", 1.0), term(0, "download", 0.5)];

        let ranked = Index::new(&postings).rank(&terms, 3);

        assert_eq!(ranked, [(1, 0.8)]);
    }

    #[test]
    fn a_chunk_gains_from_its_article_and_an_unknown_word_takes_from_all() {
        let postings = [posting("export", &[(1, 1, 1.0), (2, 1, 0.4), (3, 3, 0.4)])];
        let known = Index::new(&postings).rank(&[term(0, "export", 1.0)], 3);
        let postings = [postings[0].clone(), Posting { of_chunks: 0, ..posting("zeppelin", &[]) }];
        let beside =
            Index::new(&postings).rank(&[term(0, "export", 1.0), term(1, "zeppelin", 1.0)], 3);

        assert_eq!(known.iter().map(|found| found.0).collect::<Vec<_>>(), [1, 2, 3]);
        assert!((known[1].1 - 0.55).abs() < 1e-9 && (known[2].1 - 0.4).abs() < 1e-9);
        assert!(beside[0].1 < known[0].1);
    }
}
