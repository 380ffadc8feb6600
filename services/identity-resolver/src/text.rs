//! Bounds and normal forms of what customers type.

use sha2::{Digest as _, Sha256};
use unicode_segmentation::UnicodeSegmentation as _;

/// Bytes kept of a message: many times what the form takes, and far below the
/// bound of every event that may carry it further.
pub(crate) const BODY_BYTES: usize = 64 << 10;

/// Bytes kept of a name or a subject.
pub(crate) const LINE_BYTES: usize = 1 << 10;

/// The form under which an address is one identifier.
pub(crate) fn normal_email(typed: &str) -> String {
    typed.trim().to_lowercase()
}

/// Signs that a shown name has at most.
const NAME_SIGNS: usize = 80;

/// A name that a provider passes on from its owner.
pub(crate) fn clean_name(shown: &str) -> String {
    clean_line(shown, NAME_SIGNS)
}

/// One line, nothing that turns the direction of what stands around it, of bounded length.
pub(crate) fn clean_line(shown: &str, most_signs: usize) -> String {
    let turns = |symbol: char| {
        matches!(symbol, '\u{200E}' | '\u{200F}' | '\u{061C}' | '\u{202A}'..='\u{202E}'
            | '\u{2066}'..='\u{2069}' | '\u{FEFF}' | '\u{2028}' | '\u{2029}')
    };
    let plain: String = shown
        .chars()
        .take(16 * most_signs)
        .map(|symbol| if symbol.is_control() || turns(symbol) { ' ' } else { symbol })
        .collect();
    let line = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut bytes = 0;
    let fits = |grapheme: &&str| {
        bytes += grapheme.len();
        bytes <= LINE_BYTES
    };
    let kept: String = line.graphemes(true).take(most_signs).take_while(fits).collect();
    kept.trim_end().to_owned()
}

/// Equal for equal submissions of one address. Lengths keep the fields apart.
pub(crate) fn content_hash(email: &str, subject: &str, message: &str) -> [u8; 32] {
    let mut hash = Sha256::new();
    for field in [email, subject, message] {
        hash.update((field.len() as u64).to_be_bytes());
        hash.update(field);
    }
    hash.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_name_is_one_short_line_that_turns_nothing() {
        assert_eq!(clean_name(" José \n\"Pepe\"\tÑandú "), "José \"Pepe\" Ñandú");
        assert_eq!(clean_name("a\u{202E}gpj.exe\u{2066}b"), "a gpj.exe b");
        assert_eq!(clean_name(&"👨‍👩‍👧‍👦".repeat(2_000)), "👨‍👩‍👧‍👦".repeat(40));
        assert_eq!(clean_name(&"x".repeat(10_000)).len(), 80);
        assert!(clean_name(&format!("x{}", "\u{301}".repeat(10_000))).len() <= LINE_BYTES);
        assert_eq!(clean_name("\u{200F}\n"), "");
    }

    #[test]
    fn moving_text_from_one_field_to_the_next_changes_the_hash() {
        assert_eq!(content_hash("a", "b", "c"), content_hash("a", "b", "c"));
        assert_ne!(content_hash("a", "bc", ""), content_hash("a", "b", "c"));
    }
}
