//! Embeddings made of hashes: the same text has the same vector on every machine, and
//! texts that share words lie near each other.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::Wrong;

type Pending = Pin<Box<dyn Future<Output = Option<Vec<Vec<f32>>>> + Send>>;

/// Where vectors come from in place of hashes.
#[derive(Clone)]
pub struct Vectors(Arc<dyn Fn(Vec<String>) -> Pending + Send + Sync>);

impl Vectors {
    /// By a function that gives one vector for each text, in their order.
    pub fn new<F, V>(of: F) -> Self
    where
        F: Fn(Vec<String>) -> V + Send + Sync + 'static,
        V: Future<Output = Option<Vec<Vec<f32>>>> + Send + 'static,
    {
        Self(Arc::new(move |texts| Box::pin(of(texts))))
    }

    pub(super) async fn of(&self, texts: &[&str]) -> Option<Vec<Vec<f32>>> {
        (self.0)(texts.iter().map(|text| (*text).to_owned()).collect()).await
    }
}

impl fmt::Debug for Vectors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vectors").finish_non_exhaustive()
    }
}

/// The vector of a text, of length 1.
pub fn vector(text: &str, dimension: usize) -> Vec<f32> {
    let mut vector = vec![0.0_f32; dimension];
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
    // A text without words points somewhere as well.
    for word in words.chain(std::iter::once("")) {
        let hash = Sha256::digest(word);
        for pair in hash.chunks_exact(4) {
            let place: usize =
                pair.iter().take(3).fold(0, |all, byte| all << 8 | usize::from(*byte));
            let sign = if pair.last().is_some_and(|byte| byte % 2 == 0) { 1.0 } else { -1.0 };
            if let Some(number) = vector.get_mut(place % dimension.max(1)) {
                *number += if word.is_empty() { sign * 0.01 } else { sign };
            }
        }
    }
    let length = vector.iter().map(|x| x * x).sum::<f32>().sqrt().max(f32::EPSILON);
    vector.iter().map(|x| x / length).collect()
}

/// The answer to a request for embeddings.
pub(super) fn answer(
    model: &str,
    texts: &[&str],
    vectors: Vec<Vec<f32>>,
    as_base64: bool,
    wrong: Option<Wrong>,
) -> Value {
    let number = |x: &f32| f64::from(*x).into();
    let written = |vector: Vec<f32>| -> Value {
        if as_base64 || wrong == Some(Wrong::NotANumber) {
            let bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
            return STANDARD.encode(bytes).into();
        }
        vector.iter().map(number).collect::<Vec<Value>>().into()
    };
    let of = |vector: Vec<f32>| match wrong {
        Some(Wrong::NotANumber) => vec![f32::NAN; vector.len()],
        Some(Wrong::Zero) => vec![0.0; vector.len()],
        _ => vector,
    };
    let entry = |(index, vector): (usize, Vec<f32>)| json!({"object": "embedding", "index": index, "embedding": written(of(vector))});
    let mut data: Vec<Value> = vectors.into_iter().enumerate().map(entry).collect();
    match wrong {
        Some(Wrong::TooFew) => drop(data.pop()),
        Some(Wrong::Reversed) => data.reverse(),
        _ => {}
    }
    let tokens: usize = texts.iter().map(|text| text.len() / 4 + 1).sum();
    json!({
        "object": "list",
        "data": data,
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_that_share_words_lie_nearer_than_others() {
        let of = |text: &str| vector(text, 256);
        let near = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let board = of("export a board as a file");

        assert!((near(&board, &board) - 1.0).abs() < 1e-5);
        assert!(near(&board, &of("how do I export my board")) > near(&board, &of("refund me")));
        assert_eq!(board, of("export a board as a file"));
    }
}
