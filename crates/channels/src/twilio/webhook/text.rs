//! Bounds and harmless forms of what a customer writes.

use contract::cut;

/// WhatsApp carries 4,096 characters, of four bytes at most: twice that.
pub(super) const BODY_BYTES: usize = 32 << 10;

/// What a button carries back to us is a few words of ours.
pub(super) const PAYLOAD_BYTES: usize = 1 << 10;

/// Characters kept of a name, a label, an address.
pub(super) const LINE_CHARS: usize = 200;

/// Characters kept of a word of Twilio's, such as a type.
pub(super) const WORD_CHARS: usize = 100;

/// A message as it was written, but for U+0000, which no database keeps; cut between
/// characters, the mark included.
pub(super) fn body(text: &str, most_bytes: usize) -> String {
    cut(text.replace('\0', "\u{FFFD}"), most_bytes)
}

/// One line: white space and control characters become spaces, and what turns the
/// direction of the text around it is left out.
pub(super) fn line(text: &str, most_chars: usize) -> String {
    let plain = text.chars().filter(|c| !turns_direction(*c));
    let plain = plain.map(|c| if c.is_control() || c.is_whitespace() { ' ' } else { c });
    let kept: String = plain.skip_while(|c| *c == ' ').take(most_chars).collect();
    kept.trim_end().to_owned()
}

fn turns_direction(c: char) -> bool {
    matches!(
        c,
        '\u{061C}' | '\u{200E}' | '\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}'
    )
}
