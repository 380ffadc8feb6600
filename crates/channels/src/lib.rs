//! What is particular to each channel: how texts look there, how providers are read.

mod breaks;
pub mod compose;
mod content;
pub mod email;
pub mod email_reply;
pub mod files;
pub mod gmail;
pub mod handoff;
pub mod http;
mod letter;
mod markup;
mod person;
pub mod phone;
mod plain;
pub mod pubsub;
pub mod split;
pub mod staff_mail;
pub mod twilio;
mod verified;
pub mod web_form;
pub mod whatsapp;

pub use content::Content;
pub use person::person_parts;
