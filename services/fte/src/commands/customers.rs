//! `fte customers`: the company's records, and who is one person.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use channels::phone::{Country, normal_phone};
use chassis::settings::DatabaseSettings;
use clap::{Args, Subcommand};
use contract::{CustomerId, MergeId};
use serde_json::json;
use sqlx::PgPool;
use store::customers::{self, Address, Customer};
use store::merges::{self, Mode, Moved};
use store::people::OperatorName;

use crate::customers::import::{self, Report, Settings};
use crate::output::line;

/// Import the company's records of its customers; merge two customers, and part them again
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Args)]
struct Change {
    /// Say what would happen, and change nothing
    #[arg(long)]
    dry_run: bool,
    /// Who does it: the name for the audit log
    #[arg(long, default_value = "fte")]
    operator: String,
    #[command(flatten)]
    database: DatabaseSettings,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Load customers from a CSV file with a header row, or from stdin as `-`
    ///
    /// Columns, in any order: name, email, phone, plan (free, pro, enterprise); several e-mails or
    /// phones in one cell with `;` between them. The same file again changes nothing; an empty cell
    /// leaves what is stored. What cannot be read is listed by line, the rest is loaded, and the
    /// exit code is 1.
    Import {
        file: PathBuf,
        /// Country of phone numbers without +, as two letters
        #[arg(long, value_name = "COUNTRY")]
        default_country: Option<Country>,
        #[command(flatten)]
        change: Change,
    },
    /// Show a customer, by e-mail address, phone number or id
    Show {
        customer: String,
        #[command(flatten)]
        database: DatabaseSettings,
    },
    /// Give the first customer everything of the second; both must be proven
    ///
    /// Proven: a message that its channel authenticated, or the company's records. An address typed
    /// in a form proves nothing.
    Merge {
        kept: String,
        merged: String,
        #[command(flatten)]
        change: Change,
    },
    /// Undo a merge: identifiers, conversations and plan as before
    Unmerge {
        merge: MergeId,
        #[command(flatten)]
        change: Change,
    },
}

impl Change {
    fn pool(&self) -> anyhow::Result<PgPool> {
        Ok(self.database.pool("customers")?)
    }

    fn mode(&self) -> Mode {
        if self.dry_run { Mode::DryRun } else { Mode::Write }
    }

    fn operator(&self) -> OperatorName<'_> {
        OperatorName(&self.operator)
    }
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    match arguments.action {
        Action::Import { file, default_country, change } => {
            return import_file(&file, default_country, &change).await;
        }
        Action::Show { customer, database } => {
            show(&database.pool("customers")?, &customer).await?
        }
        Action::Merge { kept, merged, change } => {
            let pool = change.pool()?;
            let (kept, merged) = (find(&pool, &kept).await?.id, find(&pool, &merged).await?.id);
            let (kept, merged) = (kept.into(), merged.into());
            let moved =
                merges::merge(&pool, kept, merged, change.operator(), change.mode()).await?;
            tell(&moved, &change, "merged")?;
            if !change.dry_run {
                line(format!("undo it with: fte customers unmerge {}", moved.merge))?;
            }
        }
        Action::Unmerge { merge, change } => {
            let pool = change.pool()?;
            let moved = merges::unmerge(&pool, merge, change.operator(), change.mode()).await?;
            tell(&moved, &change, "parted")?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn tell(moved: &Moved, change: &Change, done: &str) -> io::Result<()> {
    let Moved { kept, merged, identifiers, conversations, .. } = moved;
    let plan = moved.plan.as_deref().unwrap_or("none");
    let would = if change.dry_run { "would be " } else { "" };
    line(format!(
        "{would}{done}: {kept} and {merged}; {identifiers} identifiers, {conversations} conversations \
         moved; plan of {kept}: {plan}"
    ))
}

async fn import_file(
    path: &Path,
    country: Option<Country>,
    change: &Change,
) -> anyhow::Result<ExitCode> {
    let file: Box<dyn Read + Send> = match path.to_str() {
        Some("-") => Box::new(io::stdin()),
        _ => Box::new(File::open(path).with_context(|| path.display().to_string())?),
    };
    let settings = Settings { country, operator: change.operator(), mode: change.mode() };
    let report = import::import(file, &change.pool()?, settings)
        .await
        .with_context(|| path.display().to_string())?;
    print(&report, change.dry_run)?;
    Ok(if report.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn print(report: &Report, dry_run: bool) -> io::Result<()> {
    for (number, reason) in &report.failed {
        line(format!("line {number}: {reason}"))?;
    }
    if !report.ignored.is_empty() {
        line(format!("columns not read: {}", report.ignored.join(", ")))?;
    }
    let Report { added, changed, unchanged, failed, .. } = report;
    let would = if dry_run { "dry run: " } else { "" };
    let failed = failed.len();
    line(format!(
        "{would}{added} added, {changed} changed, {unchanged} unchanged, {failed} not read"
    ))
}

/// By e-mail address, phone number or id.
async fn find(pool: &PgPool, named: &str) -> anyhow::Result<Customer> {
    let found = match named.parse::<CustomerId>() {
        Ok(id) => customers::by_id(pool, id).await?,
        Err(_) => {
            let address = match normal_phone(named) {
                Some(phone) => Address::Phone(phone),
                None => Address::Email(named.trim().to_lowercase()),
            };
            customers::lookup(pool, &address).await?
        }
    };
    found.with_context(|| format!("there is no customer {named}"))
}

async fn show(pool: &PgPool, named: &str) -> anyhow::Result<()> {
    let customer = find(pool, named).await?;
    let merges = merges::of_customer(pool, customer.id.into()).await?;
    let shown = json!({
        "id": customer.id,
        "name": customer.name,
        "plan": customer.plan,
        "merged_into": customer.merged_into,
        "created_at": customer.created_at,
        "identifiers": customer.identifiers.iter().map(|one| json!({
            "kind": one.kind, "value": one.value, "level": one.level, "on_record": one.on_record,
        })).collect::<Vec<_>>(),
        "conversations": customer.conversations.iter().map(|one| json!({
            "id": one.id, "ticket_ref": one.ticket_ref, "channel": one.channel,
            "status": one.status, "owner": one.owner, "subject": one.subject,
            "updated_at": one.updated_at,
        })).collect::<Vec<_>>(),
        "merges": merges.iter().map(|one| json!({
            "id": one.id, "kept": one.kept_id, "merged": one.merged_id,
            "by": one.merged_by, "at": one.merged_at,
            "undone_by": one.undone_by, "undone_at": one.undone_at,
        })).collect::<Vec<_>>(),
    });
    Ok(line(serde_json::to_string_pretty(&shown)?)?)
}
