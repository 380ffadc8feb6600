//! The header block of a mail or of a part: split by us, its values read by the library.

use mail_parser::parsers::MessageStream;
use mail_parser::{Addr, Address, ContentType, HeaderValue};

use super::encoded::{decoded, joined_words};
use super::{clean, decode};

/// One mailbox of an address header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mailbox {
    /// Cleaned; empty where there is none.
    pub(super) name: String,
    /// In lower case, with one `@` and something on both sides of it.
    pub(super) address: String,
}

/// The fields in their order, names in lower case, values unfolded.
#[derive(Debug, Default)]
pub(super) struct Headers(Vec<(String, String)>);

impl Headers {
    /// Reads the block at the start of `bytes`; also says where the body begins.
    pub(super) fn read(bytes: &[u8]) -> (Self, usize) {
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        let mut at = 0;
        while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
            let end = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |nl| nl + 1);
            let line = rest.get(..end).unwrap_or(rest);
            let text = without_line_end(line);
            if text.is_empty() {
                return (Self::of(fields), at + end);
            }
            match (text.first(), fields.last_mut()) {
                (Some(b' ' | b'\t'), Some((_, value))) => value.extend_from_slice(text),
                _ => match field(text) {
                    Some(new) => fields.push(new),
                    // The line that mailboxes on disk put above a mail.
                    None if at == 0 && is_envelope_line(text) => {}
                    None => return (Self::of(fields), at),
                },
            }
            at += end;
        }
        (Self::of(fields), bytes.len())
    }

    fn of(fields: Vec<(String, Vec<u8>)>) -> Self {
        Self(fields.into_iter().map(|(name, value)| (name, text_of(&value))).collect())
    }

    /// Every field in its order: name in lower case, and value.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The values of one name, given in lower case.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.iter().filter(move |(field, _)| *field == name).map(|(_, value)| value)
    }

    /// The first value, trimmed.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(field, _)| *field == name).map(|(_, value)| value.trim())
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Encoded words decoded, on one line.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(decoded)
    }

    /// All mailboxes of the fields of this name, groups opened.
    pub(super) fn mailboxes(&self, name: &str) -> Vec<Mailbox> {
        self.all(name).flat_map(mailboxes).collect()
    }

    /// Ids without angle brackets.
    pub(super) fn ids(&self, name: &str) -> Vec<String> {
        self.all(name).flat_map(ids).collect()
    }

    /// A value with parameters, such as that of `Content-Type`.
    pub(super) fn parametrized(&self, name: &str) -> Option<ContentType<'static>> {
        let line = joined_words(self.get(name)?) + "\n";
        match MessageStream::new(line.as_bytes()).parse_content_type().into_owned() {
            HeaderValue::ContentType(value) => Some(value),
            _ => None,
        }
    }
}

fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn field(line: &[u8]) -> Option<(String, Vec<u8>)> {
    let colon = line.iter().position(|byte| *byte == b':')?;
    let name = line.get(..colon)?.trim_ascii_end();
    let is_name = !name.is_empty() && name.iter().all(u8::is_ascii_graphic);
    let name = is_name.then(|| String::from_utf8_lossy(name).to_ascii_lowercase())?;
    Some((name, line.get(colon + 1..)?.to_vec()))
}

fn is_envelope_line(line: &[u8]) -> bool {
    line.starts_with(b"From ") || line.starts_with(b">From ")
}

/// 8-bit text in a header has no label: UTF-8, or what the West wrote before it.
fn text_of(value: &[u8]) -> String {
    match std::str::from_utf8(value) {
        Ok(text) => text.to_owned(),
        Err(_) => decode::windows_1252(value),
    }
}

pub(super) fn mailboxes(value: &str) -> Vec<Mailbox> {
    let line = joined_words(value) + "\n";
    match MessageStream::new(line.as_bytes()).parse_address() {
        HeaderValue::Address(Address::List(list)) => list.iter().filter_map(mailbox).collect(),
        HeaderValue::Address(Address::Group(groups)) => {
            groups.iter().flat_map(|group| &group.addresses).filter_map(mailbox).collect()
        }
        _ => Vec::new(),
    }
}

