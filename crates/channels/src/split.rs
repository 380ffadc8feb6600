//! One text into several messages: at paragraphs, then lines, sentences, clauses, words;
//! inside a word only where nothing else is left. Pure.

use crate::breaks::{Break, FENCE, Level, breaks, is_blank, trim};

pub use crate::breaks::units;

/// Bounds of the messages that one text becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Units that a message has where it can be.
    pub preferred: usize,
    /// Units that no message exceeds.
    pub hard: usize,
    /// Most messages; a longer text ends with [`CUT`].
    pub parts: usize,
}

/// Stands where a text was longer than its messages can hold.
pub const CUT: &str = " …";

/// A part that breaks at a better place may be this much shorter than one that does not.
const LEAST_FILL: usize = 3;

/// Steps from the preferred length to the hard one, each half as much again.
const STEPS: usize = 6;

/// The text in as few and as short messages as the limits allow, in their order. Every
/// part says something; together they are the text, but for white space at the edges
/// and fences of code blocks that are closed and opened again.
pub fn split(text: &str, limits: Limits) -> Vec<String> {
    let text = text.replace("\r\n", "\n").replace('\r', "\n");
    let mut budget = limits.preferred.min(limits.hard);
    for _ in 0..STEPS {
        let (parts, rest) = pack(&text, budget, limits);
        if rest.is_empty() {
            return parts;
        }
        budget = (budget + budget / 2).min(limits.hard);
    }
    let (mut parts, _rest) = pack(&text, limits.hard, limits);
    if let Some(last) = parts.last_mut() {
        let room = limits.hard.saturating_sub(units(CUT));
        let place = (units(last) > room).then(|| first_break(last, room, room)).flatten();
        last.truncate(place.map_or(last.len(), |place| place.at));
        last.truncate(last.trim_end().len());
        last.push_str(CUT);
    }
    parts
}

/// Packs parts of about `budget` units and returns what did not fit into them.
fn pack(text: &str, budget: usize, limits: Limits) -> (Vec<String>, String) {
    let mut parts = Vec::new();
    let mut rest = text.to_owned();
    while !is_blank(&rest) {
        if parts.len() == limits.parts {
            return (parts, rest);
        }
        let fits = units(trim(&rest)) <= budget;
        let place = if fits { None } else { first_break(&rest, budget, limits.hard) };
        let Some(place) = place else {
            parts.push(trim(&rest).to_owned());
            break;
        };
        let (part, after) = rest.split_at(place.at);
        let mut part = trim(part).to_owned();
        let mut after = after.to_owned();
        if place.in_code {
            part = format!("{part}\n{FENCE}");
            after = format!("{FENCE}\n{}", after.trim_start_matches('\n'));
        }
        if !is_blank(&part) {
            parts.push(part);
        }
        rest = after;
    }
    (parts, String::new())
}

