//! What the emulator was asked.

use serde::Serialize;
use serde_json::Value;

/// One request.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Recorded {
    pub path: String,
    pub body: Value,
    pub is_authorized: bool,
    /// Of the answer; `None` where there was none.
    pub status: Option<u16>,
}

impl Recorded {
    /// The messages of a chat with this role.
    pub fn messages(&self, role: &str) -> Vec<&Value> {
        let messages = self.body.get("messages").and_then(Value::as_array);
        let messages = messages.into_iter().flatten();
        messages.filter(|message| message.get("role").is_some_and(|it| it == role)).collect()
    }
}
