//! Text as it may be stored and shown: no control characters, one normal form.

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// A text of several lines: U+0000 becomes U+FFFD, other control characters but line
/// ends and tabs vanish, as do the tag characters in which text can be hidden.
pub(super) fn text(text: &str) -> String {
    let text = text.replace("\r\n", "\n").replace('\r', "\n").replace('\0', "\u{fffd}");
    let kept = |symbol: &char| {
        matches!(symbol, '\n' | '\t')
            || !symbol.is_control() && !is_tag(*symbol) && *symbol != '\u{feff}'
    };
    normal(text.chars().filter(kept).collect())
}

/// One line: every run of white space and control characters is one space.
pub(super) fn line(text: &str) -> String {
    let spaced: String = text
        .replace('\0', "\u{fffd}")
        .chars()
        .filter(|symbol| !is_tag(*symbol) && !turns(*symbol))
        .map(|symbol| if symbol.is_control() { ' ' } else { symbol })
        .collect();
    normal(spaced.split_whitespace().collect::<Vec<_>>().join(" "))
}

/// A file's name: the last part of a path, nothing that a file system or a reader could
/// take for something else, at most 120 characters; `None` where nothing is left.
pub(super) fn file_name(name: &str) -> Option<String> {
    const LONGEST: usize = 120;
    let name = line(&name.replace('\0', ""));
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let safe: String = last
        .chars()
        .filter(|symbol| !"<>:\"|?*".contains(*symbol) && *symbol != '\u{fffd}')
        .collect();
    let safe = safe.trim_matches(|symbol: char| symbol == '.' || symbol.is_whitespace());
    let count = safe.chars().count();
    let short: String = match safe.rsplit_once('.') {
        // The ending says what it is.
        Some((stem, ending)) if count > LONGEST && ending.chars().count() <= 10 => {
            let room = LONGEST - ending.chars().count() - 1;
            stem.chars().take(room).chain(".".chars()).chain(ending.chars()).collect()
        }
        _ => safe.chars().take(LONGEST).collect(),
    };
    (!short.is_empty()).then_some(short)
}

fn is_tag(symbol: char) -> bool {
    matches!(symbol, '\u{e0000}'..='\u{e007f}')
}

/// Marks and overrides of direction, and what has no width.
fn turns(symbol: char) -> bool {
    matches!(symbol, '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{61c}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

fn normal(text: String) -> String {
    match is_nfc_quick(text.chars()) {
        IsNormalized::Yes => text,
        _ => text.nfc().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_files_name_has_no_path_no_dots_above_and_turns_nothing_around() {
        for (name, safe) in [
            ("../../etc/passwd", "passwd"),
            ("C:\\Users\\x\\invoice.pdf", "invoice.pdf"),
            ("photo\u{202e}gpj.exe", "photogpj.exe"),
            ("a\0b\r\n.txt", "ab .txt"),
            ("..hidden..", "hidden"),
            ("cafe\u{301}.txt", "café.txt"),
        ] {
            assert_eq!(file_name(name).as_deref(), Some(safe));
        }
        assert_eq!(file_name(".."), None);
        assert_eq!(file_name("/"), None);
        let long = file_name(&format!("{}.tar.gz", "x".repeat(400))).unwrap();
        assert!(long.chars().count() == 120 && long.ends_with(".gz"));
    }

    #[test]
    fn a_text_loses_what_cannot_be_seen() {
        assert_eq!(text("a\0b\r\nc\u{7}\u{e0041}\rd\u{feff}"), "a\u{fffd}b\nc\nd");
        assert_eq!(line(" a\r\n\tb\u{202e}c "), "a bc");
    }
}
