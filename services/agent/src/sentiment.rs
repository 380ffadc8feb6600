//! How a customer feels, between −1 and +1. A pure function of the words and of the
//! dictionaries in `policy/sentiment/`.

mod dictionaries;
mod feelings;
mod files;
mod sentence;
mod trend;

use serde::{Deserialize, Serialize};

pub use dictionaries::Dictionaries;
use feelings::feeling;
pub use trend::{Trend, trend};

/// A mood as a number and its name.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Sentiment {
    /// From −1.0, furious, to +1.0, delighted; three digits.
    pub score: f64,
    pub label: Label,
}

/// The name of a mood.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Label {
    Negative,
    Neutral,
    Positive,
}

/// Scores further from zero than this have a direction (policy: −0.25 and 0.25).
const DIRECTION_FROM: f64 = 0.25;
/// How fast a sum of weights nears ±1: one word of weight 1 stands at the border
/// between neutral and a direction. The value is that of the bundled lexicon.
const HALF_WAY: f64 = 15.0;

impl Sentiment {
    pub const NEUTRAL: Self = Self { score: 0.0, label: Label::Neutral };

    /// A mood of this score; what is no number is neutral.
    pub fn of(score: f64) -> Self {
        if score.is_nan() {
            return Self::NEUTRAL;
        }
        let score = (score.clamp(-1.0, 1.0) * 1_000.0).round() / 1_000.0;
        // Never −0.0, which would read differently in a log.
        let score = if score == 0.0 { 0.0 } else { score };
        Self { score, label: Label::of(score) }
    }
}

impl Label {
    /// The name of a score.
    pub fn of(score: f64) -> Self {
        if score < -DIRECTION_FROM {
            Self::Negative
        } else if score > DIRECTION_FROM {
            Self::Positive
        } else {
            Self::Neutral
        }
    }

    /// As it stands in data and reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Negative => "negative",
            Self::Neutral => "neutral",
            Self::Positive => "positive",
        }
    }
}

/// The mood of a text.
pub fn sentiment(dictionaries: &Dictionaries, text: &str) -> Sentiment {
    let sum = feeling(dictionaries, text);
    Sentiment::of(sum / (sum * sum + HALF_WAY).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_has_three_digits_and_the_border_is_neutral() {
        assert_eq!(Sentiment::of(0.123_456).score, 0.123);
        assert_eq!(Sentiment::of(-0.25).label, Label::Neutral);
        assert_eq!(Sentiment::of(-0.251).label, Label::Negative);
        assert_eq!(Sentiment::of(7.0), Sentiment { score: 1.0, label: Label::Positive });
        assert_eq!(Sentiment::of(f64::NAN), Sentiment::NEUTRAL);
        assert!(Sentiment::of(-0.000_1).score.is_sign_positive());
    }
}
