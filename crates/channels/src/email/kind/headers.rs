//! Rule 3: headers by which a machine says that it wrote, and those that only hint.

use contract::MailKind;

use super::{Case, Verdict, lists};
use crate::email::headers::Headers;
use crate::email::lists::{LISTS, Mark, PHRASES};
use crate::email::speech::starts_so;

/// The value without parameters and comments (RFC 3834 §5), in lower case.
pub(super) fn auto_submitted(headers: &Headers) -> Option<String> {
    let value = headers.get("auto-submitted")?;
    let end = value.find([';', '(', ' ', '\t']).unwrap_or(value.len());
    let word = value.get(..end).unwrap_or_default().trim().to_lowercase();
    (!word.is_empty()).then_some(word)
}

fn has(headers: &Headers, marks: &[Mark]) -> bool {
    marks.iter().any(|mark| {
        headers.all(&mark.name).map(|value| value.trim().to_lowercase()).any(|value| {
            let is_no = matches!(value.as_str(), "no" | "false" | "0");
            if mark.values.is_empty() {
                !is_no
            } else {
                mark.values.iter().any(|known| value.starts_with(known.as_str()))
            }
        })
    })
}

/// Headers that leave no doubt.
pub(super) fn declared(case: &Case<'_>) -> Option<Verdict> {
    match auto_submitted(case.headers).as_deref() {
        None | Some("no") => {}
        Some("auto-replied") => return Some((MailKind::AutoReply, "Auto-Submitted: auto-replied")),
        Some("auto-generated") if has(case.headers, &LISTS.notice_headers) => {
            return Some((MailKind::Notice, "Auto-Submitted: auto-generated"));
        }
        Some("auto-generated") => {
            let is_reply = case.answers_as_machine();
            return Some(match is_reply {
                true => (MailKind::AutoReply, "Auto-Submitted, and it answers"),
                false => (MailKind::Notice, "Auto-Submitted: auto-generated"),
            });
        }
        Some("auto-notified") => return Some((MailKind::Notice, "Auto-Submitted: auto-notified")),
        Some(_) => {
            let kind = if case.is_answer() { MailKind::AutoReply } else { MailKind::Notice };
            return Some((kind, "Auto-Submitted"));
        }
    }
    if has(case.headers, &LISTS.auto_reply_headers) {
        return Some((MailKind::AutoReply, "a header of an answering machine"));
    }
    let is_notice = has(case.headers, &LISTS.notice_headers);
    is_notice.then_some((MailKind::Notice, "a header of a machine that writes by itself"))
}

/// Headers that people's mail carries as well: what else there is decides.
pub(super) fn hinted(case: &Case<'_>) -> Option<Verdict> {
    if lists::has_header(case.headers) || case.says_person() {
        return None;
    }
    precedence(case).or_else(|| circle(case)).or_else(|| silence(case)).or_else(|| bulk(case))
}

/// An old gateway stamps it on all mail.
fn precedence(case: &Case<'_>) -> Option<Verdict> {
    let values =
        ["precedence", "x-precedence"].into_iter().filter_map(|name| case.headers.get(name));
    let value = values
        .map(str::to_lowercase)
        .find(|value| LISTS.bulk_precedence.iter().any(|known| value == known))?;
    if case.is_typed() || case.is_conversation() || case.is_personal() {
        return None;
    }
    if value == "list" {
        return Some((MailKind::List, "Precedence: list"));
    }
    if case.answers_as_machine() || case.is_answer() {
        return Some((MailKind::AutoReply, "Precedence, and it answers"));
    }
    Some(match case.is_bulk_mailer() && case.whole.says(&PHRASES.unsubscribes) {
        true => (MailKind::List, "Precedence, and a way to unsubscribe"),
        false => (MailKind::Notice, "Precedence"),
    })
}

/// A mark against answering itself: of a robot, or of a desk where people type.
fn circle(case: &Case<'_>) -> Option<Verdict> {
    let is_marked = case.headers.has("x-loop") && !case.is_typed() && !case.new.asks();
    let is_reply = case.new.is_automatic(case.subject)
        || case.is_answer() && !case.is_conversation() && !case.is_personal();
    (is_marked && is_reply).then_some((MailKind::AutoReply, "X-Loop, and it answers"))
}

/// Wishes that machines be silent. Servers stamp parts of it on what people write; all of
/// it is the habit of machines.
fn silence(case: &Case<'_>) -> Option<Verdict> {
    let value = case.headers.get("x-auto-response-suppress")?.to_lowercase();
    let is_person =
        case.is_typed() || case.new.asks() || case.new.greets() || case.new.is_in_first_person();
    if is_person || !value.split([',', ' ']).any(|word| word == "all") {
        return None;
    }
    let is_reply = case.answers_as_machine() || case.is_answer();
    let kind = if is_reply { MailKind::AutoReply } else { MailKind::Notice };
    Some((kind, "X-Auto-Response-Suppress: All, and nobody speaks"))
}

/// A mail to many that has no list's header.
fn bulk(case: &Case<'_>) -> Option<Verdict> {
    let has_feedback = case.headers.has("feedback-id")
        || case.headers.has("x-campaign")
        || case.headers.has("x-campaignid");
    let leaves = case.whole.says(&PHRASES.unsubscribes);
    let is_bulk =
        (has_feedback || case.is_bulk_mailer()) && leaves && !case.is_answer() && !case.is_typed();
    is_bulk.then_some((MailKind::List, "hints of bulk, and a way to unsubscribe"))
}

impl Case<'_> {
    fn is_bulk_mailer(&self) -> bool {
        let mailers =
            ["x-mailer", "user-agent"].into_iter().filter_map(|name| self.headers.get(name));
        mailers
            .map(str::to_lowercase)
            .any(|mailer| LISTS.bulk_mailers.iter().any(|known| mailer.contains(known.as_str())))
    }

    fn answers_as_machine(&self) -> bool {
        starts_so(self.subject, &PHRASES.auto_subjects)
            || self.new.is_automatic(self.subject) && self.sounds_like_answer()
    }

    /// Somebody greets and speaks of himself.
    fn is_personal(&self) -> bool {
        self.new.greets()
            && self.new.says(&PHRASES.singular)
            && !self.new.is_automatic(self.subject)
            && !self.whole.says(&PHRASES.unsubscribes)
    }

    /// Answers between what was asked, or a question back: no robot does that.
    fn is_conversation(&self) -> bool {
        let lines = crate::email::lines::plain(self.text);
        let quoted = lines.iter().position(|line| line.quote > 0);
        let answer = lines.iter().rposition(|line| line.quote == 0 && !line.is_blank());
        quoted.zip(answer).is_some_and(|(quoted, answer)| quoted < answer)
            || self.is_answer() && self.new.asks() && self.new.is_in_first_person()
    }
}
