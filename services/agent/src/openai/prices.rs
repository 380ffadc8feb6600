//! What tokens cost, from `prices.yaml`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::SetupError;
use crate::model::Usage;

const FILE: &str = include_str!("../../prices.yaml");

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Prices {
    models: BTreeMap<String, Price>,
}

/// US dollars per million tokens.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Price {
    input: f64,
    cached: f64,
    output: f64,
}

impl Prices {
    pub(super) fn load() -> Result<Self, SetupError> {
        serde_saphyr::from_str(FILE).map_err(|error| SetupError::Prices(error.to_string()))
    }

    /// The price of a model or of the one that its dated name begins with.
    pub(super) fn of(&self, model: &str) -> Option<Price> {
        let is_it = |known: &str| {
            let dated = model.strip_prefix(known);
            dated.is_some_and(|rest| rest.is_empty() || rest.starts_with("-20"))
        };
        self.models.iter().find(|(known, _)| is_it(known)).map(|(_, price)| *price)
    }
}

impl Price {
    /// Millionths of a dollar; `None` where the server did not count.
    pub(super) fn of(self, usage: &Usage) -> Option<u64> {
        if usage.prompt_tokens == 0 && usage.completion_tokens == 0 {
            return None;
        }
        let fresh = usage.prompt_tokens.saturating_sub(usage.cached_tokens);
        // A dollar per million tokens is a millionth of a dollar per token.
        let cost = f64::from(fresh) * self.input
            + f64::from(usage.cached_tokens) * self.cached
            + f64::from(usage.completion_tokens) * self.output;
        Some(cost.ceil() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dated_name_costs_what_the_model_does_and_a_relative_does_not() {
        let prices = Prices::load().unwrap();

        assert_eq!(prices.of("gpt-4o-2024-11-20"), prices.of("gpt-4o"));
        assert_ne!(prices.of("gpt-4o-mini"), prices.of("gpt-4o"));
        assert_eq!(prices.of("gpt-4o-audio-preview"), None);
        assert_eq!(prices.of("llama"), None);
    }

    #[test]
    fn cached_tokens_are_cheaper_and_nothing_counted_is_nothing_known() {
        let price = Prices::load().unwrap().of("gpt-4o").unwrap();
        let usage = Usage {
            prompt_tokens: 3_000,
            cached_tokens: 1_000,
            completion_tokens: 200,
            cost_micro_usd: None,
        };

        assert_eq!(price.of(&usage), Some(2_000 * 5 / 2 + 1_250 + 2_000));
        assert_eq!(price.of(&Usage::default()), None);
    }
}
