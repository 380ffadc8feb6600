//! The six tools: what a model may call, read strictly from whatever it wrote. Neither
//! customer nor conversation is ever an argument.

mod schema;

use contract::{Category, Priority};
use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

pub(crate) use schema::{concluding, specs};

/// A call that makes sense.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(tag = "name", content = "arguments", rename_all = "snake_case")]
pub(crate) enum ToolCall {
    SearchKnowledgeBase { query: String },
    CreateTicket { subject: String, category: Category, priority: Priority },
    GetCustomerHistory { limit: u32 },
    EscalateToHuman(Escalation),
    SendResponse(Response),
    AnalyzeSentiment { text: String },
}

/// What a model says of a hand-over. Who takes it follows from the category.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Escalation {
    pub(crate) category: Option<Category>,
    pub(crate) priority: Option<Priority>,
    pub(crate) reason: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) summary: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) suggested_next_step: String,
}

/// What a model wants to say, and the chunks it rests on.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Response {
    #[serde(rename = "answer")]
    pub(crate) text: String,
    #[serde(default, deserialize_with = "or_default")]
    pub(crate) citations: Vec<String>,
}

/// What servers put in place of an argument that a model left out.
fn or_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Why a call is not carried out. Stands as its result, so that the model can mend it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ToolError {
    #[error("there is no such tool")]
    Unknown,
    #[error("the arguments are no JSON object")]
    NotAnObject,
    #[error("the arguments do not fit the tool's schema: {0}")]
    Invalid(String),
    #[error("this call was made before; its result stands above")]
    Repeated,
    #[error("too many calls; conclude with what you have")]
    TooMany,
    #[error("this may not be sent: {0}")]
    NotSendable(String),
    #[error(
        "the articles answer this and no person is needed: call send_response and cite the article"
    )]
    NoPersonNeeded,
}

impl ToolError {
    /// As the model is told.
    pub(crate) fn content(&self) -> String {
        let error = match self {
            ToolError::Unknown => json!({ "error": self.to_string(), "tools": NAMES }),
            _ => json!({ "error": self.to_string() }),
        };
        error.to_string()
    }
}

/// Characters of the reason that arguments do not fit: a server may quote them all.
const REASON_CHARS: usize = 200;

pub(crate) const SEARCH: &str = "search_knowledge_base";
pub(crate) const CREATE: &str = "create_ticket";
pub(crate) const HISTORY: &str = "get_customer_history";
pub(crate) const ESCALATE: &str = "escalate_to_human";
pub(crate) const SEND: &str = "send_response";
pub(crate) const SENTIMENT: &str = "analyze_sentiment";

/// Every tool's name.
pub(crate) const NAMES: [&str; 6] = [SEARCH, CREATE, HISTORY, ESCALATE, SEND, SENTIMENT];

/// Reads a call as a model or its server wrote it.
pub(crate) fn parse(name: &str, arguments: &str) -> Result<ToolCall, ToolError> {
    let name = name.trim();
    if !NAMES.contains(&name) {
        return Err(ToolError::Unknown);
    }
    let arguments = object(arguments)?;
    let call = json!({ "name": name, "arguments": arguments });
    let call: ToolCall = serde_json::from_value(call).map_err(|error| {
        ToolError::Invalid(error.to_string().chars().take(REASON_CHARS).collect())
    })?;
    match call.missing_word() {
        Some(field) => Err(ToolError::Invalid(format!("{field} is empty"))),
        None => Ok(call),
    }
}

/// Arguments as an object: nothing at all counts as none, and an object that was
/// written as a string inside of a string is unwrapped once.
fn object(arguments: &str) -> Result<Value, ToolError> {
    let arguments = arguments.trim();
    if arguments.is_empty() {
        return Ok(json!({}));
    }
    let value: Value = serde_json::from_str(arguments).map_err(|_| ToolError::NotAnObject)?;
    match value {
        Value::Null => Ok(json!({})),
        Value::Object(_) => Ok(value),
        Value::String(inner) if inner.trim().is_empty() => Ok(json!({})),
        Value::String(inner) => match serde_json::from_str(&inner) {
            Ok(Value::Object(object)) => Ok(Value::Object(object)),
            _ => Err(ToolError::NotAnObject),
        },
        _ => Err(ToolError::NotAnObject),
    }
}

