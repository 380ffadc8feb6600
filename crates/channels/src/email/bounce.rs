//! What a mail server reports: whose mail, to whom, and what became of it.

use contract::BounceAction;

use super::headers::{Headers, address, mailboxes};
use super::lists::{LISTS, PHRASES};
use super::parts::{Part, Parts};
use super::speech::Speech;
use super::{BounceReport, Ourselves, clean};

/// What is read of a report's fields and of the mail that it returns.
const READ: usize = 256 << 10;
const DIAGNOSTIC_CHARS: usize = 500;

/// What a report says about one recipient.
#[derive(Debug, Default)]
struct Outcome {
    recipient: String,
    action: Option<BounceAction>,
    status: String,
    diagnostic: String,
}

/// Reads the report in a mail that is a bounce; `text` is all of its text.
pub(super) fn read(
    parts: &Parts<'_>,
    text: &str,
    subject: &str,
    ourselves: &Ourselves,
) -> BounceReport {
    let Some(root) = parts.get(0) else {
        return prose(&Headers::default(), text, subject, ourselves);
    };
    // Mails inside this one are closed, so that what is found is the report's own.
    let of_mime = |mimes: &[&str]| {
        let found =
            parts.iter().map(|(_, part)| part).filter(|part| mimes.contains(&part.mime.as_str()));
        found.last()
    };
    let status = of_mime(&["message/delivery-status", "message/global-delivery-status"]);
    let returned = of_mime(&[
        "message/rfc822",
        "message/global",
        "text/rfc822-headers",
        "message/global-headers",
        "message/rfc822-headers",
        "message/partial",
    ]);
    let mut report = prose(&root.headers, text, subject, ourselves);
    if let Some(outcome) = status.and_then(worst) {
        report.action = outcome.action.unwrap_or(report.action);
        report.recipient =
            Some(outcome.recipient).filter(|one| !one.is_empty()).unwrap_or(report.recipient);
        report.status = Some(outcome.status).filter(|one| !one.is_empty()).unwrap_or(report.status);
        report.diagnostic =
            Some(outcome.diagnostic).filter(|one| !one.is_empty()).unwrap_or(report.diagnostic);
    }
    if let Some(headers) = returned.map(|part| Headers::read(&part.bytes(READ)).0) {
        remember(&mut report, &headers);
    }
    report
}

/// Ours, as it left: the mark that names the delivery, and the id on the wire.
fn remember(report: &mut BounceReport, headers: &Headers) {
    let delivery = headers.get(&LISTS.delivery_id).and_then(|id| id.parse::<uuid::Uuid>().ok());
    report.delivery_id = delivery.map(Into::into).or(report.delivery_id);
    if let Some(id) = headers.ids("message-id").into_iter().next() {
        report.original_message_id = Some(id);
    }
    if report.recipient.is_empty()
        && let Some(to) = headers.mailboxes("to").into_iter().next()
    {
        report.recipient = to.address;
    }
}

/// The groups of fields are set apart by blank lines; the first speaks of the mail.
fn worst(status: &Part<'_>) -> Option<Outcome> {
    let bytes = status.bytes(READ);
    let mut rest = bytes.as_slice();
    let mut found: Option<Outcome> = None;
    while !rest.is_empty() {
        let (fields, end) = Headers::read(rest);
        rest = rest.get(end.max(1)..).unwrap_or_default();
        if !fields.has("final-recipient")
            && !fields.has("original-recipient")
            && !fields.has("action")
        {
            continue;
        }
        let outcome = outcome(&fields);
        let is_worse = found.as_ref().is_none_or(|other| rank(outcome.action) > rank(other.action));
        if is_worse {
            found = Some(outcome);
        }
    }
    found
}

fn outcome(fields: &Headers) -> Outcome {
    let recipient = ["final-recipient", "original-recipient"].into_iter().find_map(|name| {
        let value = fields.get(name)?;
        address(value.split_once(';').map_or(value, |(_, address)| address))
    });
    let diagnostic = fields
        .get("diagnostic-code")
        .map(|value| value.split_once(';').map_or(value, |(_, said)| said));
    let status = fields.get("status").and_then(status_code);
    Outcome {
        recipient: recipient.unwrap_or_default(),
        action: fields.get("action").and_then(action),
        status: status.or_else(|| diagnostic.and_then(status_code)).unwrap_or_default(),
        diagnostic: shortened(diagnostic.unwrap_or_default()),
    }
}

