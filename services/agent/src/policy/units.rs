//! The pieces of a message that are judged for their meaning: each sentence with the
//! next, since the next often says how it is meant, and all of it with its subject.

use crate::policy::text::Sentence;

/// Parts of one message at most: each costs a run of the model.
const MOST: usize = 7;
/// Words of the whole that are judged at once; the model reads little more.
pub(super) const WHOLE_WORDS: usize = 80;

/// Bytes of the own words.
pub(super) type Span = (usize, usize);

/// Where the pieces of a message stand.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Pieces {
    pub(super) parts: Vec<Span>,
    /// Where it is more than the only part.
    pub(super) whole: Option<Span>,
}

/// The pieces of a text whose subject ends before `body`.
pub(super) fn pieces(sentences: &[Sentence], body: usize) -> Pieces {
    let spans: Vec<(Span, usize)> = sentences.iter().filter_map(spanned).collect();
    let own = spans.partition_point(|((start, _), _)| *start < body);
    // Without a message the subject is all there is.
    let subject = if own == spans.len() { 0 } else { own };
    let said = spans.get(subject..).unwrap_or_default();
    // A long message is cut into as many parts as there may be, none of it left out.
    let together = said.len().div_ceil(MOST).max(2);
    let step = if said.len() > MOST + 1 { together } else { 1 };
    let last = said.len().saturating_sub(2);
    let parts: Vec<Span> = (0..said.len())
        .step_by(step)
        .take_while(|at| step > 1 || *at <= last)
        .filter_map(|at| joined(said.get(at..(at + together).min(said.len()))?))
        .collect();
    let mut words = 0;
    let fitting = spans.iter().take_while(|(_, count)| {
        let fits = words <= WHOLE_WORDS;
        words += count;
        fits
    });
    let whole = joined(spans.get(..fitting.count()).unwrap_or_default());
    let is_more = subject > 0 || parts.len() > 1;
    Pieces { whole: whole.filter(|_| is_more), parts }
}

fn spanned(sentence: &Sentence) -> Option<(Span, usize)> {
    let span = (sentence.tokens.first()?.start, sentence.tokens.last()?.end);
    Some((span, sentence.tokens.len()))
}

fn joined(spans: &[(Span, usize)]) -> Option<Span> {
    Some((spans.first()?.0.0, spans.last()?.0.1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::text::sentences;

    fn of(text: &str, body: usize) -> (Vec<&str>, Option<&str>) {
        let pieces = pieces(&sentences(text), body);
        let said = |(start, end): Span| &text[start..end];
        (pieces.parts.into_iter().map(said).collect(), pieces.whole.map(said))
    }

    #[test]
    fn each_sentence_is_judged_with_the_next_and_all_with_the_subject() {
        assert_eq!(of("", 0), (vec![], None));
        assert_eq!(of("One two.", 0), (vec!["One two"], None));
        assert_eq!(of("One two.", 8), (vec!["One two"], None));
        assert_eq!(of("One. Two.", 0), (vec!["One. Two"], None));
        assert_eq!(of("Subject\n\nOne.", 9), (vec!["One"], Some("Subject\n\nOne")));
        assert_eq!(
            of("One. Two. Three.", 0),
            (vec!["One. Two", "Two. Three"], Some("One. Two. Three"))
        );
    }

    #[test]
    fn a_long_message_has_few_parts_and_none_of_it_is_left_out() {
        let text: String = (0..40).map(|number| format!("Sentence {number}. ")).collect();

        let pieces = pieces(&sentences(&text), 0);

        assert!(pieces.parts.len() <= MOST);
        assert_eq!(pieces.parts[0].0, 0);
        assert_eq!(pieces.parts.last().unwrap().1, text.trim_end().len() - 1);
        let is_joined = |pair: &[Span]| text[pair[0].1..pair[1].0].len() <= 2;
        assert!(pieces.parts.windows(2).all(is_joined));
    }
}