/// The best place for the end of the next part; `None` where all of it is one part.
fn first_break(text: &str, budget: usize, hard: usize) -> Option<Break> {
    let closed = |place: &Break| place.units + if place.in_code { units(FENCE) + 1 } else { 0 };
    let all = breaks(text, hard);
    let all: Vec<&Break> = all.iter().filter(|place| closed(place) <= hard).collect();
    let best = |least: usize, worst: Level| {
        let fits =
            |place: &&&Break| (least..=budget).contains(&closed(place)) && place.level <= worst;
        let level = all.iter().filter(fits).map(|place| place.level).min()?;
        all.iter().filter(fits).rfind(|place| place.level == level).map(|place| **place)
    };
    let soft = if budget < hard { Level::Sentence } else { Level::Space };
    let found = best(budget / LEAST_FILL, soft)
        .or_else(|| best(1, soft))
        .or_else(|| all.iter().find(|place| place.level <= soft).map(|place| **place));
    if found.is_some() || (budget < hard && units(trim(text)) <= hard) {
        // A long sentence stays whole where the hard limit allows it.
        return found;
    }
    all.iter()
        .rfind(|place| place.level <= Level::Space)
        .or_else(|| all.last())
        .map(|place| **place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use unicode_segmentation::UnicodeSegmentation as _;

    use super::*;
    use crate::breaks::{links, spans};

    const LIMITS: Limits = Limits { preferred: 294, hard: 1_550, parts: 5 };
    /// As many parts as it takes.
    const ANY: Limits = Limits { preferred: 1_550, hard: 1_550, parts: usize::MAX };

    fn small(hard: usize) -> Limits {
        Limits { preferred: hard, hard, parts: usize::MAX }
    }

    /// What is left when white space and unseen marks do not count.
    fn seen(text: &str) -> String {
        text.graphemes(true).filter(|grapheme| !is_blank(grapheme)).collect()
    }

    #[test]
    fn units_are_those_of_utf_16() {
        for (text, expected) in [("é", 1), ("e\u{301}", 2), ("📦", 2), ("🇫🇷", 4), ("👨‍👩‍👧‍👦", 11)]
        {
            assert_eq!(units(text), expected, "{text}");
        }
        assert_eq!(units(&"📦".repeat(800)), 1_600);
    }

    #[test]
    fn the_lengths_at_the_limit() {
        let lengths = |count: usize| {
            let parts = split(&"a".repeat(count), ANY);
            parts.iter().map(|part| units(part)).collect::<Vec<_>>()
        };

        assert_eq!(lengths(0), [0_usize; 0]);
        assert_eq!(lengths(1), [1]);
        assert_eq!(lengths(1_550), [1_550]);
        assert_eq!(lengths(1_551), [1_550, 1]);
        assert_eq!(lengths(1_600), [1_550, 50]);
        assert_eq!(lengths(1_601), [1_550, 51]);
        assert_eq!(lengths(5_000), [1_550, 1_550, 1_550, 350]);
        assert_eq!(split(&format!("{} b", "a".repeat(1_550)), ANY).len(), 2);
        assert_eq!(split(&format!("{}   ", "a".repeat(1_550)), ANY).len(), 1);
    }

    #[test]
    fn a_text_beyond_all_parts_is_cut_and_says_so() {
        for text in ["a".repeat(100_000), "A sentence of the text. ".repeat(5_000)] {
            let parts = split(&text, LIMITS);

            assert_eq!(parts.len(), 5);
            assert!(parts.iter().all(|part| units(part) <= 1_550));
            assert!(parts[4].ends_with(CUT) && !parts[3].ends_with(CUT));
        }
    }

    #[test]
    fn a_reply_longer_than_preferred_is_split_at_its_paragraphs_then_sentences() {
        let sentence = "This sentence is about as long as many others are here.";
        let paragraph = [sentence; 4].join(" ");

        assert_eq!(
            split(&[&*paragraph, &paragraph, sentence].join("\n\n"), LIMITS),
            [paragraph.clone(), format!("{paragraph}\n\n{sentence}")]
        );
        assert_eq!(
            split(&[&*paragraph, &paragraph].join(" "), LIMITS),
            [[sentence; 5].join(" "), [sentence; 3].join(" ")]
        );
    }

    #[test]
    fn a_long_sentence_stays_whole_where_the_hard_limit_allows_it() {
        let long = "word ".repeat(100) + "end.";
        let text = format!("Hello there. {long} And then.");

        assert_eq!(split(&text, LIMITS), ["Hello there.", &long, "And then."]);
    }

    #[test]
    fn no_sentence_ends_at_a_number_an_abbreviation_or_an_item_number() {
        let text = "Ask Mr. Webb about 3.5 or 10:30, e.g. today. 1. J. Doe knows. Ok";

        assert_eq!(
            split(text, Limits { preferred: 12, hard: 400, parts: 9 }),
            ["Ask Mr. Webb about 3.5 or 10:30, e.g. today.", "1. J. Doe knows.", "Ok"]
        );
        assert_eq!(split("aaaa\n1. bbbb cccc", small(8)), ["aaaa", "1. bbbb", "cccc"]);
    }

    #[test]
    fn a_language_without_spaces_is_split_behind_its_own_marks() {
        assert_eq!(
            split("你好。请打开菜单，选择导出！谢谢", small(8)),
            ["你好。", "请打开菜单，", "选择导出！谢谢"]
        );
    }

    #[test]
    fn a_link_and_a_formatting_span_stay_whole() {
        let text =
            "Open https://app.example/settings/api_keys?tab=2 and *press the big button* now";

        for hard in 44..80 {
            let parts = split(text, small(hard));
            let holds = |whole: &str| parts.iter().any(|part| part.contains(whole));
            assert!(holds("https://app.example/settings/api_keys?tab=2"), "{parts:?}");
            assert!(holds("*press the big button*"), "{parts:?}");
        }
    }

    #[test]
    fn a_link_that_no_message_holds_is_broken_and_nothing_of_it_lost() {
        let link = format!("https://app.example/{}", "x".repeat(2_000));

        let parts = split(&format!("See {link} please"), ANY);

        assert!(parts.iter().all(|part| units(part) <= 1_550));
        assert_eq!(parts.concat().replace(' ', ""), format!("See{link}please"));
    }

    #[test]
    fn a_code_block_is_closed_and_opened_again() {
        let text = "Run:\n```\none line\ntwo lines\nthree lines\n```\nDone.";

        assert_eq!(
            split(text, small(26)),
            ["Run:\n```\none line\n```", "```\ntwo lines\n```", "```\nthree lines\n```\nDone."]
        );
    }

    #[test]
    fn odd_texts_make_no_empty_part() {
        for text in ["", " \n\t ", "\u{FE0F}\u{200B}", "```", "```\n```", "*", "\u{A0}"] {
            let parts = split(text, LIMITS);
            assert!(parts.iter().all(|part| !is_blank(part)), "{text:?}: {parts:?}");
        }
        assert_eq!(split("a\r\nb\tc", LIMITS), ["a\nb\tc"]);
        assert_eq!(split("an *unclosed mark and `another", LIMITS).len(), 1);
    }

    #[test]
    fn clusters_of_every_writing_stay_whole() {
        for cluster in ["👨‍👩‍👧‍👦", "🇫🇷", "👍🏽", "e\u{301}", "क्षि", "ที่"]
        {
            let text = cluster.repeat(120);
            let parts = split(&text, small(50));

            assert_eq!(parts.concat(), text);
            assert!(parts.iter().all(|part| {
                units(part) <= 50 && part.graphemes(true).all(|grapheme| text.starts_with(grapheme))
            }));
        }
    }

    /// Words, marks, links, breaks and odd symbols, as an article or a customer mixes them.
    fn texts() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            6 => "[a-zA-Z]{1,12}", 2 => Just(" ".to_owned()), 2 => Just(". ".to_owned()),
            1 => Just(", ".to_owned()), 1 => Just("\n".to_owned()), 1 => Just("\n\n".to_owned()),
            1 => "[0-9]\\.[0-9]", 1 => Just("*bold text here* ".to_owned()),
            1 => Just(" _so_ ".to_owned()), 1 => Just(" `a b` ".to_owned()),
            1 => Just(" https://a.example/b_c*d ".to_owned()), 1 => Just("\n1. ".to_owned()),
            1 => Just("👨‍👩‍👧‍👦".to_owned()), 1 => Just("你好。".to_owned()), 1 => "\\PC{0,6}",
        ];
        let piece = prop_oneof![30 => piece, 1 => Just(" \u{A947}".to_owned())];
        prop::collection::vec(piece, 0..120).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn parts_fit_say_something_and_together_are_the_text(text in texts(), hard in 40_usize..400) {
            let parts = split(&text, small(hard));

            for part in &parts {
                prop_assert!(units(part) <= hard);
                prop_assert!(!is_blank(part));
                prop_assert_eq!(trim(part), part);
            }
            prop_assert_eq!(seen(&parts.concat()), seen(&text));
        }

        #[test]
        fn no_part_ends_within_a_grapheme_a_link_or_a_span(text in texts(), hard in 60_usize..400) {
            let parts = split(&text, small(hard));

            let ranges: Vec<&str> = text.lines().flat_map(|line| {
                let ranges = spans(line).into_iter().chain(links(line));
                ranges.map(|range| &line[range]).filter(|whole| units(whole) <= 60)
            }).collect();
            let all = parts.join("\n");
            for whole in ranges {
                prop_assert!(all.contains(whole), "{whole:?} in {parts:?}");
            }
            let graphemes: Vec<&str> = parts.iter().flat_map(|part| part.graphemes(true)).collect();
            for grapheme in graphemes {
                prop_assert!(text.graphemes(true).any(|whole| whole == grapheme), "{grapheme:?}");
            }
        }

        #[test]
        fn no_text_makes_more_parts_than_allowed_or_a_part_over_the_limit(text in "(?s).{0,4000}") {
            let parts = split(&text, LIMITS);

            prop_assert!(parts.len() <= 5);
            prop_assert!(parts.iter().all(|part| units(part) <= 1_550 && !is_blank(part)));
        }
    }
}
