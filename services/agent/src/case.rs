//! One conversation and what its words mean: the texts of an answer or a hand-over.
//! Pure.

use contract::{Category, Channel, IdentityLevel, Plan, Priority, TurnOutcome};

use crate::builtin::quote;
use crate::fence::shortened;
use crate::log::{Citation, Draft, HandOver, Inputs, Search, TurnLog};
use crate::plans::Filing;
use crate::policy::{Policy, Reading, Texts};
use crate::reply::format_reply;
use crate::sendable::Sendable;
use crate::tools::Escalation;
use crate::wordless;

/// Characters of the customer's words in a hand-off's summary.
const SUMMARY_CHARS: usize = 280;
/// Characters of what a model adds to it, and of the one line that says why.
const MODELS_SUMMARY_CHARS: usize = 600;
const REASON_CHARS: usize = 200;
/// Characters of a subject that a model gives a ticket.
const SUBJECT_CHARS: usize = 100;

/// One conversation and what its words mean.
#[derive(Clone)]
pub(crate) struct Case<'a> {
    pub(crate) policy: &'a Policy,
    pub(crate) inputs: &'a Inputs,
    pub(crate) reading: &'a Reading,
    /// What a model made of the ticket.
    pub(crate) filed: Option<Filing>,
    /// The hand-over that a model asked for.
    pub(crate) asked: Option<&'a Escalation>,
}

/// What a hand-over says, and to whom.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Words<'a> {
    /// For the customer, in place of the category's.
    pub(crate) acknowledgement: Option<&'a str>,
    pub(crate) reason: &'a str,
    pub(crate) tried: &'a str,
    pub(crate) next_step: &'a str,
    /// What a model adds to the summary.
    pub(crate) summary: Option<&'a str>,
}

impl<'a> Case<'a> {
    pub(crate) fn new(policy: &'a Policy, inputs: &'a Inputs, reading: &'a Reading) -> Self {
        Self { policy, inputs, reading, filed: None, asked: None }
    }

    pub(crate) fn of(policy: &'a Policy, log: &'a TurnLog) -> Self {
        Self::new(policy, &log.inputs, &log.reading)
    }

    /// An answer with its source; an article's own words get a line that says so.
    pub(crate) fn answer(&self, sendable: &Sendable) -> Draft {
        let closing = match sendable.cited.is_empty() {
            true => String::new(),
            false => self.texts().answer.closing.replace("{time}", self.time()),
        };
        let reply = self.said(sendable, &closing);
        self.draft(TurnOutcome::Answered, "answered", reply, &sendable.cited_chunks(), None)
    }

    /// A first answer that goes out although a person takes over.
    pub(crate) fn answer_and_hand_over(&self, sendable: &Sendable, words: &Words<'_>) -> Draft {
        let reply = self.said(sendable, &self.takes_over());
        let hand_over = Some(self.person_told(words));
        let cites = sendable.cited_chunks();
        self.draft(TurnOutcome::HandedOver, words.reason, reply, &cites, hand_over)
    }

    fn said(&self, sendable: &Sendable, closing: &str) -> Vec<String> {
        let texts = &self.texts().answer;
        let Some(first) = sendable.cited.first() else {
            return self.format("", &sendable.text, closing, "");
        };
        let is_quote = sendable.text == self.policy.guard.clean(quote(first).trim());
        let opening = match is_quote {
            true => texts.opening.replace("{title}", &first.title),
            false => String::new(),
        };
        let source = texts
            .source
            .replace("{title}", &first.title)
            .replace("{chunk}", &first.chunk_id)
            .replace("{version}", &first.version.to_string());
        self.format(&opening, &sendable.text, closing, &source)
    }

