//! Marks on records that a replay published again.

use std::fmt;
use std::str::FromStr;

use contract::EventId;

use crate::record::{Headers, Received};

/// The header that carries a [`Mark`].
pub(crate) const REPLAY_HEADER: &str = "fte_replay";

/// Says which letter a record repeats, and for which group: the other groups of
/// the topic have handled the original, so they pass it over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) group: String,
    pub(crate) letter_id: EventId,
    /// Which replay of a parked letter this is; 0 for a letter that was not parked.
    pub(crate) replay: i32,
}

impl Mark {
    /// The mark of a record; `None` for one that is no replay.
    pub(crate) fn of(headers: &Headers) -> Option<Mark> {
        headers.get_str(REPLAY_HEADER)?.parse().ok()
    }

    /// The mark of a replay that stands in this group's line of parked letters.
    pub(crate) fn in_line(received: &Received, group: &str) -> Option<Mark> {
        Mark::of(&received.headers).filter(|mark| mark.replay > 0 && mark.group == group)
    }
}

impl fmt::Display for Mark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} {}", self.group, self.letter_id, self.replay)
    }
}

/// Whether a record is a replay meant for another group of its topic: this one has
/// handled the original.
pub(crate) fn is_for_another_group(received: &Received, group: &str) -> bool {
    Mark::of(&received.headers).is_some_and(|mark| mark.group != group)
}

/// The text is not a mark.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotAMark;

impl FromStr for Mark {
    type Err = NotAMark;

    fn from_str(text: &str) -> Result<Self, NotAMark> {
        let mut words = text.split(' ');
        let (Some(group), Some(id), Some(replay), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(NotAMark);
        };
        Ok(Mark {
            group: group.to_owned(),
            letter_id: id.parse().map_err(|_| NotAMark)?,
            replay: replay.parse().map_err(|_| NotAMark)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_reads_back_as_it_was_written() {
        let mark = Mark { group: "agent".into(), letter_id: EventId::named("letter"), replay: 3 };
        let mut headers = Headers::default();
        headers.insert(REPLAY_HEADER, mark.to_string());

        assert_eq!(Mark::of(&headers), Some(mark));
    }

    #[test]
    fn other_text_is_no_mark() {
        assert_eq!("agent".parse::<Mark>(), Err(NotAMark));
        assert_eq!(Mark::of(&Headers::default()), None);
    }
}
