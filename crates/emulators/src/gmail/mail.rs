//! Mails as bytes: their headers, read and written.

use chrono::{DateTime, Utc};
use mail_parser::{Address, MessageParser};

/// Headers as they stand, unfolded, and where the body begins.
pub(super) fn headers(raw: &[u8]) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in String::from_utf8_lossy(head(raw)).lines() {
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push(' ');
                value.push_str(line.trim());
            }
        } else if let Some((name, value)) = line.split_once(':') {
            headers.push((name.trim_end().to_owned(), value.trim().to_owned()));
        }
    }
    headers
}

/// The first header of this name.
pub(super) fn header(raw: &[u8], name: &str) -> Option<String> {
    let found = headers(raw).into_iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value)
}

/// Everything before the empty line, its last line end included.
fn head(raw: &[u8]) -> &[u8] {
    let mut place = 0;
    for line in raw.split_inclusive(|byte| *byte == b'\n') {
        if matches!(line, b"\r\n" | b"\n") {
            break;
        }
        place += line.len();
    }
    raw.get(..place).unwrap_or(raw)
}

/// With CRLF at the end of every line, as mail goes over the wire.
pub(super) fn with_line_ends(raw: &[u8]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(raw.len());
    for byte in raw {
        if *byte == b'\n' && whole.last() != Some(&b'\r') {
            whole.push(b'\r');
        }
        whole.push(*byte);
    }
    whole
}

/// Without every header of this name.
pub(super) fn without(raw: &[u8], name: &str) -> Vec<u8> {
    let head = head(raw);
    let mut kept = Vec::with_capacity(raw.len());
    let mut is_dropped = false;
    for line in head.split_inclusive(|byte| *byte == b'\n') {
        if !line.starts_with(b" ") && !line.starts_with(b"\t") {
            let other = line.split(|byte| *byte == b':').next().unwrap_or_default();
            is_dropped = other.trim_ascii().eq_ignore_ascii_case(name.as_bytes());
        }
        if !is_dropped {
            kept.extend_from_slice(line);
        }
    }
    kept.extend_from_slice(raw.get(head.len()..).unwrap_or_default());
    kept
}

/// With these headers before all others.
pub(super) fn with(raw: &[u8], headers: &[(&str, &str)]) -> Vec<u8> {
    let mut whole = Vec::with_capacity(raw.len() + 512);
    for (name, value) in headers {
        whole.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    whole.extend_from_slice(raw);
    whole
}

/// Every `<…>` in a header.
pub(super) fn message_ids(value: &str) -> Vec<String> {
    let parts = value.split('<').skip(1);
    parts.filter_map(|part| Some(format!("<{}>", part.split_once('>')?.0.trim()))).collect()
}

/// What a mail says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Summary {
    /// In lower case, as all addresses here.
    pub(super) from: Vec<String>,
    pub(super) to: Vec<String>,
    pub(super) cc: Vec<String>,
    pub(super) bcc: Vec<String>,
    /// Decoded.
    pub(super) subject: String,
    pub(super) text: String,
    pub(super) date: Option<DateTime<Utc>>,
    pub(super) message_id: Option<String>,
    /// Of In-Reply-To and References.
    pub(super) references: Vec<String>,
    pub(super) has_attachment: bool,
}

impl Summary {
    pub(super) fn of(raw: &[u8]) -> Self {
        let Some(message) = MessageParser::default().parse(raw) else { return Self::default() };
        let date = message.date().and_then(|date| DateTime::from_timestamp(date.to_timestamp(), 0));
        let ids = |name| header(raw, name).map(|value| message_ids(&value)).unwrap_or_default();
        let mut references = ids("In-Reply-To");
        references.extend(ids("References"));
        Self {
            from: addresses(message.from()),
            to: addresses(message.to()),
            cc: addresses(message.cc()),
            bcc: addresses(message.bcc()),
            subject: message.subject().unwrap_or_default().to_owned(),
            text: message.body_text(0).unwrap_or_default().into_owned(),
            date,
            message_id: ids("Message-ID").into_iter().next(),
            references,
            has_attachment: message.attachment_count() > 0,
        }
    }

    /// Everybody that it goes to, each once.
    pub(super) fn recipients(&self) -> Vec<String> {
        let mut all = Vec::new();
        for address in self.to.iter().chain(&self.cc).chain(&self.bcc) {
            if !all.contains(address) {
                all.push(address.clone());
            }
        }
        all
    }
}

fn addresses(found: Option<&Address<'_>>) -> Vec<String> {
    let all = found.into_iter().flat_map(|address| address.iter());
    all.filter_map(|one| one.address.as_ref()).map(|address| address.to_lowercase()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RAW: &[u8] =
        b"From: Ana <Ana@Example.org>\nTo: a@x.org, B <b@x.org>\nBcc: c@x.org,\n d@x.org\n\
          Subject: =?utf-8?q?Caf=C3=A9?=\nIn-Reply-To: <1@x> \nReferences: <0@x>\n <1@x>\n\nBcc: no";

    #[test]
    fn a_mail_is_read_and_its_headers_are_taken_away_and_put_before() {
        let summary = Summary::of(RAW);
        let without = with(&without(RAW, "bcc"), &[("Received", "from here")]);

        assert_eq!(summary.from, ["ana@example.org"]);
        assert_eq!(summary.recipients(), ["a@x.org", "b@x.org", "c@x.org", "d@x.org"]);
        assert_eq!((summary.subject.as_str(), summary.references.len()), ("Café", 3));
        assert_eq!(headers(&without)[0], ("Received".to_owned(), "from here".to_owned()));
        assert!(without.ends_with(b"\n\nBcc: no") && header(&without, "Bcc").is_none());
        assert_eq!(with_line_ends(b"a\nb\r\nc"), b"a\r\nb\r\nc");
    }
}