    /// For messages without a word: first a request for words; who sends files after
    /// an answer means something that only a person can see.
    pub(crate) fn wordless(&self) -> Draft {
        let Some(what) = wordless::described(self.inputs) else {
            // Nobody sends an empty mail as a sign, as a reaction is one.
            return match (self.inputs.channel, self.inputs.has_turns) {
                (Channel::Email, false) => self.say(&self.texts().short.empty),
                _ => self.no_answer("a message without words"),
            };
        };
        if self.inputs.has_turns {
            return self.hand_over(&Words {
                reason: &format!("the customer sent {what} without words"),
                tried: "nothing: the agent reads text only",
                next_step: "Look at what the customer sent and answer personally.",
                ..Words::default()
            });
        }
        self.say(&self.texts().short.wordless.replace("{what}", &what))
    }

    fn say(&self, text: &str) -> Draft {
        let reply = self.format("", text, "", "");
        self.draft(TurnOutcome::Answered, "answered", reply, &[], None)
    }

    pub(crate) fn no_answer(&self, reason: &str) -> Draft {
        self.draft(TurnOutcome::NoAnswer, reason, Vec::new(), &[], None)
    }

    /// The customer always learns who takes over and by when.
    pub(crate) fn hand_over(&self, words: &Words<'_>) -> Draft {
        let by_category = &self.texts().hand_over.acknowledgement;
        let by_category = || by_category.get(&self.category()).map_or("", String::as_str);
        let acknowledgement = words.acknowledgement.unwrap_or_else(by_category);
        let reply = self.format("", acknowledgement, &self.takes_over(), "");
        let hand_over = Some(self.person_told(words));
        self.draft(TurnOutcome::HandedOver, words.reason, reply, &[], hand_over)
    }

    /// Two machines that answer each other would never end: a person looks, and no mail
    /// goes out.
    pub(crate) fn hand_over_in_silence(&self) -> Draft {
        let draft = self.hand_over(&Words {
            reason: "the automatic replies to this address are used up",
            tried: "nothing more: many replies went out in a short time",
            next_step: "See whether a person or a machine writes, and answer personally.",
            ..Words::default()
        });
        Draft { reply: Vec::new(), ..draft }
    }

    fn takes_over(&self) -> String {
        let person = self.policy.person(self.category());
        let text = &self.texts().hand_over.takes_over;
        text.replace("{person}", person).replace("{time}", self.time())
    }

    fn person_told(&self, words: &Words<'_>) -> HandOver {
        let category = self.category();
        let own = self.summary();
        let summary = match words.summary.map(one_line).filter(|text| !text.is_empty()) {
            Some(models) => {
                format!("{own} The model adds: {}", shortened(&models, MODELS_SUMMARY_CHARS))
            }
            None => own,
        };
        HandOver {
            person: self.policy.person(category).to_owned(),
            person_email: self.policy.person_email(category).map(str::to_owned),
            reason: shortened(&one_line(words.reason), REASON_CHARS),
            summary,
            tried: words.tried.to_owned(),
            next_step: shortened(&one_line(words.next_step), REASON_CHARS),
        }
    }

    fn draft(
        &self,
        outcome: TurnOutcome,
        reason: &str,
        reply: Vec<String>,
        cites: &[Citation],
        hand_over: Option<HandOver>,
    ) -> Draft {
        Draft {
            outcome,
            reason: shortened(&one_line(reason), REASON_CHARS),
            reply,
            cites: cites.to_vec(),
            hand_over,
            category: self.category(),
            priority: self.priority(),
            subject: self.subject(),
        }
    }

    /// A follow-up moves a ticket to another category only by a rule of the policy; a
    /// model files only what no rule has.
    fn category(&self) -> Category {
        let is_ruled = !self.reading.hits.is_empty() || !self.reading.likely.is_empty();
        match self.inputs.category {
            Some(earlier) if self.inputs.handled_seq > 0 && self.reading.hits.is_empty() => earlier,
            _ if is_ruled => self.reading.category,
            _ => {
                let filed = self.filed.as_ref().map(|filed| filed.category);
                let asked = self.asked.and_then(|asked| asked.category);
                filed.or(asked).unwrap_or(self.reading.category)
            }
        }
    }

