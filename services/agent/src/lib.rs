//! The agent: reads what customers wrote, answers from the knowledge base or hands
//! over to a person. One turn at a time per conversation.

mod builtin;
mod draft;
pub mod knowledge;
mod model;
pub mod policy;

pub use builtin::Builtin;
pub use model::{Answer, Model, ModelError, Prompt, Proposal};
