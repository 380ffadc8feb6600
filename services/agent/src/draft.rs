//! From a conversation to a decision, without writing anything: policy first, then
//! knowledge and model, then what may be sent. The same inputs, reads and answers give
//! the same decision.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};
use store::turn_context::Earlier;

use crate::builtin;
use crate::case::{Case, Words};
use crate::hex::hex;
use crate::log::{Bounds, Draft, End, FORMAT, Inputs, Search, TurnLog, Verdict};
use crate::logged::{LogError, Logged};
use crate::model::{CaseFile, Message, Prompt, ToolSpec, Usage};
use crate::plans::Plans;
use crate::policy::{Kind, Policy, Reading, Scores};
use crate::prompt;
use crate::rounds::Rounds;
use crate::search::Found;
use crate::sendable;
use crate::source::{DraftError, Source, read_from};
use crate::tools::{self, ToolCall};
use crate::wordless::is_wordless;

/// What every decision is made with.
pub(crate) struct Decider {
    pub(crate) policy: Arc<Policy>,
    tools: Arc<[ToolSpec]>,
    bounds: Bounds,
}

impl Decider {
    pub(crate) fn new(policy: Arc<Policy>, bounds: Bounds) -> Self {
        Self { policy, tools: tools::specs(), bounds }
    }

    /// Decides about the messages of the inputs. The log holds the draft.
    pub(crate) async fn decide<S: Source>(
        &self,
        inputs: Inputs,
        source: &S,
    ) -> Result<TurnLog, DraftError> {
        let policy = &*self.policy;
        let reading = match source.read(&inputs).await {
            Ok(reading) => reading,
            Err(error) => {
                // The floor waits for no model, whatever that one is for.
                let reading = by_patterns(policy, &inputs);
                if reading.hits.is_empty() {
                    return Err(error);
                }
                reading
            }
        };
        let mut log = begun(policy, inputs, reading, source.model(), self.bounds);
        if let Some(draft) = without_model(policy, &log) {
            return Ok(TurnLog { draft, ..log });
        }
        let found = match log.reading.kind {
            Kind::Question | Kind::Wish => {
                let query = log.reading.own_words.clone();
                let found = source.search(std::slice::from_ref(&query)).await?;
                let found = found.into_iter().next().unwrap_or_default();
                log.searches.push(Search { query, found: found.clone() });
                found
            }
            _ => Vec::new(),
        };
        let case = CaseFile { channel: log.inputs.channel, reading: log.reading.clone(), found };
        let case = Arc::new(case);
        let opening = opening(policy, &mut log, &case.found, source).await?;
        let prompt = Prompt {
            instructions: Arc::clone(&policy.instructions),
            messages: opening,
            tools: Arc::clone(&self.tools),
            must_conclude: false,
            max_completion_tokens: self.bounds.completion_tokens,
            case: Arc::clone(&case),
        };
        let rounds = Rounds::new(policy, source, &mut log, prompt, self.bounds.tokens);
        let plans = rounds.run().await?;
        log.draft = concluded(policy, &mut log, &case, plans);
        Ok(log)
    }

    /// For a turn that failed for good: the customer is never left without an answer.
    pub(crate) fn failed(&self, inputs: Inputs, model: &str, tried: &str) -> TurnLog {
        let policy = &*self.policy;
        // A message on which the policy itself fails must not stop the hand-over.
        let read = || by_patterns(policy, &inputs);
        let reading = std::panic::catch_unwind(std::panic::AssertUnwindSafe(read));
        let reading = reading.unwrap_or_else(|_| Reading::unread(inputs.category, inputs.priority));
        let mut log = begun(policy, inputs, reading, model, self.bounds);
        let case = Case::of(policy, &log);
        log.draft = match log.inputs.replies_are_used_up {
            true => case.hand_over_in_silence(),
            false => case.hand_over(&Words {
                acknowledgement: Some(&case.texts().hand_over.failed),
                reason: "the agent could not prepare an answer",
                tried,
                next_step: "Read the conversation and answer personally.",
                ..Words::default()
            }),
        };
        TurnLog { failed: Some(tried.to_owned()), ..log }
    }
}

/// Decides again what was decided, from its log alone: equal to the log, unless the
/// log or the policy has changed.
pub async fn decide_again(policy: Arc<Policy>, log: &TurnLog) -> Result<TurnLog, LogError> {
    let decider = Decider::new(policy, log.bounds);
    if let Some(tried) = &log.failed {
        return Ok(decider.failed(log.inputs.clone(), &log.model, tried));
    }
    let logged = Logged::new(&decider.policy, log);
    match decider.decide(log.inputs.clone(), &logged).await {
        Ok(log) => Ok(log),
        Err(DraftError::Log(error)) => Err(error),
        // Nothing else is asked of a log.
        Err(_) => Err(LogError("more than it holds")),
    }
}

fn by_patterns(policy: &Policy, inputs: &Inputs) -> Reading {
    policy.read_again(&read_from(inputs, &inputs.bodies()), &Scores::default())
}

