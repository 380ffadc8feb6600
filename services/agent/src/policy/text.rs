//! The customer's own words: quotes and signatures removed, cut into sentences
//! and folded tokens. Meaning is judged elsewhere.

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

/// Longest line that still looks like one of a signature.
const SIGNATURE_LINE_CHARS: usize = 60;
/// Most lines that a signature without a delimiter has.
const SIGNATURE_LINES: usize = 6;
/// A line at least this long was wrapped, not ended.
const WRAPPED_LINE_CHARS: usize = 50;

const CLOSINGS: &[&str] = &[
    "best",
    "best regards",
    "best wishes",
    "cheers",
    "greetings",
    "kind regards",
    "many thanks",
    "mit freundlichen grüßen",
    "regards",
    "saludos",
    "sincerely",
    "thank you",
    "thanks",
    "thanks and regards",
    "viele grüße",
    "warm regards",
    "with kind regards",
    "yours",
    "yours faithfully",
    "yours sincerely",
    "yours truly",
];

/// What the customer wrote here and now: without quoted mail and signatures.
pub(crate) fn own_words(raw: &str) -> String {
    let lines: Vec<&str> = raw.lines().collect();
    let mut own: Vec<&str> = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        let rest = lines.get(number + 1..).unwrap_or_default();
        let trimmed = line.trim();
        if trimmed.starts_with('>') {
            continue;
        }
        if is_quote_header(trimmed, rest) {
            let quote_is_marked = rest
                .iter()
                .map(|line| line.trim())
                .find(|line| !line.is_empty() && !line.ends_with(':'))
                .is_some_and(|line| line.starts_with('>'));
            if quote_is_marked {
                continue;
            }
            break;
        }
        if is_forwarded_header(trimmed, rest) || *line == "-- " || trimmed == "--" {
            break;
        }
        if trimmed.to_lowercase().starts_with("sent from my ") {
            continue;
        }
        own.push(line);
        if is_closing(trimmed) && looks_like_signature(rest) {
            break;
        }
    }
    own.join("\n").trim().to_owned()
}

/// "On Monday … wrote:" in the languages of common mail programs, on one line or two.
fn is_quote_header(line: &str, rest: &[&str]) -> bool {
    const OPENINGS: &[&str] = &["On ", "Am ", "El ", "Le ", "Il ", "Em ", "Op "];
    const ENDINGS: &[&str] =
        &["wrote:", "schrieb:", "escribió:", "a écrit :", "a écrit:", "ha scritto:", "escreveu:"];
    if !OPENINGS.iter().any(|opening| line.starts_with(opening)) {
        return false;
    }
    let next = rest.first().map_or("", |line| line.trim());
    let dated = line.bytes().any(|byte| byte.is_ascii_digit());
    let ends = |text: &str| {
        ENDINGS.iter().any(|ending| text.ends_with(ending))
            || (text.ends_with(':') && (text.contains(" schrieb ") || text.contains(" schreef ")))
    };
    dated && (ends(line) || (next.len() <= 2 * SIGNATURE_LINE_CHARS && ends(next)))
}

/// The header block that Outlook puts above what it quotes.
fn is_forwarded_header(line: &str, rest: &[&str]) -> bool {
    let lower = line.to_lowercase();
    if lower.starts_with("-----") && lower.contains("message") {
        return true;
    }
    let follows = |names: &[&str]| {
        rest.iter().take(3).any(|line| {
            let line = line.trim().to_lowercase();
            names.iter().any(|name| line.starts_with(name))
        })
    };
    (lower.starts_with("from:") && follows(&["sent:", "date:", "to:"]))
        || (lower.starts_with("von:") && follows(&["gesendet:", "an:"]))
}

fn is_closing(line: &str) -> bool {
    let lower = line.to_lowercase();
    CLOSINGS.contains(&lower.trim_end_matches([',', '.', '!', ' ']))
}

/// A few short lines without the marks of a sentence.
fn looks_like_signature(rest: &[&str]) -> bool {
    let lines: Vec<&str> = rest.iter().map(|line| line.trim()).filter(|l| !l.is_empty()).collect();
    lines.len() <= SIGNATURE_LINES
        && lines.iter().all(|line| {
            line.chars().count() <= SIGNATURE_LINE_CHARS
                && !line.ends_with(['.', '?', '!'])
                && !line.to_lowercase().starts_with("ps")
                && !line.to_lowercase().starts_with("p.s")
                && line.split_whitespace().count() <= 8
        })
}

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

