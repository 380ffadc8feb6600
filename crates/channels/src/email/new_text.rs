//! What a sender wrote anew: without the mail that is answered, without signature.

use super::lines::{Line, count, words};
use super::lists::QUOTES;

/// An attribution wraps over so many lines at most.
const WRAPPED: usize = 4;

/// Lines that are looked at. Nobody writes more anew, and looking for where an answer
/// ends takes longer the more there are.
const MOST_LINES: usize = 10_000;

/// The new part. Empty only where the whole is; what has no new words stays whole.
pub(super) fn new_text(lines: &[Line]) -> Vec<Line> {
    let lines = lines.get(..MOST_LINES).unwrap_or(lines);
    let kept = without_signature(without_quotes(lines));
    if words(kept) > 0 { kept.to_vec() } else { lines.to_vec() }
}

fn without_quotes(lines: &[Line]) -> &[Line] {
    let end = (0..lines.len()).find(|at| is_cut(lines, *at)).unwrap_or(lines.len());
    let mut kept = trimmed(lines.get(..end).unwrap_or(lines));
    // A rule above what was cut belongs to it.
    if let Some((last, above)) = kept.split_last().filter(|_| end < lines.len())
        && is_rule(&last.text, 3)
    {
        kept = trimmed(above);
    }
    without_trailing_quote(kept)
}

/// Whether the quoted mail starts at this line, and everything new stands above.
fn is_cut(lines: &[Line], at: usize) -> bool {
    let (above, below) = lines.split_at_checked(at).unwrap_or((lines, &[]));
    let Some(first) = below.first().filter(|line| line.quote == 0 && !line.is_blank()) else {
        return false;
    };
    let starts = is_separator(&first.text) || is_header_block(below) || is_ruled_headers(below);
    if starts {
        return has_new_words(above);
    }
    let Some(length) = attribution(below) else { return false };
    let rest = below.get(length..).unwrap_or_default();
    has_new_words(above) && !is_answered_below(rest)
}

/// Words that are neither quoted nor an attribution of what is.
fn has_new_words(lines: &[Line]) -> bool {
    lines.iter().enumerate().any(|(at, line)| {
        line.quote == 0
            && count(&line.text) > 0
            && attribution(lines.get(at..).unwrap_or_default()).is_none()
    })
}

/// Whether new words follow the quote that starts here: answers between its lines.
fn is_answered_below(rest: &[Line]) -> bool {
    let is_marked = rest.iter().find(|line| !line.is_blank()).is_some_and(|line| line.quote > 0);
    let after = rest.iter().position(|line| !line.is_blank() && line.quote == 0);
    let Some(after) = after.filter(|_| is_marked).and_then(|at| rest.get(at..)) else {
        return false;
    };
    !after.first().is_some_and(|line| is_signature(&line.text))
        && without_signature(after).iter().any(|line| line.quote == 0 && count(&line.text) > 0)
}

/// Quoted lines at the end, and the line that says whose they are.
fn without_trailing_quote(lines: &[Line]) -> &[Line] {
    let new = |line: &Line| line.quote == 0 && !line.is_blank();
    let signature = lines.iter().position(|line| line.quote == 0 && is_signature(&line.text));
    let body = signature.map_or(lines, |at| lines.get(..at).unwrap_or(lines));
    let end = body.iter().rposition(new).map_or(0, |at| at + 1);
    let has_quote = body.iter().skip(end).any(|line| line.quote > 0);
    // A signature below the quote goes with it.
    let mut kept = if has_quote { body.get(..end).unwrap_or(body) } else { lines };
    if has_quote {
        for length in 1..=WRAPPED {
            let at = kept.len().saturating_sub(length);
            let tail = kept.get(at..).unwrap_or_default();
            if attribution(tail) == Some(length)
                || length == 1 && tail.first().is_some_and(introduces)
            {
                kept = kept.get(..at).unwrap_or(kept);
                break;
            }
        }
    }
    kept
}

