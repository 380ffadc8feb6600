//! Text as sentences of folded tokens. Meaning is judged elsewhere.

use crate::policy::fold::{expansion, fold, is_apostrophe, split_contraction};

/// One word, folded for comparison.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    pub(crate) text: String,
    /// Bytes of the own words that it stands for.
    pub(crate) start: usize,
    pub(crate) end: usize,
    /// A comma, colon, dash or line break stands before it.
    pub(crate) opens_clause: bool,
}

/// Words up to a full stop, question mark, exclamation mark or blank line.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sentence {
    pub(crate) tokens: Vec<Token>,
    pub(crate) is_question: bool,
}

/// Stand-ins for what is no word.
pub(crate) const LINK: &str = "<link>";
pub(crate) const ADDRESS: &str = "<address>";
pub(crate) const MONEY: &str = "<money>";
pub(crate) const JOKE: &str = "<joke>";

/// A line at least this long was wrapped, not ended.
const WRAPPED_LINE_CHARS: usize = 50;

/// Cuts text into sentences of folded tokens.
pub(crate) fn sentences(text: &str) -> Vec<Sentence> {
    let mut reader = Reader::default();
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let content = line.trim_end();
        if content.trim().is_empty() {
            reader.end_sentence(false);
        }
        for (start, chunk) in chunks(content) {
            reader.chunk(chunk, offset + start);
        }
        if content.chars().count() < WRAPPED_LINE_CHARS {
            reader.clause = true;
        }
        offset += line.len();
    }
    reader.end_sentence(false);
    reader.done
}

/// The pieces between white space, with their byte offsets.
fn chunks(line: &str) -> impl Iterator<Item = (usize, &str)> {
    line.split_whitespace().map(|chunk| (chunk.as_ptr() as usize - line.as_ptr() as usize, chunk))
}

#[derive(Default)]
struct Reader {
    done: Vec<Sentence>,
    open: Sentence,
    clause: bool,
}

impl Reader {
    fn end_sentence(&mut self, is_question: bool) {
        self.clause = false;
        if self.open.tokens.is_empty() {
            return;
        }
        let mut sentence = std::mem::take(&mut self.open);
        sentence.is_question = is_question;
        self.done.push(sentence);
    }

    fn push(&mut self, text: &str, start: usize, end: usize) {
        let opens_clause = std::mem::take(&mut self.clause);
        self.open.tokens.push(Token { text: text.to_owned(), start, end, opens_clause });
    }

    fn chunk(&mut self, chunk: &str, offset: usize) {
        if let Some(stand_in) = stand_in(chunk) {
            self.push(stand_in, offset, offset + chunk.len());
            if let Some(mark) = chunk.chars().last() {
                self.mark(mark, true);
            }
            return;
        }
        let mut word_start = None;
        let mut places = chunk.char_indices().peekable();
        while let Some((at, symbol)) = places.next() {
            let next = places.peek().map(|(_, symbol)| *symbol);
            let inside = symbol.is_alphanumeric()
                || (is_apostrophe(symbol)
                    && word_start.is_some()
                    && next.is_some_and(char::is_alphabetic));
            if inside {
                word_start.get_or_insert(at);
                continue;
            }
            if let Some(start) = word_start.take() {
                self.word(chunk.get(start..at).unwrap_or_default(), offset + start, offset + at);
            }
            if is_laughing(symbol) {
                self.push(JOKE, offset + at, offset + at + symbol.len_utf8());
            }
            self.mark(symbol, next.is_none_or(|next| !next.is_alphanumeric()));
        }
        if let Some(start) = word_start {
            let word = chunk.get(start..).unwrap_or_default();
            self.word(word, offset + start, offset + chunk.len());
        }
    }

    /// A mark ends a clause or, at the end of a chunk, a sentence.
    fn mark(&mut self, mark: char, is_last: bool) {
        match mark {
            '?' | '？' => self.end_sentence(true),
            '!' | '！' | '。' | '…' => self.end_sentence(false),
            '.' if is_last && !self.after_abbreviation() => self.end_sentence(false),
            ',' | ';' | ':' | '(' | ')' | '—' | '–' => self.clause = true,
            '-' if is_last => self.clause = true,
            _ => {}
        }
    }

    fn after_abbreviation(&self) -> bool {
        const ABBREVIATIONS: &[&str] = &["mr", "mrs", "ms", "dr", "vs", "etc", "approx", "bzw"];
        self.open.tokens.last().is_some_and(|token| {
            let single = token.text.len() == 1 && token.text != "i";
            single || ABBREVIATIONS.contains(&token.text.as_str())
        })
    }

    fn word(&mut self, word: &str, start: usize, end: usize) {
        let folded = fold(word);
        match expansion(&folded) {
            Some(words) => words.split(' ').for_each(|word| self.push(word, start, end)),
            None => {
                let parts = split_contraction(&folded);
                parts.iter().for_each(|word| self.push(word, start, end));
            }
        }
    }
}

/// Links, addresses, sums and smileys are one token each, whatever words they hold.
fn stand_in(chunk: &str) -> Option<&'static str> {
    let bare = chunk.trim_matches(|symbol: char| "()<>[]\"',;!?".contains(symbol));
    if bare.contains("://") || bare.starts_with("www.") {
        return Some(LINK);
    }
    if bare.split_once('@').is_some_and(|(user, host)| !user.is_empty() && host.contains('.')) {
        return Some(ADDRESS);
    }
    let has_sign = bare.contains(['$', '€', '£', '¥']);
    if has_sign && bare.bytes().any(|byte| byte.is_ascii_digit()) {
        return Some(MONEY);
    }
    [";)", ";-)", ":p", ":-p", ":P", "xD", "XD", ":D", ":-D"].contains(&chunk).then_some(JOKE)
}

fn is_laughing(symbol: char) -> bool {
    matches!(symbol, '😂' | '🤣' | '😆' | '😜' | '😉' | '😝' | '😅')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<Vec<String>> {
        sentences(text)
            .into_iter()
            .map(|sentence| sentence.tokens.into_iter().map(|token| token.text).collect())
            .collect()
    }

    #[test]
    fn contractions_and_accents_are_folded() {
        assert_eq!(
            words("I don’t KNOW; it's José's café"),
            [["i", "do", "not", "know", "it", "is", "jose", "cafe"]]
        );
    }

    #[test]
    fn a_sentence_ends_at_its_mark_and_not_inside_a_number_or_link() {
        assert_eq!(
            words("Version 2.5 of https://a.example/b?c broke. Why me?"),
            vec![vec!["version", "2", "5", "of", LINK, "broke"], vec!["why", "me"]]
        );
        assert!(sentences("Why me?").iter().all(|sentence| sentence.is_question));
    }

    #[test]
    fn a_wrapped_line_goes_on_and_a_short_line_opens_a_clause() {
        let wrapped = sentences("I am writing this long line to say that I do not want a\nrefund");
        let short = sentences("No\nrefund");

        assert!(!wrapped[0].tokens.last().unwrap().opens_clause);
        assert!(short[0].tokens.last().unwrap().opens_clause);
    }

    #[test]
    fn spans_point_into_the_text() {
        let text = "Please, refund me – 5€.";
        let token = &sentences(text)[0].tokens[1];

        assert_eq!(&text[token.start..token.end], "refund");
    }
}
