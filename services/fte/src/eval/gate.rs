//! What an evaluation must reach.

use chassis::SettingsError;
use clap::Args;

use crate::eval::report::Report;
use crate::eval::share::Share;

/// Shares from 0 to 1 that a set must reach.
#[derive(Debug, Clone, Args)]
pub(crate) struct Gate {
    /// Least share of tickets that always need a person and reach one
    #[arg(long, default_value = "1", value_parser = share)]
    gate_always: f64,
    /// Least share of tickets rightly handed over or not
    #[arg(long, default_value = "0.97", value_parser = share)]
    gate_escalation: f64,
    /// Least share of tickets that the right person would take
    #[arg(long, default_value = "0.90", value_parser = share)]
    gate_category: f64,
    /// Least share of moods with the right direction
    #[arg(long, default_value = "0.85", value_parser = share)]
    gate_sentiment: f64,
    /// Least share of tickets whose article is found first
    #[arg(long, default_value = "0.85", value_parser = share)]
    gate_top_1: f64,
    /// Least share of tickets whose article is among the first three
    #[arg(long, default_value = "0.95", value_parser = share)]
    gate_top_3: f64,
}

fn share(text: &str) -> Result<f64, SettingsError> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| SettingsError(format!("{text} is not a share from 0 to 1")))
}

impl Gate {
    /// A line for each share that is too low. What a set has no labels for is not judged.
    pub(crate) fn failures(&self, report: &Report) -> Vec<String> {
        let rows = [
            ("recall of ALWAYS", report.always, self.gate_always),
            ("escalation", report.escalation, self.gate_escalation),
            ("category", report.category, self.gate_category),
            ("sentiment", report.sentiment, self.gate_sentiment),
            ("retrieval top-1", report.top_1, self.gate_top_1),
            ("retrieval top-3", report.top_3, self.gate_top_3),
        ];
        rows.into_iter().filter_map(|row| failure(&report.set, row)).collect()
    }

    pub(crate) fn sentence_failure(&self, set: &str, share: Share) -> Option<String> {
        failure(set, ("sentiment", share, self.gate_sentiment))
    }
}

fn failure(set: &str, (what, share, least): (&str, Share, f64)) -> Option<String> {
    let value = share.value().filter(|value| *value < least)?;
    let (value, least) = (value * 100.0, least * 100.0);
    Some(format!("{set}: {what} is {value:.1} %, below {least:.1} %"))
}
