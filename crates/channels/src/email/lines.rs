//! A text as lines that know how deep they are quoted.

/// One line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    /// How many quote signs, or containers of a quote, it stands in.
    pub(super) quote: usize,
    /// Without these.
    pub(super) text: String,
}

impl Line {
    pub(super) fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }
}

/// The lines of plain text.
pub(super) fn plain(text: &str) -> Vec<Line> {
    text.lines().map(line).collect()
}

fn line(text: &str) -> Line {
    let (mut quote, mut rest) = (0, text);
    loop {
        let next = if quote == 0 { rest } else { rest.strip_prefix(' ').unwrap_or(rest) };
        match next.strip_prefix('>') {
            Some(inner) => (quote, rest) = (quote + 1, inner),
            None => break,
        }
    }
    let text = if quote == 0 { rest } else { rest.strip_prefix(' ').unwrap_or(rest) };
    Line { quote, text: text.trim_end_matches('\r').to_owned() }
}

/// As text again, quotes with their signs, runs of blank lines as one.
pub(super) fn shown(lines: &[Line]) -> String {
    let mut out = String::new();
    let mut blanks = 1;
    for line in lines {
        blanks = if line.is_blank() { blanks + 1 } else { 0 };
        if blanks > 1 {
            continue;
        }
        for _ in 0..line.quote.min(9) {
            out.push_str("> ");
        }
        out.push_str(line.text.trim_end());
        while out.ends_with(' ') {
            out.pop();
        }
        out.push('\n');
    }
    out.trim_matches(['\n', '\r']).trim_end().to_owned()
}

/// Words, where every run of letters and digits is one.
pub(super) fn words(lines: &[Line]) -> usize {
    lines.iter().map(|line| count(&line.text)).sum()
}

pub(super) fn count(text: &str) -> usize {
    text.split(|symbol: char| !symbol.is_alphanumeric()).filter(|word| !word.is_empty()).count()
}
