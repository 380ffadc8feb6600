//! `fte inbox`: what waits for a person, sends in doubt among it, and a person's actions.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::api::{Api, ApiSettings};
use crate::output::{line, table};

/// List and answer what waits for a person: conversations, and sends in doubt
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    api: ApiSettings,
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List what waits, the longest wait first (the default)
    List,
    /// Show a conversation with its messages, replies and decisions
    Show { conversation: String },
    /// Take a conversation: no send of the agent begins after this has answered
    Take { conversation: String },
    /// Answer the customer; takes the conversation first
    Reply { conversation: String, text: String },
    /// Say that a send in doubt has arrived
    Sent { delivery: String },
    /// Send a delivery in doubt again: the customer may have it twice then
    Resend { delivery: String },
    /// Give a conversation back to the agent
    Return { conversation: String },
    /// Close a conversation for good
    Close {
        conversation: String,
        /// Close as resolved: the customer may still write to reopen it
        #[arg(long)]
        resolved: bool,
    },
}

pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let api = arguments.api.connect()?;
    match arguments.action.unwrap_or(Action::List) {
        Action::List => list(&api).await?,
        Action::Show { conversation } => {
            let id = resolve(&api, &conversation).await?;
            line(serde_json::to_string_pretty(&api.get(&format!("/conversations/{id}")).await?)?)?;
        }
        Action::Take { conversation } => act(&api, &conversation, "take", json!({})).await?,
        Action::Reply { conversation, text } => {
            act(&api, &conversation, "reply", json!({ "text": text })).await?;
        }
        Action::Sent { delivery } => decide(&api, &delivery, "sent").await?,
        Action::Resend { delivery } => decide(&api, &delivery, "resend").await?,
        Action::Return { conversation } => act(&api, &conversation, "return", json!({})).await?,
        Action::Close { conversation, resolved } => {
            act(&api, &conversation, "close", json!({ "resolved": resolved })).await?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

async fn waiting(api: &Api) -> anyhow::Result<Vec<Value>> {
    let answer = api.get("/conversations?owner=person").await?;
    Ok(answer.get("conversations").and_then(Value::as_array).cloned().unwrap_or_default())
}

async fn list(api: &Api) -> anyhow::Result<()> {
    let rows = waiting(api).await?;
    let doubts = doubts(api).await?;
    if rows.is_empty() && doubts.is_empty() {
        return Ok(line("nothing waits for a person")?);
    }
    if !rows.is_empty() {
        let columns = [
            "ticket_ref",
            "waits_since",
            "person",
            "channel",
            "category",
            "priority",
            "subject",
            "id",
        ];
        show(columns, &rows)?;
    }
    if !doubts.is_empty() {
        line("\nDid these arrive? `fte inbox sent <id>`, or `fte inbox resend <id>`:")?;
        show(["ticket_ref", "since", "outlet", "excerpt", "reason", "id"], &doubts)?;
    }
    Ok(())
}

fn show<const N: usize>(columns: [&str; N], rows: &[Value]) -> anyhow::Result<()> {
    let mut table = table(columns);
    for row in rows {
        table.add_row(columns.map(|name| text(row, name)));
    }
    Ok(line(table.to_string())?)
}

/// The sends in doubt that looking up has not settled in time.
async fn doubts(api: &Api) -> anyhow::Result<Vec<Value>> {
    let answer = api.get("/deliveries?state=outcome_unknown").await?;
    let mut rows = answer.get("deliveries").and_then(Value::as_array).cloned().unwrap_or_default();
    rows.retain(|row| row.get("is_asked").and_then(Value::as_bool).unwrap_or_default());
    Ok(rows)
}

async fn decide(api: &Api, delivery: &str, action: &str) -> anyhow::Result<()> {
    let answer = api.post(&format!("/deliveries/{delivery}/{action}"), json!({})).await?;
    Ok(line(serde_json::to_string_pretty(&answer)?)?)
}

fn text(row: &Value, name: &str) -> String {
    row.get(name).and_then(Value::as_str).unwrap_or("-").chars().take(60).collect()
}

/// Accepts a conversation's id, or the ticket ref of one in the list.
async fn resolve(api: &Api, conversation: &str) -> anyhow::Result<String> {
    if !conversation.starts_with("TF-") {
        return Ok(conversation.to_owned());
    }
    let rows = waiting(api).await?;
    let found = rows.iter().find(|row| text(row, "ticket_ref") == conversation);
    found
        .map(|row| text(row, "id"))
        .ok_or_else(|| anyhow::anyhow!("{conversation} does not wait for a person"))
}

async fn act(api: &Api, conversation: &str, action: &str, body: Value) -> anyhow::Result<()> {
    let id = resolve(api, conversation).await?;
    let answer = api.post(&format!("/conversations/{id}/{action}"), body).await?;
    Ok(line(serde_json::to_string_pretty(&answer)?)?)
}
