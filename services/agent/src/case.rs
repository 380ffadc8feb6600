//! One conversation and what its words mean: the texts of an answer or a hand-over.
//! Pure.

use contract::{Category, Channel, Plan, TurnOutcome};
use serde_json::{Value, json};
use store::turns::Snapshot;

use crate::draft::{Draft, HandOver};
use crate::model::Proposal;
use crate::policy::{Policy, Reading, Texts};
use crate::reply::format_reply;
use crate::search::Found;
use crate::wordless;

/// Characters of the customer's words in a hand-off's summary.
const SUMMARY_CHARS: usize = 280;

/// One conversation and what its words mean.
pub(crate) struct Case<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) now: &'a Snapshot,
    pub(crate) reading: &'a Reading,
}

impl Case<'_> {
    pub(crate) fn decide(&self, proposal: &Proposal, found: &[Found]) -> Draft {
        let log = json!(proposal);
        match proposal {
            Proposal::HandOver { reason } => {
                let tried = tried(found);
                let next = "Read the conversation and answer personally.";
                self.hand_over(reason, &tried, next, found, &log)
            }
            Proposal::Say(text) => self.answer("", text, "", "", found, &log),
            Proposal::Cite { opening, body, chunk } => match found.get(*chunk) {
                Some(cited) => {
                    let texts = &self.texts().answer;
                    let source = texts
                        .source
                        .replace("{title}", &cited.title)
                        .replace("{chunk}", &cited.chunk_id)
                        .replace("{version}", &cited.version.to_string());
                    let closing = texts.closing.replace("{time}", self.time());
                    self.answer(opening, body, &closing, &source, found, &log)
                }
                None => self.refused("the draft cites what was not found", found, &log),
            },
        }
    }

    fn answer(
        &self,
        opening: &str,
        body: &str,
        closing: &str,
        source: &str,
        found: &[Found],
        model: &Value,
    ) -> Draft {
        let guard = &self.policy.guard;
        let body = guard.clean(body);
        if guard.refuses(&body).is_some() || guard.refuses(opening).is_some() {
            return self.refused("the draft promises what only a person may", found, model);
        }
        let reply = self.format(opening, &body, closing, source);
        self.draft(TurnOutcome::Answered, "answered", reply, None, found, model)
    }

    fn refused(&self, reason: &str, found: &[Found], model: &Value) -> Draft {
        let next = "Answer personally; the draft stands in the decision log.";
        self.hand_over(reason, "a draft that was not sent", next, found, model)
    }

    /// For messages without a word: first a request for words; who sends files after
    /// an answer means something that only a person can see.
    pub(crate) fn wordless(&self) -> Draft {
        let Some(what) = wordless::described(self.now) else {
            // Nobody sends an empty mail as a sign, as a reaction is one.
            return match (self.now.channel, self.now.has_turns) {
                (Channel::Email, false) => {
                    self.answer("", &self.texts().short.empty, "", "", &[], &Value::Null)
                }
                _ => self.no_answer("a message without words"),
            };
        };
        if self.now.has_turns {
            let reason = format!("the customer sent {what} without words");
            let next = "Look at what the customer sent and answer personally.";
            return self.hand_over(
                &reason,
                "nothing: the agent reads text only",
                next,
                &[],
                &Value::Null,
            );
        }
        let text = self.texts().short.wordless.replace("{what}", &what);
        self.answer("", &text, "", "", &[], &Value::Null)
    }

    pub(crate) fn no_answer(&self, reason: &str) -> Draft {
        self.draft(TurnOutcome::NoAnswer, reason, Vec::new(), None, &[], &Value::Null)
    }

    pub(crate) fn hand_over(
        &self,
        reason: &str,
        tried: &str,
        next_step: &str,
        found: &[Found],
        model: &Value,
    ) -> Draft {
        let texts = &self.texts().hand_over.acknowledgement;
        let acknowledgement = texts.get(&self.category()).map_or("", String::as_str);
        self.hand_over_saying(acknowledgement, reason, tried, next_step, found, model)
    }

    /// The customer always learns who takes over and by when.
    pub(crate) fn hand_over_saying(
        &self,
        acknowledgement: &str,
        reason: &str,
        tried: &str,
        next_step: &str,
        found: &[Found],
        model: &Value,
    ) -> Draft {
        let person = self.policy.person(self.category());
        let texts = &self.texts().hand_over;
        let takes_over =
            texts.takes_over.replace("{person}", person).replace("{time}", self.time());
        let reply = self.format("", acknowledgement, &takes_over, "");
        let hand_over = HandOver {
            person: person.to_owned(),
            person_email: self.policy.person_email(self.category()).map(str::to_owned),
            reason: reason.to_owned(),
            summary: self.summary(),
            tried: tried.to_owned(),
            next_step: next_step.to_owned(),
        };
        let outcome = TurnOutcome::HandedOver;
        self.draft(outcome, reason, reply, Some(hand_over), found, model)
    }

    /// Two machines that answer each other would never end: a person looks, and no mail
    /// goes out.
    pub(crate) fn hand_over_in_silence(&self) -> Draft {
        let reason = "the automatic replies to this address are used up";
        let next_step = "See whether a person or a machine writes, and answer personally.";
        let tried = "nothing more: many replies went out in a short time";
        let draft = self.hand_over(reason, tried, next_step, &[], &Value::Null);
        Draft { reply: Vec::new(), ..draft }
    }

    fn draft(
        &self,
        outcome: TurnOutcome,
        reason: &str,
        reply: Vec<String>,
        hand_over: Option<HandOver>,
        found: &[Found],
        model: &Value,
    ) -> Draft {
        let chunks: Vec<Value> = found
            .iter()
            .map(|f| json!({"chunk": f.chunk_id, "version": f.version, "relevance": f.relevance}))
            .collect();
        let messages: Vec<Value> =
            self.now.messages.iter().map(|m| json!({"id": m.id, "seq": m.seq})).collect();
        let log = json!({
            "messages": messages,
            "reading": self.reading,
            "chunks": chunks,
            "threshold": self.policy.search.answer_from,
            "proposal": model,
            "outcome": outcome,
            "reason": reason,
            "person": hand_over.as_ref().map(|hand_over| &hand_over.person),
            "reply": reply,
        });
        let earlier = if self.now.handled_seq == 0 { None } else { self.now.priority };
        Draft {
            outcome,
            reason: reason.to_owned(),
            reply,
            hand_over,
            category: self.category(),
            priority: earlier.map_or(self.reading.priority, |p| p.max(self.reading.priority)),
            prompt_tokens: 0,
            completion_tokens: 0,
            log,
        }
    }

    /// A follow-up moves a ticket to another category only by a rule of the floor.
    fn category(&self) -> Category {
        match self.now.category {
            Some(earlier) if self.now.handled_seq > 0 && self.reading.hits.is_empty() => earlier,
            _ => self.reading.category,
        }
    }

    fn plan(&self) -> Option<Plan> {
        self.now.plan.or(self.now.claimed_plan)
    }

    fn texts(&self) -> &Texts {
        self.policy.replies.texts(self.now.channel)
    }

    fn time(&self) -> &str {
        self.policy.first_answer(self.plan())
    }

    fn format(&self, opening: &str, body: &str, closing: &str, source: &str) -> Vec<String> {
        format_reply(self.policy, self.now, opening, body, closing, source)
    }

    /// Who writes and what they say, for the person who takes over.
    fn summary(&self) -> String {
        let name =
            if self.now.customer_name.is_empty() { "A customer" } else { &self.now.customer_name };
        let plan = match (self.now.plan, self.now.claimed_plan) {
            (Some(plan), _) => format!("{plan} plan"),
            (None, Some(plan)) => format!("{plan} plan by their own account"),
            (None, None) => "plan unknown".to_owned(),
        };
        let subject = self.now.subject.trim();
        let own = self.reading.own_words.trim();
        let words = own.strip_prefix(subject).unwrap_or(own).split_whitespace();
        let words = words.collect::<Vec<_>>().join(" ");
        let said: String = words.chars().take(SUMMARY_CHARS).collect();
        let more = if said.len() < words.len() { " …" } else { "" };
        let wrote = match self.now.messages.len() {
            1 => "wrote".to_owned(),
            several => format!("wrote {several} messages"),
        };
        let about =
            if subject.is_empty() { String::new() } else { format!(" about “{subject}”") };
        let words = match said.as_str() {
            "" => String::new(),
            said => format!(" In their words: “{said}{more}”."),
        };
        let sent = wordless::described(self.now).map(|what| format!(" They sent {what}."));
        format!("{name} ({plan}) {wrote}{about}.{words}{}", sent.unwrap_or_default())
    }
}

fn tried(found: &[Found]) -> String {
    match found.first() {
        Some(best) => format!(
            "searched the knowledge base; the nearest was “{}” ({}, relevance {:.2})",
            best.title, best.chunk_id, best.relevance
        ),
        None => "searched the knowledge base without a result".to_owned(),
    }
}
