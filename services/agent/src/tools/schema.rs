//! The tools as a model is told of them, with strict schemas.

use std::sync::Arc;

use contract::{Category, Priority};
use serde_json::{Value, json};

use crate::model::ToolSpec;
use crate::tools::{CREATE, ESCALATE, HISTORY, SEARCH, SEND, SENTIMENT};

/// Every tool. The same bytes each time, so that a server may cache them.
pub(crate) fn specs() -> Arc<[ToolSpec]> {
    let categories: Vec<&str> = Category::ALL.iter().map(|category| category.as_str()).collect();
    let priorities: Vec<&str> = Priority::ALL.iter().map(|priority| priority.as_str()).collect();
    let category = || json!({"type": "string", "enum": categories});
    let priority = || json!({"type": "string", "enum": priorities});
    let text = |description: &str| json!({"type": "string", "description": description});
    let spec = |name, description, properties| ToolSpec {
        name,
        description,
        parameters: strict(properties),
    };
    Arc::new([
        spec(
            SEARCH,
            "Searches the help articles. Use it when the articles that you were given do not \
             answer the customer, with the words that an article would use, in English.",
            json!({"query": text("A few words or one question, in English")}),
        ),
        spec(
            SEND,
            "Sends your answer to the customer. Greeting, ticket number and signature are added \
             for you. Cite every chunk that you took facts from.",
            json!({
                "text": text("The answer, without greeting and signature"),
                "citations": {
                    "type": "array", "items": {"type": "string"},
                    "description": "Ids of chunks, as they stand in the articles",
                },
            }),
        ),
        spec(
            ESCALATE,
            "Hands the conversation over to a person. The customer is told who takes over and \
             by when; do not promise it yourself.",
            json!({
                "category": category(),
                "priority": priority(),
                "reason": text("Why a person is needed, in one line"),
                "summary": text("What happened so far, in two or three sentences"),
                "suggested_next_step": text("What the person should do first"),
            }),
        ),
        spec(
            CREATE,
            "Files the conversation's ticket: a short subject, its category and priority.",
            json!({
                "subject": text("At most ten words"),
                "category": category(),
                "priority": priority(),
            }),
        ),
        spec(
            HISTORY,
            "Lists the tickets that this customer may know of, the newest first.",
            json!({"limit": {"type": "integer", "description": "Most tickets, 1 to 20"}}),
        ),
        spec(
            SENTIMENT,
            "Scores the mood of a text between -1 and 1.",
            json!({"text": text("The customer's words")}),
        ),
    ])
}

/// An object of these properties, every one required, with no others.
fn strict(properties: Value) -> Value {
    let required: Vec<String> =
        properties.as_object().into_iter().flat_map(|all| all.keys().cloned()).collect();
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}
