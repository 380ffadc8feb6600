//! HTML as a run of tags and text, in time that grows with its length alone.
//!
//! A tree builder takes quadratic time on a mail that nests or attributes enough; a mail's
//! text needs no tree.

use mail_parser::decoders::html::add_html_token;

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// With its entities.
    Text(&'a str),
    /// The name in lower case, and its attributes as they stand.
    Open {
        name: String,
        attributes: &'a str,
        is_closed: bool,
    },
    Close {
        name: String,
    },
    /// What stood between `<style>` and its end.
    Style(&'a str),
}

#[derive(Debug)]
pub(super) struct Tokens<'a> {
    rest: &'a str,
    /// Bytes that may still be looked at in vain.
    patience: usize,
    /// Whether a `>` is left.
    has_ends: bool,
}

/// Elements whose content is no text to read.
const RAW: &[&str] =
    &["script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"];

impl<'a> Tokens<'a> {
    pub(super) fn of(html: &'a str) -> Self {
        Self { rest: html, patience: 4 << 20, has_ends: true }
    }

    fn take(&mut self, bytes: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at_checked(bytes).unwrap_or((self.rest, ""));
        self.rest = rest;
        taken
    }

    /// Up to the next `<`, at least one character.
    fn text(&mut self) -> Token<'a> {
        let first = self.rest.chars().next().map_or(0, char::len_utf8);
        let after = self.rest.get(first..).unwrap_or_default();
        let end = after.find('<').map_or(self.rest.len(), |at| first + at);
        Token::Text(self.take(end))
    }

    fn tag(&mut self) -> Option<Token<'a>> {
        let inner = self.rest.get(1..)?;
        let is_close = inner.starts_with('/');
        let inner = inner.strip_prefix('/').unwrap_or(inner);
        if !inner.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return None;
        }
        let end = self.tag_end(inner)?;
        let content = inner.get(..end)?;
        self.take(1 + usize::from(is_close) + end + 1);
        let stop = |symbol: char| symbol.is_whitespace() || symbol == '/';
        let name_end = content.find(stop).unwrap_or(content.len());
        let (name, attributes) = content.split_at_checked(name_end)?;
        let name = name.to_ascii_lowercase();
        if is_close {
            return Some(Token::Close { name });
        }
        let is_closed = attributes.ends_with('/');
        if RAW.contains(&name.as_str()) && !is_closed {
            let raw = self.raw(&name);
            return Some(if name == "style" { Token::Style(raw) } else { Token::Text("") });
        }
        Some(Token::Open { name, attributes, is_closed })
    }

    /// Where the `>` is that is in no quotes; quotes that never close hold nothing. A
    /// search in vain is paid for, so that a mail of open quotes costs no more than others.
    fn tag_end(&mut self, inner: &str) -> Option<usize> {
        if !self.has_ends {
            return None;
        }
        let quoted = (self.patience > 0).then(|| unquoted_end(inner)).flatten();
        if quoted.is_none() {
            self.patience = self.patience.saturating_sub(inner.len());
            let plain = inner.find('>');
            self.has_ends = plain.is_some();
            return plain;
        }
        quoted
    }

    /// Up to the end tag of this name, or to the end.
    fn raw(&mut self, name: &str) -> &'a str {
        let mut at = 0;
        while let Some(found) = self.rest.get(at..).and_then(|rest| rest.find("</")) {
            let start = at + found;
            let candidate = self.rest.as_bytes().get(start + 2..start + 2 + name.len());
            if candidate.is_some_and(|bytes| bytes.eq_ignore_ascii_case(name.as_bytes())) {
                return self.take(start);
            }
            at = start + 2;
        }
        self.take(self.rest.len())
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            if let Some(comment) = self.rest.strip_prefix("<!--") {
                let end = comment.find("-->").map_or(comment.len(), |at| at + 3);
                self.take(4 + end);
                continue;
            }
            if self.rest.starts_with("<!") || self.rest.starts_with("<?") {
                let end = self.rest.find('>').map_or(self.rest.len(), |at| at + 1);
                self.take(end);
                continue;
            }
            // A sign that opens no tag is text.
            let tag = if self.rest.starts_with('<') { self.tag() } else { None };
            return Some(tag.unwrap_or_else(|| self.text()));
        }
    }
}

