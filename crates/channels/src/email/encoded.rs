//! Encoded words of header values (RFC 2047), wherever they stand.

use mail_parser::HeaderValue;
use mail_parser::parsers::MessageStream;

use super::clean;

/// Decodes encoded words; control characters become spaces.
pub(super) fn decoded(value: &str) -> String {
    let line = joined_words(value) + "\n";
    let text = match MessageStream::new(line.as_bytes()).parse_unstructured() {
        HeaderValue::Text(text) => text.into_owned(),
        _ => String::new(),
    };
    clean::line(&text)
}

/// Neighbouring encoded words of one character set become one word: a character may
/// have been cut in two between them, though RFC 2047 §5 forbids that.
pub(super) fn joined_words(value: &str) -> String {
    let mut out = String::with_capacity(value.len());
    let mut rest = value;
    // The start of the word that is open, such as `=?utf-8?B?`.
    let mut open: Option<String> = None;
    while let Some(start) = rest.find("=?") {
        let (before, word) = rest.split_at(start);
        let Some((head, content, after)) = encoded_word(word) else {
            out.push_str(open.take().map_or("", |_| "?="));
            out.push_str(before);
            out.push_str("=?");
            rest = word.get(2..).unwrap_or_default();
            continue;
        };
        let continues = before.trim().is_empty() && open.as_deref() == Some(head.as_str());
        if !continues {
            out.push_str(open.take().map_or("", |_| "?="));
            out.push_str(before);
            out.push_str(&head);
        }
        out.push_str(content);
        open = Some(head);
        rest = after;
    }
    out.push_str(open.map_or("", |_| "?="));
    out.push_str(rest);
    out
}

/// `=?charset?B?` in lower case, what it holds, and what follows it.
fn encoded_word(word: &str) -> Option<(String, &str, &str)> {
    let inner = word.strip_prefix("=?")?;
    let (charset, inner) = inner.split_once('?')?;
    let (encoding, inner) = inner.split_once('?')?;
    let (content, after) = inner.split_once("?=")?;
    let is_token =
        !charset.is_empty() && charset.len() < 64 && charset.bytes().all(|b| b.is_ascii_graphic());
    let is_word = is_token && matches!(encoding, "b" | "B" | "q" | "Q") && !content.contains('?');
    is_word.then(|| {
        (
            format!("=?{}?{}?", charset.to_ascii_lowercase(), encoding.to_ascii_uppercase()),
            content,
            after,
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_between_two_encoded_words_is_whole_again() {
        for subject in [
            "=?utf-8?Q?caf=C3?= =?UTF-8?q?=A9_au_lait?=",
            "=?utf-8?B?Y2Fmww==?=\r\n =?utf-8?B?qSBhdSBsYWl0?=",
        ] {
            assert_eq!(decoded(subject), "café au lait");
        }
    }

    #[test]
    fn words_of_two_character_sets_an_unknown_one_and_none_at_all_are_read() {
        assert_eq!(decoded("=?iso-8859-1?Q?=FC?= =?utf-8?Q?=C3=A9?="), "üé");
        assert_eq!(decoded("=?x-unknown?Q?Boards_are_empty?="), "Boards are empty");
        assert_eq!(decoded("50 =? and ?= 3=?"), "50 =? and ?= 3=?");
        assert_eq!(
            decoded("=?ISO-2022-JP?B?GyRCPCtGMEpWPy4kSyREJCQkRhsoQg==?="),
            "自動返信について"
        );
    }
}
