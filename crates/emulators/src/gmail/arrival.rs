//! Mail that arrives: with the headers that Gmail puts before it, in the thread that it
//! answers; and mail that comes back.

use serde::{Deserialize, Serialize};

use super::mail::{self, Summary};
use super::mailbox::New;
use super::problem::Problem;
use super::sending;
use super::state::Held;

/// What Gmail found out about the sender's domain.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    #[default]
    Pass,
    Fail,
    /// The domain says nothing of itself.
    None,
    /// No header at all.
    Missing,
}

/// Puts a mail into the mailbox of this address; returns its id there.
pub(super) fn deliver(
    held: &mut Held,
    sender: &str,
    recipient: &str,
    raw: &[u8],
    verdict: &Verdict,
) -> Result<String, Problem> {
    let now = held.now();
    let (mailbox, counter) = held.mailbox(recipient)?;
    let (before, address) = (mailbox.history_id, mailbox.address.clone());
    let summary = Summary::of(raw);
    let thread_id = sending::thread_of(mailbox, &summary);
    let from = summary.from.first().map(String::as_str).unwrap_or_default();
    let authentication = authentication(verdict, sender, from);
    let received = format!("by 2002:a05:6a20:0:b0:1:2:3 with SMTP id x1; {}", now.to_rfc2822());
    let path = format!("<{sender}>");
    let mut headers = vec![("Delivered-To", address.as_str()), ("Received", received.as_str())];
    headers.push(("Return-Path", &path));
    if let Some(authentication) = &authentication {
        headers.push(("Authentication-Results", authentication));
    }
    let raw = mail::with(&mail::with_line_ends(raw), &headers);
    let label_ids = ["UNREAD", "INBOX", "CATEGORY_PERSONAL"].map(str::to_owned).into();
    let id = mailbox.add(counter, New { raw, label_ids, thread_id, internal_date: now });
    held.notify(&address, before);
    Ok(id)
}

fn authentication(verdict: &Verdict, sender: &str, from: &str) -> Option<String> {
    let domain = |address: &str| address.rsplit('@').next().unwrap_or_default().to_owned();
    let (sending, shown) = (domain(sender), domain(from));
    let (dkim, spf, dmarc) = match verdict {
        Verdict::Missing => return None,
        Verdict::Pass => ("pass", "pass", "pass (p=NONE sp=NONE dis=NONE)"),
        Verdict::Fail => ("fail", "softfail", "fail (p=NONE sp=NONE dis=NONE)"),
        Verdict::None => ("none", "none", "none"),
    };
    Some(format!(
        "mx.google.com;\r\n       dkim={dkim} header.i=@{shown} header.s=s1;\r\n       \
         spf={spf} smtp.mailfrom={sender};\r\n       dmarc={dmarc} header.from={shown}{}",
        if sending.is_empty() { " (no sender)" } else { "" }
    ))
}

/// A mail to nobody comes back to its sender.
pub(super) fn bounce(
    held: &mut Held,
    sender: &str,
    recipient: &str,
    raw: &[u8],
) -> Result<String, Problem> {
    let date = held.now().to_rfc2822();
    let id = held.counter.next();
    let copied: Vec<(String, String)> = mail::headers(raw);
    let original = copied.iter().map(|(name, value)| format!("{name}: {value}\r\n"));
    let original: String = original.collect();
    let message_id = mail::header(raw, "Message-ID").unwrap_or_default();
    let report = format!(
        "From: Mail Delivery Subsystem <mailer-daemon@googlemail.com>\r\n\
         To: {sender}\r\n\
         Auto-Submitted: auto-replied\r\n\
         Subject: Delivery Status Notification (Failure)\r\n\
         References: {message_id}\r\n\
         In-Reply-To: {message_id}\r\n\
         X-Failed-Recipients: {recipient}\r\n\
         Message-ID: <{id}.mailer-daemon@mx.google.com>\r\n\
         Date: {date}\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; boundary=\"b{id}\"; report-type=delivery-status\r\n\r\n\
         --b{id}\r\nContent-Type: text/plain; charset=\"UTF-8\"\r\n\r\n\
         ** Address not found **\r\n\r\nYour message wasn't delivered to {recipient} because \
         the address couldn't be found.\r\n\
         --b{id}\r\nContent-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; googlemail.com\r\n\
         Arrival-Date: {date}\r\n\
         X-Original-Message-ID: {message_id}\r\n\r\n\
         Final-Recipient: rfc822; {recipient}\r\n\
         Action: failed\r\n\
         Status: 5.1.1\r\n\
         Diagnostic-Code: smtp; 550-5.1.1 The email account that you tried to reach does not \
         exist.\r\n\
         Last-Attempt-Date: {date}\r\n\
         --b{id}\r\nContent-Type: message/rfc822\r\n\r\n{original}\r\n\
         --b{id}--\r\n"
    );
    let returned = deliver(held, "", sender, report.as_bytes(), &Verdict::Pass)?;
    Ok(returned)
}