fn unquoted_end(inner: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let found = at + inner.get(at..)?.find(['>', '"', '\''])?;
        let symbol = inner.as_bytes().get(found)?;
        if *symbol == b'>' {
            return Some(found);
        }
        at = found + 2 + inner.get(found + 1..)?.find(char::from(*symbol))?;
    }
}

/// The value of an attribute, entities decoded; empty where it has none.
pub(super) fn attribute(attributes: &str, name: &str) -> Option<String> {
    let mut rest = attributes;
    loop {
        rest = rest.trim_start_matches(|symbol: char| symbol.is_whitespace() || symbol == '/');
        let stop = |symbol: char| symbol.is_whitespace() || matches!(symbol, '=' | '/');
        let end = rest.find(stop).unwrap_or(rest.len()).max(usize::from(rest.starts_with('=')));
        let (key, after) = rest.split_at_checked(end)?;
        if key.is_empty() {
            return None;
        }
        let (value, next) = match after.trim_start().strip_prefix('=') {
            Some(value) => value_of(value.trim_start()),
            None => ("", after),
        };
        if key.eq_ignore_ascii_case(name) {
            return Some(decoded(value));
        }
        rest = next;
    }
}

fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(quoted) = text.strip_prefix(quote) {
            return quoted.split_once(quote).unwrap_or((quoted, ""));
        }
    }
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, ""))
}

/// Entities decoded once.
pub(super) fn decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        let (before, entity) = rest.split_at_checked(start).unwrap_or((rest, ""));
        out.push_str(before);
        let inner = entity.get(1..).unwrap_or_default();
        let length = inner
            .bytes()
            .take(32)
            .take_while(|byte| byte.is_ascii_alphanumeric() || *byte == b'#')
            .count();
        let has_end = inner.as_bytes().get(length) == Some(&b';');
        let name = inner.get(..length).unwrap_or_default();
        let is_known_open = ["nbsp", "amp", "lt", "gt", "quot"].contains(&name);
        if length > 0 && (has_end || is_known_open) {
            add_html_token(&mut out, format!("&{name};").as_bytes(), false);
            rest = inner.get(length + usize::from(has_end)..).unwrap_or_default();
        } else {
            out.push('&');
            rest = inner;
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(html: &str) -> String {
        Tokens::of(html)
            .filter_map(|token| match token {
                Token::Text(text) => Some(decoded(text)),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn what_is_no_tag_is_text() {
        assert_eq!(texts("a < b <3 <b>c</b> if x <y"), "a < b <3 c if x <y");
        assert_eq!(
            texts("<!doctype html><!-- <b>x</b> -->a<![if !mso]>b<![endif]><?xml ?>c"),
            "abc"
        );
        assert_eq!(
            texts("<script>a</b></script>b<STYLE>c</style >d<title>e"),
            "b>d".replace('>', "")
        );
    }

    #[test]
    fn attributes_are_found_in_quotes_and_without() {
        let attributes = " a=1 b='2 c=3' HREF=\"x?a=1&amp;b=2\" hidden / style = 'x'";

        assert_eq!(attribute(attributes, "href").as_deref(), Some("x?a=1&b=2"));
        assert_eq!(attribute(attributes, "hidden").as_deref(), Some(""));
        assert_eq!(attribute(attributes, "style").as_deref(), Some("x"));
        assert_eq!(attribute(attributes, "c"), None);
    }

    #[test]
    fn entities_are_decoded_once() {
        assert_eq!(
            decoded("&amp;lt; &eacute;&#233;&#xE9; &nbsp &unknown; AT&T &"),
            "&lt; ééé \u{a0} &unknown; AT&T &"
        );
    }
}