fn begun(
    policy: &Policy,
    inputs: Inputs,
    reading: Reading,
    model: &str,
    bounds: Bounds,
) -> TurnLog {
    let draft = Case::new(policy, &inputs, &reading).no_answer("undecided");
    TurnLog {
        format: FORMAT,
        policy: policy.hash().to_owned(),
        model: model.to_owned(),
        bounds,
        inputs,
        reading,
        searches: Vec::new(),
        earlier: None,
        histories: Vec::new(),
        instructions: None,
        rounds: Vec::new(),
        end: None,
        verdicts: Vec::new(),
        failed: None,
        draft,
        usage: Usage::default(),
    }
}

/// What is decided before any model is asked; no answer of one can undo it.
fn without_model(policy: &Policy, log: &TurnLog) -> Option<Draft> {
    let case = Case::of(policy, log);
    let reading = &log.reading;
    if log.inputs.replies_are_used_up && !reading.kind.is_unanswered() {
        return Some(case.hand_over_in_silence());
    }
    if let Some(hit) = reading.hits.first() {
        return Some(case.hand_over(&Words {
            reason: &hit.reason,
            tried: "nothing: the policy sends this to a person at once",
            next_step: &hit.next_step,
            ..Words::default()
        }));
    }
    if is_wordless(&log.inputs) {
        return Some(case.wordless());
    }
    match reading.kind {
        Kind::Spam => Some(case.no_answer("spam")),
        Kind::Automatic => Some(case.no_answer("automatic message")),
        _ => None,
    }
}

/// What a model is told first; nothing where it does not read.
async fn opening<S: Source>(
    policy: &Policy,
    log: &mut TurnLog,
    found: &[Found],
    source: &S,
) -> Result<Vec<Message>, DraftError> {
    if !source.reads_messages() {
        return Ok(Vec::new());
    }
    log.instructions = Some(hex(Sha256::digest(policy.instructions.as_bytes())));
    let earlier: Vec<Earlier> = match log.inputs.handled_seq {
        0 => Vec::new(),
        _ => source.earlier().await?,
    };
    let text = prompt::opening(&log.inputs, &earlier, found);
    log.earlier = Some(earlier);
    Ok(vec![Message::Customer(text)])
}

/// What the policy makes of the model's plans. Where they hold nothing that may be,
/// the built-in model's stand in their place: there is always an answer or a person.
fn concluded(policy: &Policy, log: &mut TurnLog, case: &CaseFile, plans: Plans) -> Draft {
    let Plans { mut response, mut escalation, ticket, refused } = plans;
    let mut reason = None;
    if response.is_none() && escalation.is_none() {
        match builtin::proposal(policy, case) {
            ToolCall::SendResponse(own) => {
                // A section that may not be quoted leaves the next best one.
                let others = builtin::further_quotes(policy, case);
                for own in std::iter::once(own).chain(others) {
                    let checked = sendable::check(policy, log, &case.found, &own, false);
                    let refused = checked.as_ref().err().cloned();
                    log.verdicts.push(Verdict { text: own.text, refused: refused.clone() });
                    reason = refused;
                    response = checked.ok();
                    if response.is_some() {
                        break;
                    }
                }
            }
            ToolCall::EscalateToHuman(own) => {
                reason = refused.or_else(|| log.end.and_then(why).map(str::to_owned));
                escalation = Some(own);
            }
            _ => {}
        }
    }
    let case = Case { filed: ticket, ..Case::of(policy, log) };
    let likely = log.reading.likely.first();
    let tried = case.tried(&log.searches, response.is_some());
    let words = match (likely, &escalation) {
        (Some(hit), escalation) => Words {
            reason: &hit.reason,
            next_step: &hit.next_step,
            summary: escalation.as_ref().map(|escalation| escalation.summary.as_str()),
            tried: &tried,
            ..Words::default()
        },
        (None, Some(escalation)) => Words {
            reason: reason.as_deref().unwrap_or(&escalation.reason),
            next_step: match escalation.suggested_next_step.trim() {
                "" => "Read the conversation and answer personally.",
                next_step => next_step,
            },
            summary: Some(&escalation.summary),
            tried: &tried,
            ..Words::default()
        },
        (None, None) => match &response {
            Some(sendable) => return case.answer(sendable),
            None => Words {
                reason: reason.as_deref().unwrap_or("there is nothing to say"),
                next_step: "Answer personally; the draft stands in the decision log.",
                tried: "a draft that was not sent",
                ..Words::default()
            },
        },
    };
    let case = Case { asked: escalation.as_ref(), ..case };
    match &response {
        Some(sendable) => case.answer_and_hand_over(sendable, &words),
        None => case.hand_over(&words),
    }
}

/// Why a model brought nothing, where the customer's words are not the reason.
fn why(end: End) -> Option<&'static str> {
    match end {
        End::Concluded => None,
        End::NotSendable => Some("the draft may not be sent"),
        End::Silent | End::Cut | End::Declined | End::Unusable(_) => {
            Some("the model gave no usable answer")
        }
        End::TooManyRounds | End::TooManyCalls | End::TooManyTokens | End::OutOfTime => {
            Some("the model came to no end")
        }
        End::Broken => Some("the model's calls could not be carried out"),
    }
}
