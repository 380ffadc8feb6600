//! Where a text may be broken, and how well: never inside a link, a formatting span or
//! a number, best where a paragraph ends. Pure.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;

/// How good a place is; the best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Level {
    Paragraph,
    Line,
    Sentence,
    Clause,
    Space,
    /// Inside a word: only what cannot be sent otherwise.
    Grapheme,
}

/// A place to break: the text before `at`, trimmed, is a part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Break {
    pub(crate) at: usize,
    pub(crate) level: Level,
    /// Units of the text before, without white space at its edges.
    pub(crate) units: usize,
    /// Whether it lies between the fences of a code block.
    pub(crate) in_code: bool,
}

/// Opens and closes a code block.
pub(crate) const FENCE: &str = "```";

const SENTENCE_ENDS: &str = ".!?…。！？؟।";
const CLAUSE_ENDS: &str = ",;:，；：、";
/// End a sentence or clause without a space behind.
const WIDE_ENDS: &str = "。！？，；：、";
/// May stand between a sentence's end and the space.
const CLOSERS: &str = "\"'”’»)]}*_~`」』）";

/// Words whose full stop ends no sentence; compared in lower case, without the last stop.
const ABBREVIATIONS: &[&str] = &[
    "mr", "mrs", "ms", "dr", "prof", "sr", "sra", "srta", "dra", "jr", "st", "nr", "vs", "approx",
    "fig", "e.g", "i.e", "z.b", "d.h", "u.a", "bzw", "ca", "ggf", "p.ej", "ej", "ud", "uds", "etc",
    "inc", "ltd", "dept", "vol", "mme", "mlle",
];

/// Length as the provider counts it at most: UTF-16 code units.
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// All places before which there are at most `most` units, the start not among them.
/// Places inside what must stay whole are left out, but for what alone is longer.
pub(crate) fn breaks(text: &str, most: usize) -> Vec<Break> {
    // What begins within the bound and may stay whole ends within twice the bound.
    let text = prefix(text, 2 * most + 1);
    let whole = whole(text, most);
    let mut found = Vec::new();
    let (mut line_start, mut in_code, mut fence_above) = (0, false, false);
    // Units so far, and at the end of the last text that can be seen.
    let (mut counted, mut said, mut head) = (0, 0, None);
    let mut says_something = false;
    for (at, grapheme) in text.grapheme_indices(true) {
        let is_line_start = at == line_start;
        let fence_here = is_fence(if is_line_start { line_at(text, at) } else { "" });
        // A code block is not broken before its first or behind its last line.
        let at_fence = in_code && is_line_start && (fence_here || fence_above);
        let in_fence = fence_above && !is_line_start;
        if says_something
            && !at_fence
            && !in_fence
            && !whole.iter().any(|range| range.start < at && at < range.end)
            && let Some(level) = level(text, line_start, at, in_code)
        {
            found.push(Break { at, level, units: said, in_code });
        }
        if is_line_start {
            in_code ^= fence_here;
            fence_above = fence_here;
        }
        counted += units(grapheme);
        if grapheme.ends_with('\n') {
            line_start = at + grapheme.len();
        }
        if !is_blank(grapheme) {
            let head = *head.get_or_insert(counted - units(grapheme));
            said = counted - head;
            says_something |= !fence_above;
        }
        if said > most {
            break;
        }
    }
    found
}

/// The first so many characters.
fn prefix(text: &str, chars: usize) -> &str {
    let end = text.char_indices().nth(chars).map_or(text.len(), |(at, _)| at);
    text.get(..end).unwrap_or(text)
}

/// Without what cannot be seen at its edges. A space that bears a mark is seen.
pub(crate) fn trim(text: &str) -> &str {
    let seen = |(_, grapheme): &(usize, &str)| !is_blank(grapheme);
    let start = text.grapheme_indices(true).find(seen);
    let end = text.grapheme_indices(true).rfind(seen);
    match (start, end) {
        (Some((start, _)), Some((end, last))) => {
            text.get(start..end + last.len()).unwrap_or_default()
        }
        _ => "",
    }
}

/// Nothing that anybody could see.
pub(crate) fn is_blank(text: &str) -> bool {
    let unseen = |symbol: char| {
        symbol.is_whitespace()
            || symbol.is_control()
            || matches!(symbol, '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FEFF}' | '\u{FE00}'..='\u{FE0F}')
    };
    text.chars().all(unseen)
}

/// The level of the place before `at`.
fn level(text: &str, line_start: usize, at: usize, in_code: bool) -> Option<Level> {
    let (before, after) = (text.get(..at)?, text.get(at..)?);
    let last = before.chars().next_back()?;
    if last == '\n' {
        let above = before.trim_end_matches('\n');
        let is_blank = before.len() - above.len() > 1 || line_at(text, at).trim().is_empty();
        return Some(if is_blank && !in_code { Level::Paragraph } else { Level::Line });
    }
    let line = text.get(line_start..at)?;
    if is_marker(line.trim_start()) {
        return None;
    }
    if in_code {
        return Some(Level::Grapheme);
    }
    if is_space(last) {
        // Just behind a space; the next line's break is better than one before it.
        let line = line.trim_end_matches(is_space);
        return Some(match () {
            () if after.starts_with(is_space) || after.starts_with('\n') => Level::Grapheme,
            () if ends_sentence(line) => Level::Sentence,
            () if line.ends_with(is_clause_end) => Level::Clause,
            () => Level::Space,
        });
    }
    let is_wide = WIDE_ENDS.contains(last) && !after.starts_with(is_closer);
    Some(match () {
        () if is_wide && SENTENCE_ENDS.contains(last) => Level::Sentence,
        () if is_wide => Level::Clause,
        () => Level::Grapheme,
    })
}

