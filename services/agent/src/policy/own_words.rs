//! The customer's own words: what was quoted from earlier mail and what stands in a
//! signature is cut off.

/// Longest line that still looks like one of a signature.
const SIGNATURE_LINE_CHARS: usize = 60;
/// Most lines that a signature without a delimiter has.
const SIGNATURE_LINES: usize = 6;
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
