//! One file per command: its arguments and what it does.

pub(crate) mod migrate;
pub(crate) mod with_servers;
