//! Whole tickets among the examples, taken out again: a policy that has not learned from
//! one author's tickets can be judged on them.

use std::collections::BTreeSet;

use contract::Category;

use crate::policy::Policy;
use crate::policy::examples::Label;
use crate::sentiment::Label as Mood;

/// A labelled ticket that is no longer among the examples.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The file and its place there, from 1.
    pub id: String,
    /// Its first line is the subject, where an empty line follows.
    pub text: String,
    pub category: Category,
    pub mood: Mood,
    /// The rule that holds for it, with its list: `always:…` or `likely:…`.
    pub rule: Option<String>,
}

impl Policy {
    /// The files with whole tickets, below `examples/`.
    pub fn ticket_files(&self) -> BTreeSet<String> {
        let tickets = self.examples.iter().filter(|example| example.mood.is_some());
        tickets.map(|ticket| ticket.file.to_string()).collect()
    }

    /// Takes the whole tickets of one file out of the examples.
    pub fn leave_out(&mut self, file: &str) -> Vec<LeftOut> {
        let mut left_out = Vec::new();
        for example in std::mem::take(&mut self.examples) {
            let Some(mood) = example.mood.filter(|_| *example.file == *file) else {
                self.examples.push(example);
                continue;
            };
            let id = format!("{file}:{}", left_out.len() + 1);
            let (category, rule) = self.meant(&example.label);
            left_out.push(LeftOut { id, text: example.text, category, mood, rule });
        }
        left_out
    }

    fn meant(&self, label: &Label) -> (Category, Option<String>) {
        let id = match label {
            Label::Ordinary(category) => return (*category, None),
            Label::Means(id) | Label::LooksLike(id) => id,
        };
        let lists = [("always", &self.readers.always), ("likely", &self.readers.likely)];
        let found = lists.into_iter().find_map(|(list, rules)| {
            let rule = rules.iter().find(|rule| rule.id == *id)?;
            Some((rule.category, format!("{list}:{id}")))
        });
        // Every example has its rule: checked while loading.
        found.map_or((Category::General, None), |(category, rule)| (category, Some(rule)))
    }
}
