//! Every SQL statement but those of the log: functions over a connection, whose
//! caller owns the transaction.

pub mod audit;
mod bind;
pub mod channel_configs;
pub mod conversations;
pub mod customer_records;
pub mod customers;
pub mod deliveries;
pub mod delivery_doubts;
mod delivery_ends;
mod delivery_facts;
pub mod delivery_receipts;
pub mod delivery_sends;
pub mod delivery_windows;
pub mod doubt_decisions;
pub mod due_turns;
mod error;
pub mod facts;
pub mod hand_off_mails;
pub mod hand_off_notices;
pub mod health;
pub mod identity;
pub mod inbound;
mod inbound_sql;
pub mod jobs;
pub mod knowledge;
pub mod mail;
pub mod mail_sends;
mod mail_sql;
pub mod mailboxes;
pub mod merges;
mod merges_sql;
pub mod outbox;
mod outbox_publisher;
mod overtaken;
pub mod people;
mod people_sql;
pub mod pipeline;
#[cfg(test)]
mod plans;
pub mod progress;
pub mod refs;
pub mod refused_webhooks;
pub mod relay;
pub mod schema;
pub mod server_log;
pub mod status_mails;
pub mod sweeps;
pub mod threads;
pub mod ticket_refs;
pub mod turn_context;
pub mod turn_logs;
pub mod turns;
mod turns_sql;
pub mod verify;
pub mod verify_ledger;
pub mod verify_load;
pub mod web_requests;
pub mod web_status;
pub mod whatsapp;

use sqlx::migrate::Migrator;

pub use error::{Error, retry_serialization};

/// The numbered, forward-only migrations; applied by `fte migrate`, never by a service.
pub static MIGRATOR: Migrator = sqlx::migrate!("../../migrations");