fn is_apostrophe(symbol: char) -> bool {
    matches!(symbol, '\'' | '’' | '‘' | '`' | '´')
}

/// Lower case, without accents, apostrophes as `'`.
pub(crate) fn fold(word: &str) -> String {
    let mut folded = String::with_capacity(word.len());
    for symbol in word.chars().flat_map(char::to_lowercase) {
        match symbol {
            'à'..='å' | 'ā' | 'ă' | 'ą' => folded.push('a'),
            'ç' | 'ć' | 'č' => folded.push('c'),
            'è'..='ë' | 'ē' | 'ę' | 'ě' => folded.push('e'),
            'ì'..='ï' | 'ī' | 'ı' => folded.push('i'),
            'ñ' | 'ń' | 'ň' => folded.push('n'),
            'ò'..='ö' | 'ø' | 'ō' | 'ő' => folded.push('o'),
            'ù'..='ü' | 'ū' | 'ů' | 'ű' => folded.push('u'),
            'ý' | 'ÿ' => folded.push('y'),
            'ś' | 'š' | 'ş' => folded.push('s'),
            'ź' | 'ż' | 'ž' => folded.push('z'),
            'ł' => folded.push('l'),
            'ğ' => folded.push('g'),
            'ß' => folded.push_str("ss"),
            'æ' => folded.push_str("ae"),
            'œ' => folded.push_str("oe"),
            other if is_apostrophe(other) => folded.push('\''),
            '\u{300}'..='\u{36f}' => {}
            other => folded.push(other),
        }
    }
    folded
}

/// Words that are written in one and mean several, and short forms.
fn expansion(folded: &str) -> Option<&'static str> {
    let words = match folded {
        "cannot" | "cant" | "can't" => "can not",
        "wont" | "won't" => "will not",
        "dont" => "do not",
        "doesnt" => "does not",
        "didnt" => "did not",
        "isnt" => "is not",
        "arent" => "are not",
        "wasnt" => "was not",
        "werent" => "were not",
        "havent" => "have not",
        "hasnt" => "has not",
        "hadnt" => "had not",
        "couldnt" => "could not",
        "wouldnt" => "would not",
        "shouldnt" => "should not",
        "ain't" | "aint" => "is not",
        "ive" => "i have",
        "im" => "i am",
        "gimme" => "give me",
        "lemme" => "let me",
        "wanna" => "want to",
        "gonna" => "going to",
        "gotta" => "have to",
        "pls" | "plz" | "plse" => "please",
        "u" => "you",
        "ur" => "your",
        "acct" => "account",
        "thx" | "tnx" => "thanks",
        "asap" => "as soon as possible",
        "sb" | "smb" => "somebody",
        "sbdy" => "somebody",
        _ => return None,
    };
    Some(words)
}

/// "don't" is "do not", "i'd" is "i would"; a possessive loses its ending.
fn split_contraction(folded: &str) -> Vec<String> {
    if let Some(verb) = folded.strip_suffix("n't") {
        return vec![verb.to_owned(), "not".to_owned()];
    }
    let Some((stem, ending)) = folded.rsplit_once('\'') else { return vec![folded.to_owned()] };
    let second = match ending {
        "d" => "would",
        "ll" => "will",
        "ve" => "have",
        "re" => "are",
        "m" => "am",
        "s" if matches!(stem, "it" | "that" | "what" | "here" | "there" | "where" | "how") => "is",
        "s" | "" => return vec![stem.to_owned()],
        other => other,
    };
    vec![stem.to_owned(), second.to_owned()]
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
    fn quoted_lines_and_their_header_are_not_own_words() {
        let mail = "That is fine.\n\nOn Mon, 5 Jan 2026 at 10:00, Support wrote:\n> I want a refund\n> now\nAnd one more thing.";

        assert_eq!(own_words(mail), "That is fine.\n\nAnd one more thing.");
    }

    #[test]
    fn an_unmarked_quote_below_its_header_is_cut_off() {
        let mail = "Works now.\nAm 5. Januar 2026 schrieb Sam:\nDelete my account.";

        assert_eq!(own_words(mail), "Works now.");
    }

    #[test]
    fn a_signature_is_cut_with_and_without_its_delimiter() {
        assert_eq!(own_words("Hello there\n-- \nSam, Refund Lawyer"), "Hello there");
        assert_eq!(
            own_words("All good.\nBest regards,\nSam\nLegal Counsel"),
            "All good.\nBest regards,"
        );
        assert_eq!(own_words("Thanks,\nI want a refund."), "Thanks,\nI want a refund.");
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
