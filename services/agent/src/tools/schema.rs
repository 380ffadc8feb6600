//! The tools as a model is told of them, with strict schemas.

use std::sync::Arc;

use contract::{Category, Priority};
use serde_json::{Value, json};

use crate::model::ToolSpec;
use crate::search::Found;
use crate::tools::{CREATE, ESCALATE, HISTORY, SEARCH, SEND, SENTIMENT};

/// Every tool. The same bytes each time, so that a server may cache them.
pub(crate) fn specs() -> Arc<[ToolSpec]> {
    Arc::new([
        spec(
            SEARCH,
            "Searches the help articles. Use it when the articles that you were given do not \
             answer the customer, with the words that an article would use, in English.",
            json!({"query": text("A few words or one question, in English")}),
        ),
        send(json!({"type": "string"})),
        escalate(),
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

/// The tools that end a turn. Only what was found can be cited, and nobody is handed over
/// who needs no person.
pub(crate) fn concluding(found: &[Found], needs_no_person: bool) -> Arc<[ToolSpec]> {
    let chunks: Vec<&str> = found.iter().map(|found| found.chunk_id.as_str()).collect();
    let send = match chunks.is_empty() {
        true => send(json!({"type": "string"})),
        false => send(json!({"type": "string", "enum": chunks})),
    };
    match needs_no_person {
        true => Arc::new([send]),
        false => Arc::new([send, escalate()]),
    }
}

/// A model writes the properties in the order of their names: the answer, then its sources.
fn send(chunk: Value) -> ToolSpec {
    let citations = json!({
        "type": "array", "items": chunk,
        "description": "Ids of chunks, as they stand in the articles",
    });
    let answer = text("The answer, without greeting and signature");
    spec(
        SEND,
        "Sends your answer to the customer. Greeting, ticket number and signature are added for \
         you. Cite every chunk that you took facts from.",
        json!({"answer": answer, "citations": citations}),
    )
}

fn escalate() -> ToolSpec {
    spec(
        ESCALATE,
        "Hands the conversation over to a person. The customer is told who takes over and by \
         when; do not promise it yourself.",
        json!({
            "category": category(),
            "priority": priority(),
            "reason": text("Why a person is needed, in one line"),
            "summary": text("What happened so far, in two or three sentences"),
            "suggested_next_step": text("What the person should do first"),
        }),
    )
}

fn spec(name: &'static str, description: &'static str, properties: Value) -> ToolSpec {
    ToolSpec { name, description, parameters: strict(properties) }
}

fn text(description: &str) -> Value {
    json!({"type": "string", "description": description})
}

fn category() -> Value {
    let names: Vec<&str> = Category::ALL.iter().map(|it| it.as_str()).collect();
    json!({"type": "string", "enum": names})
}

fn priority() -> Value {
    let names: Vec<&str> = Priority::ALL.iter().map(|it| it.as_str()).collect();
    json!({"type": "string", "enum": names})
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
