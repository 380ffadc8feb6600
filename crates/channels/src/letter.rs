//! A reply in one piece: its parts in their order, within a number of words.

use unicode_segmentation::UnicodeSegmentation as _;

use crate::content::Content;
use crate::plain::words;

/// The parts, with so much of the body as the others leave room for.
pub(crate) fn letter(head: &str, content: &Content<'_>, foot: &[&str], max_words: usize) -> String {
    let before = [head, content.opening];
    let after = [content.closing, content.source];
    let fixed = before.iter().chain(&after).chain(foot);
    let used: usize = fixed.map(|part| words(part)).sum();
    let body = cut(content.body, max_words.saturating_sub(used));
    let parts = before.into_iter().chain([body.as_str()]).chain(after).chain(foot.iter().copied());
    parts.map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// At most so many words: whole lines first, then whole sentences, then words.
fn cut(text: &str, most: usize) -> String {
    if words(text) <= most {
        return text.to_owned();
    }
    let mut kept: Vec<String> = Vec::new();
    let mut left = most;
    for line in text.lines() {
        let length = words(line);
        if length > left {
            kept.push(cut_line(line, left));
            break;
        }
        left -= length;
        kept.push(line.to_owned());
    }
    // A heading or a lead-in without what it announces helps nobody.
    while kept.len() > 1 && kept.last().is_some_and(|l| l.trim().is_empty() || l.ends_with(':')) {
        kept.pop();
    }
    kept.join("\n").trim_end().to_owned()
}

fn cut_line(line: &str, most: usize) -> String {
    let mut kept = String::new();
    for sentence in line.split_sentence_bounds() {
        if words(&kept) + words(sentence) > most {
            break;
        }
        kept.push_str(sentence);
    }
    let kept = kept.trim_end();
    // Half a step misleads; the number of one that is cut stands alone.
    let is_number = kept.trim_end_matches('.').bytes().all(|byte| byte.is_ascii_digit());
    if is_number { String::new() } else { kept.to_owned() }
}