/// A line in any language that a quote follows: it names an address or a time.
fn introduces(line: &Line) -> bool {
    let text = line.text.trim_end();
    let digits = text.chars().filter(char::is_ascii_digit).count();
    text.ends_with([':', '：']) && (text.contains('@') || digits >= 6)
}

/// How many lines the "… wrote:" takes that starts here.
fn attribution(lines: &[Line]) -> Option<usize> {
    let first = lines.first()?;
    let mut joined = String::new();
    for (at, line) in lines.iter().take(WRAPPED).enumerate() {
        if line.is_blank() || line.quote != first.quote {
            return None;
        }
        joined.push_str(line.text.trim());
        joined.push(' ');
        if joined.len() > 400 {
            return None;
        }
        if joined.trim_end().ends_with([':', '：']) {
            let next = lines.get(at + 1..).unwrap_or_default().iter().find(|line| !line.is_blank());
            let is_quoted = next.is_some_and(|next| next.quote > first.quote);
            return is_attribution(joined.trim(), at == 0, is_quoted).then_some(at + 1);
        }
    }
    None
}

fn is_attribution(text: &str, is_one_line: bool, is_quoted_below: bool) -> bool {
    let lower = text.to_lowercase().replace('*', "");
    let wrote = QUOTES.wrote.iter().any(|verb| has_word(&lower, verb));
    let starts = QUOTES.starts.iter().any(|word| starts_with_word(&lower, word))
        || lower.starts_with(|first: char| first.is_ascii_digit());
    let digits = lower.chars().filter(char::is_ascii_digit).count();
    let says_who_and_when = lower.contains('@') || digits >= 3;
    match (wrote, starts) {
        (true, true) => says_who_and_when || is_quoted_below,
        (true, false) => is_one_line && (is_quoted_below || lower.contains('@')),
        (false, true) => lower.contains('@') && digits >= 3,
        (false, false) => is_one_line && is_quoted_below && lower.contains('@'),
    }
}

/// A line such as `-----Original Message-----`.
fn is_separator(text: &str) -> bool {
    let lower = text.trim().to_lowercase().replace('’', "'");
    if QUOTES.bare_separators.contains(&lower) {
        return true;
    }
    let ruled = |symbol: char| matches!(symbol, '-' | '_' | '*' | '=' | '—' | '–' | '|');
    let left = lower.chars().take_while(|symbol| ruled(*symbol)).count();
    let words =
        lower.trim_matches(|symbol: char| ruled(symbol) || symbol.is_whitespace() || symbol == ':');
    let is_known = QUOTES.separators.iter().any(|known| {
        words == known
            || words.strip_prefix(known.as_str()).is_some_and(|rest| rest.starts_with(' '))
    });
    left >= 2 && is_known
}

/// At least two labelled lines of a header block, the sender's among the first.
fn is_header_block(lines: &[Line]) -> bool {
    let labels: Vec<Label> = lines
        .iter()
        .filter(|line| !line.is_blank())
        .take(4)
        .map_while(|line| label(&line.text))
        .collect();
    labels.len() >= 2
        && labels.iter().take(2).any(|label| *label == Label::From)
        && labels.contains(&Label::Other)
}

#[derive(Debug, PartialEq, Eq)]
enum Label {
    From,
    Other,
}

fn label(text: &str) -> Option<Label> {
    let (name, value) = text.split_once([':', '：'])?;
    let name = name.trim().trim_matches('*').trim().to_lowercase();
    let value = value.trim().trim_matches('*').trim();
    let is = |list: &[String]| list.contains(&name);
    // "From" alone, with nothing behind it, is a heading.
    if is(&QUOTES.from) && !value.is_empty() {
        return Some(Label::From);
    }
    is(&QUOTES.others).then_some(Label::Other)
}

