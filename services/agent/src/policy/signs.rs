//! What a message says beside its frightening words: that the matter is settled, that its
//! writer only wonders, that it asks how something is done. A sign alone decides nothing;
//! it moves how much of a likeness is enough for a person.

use crate::policy::findings::Findings;
use crate::policy::units::{Span, WHOLE_WORDS};
use crate::policy::{Readers, Way};

/// Words that stand in one sentence without an exception, and what they add.
#[derive(Debug)]
pub(super) struct Sign {
    pub(super) adds: f64,
    pub(super) way: Way,
}

/// What the signs of a message add to its need of a person.
#[derive(Debug, Default)]
pub(super) struct Leaning {
    /// Each sign found, with what it adds and where it stands.
    signs: Vec<(f64, Vec<Span>)>,
    /// By how it ends and how long it is.
    shape: f64,
}

impl Leaning {
    #[cfg(test)]
    pub(super) fn sign(adds: f64, at: Span) -> Self {
        Self { signs: vec![(adds, vec![at])], shape: 0.0 }
    }

    pub(super) fn of_all(&self) -> f64 {
        self.shape + self.signs.iter().map(|(adds, _)| adds).sum::<f64>()
    }

    /// Of one piece: one matter that is over leaves the next one open.
    pub(super) fn of_piece(&self, piece: Span) -> f64 {
        let is_in = |sign: &Span| piece.0 <= sign.0 && sign.1 <= piece.1;
        let near = self.signs.iter().filter(|(_, spans)| spans.iter().any(is_in));
        self.shape + near.map(|(adds, _)| adds).sum::<f64>()
    }
}

impl Readers {
    pub(super) fn leaning(&self, findings: &Findings<'_>) -> Leaning {
        let found = self.signs.iter().map(|sign| (sign.adds, sign.way.spans(findings)));
        let words: usize = findings.sentences.iter().map(|sentence| sentence.tokens.len()).sum();
        let is_question = findings.sentences.last().is_some_and(|last| last.is_question);
        // Many words say much else: what they are about is less like any example.
        let long = self.meaning.long * (words as f64 / WHOLE_WORDS as f64).min(1.0);
        let question = if is_question { self.meaning.question } else { 0.0 };
        Leaning {
            signs: found.filter(|(_, spans)| !spans.is_empty()).collect(),
            shape: question + long,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::policy::Policy;
    use crate::policy::text::sentences;

    fn read(text: &str) -> Leaning {
        let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../policy");
        let policy = Policy::load(&policy).unwrap();
        let sentences = sentences(text);
        let matches = policy.readers.matcher.read(&sentences);
        policy.readers.leaning(&Findings::new(&sentences, &matches))
    }

    fn leaning(text: &str) -> f64 {
        read(text).of_all()
    }

    #[test]
    fn what_is_over_or_only_wondered_about_leans_to_no_person_and_what_goes_on_does_not() {
        for (near_miss, real) in [
            (
                "The second charge has been explained, sorry for the fuss.",
                "You said that the second charge has been explained, sorry, it has not.",
            ),
            ("It is solved now.", "I thought it was solved, but the money is still missing."),
            ("The intruder was a false alarm.", "The intruder was not a false alarm."),
            ("The invoice is correct now.", "Please send an invoice that is correct."),
            ("Das hat sich erledigt.", "Das ist aber noch nicht erledigt."),
            ("I am just curious about your refund policy.", "I am asking for a refund."),
            ("A rehearsed leak with invented data.", "A leak with real data."),
        ] {
            assert!(leaning(near_miss) < -0.1, "{near_miss}");
            assert!(leaning(real) > -0.1, "{real}");
        }
    }

    #[test]
    fn a_question_leans_to_no_person_and_a_long_letter_to_one() {
        assert!(leaning("Does it sort the cards?") < leaning("It sorts the cards."));
        assert!(leaning(&"It sorts the cards. ".repeat(20)) > leaning("It sorts the cards."));
    }

    #[test]
    fn a_sign_counts_for_the_pieces_that_it_stands_in() {
        let text = "The labels are sorted now. A guest sees our board.";
        let leaning = read(text);

        assert!(leaning.of_piece((0, text.len())) < -0.1);
        assert!(leaning.of_piece((27, text.len())) > 0.0);
    }
}
