//! The vectors of the last texts: a customer's question is read for its meaning and
//! searched for, and a redone turn asks for it again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::Vector;

/// Under a megabyte of vectors; more than the turns that run at once.
const MOST: usize = 512;

/// The most recently used texts with their vectors.
#[derive(Debug, Default)]
pub struct Recent(Mutex<Texts>);

#[derive(Debug, Default)]
struct Texts {
    vectors: HashMap<String, (u64, Vector)>,
    uses: u64,
}

impl Recent {
    /// The vectors of texts, in their order; those that are not recent are computed in one
    /// call, equal ones once.
    ///
    /// # Errors
    /// Those of the call.
    pub async fn embed<E>(
        &self,
        texts: Vec<String>,
        compute: impl AsyncFnOnce(Vec<String>) -> Result<Vec<Vector>, E>,
    ) -> Result<Vec<Vector>, E> {
        let mut known: HashMap<&str, Vector> = HashMap::new();
        let mut missing: Vec<String> = Vec::new();
        {
            let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for text in &texts {
                match recent.get(text) {
                    Some(vector) => drop(known.insert(text, vector)),
                    None if !missing.contains(text) => missing.push(text.clone()),
                    None => {}
                }
            }
        }
        if !missing.is_empty() {
            let computed = compute(missing.clone()).await?;
            let mut recent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            for (text, vector) in missing.into_iter().zip(computed) {
                if let Some(text) = texts.iter().find(|other| **other == text) {
                    known.insert(text, vector.clone());
                }
                recent.put(text, vector);
            }
        }
        Ok(texts.iter().map(|text| known.get(&**text).cloned().unwrap_or_default()).collect())
    }
}

impl Texts {
    fn get(&mut self, text: &str) -> Option<Vector> {
        self.uses += 1;
        let (used, vector) = self.vectors.get_mut(text)?;
        *used = self.uses;
        Some(vector.clone())
    }

    fn put(&mut self, text: String, vector: Vector) {
        self.uses += 1;
        self.vectors.insert(text, (self.uses, vector));
        if self.vectors.len() > MOST {
            // Half at a time, so that looking for the oldest is rare.
            let mut uses: Vec<u64> = self.vectors.values().map(|(used, _)| *used).collect();
            uses.sort_unstable();
            let middle = uses.get(uses.len() / 2).copied().unwrap_or_default();
            self.vectors.retain(|_, (used, _)| *used >= middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_asked_for_lately_goes_first() {
        let mut recent = Texts::default();
        for number in 0..MOST {
            recent.put(number.to_string(), vec![1.0]);
        }
        assert!(recent.get("0").is_some());

        recent.put("new".to_owned(), vec![2.0]);

        assert_eq!(recent.get("new"), Some(vec![2.0]));
        assert!(recent.get("0").is_some());
        assert!(recent.get("1").is_none());
        assert!(recent.vectors.len() <= MOST);
    }

    #[tokio::test]
    async fn equal_texts_are_computed_once() {
        let recent = Recent::default();
        let embed = async |texts: &[&str]| {
            let mut asked = Vec::new();
            let compute = async |missing: Vec<String>| {
                asked = missing.clone();
                Ok::<_, ()>(missing.iter().map(|text| vec![text.len() as f32]).collect())
            };
            let texts = texts.iter().map(|text| (*text).to_owned()).collect();
            (recent.embed(texts, compute).await.unwrap(), asked)
        };

        let first = embed(&["bb", "a", "bb"]).await;
        let next = embed(&["a", "ccc", "bb"]).await;

        assert_eq!(first.0, [[2.0], [1.0], [2.0]]);
        assert_eq!(first.1, ["bb", "a"]);
        assert_eq!(next.0, [[1.0], [3.0], [2.0]]);
        assert_eq!(next.1, ["ccc"]);
    }
}
