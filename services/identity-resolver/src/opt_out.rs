//! Who wants no more messages, and who wants them again.

use std::collections::HashMap;
use std::sync::LazyLock;

/// What a message says about messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Stop,
    Start,
}

/// Read from the list once: it belongs to the program and is checked by its test.
static WORDS: LazyLock<HashMap<String, Wish>> = LazyLock::new(|| {
    let mut words = HashMap::new();
    let mut wish = Wish::Stop;
    for line in include_str!("opt_out_words.txt").lines().map(str::trim) {
        match line {
            "[stop]" => wish = Wish::Stop,
            "[start]" => wish = Wish::Start,
            line if line.is_empty() || line.starts_with('#') => {}
            line => drop(words.insert(folded(line), wish)),
        }
    }
    words
});

/// Longer messages say something else as well.
const LONGEST: usize = 64;

/// Reads the whole message; what the provider has recognised goes before.
pub(crate) fn wish(text: &str, recognised: Option<&str>) -> Option<Wish> {
    match recognised.map(str::trim) {
        Some(word) if word.eq_ignore_ascii_case("stop") => return Some(Wish::Stop),
        Some(word) if word.eq_ignore_ascii_case("start") => return Some(Wish::Start),
        _ => {}
    }
    (text.len() <= LONGEST).then(|| WORDS.get(&folded(text)).copied()).flatten()
}

/// In lower case, words only, one space between them.
fn folded(text: &str) -> String {
    // Vowel signs of some writings are no letters to Rust, but are to their readers.
    let is_word =
        |symbol: char| symbol.is_alphanumeric() || u32::from(symbol) >= 0x0300 && !is_sign(symbol);
    let spaced: String = text
        .to_lowercase()
        .chars()
        .map(|symbol| if is_word(symbol) { symbol } else { ' ' })
        .collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Punctuation, symbols and emoji beyond Latin.
fn is_sign(symbol: char) -> bool {
    matches!(u32::from(symbol), 0x2000..=0x2BFF | 0x3000..=0x303F | 0xFE00..=0xFE0F | 0xFF00..=0xFF0F
        | 0x1F000..=0x1FAFF)
        || matches!(symbol, '،' | '؟' | '।')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_is_only_the_word_counts_in_any_case_and_language() {
        for text in [
            "STOP",
            "stop",
            " Stop! ",
            "UNSUBSCRIBE.",
            "Stop all",
            "PARAR",
            "Arrêt",
            "停止。",
            "रोकें",
            "СТОП 🛑",
        ] {
            assert_eq!(wish(text, None), Some(Wish::Stop), "{text}");
        }
        for text in ["START", "unstop", "Start 👋", "शुरू"] {
            assert_eq!(wish(text, None), Some(Wish::Start), "{text}");
        }
    }

    #[test]
    fn a_message_that_says_more_is_a_message() {
        for text in [
            "",
            "how do I stop a timer",
            "stop charging me",
            "cancel",
            "end",
            "quit",
            "🛑",
            "the export stops",
        ] {
            assert_eq!(wish(text, None), None, "{text}");
        }
    }

    #[test]
    fn what_the_provider_recognised_goes_before() {
        assert_eq!(wish("cancel", Some("STOP")), Some(Wish::Stop));
        assert_eq!(wish("yes", Some("START")), Some(Wish::Start));
        assert_eq!(wish("help", Some("HELP")), None);
    }
}
