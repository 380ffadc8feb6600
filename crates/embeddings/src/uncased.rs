//! Text as the model was trained on it: lower case, no accents, no control characters.

use rten_text::normalizers::{Bert, BertOptions, NormalizeError, Normalizer};

/// The model's own way to write text. Places in the original are not kept: nothing asks
/// for them.
#[derive(Debug)]
pub(crate) struct Uncased(Bert);

impl Uncased {
    pub(crate) fn new() -> Self {
        Self(Bert::new(BertOptions { lowercase: true, strip_accents: true }))
    }
}

impl Normalizer for Uncased {
    fn normalize(&self, text: &str) -> Result<(String, Vec<usize>), NormalizeError> {
        let (uncased, _) = self.0.normalize(&clean(text))?;
        // The tokenizer counts the two marks before each further part of a word as if they
        // stood in the text, and panics when it looks such a place up in vain.
        let places = vec![0; 3 * uncased.len() + 1];
        Ok((uncased, places))
    }
}

/// Without what nobody sees, and with each Chinese character as a word.
fn clean(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for symbol in text.chars() {
        match symbol {
            '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{2064}' | '\u{feff}' => {}
            '\u{fffd}' => {}
            symbol if symbol.is_whitespace() => clean.push(' '),
            symbol if symbol.is_control() => {}
            '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' => {
                clean.extend([' ', symbol, ' ']);
            }
            symbol => clean.push(symbol),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_lower_case_without_accents_and_without_what_is_not_seen() {
        let (text, _) = Uncased::new().normalize("\u{feff}ÉXP\u{200b}ORT\t\u{0}to 导出").unwrap();

        assert_eq!(text, "export to  导  出 ");
    }
}