impl ToolCall {
    /// Whether a turn may end with it.
    pub(crate) fn concludes(&self) -> bool {
        matches!(self, ToolCall::SendResponse(_) | ToolCall::EscalateToHuman(_))
    }

    /// An argument that needs words and has none.
    fn missing_word(&self) -> Option<&'static str> {
        let (field, text) = match self {
            ToolCall::SearchKnowledgeBase { query } => ("query", query),
            ToolCall::CreateTicket { subject, .. } => ("subject", subject),
            ToolCall::EscalateToHuman(escalation) => ("reason", &escalation.reason),
            ToolCall::SendResponse(response) => ("answer", &response.text),
            ToolCall::AnalyzeSentiment { text } => ("text", text),
            ToolCall::GetCustomerHistory { .. } => return None,
        };
        text.trim().is_empty().then_some(field)
    }
}

/// The call that a small model wrote as its text instead of calling: a JSON object with
/// a tool's name and arguments, perhaps in a fence or in tags.
pub(crate) fn leaked_call(text: &str) -> Option<(String, String)> {
    let start = text.find('{')?;
    let end = text.rfind('}')?;
    let around = text.get(..start)?.chars().chain(text.get(end + 1..)?.chars()).count();
    if around > LEAK_MARGIN {
        return None;
    }
    let object: Value = serde_json::from_str(text.get(start..=end)?).ok()?;
    let object = object.get("function").filter(|inner| inner.is_object()).unwrap_or(&object);
    let name = object.get("name")?.as_str()?;
    let arguments = object.get("arguments").or_else(|| object.get("parameters"))?;
    let arguments = match arguments {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    NAMES.contains(&name).then(|| (name.to_owned(), arguments))
}

/// Characters that may stand around such an object: tags and fences, no sentence.
const LEAK_MARGIN: usize = 60;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_from_whatever_servers_make_of_them() {
        let search = ToolCall::SearchKnowledgeBase { query: "export".to_owned() };
        for arguments in [
            r#"{"query": "export"}"#,
            " {\"query\": \"export\", \"unasked\": 1}\n",
            r#""{\"query\": \"export\"}""#,
        ] {
            assert_eq!(parse(SEARCH, arguments), Ok(search.clone()), "{arguments}");
        }
        let send = r#"{"answer": "Hello", "citations": null}"#;
        let response = Response { text: "Hello".to_owned(), citations: Vec::new() };
        assert_eq!(parse(SEND, send), Ok(ToolCall::SendResponse(response)));
    }

    #[test]
    fn arguments_that_mean_nothing_are_an_error_that_says_what_is_wrong() {
        for arguments in ["{\"query\": \"exp", "[1]", "7", "\"export\"", "true"] {
            assert_eq!(parse(SEARCH, arguments), Err(ToolError::NotAnObject), "{arguments}");
        }
        for arguments in ["", "null", "\"\"", "{}", r#"{"query": 7}"#, r#"{"query": " "}"#] {
            let error = parse(SEARCH, arguments);
            assert!(matches!(error, Err(ToolError::Invalid(_))), "{arguments}: {error:?}");
        }
        let category = r#"{"subject": "x", "category": "refunds", "priority": "high"}"#;
        let error = parse(CREATE, category).unwrap_err().content();
        assert!(error.contains("bug-report"), "{error}");
        assert_eq!(parse("delete_customer", "{}"), Err(ToolError::Unknown));
    }

    #[test]
    fn a_call_that_leaked_into_the_text_is_a_call() {
        let call = r#"{"name": "send_response", "arguments": {"answer": "Hi", "citations": []}}"#;
        for text in [
            call.to_owned(),
            format!("<tool_call>\n{call}\n</tool_call>"),
            format!("```json\n{call}\n```"),
            format!("{{\"type\": \"function\", \"function\": {call}}}"),
        ] {
            let (name, arguments) = leaked_call(&text).unwrap();
            assert!(parse(&name, &arguments).is_ok(), "{text}");
        }
        assert_eq!(leaked_call("Use {curly} braces."), None);
        assert_eq!(leaked_call(r#"{"name": "Sam", "arguments": {}}"#), None);
    }
}