/// A long rule and a header block right below it.
fn is_ruled_headers(lines: &[Line]) -> bool {
    let is_rule = lines.first().is_some_and(|line| is_rule(&line.text, 20));
    let next = lines.iter().skip(1).find(|line| !line.is_blank());
    let first_label = next.and_then(|line| label(&line.text));
    is_rule && first_label == Some(Label::From)
}

fn is_rule(text: &str, least: usize) -> bool {
    let text = text.trim();
    text.chars().count() >= least
        && text.chars().all(|symbol| matches!(symbol, '_' | '-' | '—' | '='))
}

fn is_signature(text: &str) -> bool {
    text == "-- " || text.trim_end() == "--" || text.trim_end() == "\u{2014}\u{2014}"
}

/// Cuts a signature, what a telephone adds and legal notices, where words stand above.
fn without_signature(lines: &[Line]) -> &[Line] {
    let mut kept = trimmed(lines);
    // Each line is looked at a few times at most: a mail may have half a million.
    let first_words = kept.iter().position(|line| count(&line.text) > 0).unwrap_or(kept.len());
    for at in first_words + 1..kept.len() {
        let (above, below) = kept.split_at_checked(at).unwrap_or((kept, &[]));
        if below.first().is_some_and(|line| line.quote == 0 && !line.is_blank())
            && is_end(above, below)
        {
            kept = trimmed(above);
            break;
        }
    }
    while let Some((last, above)) = kept.split_last() {
        if last.quote > 0 || !is_sent_from(&last.text) || words(above) == 0 {
            break;
        }
        kept = trimmed(above);
    }
    kept
}

fn is_end(above: &[Line], below: &[Line]) -> bool {
    /// A signature; what is longer is a text with a line of two dashes in it.
    const LINES: usize = 15;
    let Some(first) = below.first() else { return false };
    let is_short = || below.iter().filter(|line| !line.is_blank()).nth(LINES).is_none();
    let opens_paragraph = above.last().is_none_or(|line| line.is_blank() || is_rule(&line.text, 3));
    let lower = first.text.trim().trim_start_matches(['*', '_', '-', ' ']).to_lowercase();
    let next = || below.get(1..).unwrap_or_default().iter().find(|line| !line.is_blank());
    let list_footer = is_rule(&first.text, 20)
        && next().is_some_and(|line| {
            let text = line.text.to_lowercase();
            QUOTES.list_footers.iter().any(|footer| text.contains(footer.as_str()))
        });
    (first.text == "-- " || is_signature(&first.text) && is_short())
        || opens_paragraph && QUOTES.notices.iter().any(|notice| lower.starts_with(notice.as_str()))
        || list_footer
}

fn is_sent_from(text: &str) -> bool {
    let lower = text
        .trim()
        .trim_start_matches(['-', '_', '*', '(', '[', ' '])
        .to_lowercase()
        .replace('’', "'");
    count(&lower) <= 14 && QUOTES.sent_from.iter().any(|start| lower.starts_with(start.as_str()))
}

fn trimmed(lines: &[Line]) -> &[Line] {
    let end = lines.iter().rposition(|line| !line.is_blank()).map_or(0, |at| at + 1);
    lines.get(..end).unwrap_or(lines)
}

/// Whether the words stand in the text on their own.
pub(super) fn has_word(text: &str, word: &str) -> bool {
    let is_inner = |symbol: char| symbol.is_alphanumeric();
    // Scripts without spaces have no ends of words.
    let has_ends = word.chars().all(|symbol| (symbol as u32) < 0x0e00);
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|text| text.chars().next());
        let starts = word.starts_with(is_inner) && before.is_some_and(is_inner);
        let ends = word.ends_with(is_inner) && after.is_some_and(is_inner);
        !has_ends || !(starts || ends)
    })
}

fn starts_with_word(text: &str, word: &str) -> bool {
    let after = text.strip_prefix(word);
    after.is_some_and(|rest| {
        !word.is_ascii() || !rest.starts_with(|symbol: char| symbol.is_alphanumeric())
    })
}
