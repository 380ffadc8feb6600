//! Who or what wrote a mail: the rules in their order, the first that applies decides.

mod calendar;
mod headers;
mod lists;
mod reports;

use contract::MailKind;

pub(super) use lists::addresses as list_addresses;

use super::Ourselves;
use super::headers::Headers;
use super::lists::{LISTS, PHRASES};
use super::parts::Parts;
use super::sender::Sender;
use super::speech::{Speech, starts_so};

/// The kind, and which rule made it.
pub(super) type Verdict = (MailKind, &'static str);

/// What the rules look at.
#[derive(Debug)]
pub(super) struct Case<'a> {
    pub(super) parts: &'a Parts<'a>,
    pub(super) headers: &'a Headers,
    pub(super) sender: Option<&'a Sender>,
    pub(super) ourselves: &'a Ourselves,
    pub(super) subject: &'a str,
    /// The new text.
    pub(super) text: &'a str,
    pub(super) new: Speech,
    /// The text with all that is quoted.
    pub(super) whole: Speech,
}

/// In doubt a person's: to leave a customer without an answer is the worst mistake.
pub(super) fn of(case: &Case<'_>) -> Verdict {
    let rules = [
        ours,
        reports::of,
        our_message_id,
        reports::of_system,
        headers::declared,
        headers::hinted,
        lists::of,
        calendar::of,
        no_reply,
        weak,
    ];
    let found = rules.iter().find_map(|rule| rule(case));
    found.unwrap_or((MailKind::Human, "nothing says otherwise"))
}

fn ours(case: &Case<'_>) -> Option<Verdict> {
    if LISTS.ours.iter().any(|name| case.headers.has(name)) {
        return Some((MailKind::Loop, "has our mark"));
    }
    if case.sender.is_some_and(|sender| sender.is_through_our_group) {
        return None;
    }
    let is_ours = |name: &str| {
        let found = case.headers.mailboxes(name);
        found.iter().take(1).any(|mailbox| case.ourselves.is(untagged(&mailbox.address)))
    };
    let any = [
        ("from", "From is ours"),
        ("sender", "Sender is ours"),
        ("return-path", "Return-Path is ours"),
    ];
    any.into_iter().find(|(name, _)| is_ours(name)).map(|(_, why)| (MailKind::Loop, why))
}

/// Bounce address tags (`prvs=tag=local@domain`) stand before the address that they sign.
fn untagged(address: &str) -> &str {
    match address.strip_prefix("prvs=").and_then(|rest| rest.split_once('=')) {
        Some((_, address)) => address,
        None => address,
    }
}

/// A colleague's mail program names our domain as well, beside his own address.
fn our_message_id(case: &Case<'_>) -> Option<Verdict> {
    let id = case.headers.ids("message-id").into_iter().next()?;
    let from = case.sender.map_or("", |sender| sender.mailbox.address.as_str());
    let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
    let is_colleague = domain(from) == domain(&id)
        && !lists::has_header(case.headers)
        && !case.headers.has("auto-submitted")
        && case.is_typed();
    (case.ourselves.wrote(&id) && !is_colleague).then_some((MailKind::Loop, "Message-ID is ours"))
}

fn no_reply(case: &Case<'_>) -> Option<Verdict> {
    let sender = case.sender?;
    if !is_no_reply(&sender.mailbox.address) {
        return None;
    }
    let domain = |address: &str| address.rsplit_once('@').map(|(_, domain)| domain.to_owned());
    let answers = case.headers.mailboxes("reply-to").into_iter().map(|mailbox| mailbox.address);
    let for_somebody = answers
        .filter(|address| !is_no_reply(address))
        .any(|address| domain(&address) != domain(&sender.mailbox.address));
    // A portal or an app from which a person writes.
    let is_by_hand = case.new.says(&PHRASES.singular)
        && (case.new.greets() || case.new.asks() || sender.mailbox.name.contains(" via "));
    if for_somebody || is_by_hand {
        return None;
    }
    Some((MailKind::NoReply, "the sender takes no answer"))
}

/// Whether the local part says so, in whatever spelling.
pub(super) fn is_no_reply(address: &str) -> bool {
    local_has(address, &LISTS.no_reply)
}

fn local_has(address: &str, list: &[String]) -> bool {
    let local = address.rsplit_once('@').map_or(address, |(local, _)| local);
    let local = local.split_once('+').map_or(local, |(base, _)| base).to_lowercase();
    let words: Vec<&str> =
        local.split(['.', '-', '_', ' ']).filter(|word| !word.is_empty()).collect();
    let joined = format!(" {} ", words.join(" "));
    list.iter().any(|known| joined.contains(&format!(" {known} ")))
}

/// Only the text says so.
fn weak(case: &Case<'_>) -> Option<Verdict> {
    if case.says_person() {
        return None;
    }
    let is_person = case.new.asks() || case.new.greets() || case.new.is_in_first_person();
    if case.new.is_automatic(case.subject) {
        let is_answer = case.is_answer() || case.sounds_like_answer();
        return Some(match is_answer {
            true => (MailKind::AutoReply, "the text is an answering machine's"),
            false => (MailKind::Notice, "the text says that a machine wrote it"),
        });
    }
    let is_receipt = starts_so(case.subject, &PHRASES.receipt_subjects)
        && case.new.says(&PHRASES.receipts)
        && !case.new.asks()
        && !case.new.says(&PHRASES.singular);
    if is_receipt {
        return Some((MailKind::Receipt, "the words of a receipt"));
    }
    let address = case.sender.map_or("", |sender| sender.mailbox.address.as_str());
    let is_machine = local_has(address, &LISTS.machines) && !is_person && !case.is_typed();
    is_machine.then_some((MailKind::Notice, "the sender is a machine and nobody speaks"))
}

impl Case<'_> {
    /// The sender's own word that a person sent it.
    fn says_person(&self) -> bool {
        headers::auto_submitted(self.headers).is_some_and(|value| value == "no")
    }

    /// It answers a mail, by its headers or its subject.
    fn is_answer(&self) -> bool {
        const PREFIXES: &[&str] = &[
            "re:",
            "re :",
            "aw:",
            "sv:",
            "antw:",
            "odp:",
            "vs:",
            "回复:",
            "回复：",
            "回覆:",
            "回覆：",
            "答复:",
            "答复：",
            "res:",
            "rif:",
            "ynt:",
            "vá:",
            "atb:",
            "απ:",
            "ref:",
        ];
        let subject = self.subject.trim().to_lowercase();
        let has_prefix = PREFIXES
            .iter()
            .any(|prefix| subject.starts_with(prefix) || subject.contains(&format!(" {prefix} ")));
        has_prefix || self.headers.has("in-reply-to") || self.headers.has("references")
    }

    fn sounds_like_answer(&self) -> bool {
        let phrases = &*PHRASES;
        starts_so(self.subject, &phrases.auto_subjects)
            || [&phrases.absence, &phrases.received, &phrases.gone, &phrases.challenges]
                .into_iter()
                .any(|list| self.new.says(list))
    }

    /// It was typed into a mail program.
    fn is_typed(&self) -> bool {
        let mailer = ["user-agent", "x-mailer"].iter().filter_map(|name| self.headers.get(name));
        let is_persons = |mailer: &str| {
            let lower = mailer.to_lowercase();
            LISTS.person_mailers.iter().any(|known| super::new_text::has_word(&lower, known))
                && !LISTS.bulk_mailers.iter().any(|known| lower.contains(known.as_str()))
        };
        mailer.into_iter().any(is_persons)
            || LISTS.person_headers.iter().any(|name| self.headers.has(name))
    }
}
