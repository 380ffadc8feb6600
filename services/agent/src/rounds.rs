//! A turn's conversation with a model: what it calls is carried out or planned, within
//! bounds, until it concludes. Nothing here writes.

use crate::answers::{add, hash, storable};
use crate::log::{End, History, Round, Search, ToolResult, TurnLog, Verdict};
use crate::model::{Answer, Call, Finish, Message, Prompt};
use crate::plans::{Filing, Plans};
use crate::policy::Policy;
use crate::results;
use crate::search::Found;
use crate::sendable;
use crate::source::{DraftError, Source, Stop};
use crate::tools::{self, Escalation, Response, ToolCall, ToolError};

/// Answers of the model in one turn. A question takes one; more than a few are a loop.
const MOST_ROUNDS: usize = 8;
/// Calls in one turn, over all rounds.
const MOST_CALLS: usize = 20;
/// Rounds with calls that cannot be carried out: the first may be mended.
const MOST_BROKEN: usize = 1;
/// Tickets that one call lists.
const MOST_TICKETS: u32 = 20;

/// The rounds of one turn.
pub(crate) struct Rounds<'a, S> {
    policy: &'a Policy,
    source: &'a S,
    log: &'a mut TurnLog,
    most_tokens: u32,
    prompt: Prompt,
    /// Everything that was found, each chunk as well as any search found it.
    seen: Vec<Found>,
    made: Vec<ToolCall>,
    calls: usize,
    broken: usize,
    needs_no_person: bool,
    plans: Plans,
}

impl<'a, S: Source> Rounds<'a, S> {
    pub(crate) fn new(
        policy: &'a Policy,
        source: &'a S,
        log: &'a mut TurnLog,
        prompt: Prompt,
        most_tokens: u32,
    ) -> Self {
        let seen = prompt.case.found.clone();
        let needs_no_person = needs_no_person(policy, log, &seen);
        Self {
            policy,
            source,
            log,
            most_tokens,
            prompt,
            seen,
            made: Vec::new(),
            calls: 0,
            broken: 0,
            needs_no_person,
            plans: Plans::default(),
        }
    }

    /// Asks until the model concludes or a bound is met.
    pub(crate) async fn run(mut self) -> Result<Plans, DraftError> {
        let end = loop {
            if self.log.rounds.len() + 1 == MOST_ROUNDS {
                self.have_concluded();
            }
            let prompt = self.source.reads_messages().then(|| hash(&self.prompt.messages));
            let answer = match self.source.complete(&self.prompt).await {
                Ok(answer) => answer,
                Err(Stop::OutOfTime) => break End::OutOfTime,
                Err(Stop::Unusable(fault)) => break End::Unusable(fault),
                Err(Stop::Failed(error)) => return Err(error),
            };
            let answer = storable(answer);
            add(&mut self.log.usage, answer.usage);
            if let Some(end) = self.round(prompt, answer).await? {
                break end;
            }
        };
        self.log.end = Some(end);
        Ok(self.plans)
    }

    async fn round(
        &mut self,
        prompt: Option<String>,
        answer: Answer,
    ) -> Result<Option<End>, DraftError> {
        let calls = self.calls_of(&answer);
        if calls.is_empty() {
            let end = self.words(&answer);
            self.log.rounds.push(Round { prompt, answer, results: Vec::new() });
            let may_be_mended = matches!(end, End::Silent | End::Cut) && !self.takes_too_many();
            return Ok(match may_be_mended && !self.prompt.must_conclude {
                true => self.have_concluded(),
                false => Some(end),
            });
        }
        let results = self.results(&calls).await?;
        let is_broken = results.iter().any(|result| result.is_error);
        let said = Message::Assistant { text: answer.text.clone(), calls };
        self.prompt.messages.push(said);
        self.prompt.messages.extend(results.iter().map(|result| Message::Tool {
            call_id: result.call_id.clone(),
            content: result.content.clone(),
        }));
        self.log.rounds.push(Round { prompt, answer, results });
        self.broken += usize::from(is_broken);
        let is_broken = self.broken > MOST_BROKEN;
        Ok(match () {
            () if self.plans.are_concluded() => Some(End::Concluded),
            () if self.calls > MOST_CALLS => Some(End::TooManyCalls),
            () if self.takes_too_many() => Some(End::TooManyTokens),
            () if self.prompt.must_conclude && is_broken => Some(End::Broken),
            () if self.prompt.must_conclude => Some(End::TooManyRounds),
            () if is_broken => self.have_concluded(),
            () => None,
        })
    }

    fn takes_too_many(&self) -> bool {
        let usage = self.log.usage;
        usage.prompt_tokens.saturating_add(usage.completion_tokens) > self.most_tokens
    }

    /// Lets the model do nothing but answer or hand over in one more round, which is the
    /// last: going on in circles is not an option there.
    fn have_concluded(&mut self) -> Option<End> {
        self.prompt.must_conclude = true;
        self.prompt.tools = tools::concluding(&self.seen, self.needs_no_person);
        None
    }

    /// The answer's calls under ids of ours; one that leaked into the text is a call too.
    fn calls_of(&self, answer: &Answer) -> Vec<Call> {
        let leaked = || {
            let (name, arguments) = tools::leaked_call(answer.text.as_deref()?)?;
            Some(Call { id: String::new(), name, arguments })
        };
        let calls = match answer.calls.is_empty() {
            true => leaked().into_iter().collect(),
            false => answer.calls.clone(),
        };
        let own_id = |(at, call): (usize, Call)| Call {
            // Nine letters and digits: some servers take no other ids.
            id: format!("call{:05}", self.calls + at + 1),
            ..call
        };
        calls.into_iter().enumerate().map(own_id).collect()
    }