fn ends_sentence(line: &str) -> bool {
    let line = line.trim_end_matches(is_closer);
    let Some(end) = line.chars().next_back().filter(|end| SENTENCE_ENDS.contains(*end)) else {
        return false;
    };
    if end != '.' {
        return true;
    }
    let word = line.trim_end_matches('.').split(char::is_whitespace).next_back();
    let word = word.unwrap_or_default().trim_start_matches(|c: char| !c.is_alphanumeric());
    let is_initial = word.chars().count() == 1 && word.chars().all(char::is_alphabetic);
    !is_initial && !ABBREVIATIONS.contains(&word.to_lowercase().as_str())
}

fn is_clause_end(symbol: char) -> bool {
    CLAUSE_ENDS.contains(symbol)
}

fn is_closer(symbol: char) -> bool {
    CLOSERS.contains(symbol)
}

/// White space that may be broken at: not the no-break spaces, not the line's end.
fn is_space(symbol: char) -> bool {
    symbol.is_whitespace() && !matches!(symbol, '\u{A0}' | '\u{202F}' | '\n')
}

/// The start of a list item or a quote, which stays with what it introduces.
fn is_marker(line: &str) -> bool {
    let item = line.trim_end();
    let number = item.trim_end_matches(['.', ')']);
    let is_number = number.len() < item.len()
        && (1..=3).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit());
    matches!(item, "" | "-" | "*" | "+" | "•" | ">") || is_number
}

fn line_at(text: &str, at: usize) -> &str {
    text.get(at..).unwrap_or_default().split('\n').next().unwrap_or_default()
}

/// Whether the line opens or closes a code block.
pub(crate) fn is_fence(line: &str) -> bool {
    line.trim_start().strip_prefix(FENCE).is_some_and(|rest| !rest.contains(FENCE))
}

/// What must stay whole: links, and formatting spans, each within a line. What is
/// longer than a part can be is not among them.
fn whole(text: &str, most: usize) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut line_start = 0;
    let mut counted = 0;
    let mut in_code = false;
    for line in text.split_inclusive('\n') {
        if counted > most {
            break;
        }
        let is_fence = is_fence(line);
        in_code ^= is_fence;
        if !in_code && !is_fence {
            found.extend(
                spans(line)
                    .into_iter()
                    .chain(links(line))
                    .map(|range| range.start + line_start..range.end + line_start),
            );
        }
        line_start += line.len();
        counted += units(line);
    }
    found.retain(|range| text.get(range.clone()).is_some_and(|whole| units(whole) <= most));
    found
}

/// The web and mail addresses of a line.
pub(crate) fn links(line: &str) -> Vec<Range<usize>> {
    let mut found: Vec<Range<usize>> = Vec::new();
    for (at, _) in line.match_indices("://").chain(line.match_indices("mailto:")) {
        let start = line.get(..at).unwrap_or_default();
        let start = start.rfind(|c: char| !c.is_ascii_alphanumeric()).map_or(0, |before| {
            before + start.get(before..).and_then(|s| s.chars().next()).map_or(1, char::len_utf8)
        });
        let rest = line.get(at..).unwrap_or_default();
        let end = at + rest.find(char::is_whitespace).unwrap_or(rest.len());
        found.push(start..end);
    }
    found
}

/// The formatting spans of a line: `*…*`, `_…_`, `~…~`, `` `…` ``, with their marks.
pub(crate) fn spans(line: &str) -> Vec<Range<usize>> {
    let links = links(line);
    let mut found = Vec::new();
    for mark in ['*', '_', '~', '`'] {
        let mut from = 0;
        while let Some(open) = next_mark(line, mark, from, &links, opens) {
            let inner = open + 1;
            let Some(close) = next_mark(line, mark, inner + 1, &links, closes) else { break };
            found.push(open..close + 1);
            from = close + 1;
        }
    }
    found
}

fn next_mark(
    line: &str,
    mark: char,
    from: usize,
    links: &[Range<usize>],
    fits: impl Fn(Option<char>, Option<char>) -> bool,
) -> Option<usize> {
    line.char_indices()
        .filter(|(at, symbol)| *at >= from && *symbol == mark)
        .map(|(at, _)| at)
        .find(|at| {
            let before = line.get(..*at).and_then(|before| before.chars().next_back());
            let after = line.get(at + 1..).and_then(|after| after.chars().next());
            !links.iter().any(|link| link.contains(at)) && fits(before, after)
        })
}

/// A mark opens at a word's start and closes at a word's end, each touching the text.
fn opens(before: Option<char>, after: Option<char>) -> bool {
    !before.is_some_and(char::is_alphanumeric) && after.is_some_and(touches)
}

fn closes(before: Option<char>, after: Option<char>) -> bool {
    before.is_some_and(touches) && !after.is_some_and(char::is_alphanumeric)
}

/// A zero-width space keeps a mark from being one.
fn touches(symbol: char) -> bool {
    !symbol.is_whitespace() && symbol != '\u{200B}'
}