fn mailbox(entry: &Addr<'_>) -> Option<Mailbox> {
    let address = address(entry.address.as_deref()?)?;
    Some(Mailbox { name: clean::line(entry.name.as_deref().unwrap_or_default()), address })
}

/// An addr-spec in lower case, if this is one.
pub(super) fn address(text: &str) -> Option<String> {
    let text = text.trim().trim_start_matches('<').trim_end_matches('>').trim();
    let (local, domain) = text.rsplit_once('@')?;
    let odd =
        |symbol: char| symbol.is_control() || symbol.is_whitespace() || "<>,;".contains(symbol);
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let is_local = !local.is_empty()
        && (quoted && !local.contains(char::is_control)
            || !local.contains(odd) && !local.contains('@'));
    let is_domain = !domain.is_empty() && !domain.contains(odd) && !domain.starts_with('.');
    // RFC 5321 §4.5.3.1: 64 octets, an at sign, 255 octets.
    (is_local && is_domain && text.len() <= 320).then(|| text.to_lowercase())
}

fn ids(value: &str) -> Vec<String> {
    /// Longer ones are not ids that a mail could be found by (RFC 5322 §2.1.1).
    const LONGEST: usize = 998;
    let fits = |id: &&str| !id.is_empty() && id.len() <= LONGEST && !id.contains(char::is_control);
    let mut found: Vec<String> = Vec::new();
    let mut rest = value;
    while let Some((_, after)) = rest.split_once('<') {
        let Some((id, next)) = after.split_once('>') else { break };
        // A broken id has no end of its own.
        let id = id.rsplit_once('<').map_or(id, |(_, last)| last).trim();
        found.extend(Some(id).filter(fits).map(|id| id.replace([' ', '\t'], "")));
        rest = next;
    }
    if found.is_empty() {
        let bare = value.split_whitespace().filter(|id| id.contains('@')).filter(fits);
        found.extend(bare.map(|id| id.trim_matches(['<', '>']).to_owned()));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Headers {
        Headers::read(text.as_bytes()).0
    }

    #[test]
    fn folded_fields_are_one_value_and_names_have_no_case() {
        let (headers, body) = Headers::read(b"SUBJECT: a\r\n\t b\nX:1\r\nX : 2\r\n\r\ntext");

        assert_eq!(headers.text("subject").as_deref(), Some("a b"));
        assert_eq!(headers.all("x").map(str::trim).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(body, 30);
    }

    #[test]
    fn only_the_address_itself_counts_whatever_the_name_says() {
        let from = |value: &str| of(&format!("From: {value}\n\n")).mailboxes("from");

        for (value, name) in [
            ("\"support@taskflow.example\" <cem@example.com>", "support@taskflow.example"),
            ("Cem (support@taskflow.example) <Cem@Example.com>", "Cem"),
            (
                "=?utf-8?Q?support=40taskflow.example?= <cem@example.com>",
                "support@taskflow.example",
            ),
            ("cem@example.com", ""),
        ] {
            let found = from(value);
            assert_eq!(
                found.first().map(|one| one.address.as_str()),
                Some("cem@example.com"),
                "{value}"
            );
            assert!(found.first().unwrap().name.starts_with(name), "{value}: {found:?}");
        }
        assert_eq!(
            from("support@taskflow.example <cem@example.com>").last().unwrap().address,
            "cem@example.com"
        );
        assert_eq!(from("crew: a@example.org, b@example.org;").len(), 2);
        assert!(from("undisclosed-recipients:;").is_empty());
        assert!(from("Somebody").is_empty());
    }

    #[test]
    fn ids_are_found_between_words_and_without_their_brackets() {
        let ids = |value: &str| of(&format!("References: {value}\n\n")).ids("references");

        assert_eq!(ids("<a@x>\r\n <b@y>"), ["a@x", "b@y"]);
        assert_eq!(ids("Your message of Monday <a@x> (was: b)"), ["a@x"]);
        assert_eq!(ids("a@x b@y"), ["a@x", "b@y"]);
        assert_eq!(ids("<a@x <b@y>"), ["b@y"]);
        assert!(ids("none").is_empty());
    }
}