    /// Words without a call are an answer, if they are whole.
    fn words(&mut self, answer: &Answer) -> End {
        let text = answer.text.as_deref().unwrap_or_default().trim();
        match answer.finish {
            Finish::Refused => End::Declined,
            Finish::Length => End::Cut,
            Finish::Stopped if text.is_empty() => End::Silent,
            Finish::Stopped => {
                let response = Response { text: text.to_owned(), citations: Vec::new() };
                match self.respond(&response) {
                    Ok(()) => End::Concluded,
                    Err(_) => End::NotSendable,
                }
            }
        }
    }

    /// One result for each call, in their order. Searches go together.
    async fn results(&mut self, calls: &[Call]) -> Result<Vec<ToolResult>, DraftError> {
        let read: Vec<Result<ToolCall, ToolError>> =
            calls.iter().map(|call| self.read(call)).collect();
        let queries: Vec<String> = read.iter().filter_map(query).collect();
        let found = match queries.is_empty() {
            true => Vec::new(),
            false => self.source.search(&queries).await?,
        };
        let mut found = queries.into_iter().zip(found);
        let mut results = Vec::with_capacity(calls.len());
        for (call, read) in calls.iter().zip(read) {
            let content = match read {
                Ok(ToolCall::SearchKnowledgeBase { .. }) => {
                    Ok(found.next().map(|(query, found)| self.found(query, found)))
                }
                Ok(ToolCall::GetCustomerHistory { limit }) => {
                    Ok(Some(self.history(limit.clamp(1, MOST_TICKETS)).await?))
                }
                Ok(ToolCall::AnalyzeSentiment { text }) => {
                    Ok(Some(results::sentiment(self.policy, &text)))
                }
                Ok(ToolCall::CreateTicket { subject, category, priority }) => {
                    self.plans.ticket = Some(Filing { subject, category, priority });
                    Ok(None)
                }
                Ok(ToolCall::SendResponse(response)) => self.respond(&response).map(|()| None),
                Ok(ToolCall::EscalateToHuman(escalation)) => {
                    self.escalate(escalation).map(|()| None)
                }
                Err(error) => Err(error),
            };
            results.push(ToolResult {
                call_id: call.id.clone(),
                is_error: content.is_err(),
                content: match content {
                    Ok(content) => content.unwrap_or_else(results::planned),
                    Err(error) => error.content(),
                },
            });
        }
        Ok(results)
    }

    fn read(&mut self, call: &Call) -> Result<ToolCall, ToolError> {
        self.calls += 1;
        if self.calls > MOST_CALLS {
            return Err(ToolError::TooMany);
        }
        let read = tools::parse(&call.name, &call.arguments)?;
        if self.prompt.must_conclude && !read.concludes() {
            return Err(ToolError::TooMany);
        }
        if self.made.contains(&read) {
            return Err(ToolError::Repeated);
        }
        self.made.push(read.clone());
        Ok(read)
    }

    fn found(&mut self, query: String, found: Vec<Found>) -> String {
        let content = results::articles(&found);
        for new in &found {
            match self.seen.iter_mut().find(|seen| seen.chunk_id == new.chunk_id) {
                Some(seen) => seen.relevance = seen.relevance.max(new.relevance),
                None => self.seen.push(new.clone()),
            }
        }
        self.log.searches.push(Search { query, found });
        content
    }

    async fn history(&mut self, limit: u32) -> Result<String, DraftError> {
        let tickets = self.source.known_tickets(limit).await?;
        let content = results::tickets(&self.log.inputs, &tickets);
        self.log.histories.push(History { limit, tickets });
        Ok(content)
    }

    fn respond(&mut self, response: &Response) -> Result<(), ToolError> {
        let hands_over = self.plans.escalation.is_some();
        let checked = sendable::check(self.policy, self.log, &self.seen, response, hands_over);
        let refused = checked.as_ref().err().cloned();
        self.log.verdicts.push(Verdict { text: response.text.clone(), refused: refused.clone() });
        match checked {
            Ok(sendable) => {
                self.plans.response = Some(sendable);
                Ok(())
            }
            Err(reason) => {
                self.plans.refused = refused;
                Err(ToolError::NotSendable(reason))
            }
        }
    }

    fn escalate(&mut self, escalation: Escalation) -> Result<(), ToolError> {
        if self.needs_no_person {
            return Err(ToolError::NoPersonNeeded);
        }
        self.plans.escalation = Some(escalation);
        Ok(())
    }
}

/// Whether the policy keeps this from a person: an ordinary question at first contact
/// that an article answers.
fn needs_no_person(policy: &Policy, log: &TurnLog, found: &[Found]) -> bool {
    let best = found.first().map_or(0.0, |found| found.relevance);
    log.reading.is_never && !log.inputs.has_turns && best >= policy.search.answer_from
}

fn query(call: &Result<ToolCall, ToolError>) -> Option<String> {
    match call {
        Ok(ToolCall::SearchKnowledgeBase { query }) => Some(query.clone()),
        _ => None,
    }
}