fn action(value: &str) -> Option<BounceAction> {
    match value.split([' ', '(', ';']).next()?.to_ascii_lowercase().as_str() {
        "failed" | "failure" => Some(BounceAction::Failed),
        "delayed" => Some(BounceAction::Delayed),
        "delivered" => Some(BounceAction::Delivered),
        "relayed" => Some(BounceAction::Relayed),
        "expanded" => Some(BounceAction::Expanded),
        _ => None,
    }
}

fn rank(action: Option<BounceAction>) -> u8 {
    match action {
        None => 0,
        Some(BounceAction::Delivered) => 1,
        Some(BounceAction::Relayed) => 2,
        Some(BounceAction::Expanded) => 3,
        Some(BounceAction::Delayed) => 4,
        Some(BounceAction::Failed) => 5,
    }
}

/// A report in words: what can be found in it.
fn prose(headers: &Headers, text: &str, subject: &str, ourselves: &Ourselves) -> BounceReport {
    let from: Vec<String> = headers.mailboxes("from").into_iter().map(|one| one.address).collect();
    let failed =
        headers.all("x-failed-recipients").flat_map(mailboxes).map(|one| one.address).next();
    let named = || {
        let words =
            text.split(|symbol: char| symbol.is_whitespace() || "<>()[]\"',;:".contains(symbol));
        let mut found = words.filter_map(|word| address(word.trim_end_matches('.')));
        found.find(|one| !ourselves.is(one) && !from.contains(one))
    };
    let speech = Speech::of(&format!("{subject}\n\n{text}"));
    let status = status_code(text);
    let is_delay =
        speech.says(&PHRASES.delays) || status.as_ref().is_some_and(|code| code.starts_with('4'));
    let is_success = status.as_ref().is_some_and(|code| code.starts_with('2'));
    let action = match (is_success, is_delay) {
        (true, _) => BounceAction::Delivered,
        (_, true) => BounceAction::Delayed,
        _ => BounceAction::Failed,
    };
    // A mail server answers our mail; a mailbox that is full speaks for itself.
    let answered =
        headers.ids("in-reply-to").into_iter().chain(headers.ids("references")).next_back();
    let is_system = |address: &String| {
        LISTS
            .mail_systems
            .iter()
            .chain(&LISTS.mail_system_people)
            .any(|local| address.starts_with(&format!("{local}@")))
    };
    let sender = from.iter().find(|address| !is_system(address) && !ourselves.is(address));
    let mut report = BounceReport {
        delivery_id: None,
        original_message_id: answered,
        recipient: failed.or_else(named).or_else(|| sender.cloned()).unwrap_or_default(),
        action,
        diagnostic: shortened(&diagnostic_line(text)),
        status: status.unwrap_or_default(),
    };
    remember(&mut report, &quoted_headers(text));
    report
}

/// Header lines of ours that the text repeats.
fn quoted_headers(text: &str) -> Headers {
    let wanted = [LISTS.delivery_id.as_str(), "message-id"];
    let is_wanted = |line: &&str| {
        let name = line.split_once(':').map(|(name, _)| name.trim().to_lowercase());
        name.is_some_and(|name| wanted.contains(&name.as_str()))
    };
    let lines = text.lines().map(|line| line.trim_start_matches(['>', ' '])).filter(is_wanted);
    Headers::read(lines.collect::<Vec<_>>().join("\n").as_bytes()).0
}

/// The line that has the code of the other server.
fn diagnostic_line(text: &str) -> String {
    let has_code = |line: &&str| {
        let mut words = line.split(|symbol: char| !symbol.is_ascii_digit() && symbol != '.');
        status_code(line).is_some()
            || words.any(|word| word.len() == 3 && word.starts_with(['4', '5']))
    };
    text.lines().find(has_code).unwrap_or_default().to_owned()
}

fn shortened(text: &str) -> String {
    clean::line(text).chars().take(DIAGNOSTIC_CHARS).collect()
}

/// The first `class.subject.detail` of RFC 3463 that stands alone.
pub(super) fn status_code(text: &str) -> Option<String> {
    let words = text.split(|symbol: char| !symbol.is_ascii_alphanumeric() && symbol != '.');
    words.map(|word| word.trim_matches('.')).find(|word| is_status(word)).map(str::to_owned)
}

fn is_status(word: &str) -> bool {
    let parts: Vec<&str> = word.split('.').collect();
    let is_number = |part: &&str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    parts.len() == 3
        && parts.iter().all(is_number)
        && matches!(parts.first(), Some(&("2" | "4" | "5")))
}
