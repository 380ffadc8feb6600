//! Bounds of texts: no event is over 256 KiB.

/// Stands where a text was cut; the original stays where it came from.
pub const CUT_MARK: &str = "\n[cut here: the text was longer]";

/// At most `bytes` of the text, the mark included, cut between characters.
pub fn cut(mut text: String, bytes: usize) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_characters_and_says_so() {
        const BYTES: usize = 64 << 10;

        let text = cut("ä".repeat(BYTES), BYTES);

        assert!(text.len() <= BYTES && text.len() > BYTES - 2);
        assert!(text.ends_with(CUT_MARK));
        assert_eq!(cut("short".into(), BYTES), "short");
    }
}
