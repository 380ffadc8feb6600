//! A report as a person reads it.

use std::io;

use comfy_table::Table;
use comfy_table::presets::UTF8_HORIZONTAL_ONLY;

use crate::eval::labels::Group;
use crate::eval::outcome::Miss;
use crate::eval::report::Report;
use crate::eval::share::Share;
use crate::output::{line, table};

/// Longest explanation of a miss, in characters.
const WHY_CHARS: usize = 300;

pub(crate) fn report(report: &Report) -> io::Result<()> {
    line(format!("\n{}: {} tickets, model {}", report.set, report.tickets, report.model))?;
    let mut shares = table(["", "share", "95 % interval", "right", "n"]);
    let rows = [
        ("recall of ALWAYS", Some(report.always)),
        ("recall of all escalations", Some(report.recall)),
        ("precision of escalations", Some(report.precision)),
        ("escalation", Some(report.escalation)),
        ("category", Some(report.category)),
        ("category, account apart", report.category_with_account),
        ("priority", Some(report.priority)),
        ("sentiment", Some(report.sentiment)),
        ("retrieval top-1", Some(report.top_1)),
        ("retrieval top-3", Some(report.top_3)),
    ];
    for (what, share) in rows {
        if let Some(share) = share {
            shares.add_row(row(what, share));
        }
    }
    line(shares.to_string())?;

    let matrix = report.escalations;
    let mut escalations = table(["should \\ does", "to a person", "not"]);
    escalations.add_row([
        "to a person".to_owned(),
        matrix.should_and_does.to_string(),
        matrix.should_and_does_not.to_string(),
    ]);
    escalations.add_row([
        "not".to_owned(),
        matrix.should_not_and_does.to_string(),
        matrix.should_not_and_does_not.to_string(),
    ]);
    line(escalations.to_string())?;
    if report.categories.is_empty() {
        return Ok(());
    }
    line(categories(report).to_string())
}

fn categories(report: &Report) -> Table {
    let is_there = |group: &&Group| {
        report.categories.contains_key(group)
            || report.categories.values().any(|judged| judged.contains_key(group))
    };
    let groups: Vec<&Group> = Group::ALL.iter().filter(is_there).collect();
    let mut table = Table::new();
    let names = groups.iter().map(|group| group.as_str());
    table.load_style(UTF8_HORIZONTAL_ONLY);
    table.set_header(std::iter::once("label \\ judged").chain(names));
    for (label, judged) in &report.categories {
        let counts = groups.iter().map(|group| judged.get(group).copied().unwrap_or_default());
        let counts = counts.map(|count| count.to_string());
        table.add_row(std::iter::once(label.as_str().to_owned()).chain(counts));
    }
    table
}

pub(crate) fn sentences(set: &str, share: Share) -> io::Result<()> {
    line(format!("\n{set}: {} sentences", share.of))?;
    let mut shares = table(["", "share", "95 % interval", "right", "n"]);
    shares.add_row(row("sentiment", share));
    line(shares.to_string())
}

pub(crate) fn misses(misses: &[Miss]) -> io::Result<()> {
    for miss in misses {
        let Miss { id, what, expected, got, why } = miss;
        let why: String = why.replace('\n', " ").chars().take(WHY_CHARS).collect();
        line(format!("{id}  {what}: expected {expected}, got {got}  ({why})"))?;
    }
    Ok(())
}

fn row(what: &str, share: Share) -> [String; 5] {
    let percent = |value: f64| format!("{:.1} %", value * 100.0);
    let interval =
        share.interval().map(|(low, high)| format!("{} – {}", percent(low), percent(high)));
    [
        what.to_owned(),
        share.value().map(percent).unwrap_or_else(|| "–".to_owned()),
        interval.unwrap_or_else(|| "–".to_owned()),
        share.right.to_string(),
        share.of.to_string(),
    ]
}
