//! Plain text: Markdown flattened, emoji and control characters out, words counted.

/// Words as people count them: pieces between white space.
pub(crate) fn words(text: &str) -> usize {
    text.split_whitespace().count()
}

/// Flattens what articles use of Markdown and drops what a plain page cannot show.
pub(crate) fn plain(markdown: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    for line in markdown.lines() {
        let line = without_symbols(&flatten(line.trim_end()));
        let is_blank = line.trim().is_empty();
        if !(is_blank && lines.last().is_none_or(|last| last.is_empty())) {
            lines.push(if is_blank { String::new() } else { line });
        }
    }
    lines.join("\n").trim().to_owned()
}

/// One line without emphasis, code marks, heading marks and link targets.
fn flatten(line: &str) -> String {
    let line = line.trim_start_matches('#').trim_start_matches('>');
    let line = if line.len() < 2 { line.trim() } else { line };
    let indent = line.len() - line.trim_start().len();
    let body = line.trim_start();
    let body = match body.strip_prefix("* ").or_else(|| body.strip_prefix("+ ")) {
        Some(item) => format!("- {item}"),
        None => body.to_owned(),
    };
    let marks = body.replace("**", "").replace("__", "").replace('`', "");
    // A first-level indent keeps sub-items readable; deeper ones are not worth the width.
    let indent = if indent > 0 { "   " } else { "" };
    format!("{indent}{}", without_targets(&marks))
}

/// `[text](target)` becomes `text`: no link leaves that nobody has checked.
fn without_targets(line: &str) -> String {
    let mut kept = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('[') {
        let link = after
            .split_once("](")
            .and_then(|(text, tail)| tail.split_once(')').map(|(_, remaining)| (text, remaining)));
        match link {
            Some((text, remaining)) if !text.contains('[') => {
                kept.push_str(before);
                kept.push_str(text);
                rest = remaining;
            }
            _ => {
                kept.push_str(before);
                kept.push('[');
                rest = after;
            }
        }
    }
    kept.push_str(rest);
    kept
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
        assert_eq!(without_targets("press [Enter] or [a](b)"), "press [Enter] or a");
    }
}
