//! The model that needs none: deterministic, offline, an article or a person.

use std::sync::Arc;

use serde_json::json;

use crate::model::{Answer, Call, CaseFile, Finish, Model, ModelError, Prompt, Usage};
use crate::policy::{Kind, Policy};
use crate::search::Found;
use crate::tools::{ESCALATE, Escalation, Response, SEND, ToolCall};

/// Cites the best chunk where it fits well enough, else hands over.
#[derive(Debug, Clone)]
pub struct Builtin {
    policy: Arc<Policy>,
}

impl Builtin {
    pub fn new(policy: Arc<Policy>) -> Self {
        Self { policy }
    }
}

impl Model for Builtin {
    fn name(&self) -> &str {
        "builtin"
    }

    fn reads_messages(&self) -> bool {
        false
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Answer, ModelError> {
        let (name, arguments) = match proposal(&self.policy, &prompt.case) {
            ToolCall::SendResponse(response) => {
                (SEND, json!({"answer": response.text, "citations": response.citations}))
            }
            ToolCall::EscalateToHuman(Escalation { reason, .. }) => {
                (ESCALATE, json!({"reason": reason}))
            }
            // It proposes nothing else.
            _ => return Ok(answer(Vec::new())),
        };
        let arguments = arguments.to_string();
        Ok(answer(vec![Call { id: String::new(), name: name.to_owned(), arguments }]))
    }
}

fn answer(calls: Vec<Call>) -> Answer {
    Answer { text: None, calls, finish: Finish::Stopped, usage: Usage::default() }
}

/// What the case file alone gives: a response or an escalation.
pub(crate) fn proposal(policy: &Policy, case: &CaseFile) -> ToolCall {
    let short = &policy.replies.texts(case.channel).short;
    let say = |text: &String| Response { text: text.clone(), citations: Vec::new() };
    let cite = |least: f64| {
        let best = case.found.first().filter(|found| found.relevance >= least)?;
        Some(Response { text: quote(best), citations: vec![best.chunk_id.clone()] })
    };
    let response = match case.reading.kind {
        Kind::Greeting => say(&short.greeting),
        Kind::Thanks => say(&short.thanks),
        Kind::Praise => say(&short.praise),
        Kind::Feedback => say(&short.feedback),
        Kind::Empty | Kind::Spam | Kind::Automatic => say(&short.empty),
        Kind::Wish => cite(policy.search.wish_answer_from).unwrap_or_else(|| say(&short.wish)),
        Kind::Question => match cite(policy.search.answer_from) {
            Some(response) => response,
            None => return nothing_fits(),
        },
    };
    ToolCall::SendResponse(response)
}

/// Sections that fit the question after the best one, word by word.
pub(crate) fn further_quotes(policy: &Policy, case: &CaseFile) -> Vec<Response> {
    let fits = |found: &&Found| found.relevance >= policy.search.answer_from;
    let is_question = case.reading.kind == Kind::Question;
    let further = case.found.iter().skip(1).filter(fits).filter(|_| is_question);
    let quoted =
        |found: &Found| Response { text: quote(found), citations: vec![found.chunk_id.clone()] };
    further.map(quoted).collect()
}

fn nothing_fits() -> ToolCall {
    ToolCall::EscalateToHuman(Escalation {
        category: None,
        priority: None,
        reason: "nothing in the knowledge base fits the question".to_owned(),
        summary: String::new(),
        suggested_next_step: String::new(),
    })
}

/// A chunk word by word, under its heading.
pub(crate) fn quote(found: &Found) -> String {
    match found.heading.as_str() {
        "" => found.body.clone(),
        heading => format!("{heading}\n\n{}", found.body),
    }
}
