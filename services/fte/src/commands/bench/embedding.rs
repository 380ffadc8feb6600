//! How long the local model takes for one short question.

use std::time::{Duration, Instant};

use crate::bench::judge::quantile;
use crate::output::line;
use crate::up::told;

/// Questions, each another text: nothing is known already.
const QUESTIONS: u32 = 300;

/// Of these so many come first and are not counted.
const WARM_UP: u32 = 50;

/// Texts of the batch that it is compared with.
const BATCH: u32 = 32;

/// Embeds one question after another, then as many at once.
pub(super) async fn run() -> anyhow::Result<()> {
    let local = told::embedder()?;
    let mut took = Vec::new();
    for number in 0..QUESTIONS {
        let began = Instant::now();
        local.embed(vec![question(number)]).await?;
        if number >= WARM_UP {
            took.push(millis(began.elapsed()));
        }
    }
    took.sort_by(f64::total_cmp);
    let at = |share| quantile(&took, share).unwrap_or_default();
    let began = Instant::now();
    local.embed((QUESTIONS..QUESTIONS + BATCH).map(question).collect()).await?;
    let of_batch = millis(began.elapsed()) / f64::from(BATCH);
    line("\none short question, embedded by this machine, one after another")?;
    line(format!(
        "  took            {:>8.1} ms p50, {:.1} ms p95   (target ≤ 7 ms)",
        at(0.5),
        at(0.95)
    ))?;
    line(format!("compared with: {BATCH} questions at once, {of_batch:.1} ms each"))?;
    Ok(())
}

fn question(number: u32) -> String {
    format!("How can I export board {number} as a CSV file?")
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1_000.0
}