    /// A model may raise what the policy found, and lowers only what is ordinary.
    fn priority(&self) -> Priority {
        let own = self.reading.priority;
        let filed = self.filed.as_ref().map(|filed| filed.priority);
        let proposed = filed.or_else(|| self.asked.and_then(|asked| asked.priority));
        let now = match proposed {
            Some(proposed) if own >= Priority::High => own.max(proposed),
            Some(proposed) => proposed,
            None => own,
        };
        let earlier = if self.inputs.handled_seq == 0 { None } else { self.inputs.priority };
        earlier.map_or(now, |earlier| earlier.max(now))
    }

    /// Chats begin without a subject; whoever looks at a list wants one.
    fn subject(&self) -> Option<String> {
        let filed = self.filed.as_ref()?;
        let has_none =
            self.inputs.channel == Channel::Whatsapp && self.inputs.subject.trim().is_empty();
        has_none.then(|| shortened(&one_line(&filed.subject), SUBJECT_CHARS))
    }

    /// The plan that sets what the customer is told: of the records only where the
    /// channel proves who writes, or a typed address would learn the plan behind it.
    fn plan(&self) -> Option<Plan> {
        match self.inputs.identity_level {
            IdentityLevel::Authenticated => self.inputs.plan.or(self.inputs.claimed_plan),
            IdentityLevel::SelfAsserted => self.inputs.claimed_plan,
        }
    }

    pub(crate) fn texts(&self) -> &'a Texts {
        self.policy.replies.texts(self.inputs.channel)
    }

    fn time(&self) -> &'a str {
        self.policy.first_answer(self.plan())
    }

    fn format(&self, opening: &str, body: &str, closing: &str, source: &str) -> Vec<String> {
        format_reply(self.policy, self.inputs, opening, body, closing, source)
    }

    /// What was done before the hand-over.
    pub(crate) fn tried(&self, searches: &[Search], has_answer: bool) -> String {
        let found = searches.iter().flat_map(|search| &search.found);
        let best =
            found.reduce(|best, next| if next.relevance > best.relevance { next } else { best });
        let searched = match best {
            Some(best) => format!(
                "searched the knowledge base; the nearest was “{}” ({}, relevance {:.2})",
                best.title, best.chunk_id, best.relevance
            ),
            None => "searched the knowledge base without a result".to_owned(),
        };
        let answered = if has_answer { "; a first answer went out" } else { "" };
        format!("{searched}{answered}")
    }

    /// Who writes and what they say, for the person who takes over.
    fn summary(&self) -> String {
        let name = if self.inputs.customer_name.is_empty() {
            "A customer"
        } else {
            &self.inputs.customer_name
        };
        let plan = match (self.inputs.plan, self.inputs.claimed_plan) {
            (Some(plan), _) => format!("{plan} plan"),
            (None, Some(plan)) => format!("{plan} plan by their own account"),
            (None, None) => "plan unknown".to_owned(),
        };
        let subject = self.inputs.subject.trim();
        let own = self.reading.own_words.trim();
        let words = own.strip_prefix(subject).unwrap_or(own).split_whitespace();
        let words = words.collect::<Vec<_>>().join(" ");
        let said: String = words.chars().take(SUMMARY_CHARS).collect();
        let more = if said.len() < words.len() { " …" } else { "" };
        let wrote = match self.inputs.messages.len() {
            1 => "wrote".to_owned(),
            several => format!("wrote {several} messages"),
        };
        let about =
            if subject.is_empty() { String::new() } else { format!(" about “{subject}”") };
        let words = match said.as_str() {
            "" => String::new(),
            said => format!(" In their words: “{said}{more}”."),
        };
        let sent = wordless::described(self.inputs).map(|what| format!(" They sent {what}."));
        format!("{name} ({plan}) {wrote}{about}.{words}{}", sent.unwrap_or_default())
    }
}

/// Text without line breaks, as a list shows it.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
