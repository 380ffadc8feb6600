//! Reads a file row by row and loads it in batches.

use std::collections::HashMap;
use std::collections::hash_map::{DefaultHasher, Entry as Slot};
use std::hash::{Hash as _, Hasher as _};
use std::io::{BufRead as _, BufReader, Read};

use channels::phone::Country;
use csv::{ByteRecord, ReaderBuilder, StringRecord};
use sqlx::PgPool;
use store::customer_records::{Entry, Load, Outcome};
use store::merges::Mode;
use store::people::OperatorName;

use crate::customers::columns::Columns;
use crate::customers::row;

/// Rows written by one statement: enough that round trips do not count.
const BATCH: usize = 500;

/// How a file is loaded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Settings<'a> {
    pub(crate) country: Option<Country>,
    pub(crate) operator: OperatorName<'a>,
    pub(crate) mode: Mode,
}

/// What came of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(crate) added: usize,
    pub(crate) changed: usize,
    pub(crate) unchanged: usize,
    /// Line and reason, in the file's order.
    pub(crate) failed: Vec<(u64, String)>,
    /// Headers of the columns that were left alone.
    pub(crate) ignored: Vec<String>,
}

impl Report {
    fn count(&mut self, (line, outcome): (u64, Outcome)) {
        match outcome {
            Outcome::Added => self.added += 1,
            Outcome::Changed => self.changed += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::SameAs(other) => {
                self.failed.push((line, format!("line {other} is of the same customer")));
            }
            Outcome::Several(customers) => {
                let ids: Vec<String> = customers.iter().map(ToString::to_string).collect();
                let reason = format!(
                    "its addresses belong to {} customers: `fte customers merge {}`",
                    ids.len(),
                    ids.join(" ")
                );
                self.failed.push((line, reason));
            }
        }
    }
}

/// Loads what can be read; the rest stands in the report.
pub(crate) async fn import(
    file: impl Read,
    pool: &PgPool,
    settings: Settings<'_>,
) -> anyhow::Result<Report> {
    let mut file = BufReader::new(file);
    // The reader ends a row at the carriage return and counts the line at what follows it.
    let uncounted = u64::from(ends_lines_with_two_signs(file.fill_buf()?));
    let mut reader = ReaderBuilder::new().flexible(true).from_reader(file);
    let headers = reader.headers()?.clone();
    let columns = Columns::of(&headers)?;
    let mut load = Load::new(pool, settings.operator, settings.mode);
    let mut report = Report { ignored: columns.ignored.clone(), ..Report::default() };
    let mut seen = Seen::default();
    let mut batch: Vec<Entry> = Vec::with_capacity(BATCH);
    let mut bytes = ByteRecord::new();
    while reader.read_byte_record(&mut bytes)? {
        let line = bytes.position().map_or(0, csv::Position::line) + uncounted;
        let read = text(&bytes).and_then(|text| {
            row::entry(line, &text, headers.len(), &columns, settings.country)
                .map_err(|error| error.to_string())
        });
        match read.and_then(|entry| seen.first(entry)) {
            Ok(entry) => batch.push(entry),
            Err(reason) => report.failed.push((line, reason)),
        }
        if batch.len() == BATCH {
            flush(&mut load, &mut batch, &mut report).await?;
        }
    }
    flush(&mut load, &mut batch, &mut report).await?;
    report.failed.sort();
    Ok(report)
}

fn ends_lines_with_two_signs(beginning: &[u8]) -> bool {
    let first_line = beginning.split(|byte| *byte == b'\n').next();
    first_line.is_some_and(|line| line.len() < beginning.len() && line.ends_with(b"\r"))
}

fn text(bytes: &ByteRecord) -> Result<StringRecord, String> {
    StringRecord::from_byte_record(bytes.clone()).map_err(|_| "it is not UTF-8".to_owned())
}

async fn flush(
    load: &mut Load<'_>,
    batch: &mut Vec<Entry>,
    report: &mut Report,
) -> anyhow::Result<()> {
    if !batch.is_empty() {
        let outcomes = load.batch(batch).await?;
        outcomes.into_iter().for_each(|outcome| report.count(outcome));
        batch.clear();
    }
    Ok(())
}

/// The line of every address so far, by a hash: a million addresses take 16 MB.
#[derive(Debug, Default)]
struct Seen(HashMap<u64, u64>);

impl Seen {
    /// The entry, unless an earlier line has one of its addresses.
    fn first(&mut self, entry: Entry) -> Result<Entry, String> {
        let mut earlier = None;
        for identifier in &entry.identifiers {
            let mut hasher = DefaultHasher::new();
            identifier.hash(&mut hasher);
            match self.0.entry(hasher.finish()) {
                Slot::Occupied(slot) => earlier = Some(*slot.get()),
                Slot::Vacant(slot) => {
                    slot.insert(entry.line);
                }
            }
        }
        match earlier {
            Some(line) => Err(format!("line {line} has one of its addresses already")),
            None => Ok(entry),
        }
    }
}
