//! The vectors of the last texts: a customer's question is read for its meaning and
//! searched for, and a redone turn asks for it again.

use std::collections::HashMap;

use crate::Vector;

/// Under a megabyte of vectors; more than the turns that run at once.
const MOST: usize = 512;

/// The most recently used texts with their vectors.
#[derive(Debug, Default)]
pub(crate) struct Recent {
    vectors: HashMap<String, (u64, Vector)>,
    uses: u64,
}

impl Recent {
    pub(crate) fn get(&mut self, text: &str) -> Option<Vector> {
        self.uses += 1;
        let (used, vector) = self.vectors.get_mut(text)?;
        *used = self.uses;
        Some(vector.clone())
    }

    pub(crate) fn put(&mut self, text: String, vector: Vector) {
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
        let mut recent = Recent::default();
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
}
