//! What the emulator was asked.

use serde::Serialize;

/// One request to the REST interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Recorded {
    pub method: String,
    pub path: String,
    /// Of the query or the form.
    pub parameters: Vec<(String, String)>,
    pub is_authorized: bool,
    /// Of the answer; `None` where there was none.
    pub status: Option<u16>,
}

impl Recorded {
    /// The first value of a parameter.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let found = self.parameters.iter().find(|(candidate, _)| candidate == name);
        found.map(|(_, value)| value.as_str())
    }

    pub fn is_send(&self) -> bool {
        self.method == "POST" && self.path.ends_with("/Messages.json")
    }
}
