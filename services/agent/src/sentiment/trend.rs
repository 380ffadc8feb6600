//! Where the mood of a conversation goes.

use serde::{Deserialize, Serialize};

/// Where the mood of a conversation goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trend {
    Improving,
    Stable,
    Declining,
}

/// A smaller change of the mean is noise of single words.
const CHANGE_FROM: f64 = 0.2;

/// Compares the later half of the scores, the oldest first, with the earlier half.
/// The one in the middle counts for both.
pub fn trend(scores: &[f64]) -> Trend {
    let half = scores.len().div_ceil(2);
    let earlier = mean(scores.get(..half).unwrap_or_default());
    let later = mean(scores.get(scores.len() - half..).unwrap_or_default());
    match later - earlier {
        change if change >= CHANGE_FROM => Trend::Improving,
        change if change <= -CHANGE_FROM => Trend::Declining,
        _ => Trend::Stable,
    }
}

fn mean(scores: &[f64]) -> f64 {
    scores.iter().sum::<f64>() / scores.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_conversation_improves_declines_or_stays() {
        assert_eq!(trend(&[]), Trend::Stable);
        assert_eq!(trend(&[-0.9]), Trend::Stable);
        assert_eq!(trend(&[-0.6, -0.5, 0.4]), Trend::Improving);
        assert_eq!(trend(&[0.3, 0.1, -0.4, -0.6]), Trend::Declining);
        assert_eq!(trend(&[0.1, -0.1, 0.1, 0.0]), Trend::Stable);
    }
}
