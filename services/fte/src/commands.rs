//! One file per command: its arguments and what it does.

pub(crate) mod bench;
pub(crate) mod channels;
pub(crate) mod chaos;
pub(crate) mod customers;
pub(crate) mod dlq;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod inbox;
pub(crate) mod kb;
pub(crate) mod lag;
pub(crate) mod ledger;
pub(crate) mod migrate;
pub(crate) mod openapi;
pub(crate) mod probe;
pub(crate) mod say;
pub(crate) mod settings;
pub(crate) mod tail;
pub(crate) mod topics;
pub(crate) mod turns;
pub(crate) mod up;
pub(crate) mod verify;
pub(crate) mod with_servers;
