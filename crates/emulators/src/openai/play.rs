//! How one request is answered: sensibly, strangely or not at all.

use serde::Deserialize;
use serde_json::Value;

/// What happens with one request.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(rename_all = "snake_case", tag = "play")]
pub enum Play {
    /// As a sensible agent: the first article is the answer.
    Agent,
    /// A text without a call.
    Say { text: String },
    /// Calls; arguments that are no string go as they are, be it an object or null.
    Call { calls: Vec<(String, Value)> },
    /// A call of a search, whatever was found before: with a rule an endless loop.
    SearchAgain,
    /// A call of a tool that nobody has.
    UnknownTool,
    /// A text of so many characters.
    Long { characters: usize },
    /// Neither text nor calls.
    Nothing,
    /// The text in parts.
    Parts { text: String },
    /// Cut at the most tokens, in the middle of the agent's arguments.
    Cut,
    /// The server's filter took the answer.
    Filtered,
    /// The model declines.
    Declined { text: String },
    /// The agent's answer, written strangely.
    Strange { how: Shape },
    /// An error of the server's.
    Refuse { refusal: Refusal },
    /// A page of HTML with this status, as a gateway answers.
    Html { status: u16 },
    /// The agent's answer, later.
    Delay { milliseconds: u64 },
    /// No answer, ever.
    Hang,
    /// The connection is dropped.
    Drop,
    /// 200 whose body breaks off.
    BrokenJson,
    /// Embeddings that are wrong.
    Vectors { wrong: Wrong },
}

/// Strange ways to write the agent's answer; all of them are in use somewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Without `usage`.
    NoUsage,
    /// Calls whose id is always the same.
    SameIds,
    /// Calls without ids and types.
    NoIds,
    /// Arguments as an object.
    ObjectArguments,
    /// Calls with the finish reason `stop`.
    StopWithCalls,
    /// No finish reason at all.
    NoFinish,
    /// The call stands in the text.
    Leaked,
    /// As the contract was before tools.
    FunctionCall,
}

/// What is wrong with embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Wrong {
    NotANumber,
    Zero,
    /// One vector less than texts.
    TooFew,
    /// The last first; not wrong at all.
    Reversed,
}

/// An error as a server writes it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Refusal {
    pub status: u16,
    /// A string, a number or null.
    #[serde(default)]
    pub code: Value,
    #[serde(default)]
    pub kind: String,
    #[serde(default)]
    pub message: String,
    /// Nested in `error` unless this says otherwise: `flat`, `text`.
    #[serde(default)]
    pub form: String,
    #[serde(default)]
    pub headers: Vec<(String, String)>,
}

impl Play {
    /// An error of OpenAI's own form.
    pub fn refuse(status: u16, code: impl Into<Value>, kind: &str) -> Self {
        Self::Refuse {
            refusal: Refusal {
                status,
                code: code.into(),
                kind: kind.to_owned(),
                message: "refused by the script".to_owned(),
                form: String::new(),
                headers: Vec::new(),
            },
        }
    }

    /// The account has no money left.
    pub fn quota() -> Self {
        Self::refuse(429, "insufficient_quota", "insufficient_quota")
    }

    /// Too many requests, with or without these headers.
    pub fn too_many(headers: &[(&str, &str)]) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        match Self::refuse(429, "rate_limit_exceeded", "requests") {
            Self::Refuse { refusal } => {
                let headers = headers.iter().map(owned).collect();
                Self::Refuse { refusal: Refusal { headers, ..refusal } }
            }
            other => other,
        }
    }

    /// One call.
    pub fn call(name: &str, arguments: Value) -> Self {
        Self::Call { calls: vec![(name.to_owned(), arguments)] }
    }

    /// A text without a call.
    pub fn say(text: &str) -> Self {
        Self::Say { text: text.to_owned() }
    }
}
