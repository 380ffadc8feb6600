//! Plain text: Markdown flattened, emoji and control characters out, words counted.

/// Words as people count them: pieces between white space.
pub(crate) fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// What becomes of a link's target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    Dropped,
    /// Beside its text, where it leads to a page of its own.
    Shown,
}

/// Flattens what articles use of Markdown and drops what a plain page cannot show,
/// the targets of links among it: no link leaves that nobody has checked.
pub(crate) fn plain(markdown: &str) -> String {
    flat(markdown, Links::Dropped)
}

/// As [`plain`], with links in full: `[text](https://…)` becomes `text (https://…)`.
pub(crate) fn plain_with_links(markdown: &str) -> String {
    flat(markdown, Links::Shown)
}

fn flat(markdown: &str, links: Links) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in markdown.lines() {
        let line = without_symbols(&flatten(line.trim_end(), links));
        let is_blank = line.trim().is_empty();
        if !(is_blank && lines.last().is_none_or(|last| last.is_empty())) {
            lines.push(if is_blank { String::new() } else { line });
        }
    }
    lines.join("\n").trim().to_owned()
}

/// One line without emphasis, code marks and heading marks.
fn flatten(line: &str, links: Links) -> String {
    let line = line.trim_start_matches('#').trim_start_matches('>');
    let line = if line.len() < 2 { line.trim() } else { line };
    let indent = line.len() - line.trim_start().len();
    let body = line.trim_start();
    let body = match body.strip_prefix("* ").or_else(|| body.strip_prefix("+ ")) {
        Some(item) => format!("- {item}"),
        None => body.to_owned(),
    };
    // A first-level indent keeps sub-items readable; deeper ones are not worth the width.
    let indent = if indent > 0 { "   " } else { "" };
    format!("{indent}{}", without_marks(&body, links))
}

/// `[text](target)` becomes `text`, and its target what `links` says.
fn without_marks(line: &str, links: Links) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        let link = after
            .split_once("](")
            .and_then(|(text, tail)| tail.split_once(')').map(|(to, more)| (text, to, more)));
        kept.push_str(&unmarked(before));
        match link {
            Some((text, target, more)) if !text.contains('[') => {
                kept.push_str(&unmarked(text));
                let is_page = target.starts_with("https://") || target.starts_with("http://");
                if links == Links::Shown && is_page && text != target {
                    kept.push_str(&format!(" ({target})"));
                }
                rest = more;
            }
            _ => {
                kept.push('[');
                rest = after;
            }
        }
    }
    kept + &unmarked(rest)
}

/// Without the marks of emphasis and code; what looks like them in a link is a part of it.
fn unmarked(text: &str) -> String {
    let word = |word: &str| match word.contains("://") {
        true => word.replace("**", "").replace('`', ""),
        false => word.replace("**", "").replace("__", "").replace('`', ""),
    };
    text.split_inclusive(' ').map(word).collect()
}

/// Without emoji and control characters.
pub(crate) fn without_symbols(text: &str) -> String {
    text.chars().filter(|symbol| !symbol.is_control() && !is_emoji(*symbol)).collect()
}

pub(crate) fn is_emoji(symbol: char) -> bool {
    matches!(u32::from(symbol),
        0x1F000..=0x1FAFF | 0x2600..=0x27BF | 0x2B50 | 0x2B55 | 0xFE0F | 0x200D | 0x20E3
        | 0x231A..=0x231B | 0x23E9..=0x23FA | 0xE0020..=0xE007F)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markdown_becomes_plain_and_steps_keep_their_numbers() {
        let article = "## Export\n\n1. Open **Board menu** → `Export`.\n2. Read [the limits](limits.md).\n\n\n* done ✅";

        assert_eq!(
            plain(article),
            "Export\n\n1. Open Board menu → Export.\n2. Read the limits.\n\n- done"
        );
    }

    #[test]
    fn brackets_that_are_no_link_stay() {
        assert_eq!(plain("press [Enter] or [a](b)"), "press [Enter] or a");
    }

    #[test]
    fn links_are_shown_in_full_where_they_lead_to_a_page() {
        let text = "See **[the page](https://x.example/a__b)**, [limits](limits.md), \
                    <https://x.example/__c__> and [https://x.example](https://x.example).";

        assert_eq!(
            plain_with_links(text),
            "See the page (https://x.example/a__b), limits, <https://x.example/__c__> \
             and https://x.example."
        );
        assert_eq!(plain("[the page](https://x.example)"), "the page");
    }
}
