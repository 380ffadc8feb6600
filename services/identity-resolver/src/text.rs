//! Bounds and normal forms of what customers type.

use sha2::{Digest as _, Sha256};

/// Bytes kept of a message: many times what the form takes, and far below the
/// bound of every event that may carry it further.
pub(crate) const BODY_BYTES: usize = 64 << 10;

/// Bytes kept of a name or a subject.
pub(crate) const LINE_BYTES: usize = 1 << 10;

/// Stands where a text was cut; the whole text stays in the log.
pub(crate) const CUT_MARK: &str = "\n[cut here: the text was longer]";

/// At most `bytes` of the text, the mark included, cut between characters.
pub(crate) fn cut(mut text: String, bytes: usize) -> String {
    if text.len() > bytes {
        let mut end = bytes.saturating_sub(CUT_MARK.len());
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        text.push_str(CUT_MARK);
    }
    text
}

/// The form under which an address is one identifier.
pub(crate) fn normal_email(typed: &str) -> String {
    typed.trim().to_lowercase()
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
    fn a_long_text_is_cut_between_characters_and_says_so() {
        let text = cut("ä".repeat(BODY_BYTES), BODY_BYTES);

        assert!(text.len() <= BODY_BYTES && text.len() > BODY_BYTES - 2);
        assert!(text.ends_with(CUT_MARK));
        assert_eq!(cut("short".into(), BODY_BYTES), "short");
    }

    #[test]
    fn moving_text_from_one_field_to_the_next_changes_the_hash() {
        assert_eq!(content_hash("a", "b", "c"), content_hash("a", "b", "c"));
        assert_ne!(content_hash("a", "bc", ""), content_hash("a", "b", "c"));
    }
}
