//! The base subject of RFC 5256, by which Gmail decides whether a reply belongs to a
//! thread.

/// Subjects with the same base belong together.
pub(super) fn base(subject: &str) -> String {
    let mut rest = subject.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    loop {
        let shorter = inner(without_leader(without_trailer(&rest)));
        if shorter.len() == rest.len() {
            return rest;
        }
        rest = shorter.to_owned();
    }
}

fn without_trailer(text: &str) -> &str {
    let mut text = text.trim_end();
    while let Some(rest) = text.strip_suffix("(fwd)") {
        text = rest.trim_end();
    }
    text
}

/// Without `Re:`, `Fwd:` and blobs in brackets at the front; the last blob stays where
/// nothing else would.
fn without_leader(text: &str) -> &str {
    let mut text = text.trim_start();
    loop {
        let after_blobs = skip_blobs(text);
        let shorter = match refwd(after_blobs) {
            Some(rest) => rest,
            None => match blob(text) {
                Some(rest) if !rest.is_empty() => rest,
                _ => return text,
            },
        };
        text = shorter;
    }
}

fn skip_blobs(mut text: &str) -> &str {
    while let Some(rest) = blob(text) {
        text = rest;
    }
    text
}

fn blob(text: &str) -> Option<&str> {
    let (inside, rest) = text.strip_prefix('[')?.split_once(']')?;
    (!inside.contains('[')).then(|| rest.trim_start())
}

fn refwd(text: &str) -> Option<&str> {
    let rest = ["re", "fwd", "fw"].iter().find_map(|word| text.strip_prefix(word))?.trim_start();
    let rest = blob(rest).unwrap_or(rest);
    Some(rest.strip_prefix(':')?.trim_start())
}

/// What `[fwd: …]` is around.
fn inner(text: &str) -> &str {
    let inside = text.strip_prefix("[fwd:").and_then(|rest| rest.strip_suffix(']'));
    inside.map_or(text, str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_replies_and_forwards_add_does_not_count() {
        for same in [
            "Order 42",
            "Re: Order 42",
            "RE: re: Order  42",
            "Re[2]: Order 42",
            "[list] Order 42",
            "Re: [TF-20260801-0001] Order 42",
            "[TF-20260801-0001] Re: Order 42",
            "Fwd: Order 42 (fwd)",
            "[Fwd: Order 42]",
        ] {
            assert_eq!(base(same), "order 42", "{same}");
        }
        assert_eq!(base("[only]"), "[only]");
        assert_eq!(base("Re: [only]"), "[only]");
        assert_eq!(base("Re:"), "");
        assert_eq!(base("AW: Order 42"), "aw: order 42");
        assert_eq!(base("Report: done"), "report: done");
    }
}
