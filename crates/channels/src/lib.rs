//! How texts look on each channel. Pure: nothing here sends.

mod plain;
pub mod twilio;
pub mod web_form;
