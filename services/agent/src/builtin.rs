//! The model that needs none: deterministic, offline, an article or a person.

use std::sync::Arc;

use crate::model::{Answer, Model, ModelError, Prompt, Proposal};
use crate::policy::{Kind, Policy};

/// Cites the best chunk where it fits well enough, else hands over.
#[derive(Debug, Clone)]
pub struct Builtin {
    policy: Arc<Policy>,
}

impl Builtin {
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { policy }
    }

    fn propose(&self, prompt: &Prompt<'_>) -> Proposal {
        let short = &self.policy.replies.texts(prompt.channel).short;
        let say = |text: &String| Proposal::Say(text.clone());
        match prompt.reading.kind {
            Kind::Greeting => say(&short.greeting),
            Kind::Thanks => say(&short.thanks),
            Kind::Praise => say(&short.praise),
            Kind::Feedback => say(&short.feedback),
            Kind::Empty | Kind::Spam | Kind::Automatic => say(&short.empty),
            Kind::Wish => {
                self.cite(prompt, self.policy.search.wish_answer_from).unwrap_or(say(&short.wish))
            }
            Kind::Question => {
                self.cite(prompt, self.policy.search.answer_from).unwrap_or(Proposal::HandOver {
                    reason: "nothing in the knowledge base fits the question".to_owned(),
                })
            }
        }
    }

    fn cite(&self, prompt: &Prompt<'_>, least: f64) -> Option<Proposal> {
        let best = prompt.found.first().filter(|found| found.relevance >= least)?;
        let texts = self.policy.replies.texts(prompt.channel);
        Some(Proposal::Cite {
            opening: texts.answer.opening.replace("{title}", &best.title),
            body: match best.heading.as_str() {
                "" => best.body.clone(),
                heading => format!("{heading}\n\n{}", best.body),
            },
            chunk: 0,
        })
    }
}

impl Model for Builtin {
    fn name(&self) -> &str {
        "builtin"
    }

    async fn complete(&self, prompt: &Prompt<'_>) -> Result<Answer, ModelError> {
        Ok(Answer { proposal: self.propose(prompt), prompt_tokens: 0, completion_tokens: 0 })
    }
}
