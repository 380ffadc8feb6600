//! Rule 2: reports of mail servers and of mail programs about a mail of ours.

use contract::MailKind;

use super::{Case, Verdict, headers, lists};
use crate::email::lists::{LISTS, PHRASES};
use crate::email::parts::Parts;
use crate::email::speech::{says, starts_so};

/// Where the report's own parts stand: the mail, or what a gateway wrapped.
fn report(parts: &Parts<'_>) -> Option<usize> {
    let is_report =
        |index: usize| parts.get(index).is_some_and(|part| part.mime == "multipart/report");
    if is_report(0) {
        return Some(0);
    }
    // A gateway puts its notice below; a person who forwards one writes above it.
    let first = parts.children(0).next().map(|(child, _)| child);
    first.filter(|child| is_report(*child))
}

/// By form.
pub(super) fn of(case: &Case<'_>) -> Option<Verdict> {
    if let Some(report) = report(case.parts) {
        let part = case.parts.get(report)?;
        let kind = part.parameter("report-type").unwrap_or_default().trim().to_lowercase();
        let has = |mime: &str| case.parts.children(report).any(|(_, child)| child.mime == mime);
        if kind == "disposition-notification" || has("message/disposition-notification") {
            return Some((MailKind::Receipt, "a disposition notification"));
        }
        if LISTS.reports_of_machines.contains(&kind) || has("message/feedback-report") {
            return Some((MailKind::Notice, "a report of another kind"));
        }
        let is_status = has("message/delivery-status") || has("message/global-delivery-status");
        if kind == "delivery-status" || is_status {
            return Some((MailKind::Bounce, "a delivery status report"));
        }
    }
    if LISTS.bounce_headers.iter().any(|name| case.headers.has(name)) {
        return Some((MailKind::Bounce, "a header of a mail server's report"));
    }
    let is_receipt = LISTS.receipt_headers.iter().any(|name| case.headers.has(name));
    is_receipt.then_some((MailKind::Receipt, "a header of a receipt"))
}

/// In prose, by who sends it.
pub(super) fn of_system(case: &Case<'_>) -> Option<Verdict> {
    let is_null = case
        .headers
        .get("return-path")
        .is_some_and(|path| path.trim_matches(['<', '>', ' ']).is_empty());
    let phrases = &*PHRASES;
    let bounces =
        says(&case.subject.to_lowercase(), &phrases.bounces) || case.whole.says(&phrases.bounces);
    if case.is_system() {
        return Some((MailKind::Bounce, "a mail server writes"));
    }
    let is_master = case.has_local(&LISTS.mail_system_people);
    let is_automatic = headers::auto_submitted(case.headers).is_some_and(|value| value != "no");
    if is_master
        && bounces
        && (is_null || is_automatic || !case.new.asks() && !case.is_typed() && !case.new.greets())
    {
        return Some((MailKind::Bounce, "a postmaster reports"));
    }
    if !is_null {
        return None;
    }
    let is_receipt = starts_so(case.subject, &phrases.receipt_subjects) && !case.new.asks()
        || case.new.says(&phrases.receipts);
    if is_receipt && !is_automatic {
        return Some((MailKind::Receipt, "nobody's Return-Path, and words of a receipt"));
    }
    let answers = [&phrases.absence, &phrases.challenges, &phrases.received];
    let is_answer = answers.into_iter().any(|list| case.new.says(list))
        || starts_so(case.subject, &phrases.auto_subjects);
    if is_automatic && bounces && !is_answer {
        return Some((MailKind::Bounce, "nobody's Return-Path, and words of a report"));
    }
    // A header says more than that nobody wants an answer.
    if is_automatic || headers::declared(case).is_some() {
        return None;
    }
    let is_absence = !bounces || case.new.says(&phrases.absence);
    if is_absence && case.new.is_automatic(case.subject) {
        return Some((
            MailKind::AutoReply,
            "nobody's Return-Path, and words of an answering machine",
        ));
    }
    if lists::has_header(case.headers) && !bounces {
        return None;
    }
    let speaks = case.new.asks() || case.new.greets() && case.new.says(&phrases.singular);
    let is_person = !bounces && !is_master && speaks;
    (!is_person).then_some((MailKind::Bounce, "nobody's Return-Path"))
}

impl Case<'_> {
    /// A mail server, by its address or the name it goes by.
    fn is_system(&self) -> bool {
        let Some(sender) = self.sender else { return false };
        let local = sender.mailbox.address.rsplit_once('@').map_or("", |(local, _)| local);
        let name = sender.mailbox.name.to_lowercase();
        self.has_local(&LISTS.mail_systems)
            || LISTS.mail_system_prefixes.iter().any(|prefix| local.starts_with(prefix.as_str()))
            || LISTS.mail_system_names.contains(&name)
    }

    fn has_local(&self, list: &[String]) -> bool {
        let address = self.sender.map_or("", |sender| sender.mailbox.address.as_str());
        let local = address.rsplit_once('@').map_or("", |(local, _)| local);
        let base = local.split_once('+').map_or(local, |(base, _)| base);
        list.iter().any(|known| known == base)
    }
}
