//! What was said, as a completion of the contract or in one of the ways that differ.

use serde_json::{Value, json};
use uuid::Uuid;

use super::Shape;

/// What a model said.
#[derive(Debug, Clone, Default)]
pub(super) struct Said {
    pub(super) content: Value,
    pub(super) calls: Vec<(String, Value)>,
    pub(super) refusal: Option<String>,
    /// `stop` or `tool_calls` unless this says otherwise.
    pub(super) finish: Option<&'static str>,
}

impl Said {
    pub(super) fn text(text: impl Into<Value>) -> Self {
        Self { content: text.into(), ..Self::default() }
    }

    pub(super) fn call(name: &str, arguments: Value) -> Self {
        Self { calls: vec![(name.to_owned(), arguments)], ..Self::default() }
    }
}

pub(super) fn completion(request: &Value, said: Said, shape: Option<Shape>) -> Value {
    let has_calls = !said.calls.is_empty();
    let finish = said.finish.unwrap_or(if has_calls { "tool_calls" } else { "stop" });
    let finish = match shape {
        Some(Shape::StopWithCalls) => json!("stop"),
        Some(Shape::NoFinish) => Value::Null,
        _ => json!(finish),
    };
    let tokens = |value: &Value| value.to_string().len() / 4 + 1;
    let prompt = tokens(request.get("messages").unwrap_or(&Value::Null));
    let message = message(said, shape);
    let answer = tokens(&message);
    let mut body = json!({
        "id": format!("chatcmpl-{}", Uuid::new_v4().simple()),
        "object": "chat.completion",
        "created": crate::clock::now().timestamp(),
        "model": request.get("model").unwrap_or(&Value::Null),
        "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": null}],
        "usage": {
            "prompt_tokens": prompt,
            "completion_tokens": answer,
            "total_tokens": prompt + answer,
            "prompt_tokens_details": {"cached_tokens": 0},
        },
        "system_fingerprint": "fp_emulator",
    });
    if shape == Some(Shape::NoUsage)
        && let Some(body) = body.as_object_mut()
    {
        body.remove("usage");
    }
    body
}

fn message(said: Said, shape: Option<Shape>) -> Value {
    let mut message =
        json!({"role": "assistant", "content": said.content, "refusal": said.refusal});
    let Some(fields) = message.as_object_mut() else { return message };
    let Some((name, arguments)) = said.calls.first().cloned() else { return message };
    match shape {
        Some(Shape::Leaked) => {
            let call = json!({"name": name, "arguments": arguments});
            fields
                .insert("content".to_owned(), format!("<tool_call>\n{call}\n</tool_call>").into());
        }
        Some(Shape::FunctionCall) => {
            let call = json!({"name": name, "arguments": written(arguments, None)});
            fields.insert("function_call".to_owned(), call);
        }
        _ => {
            let calls = said.calls.into_iter().map(|call| self::call(call, shape));
            fields.insert("tool_calls".to_owned(), calls.collect());
        }
    }
    message
}

fn call((name, arguments): (String, Value), shape: Option<Shape>) -> Value {
    let function = json!({"name": name, "arguments": written(arguments, shape)});
    match shape {
        Some(Shape::NoIds) => json!({"function": function}),
        Some(Shape::SameIds) => json!({"id": "call_1", "type": "function", "function": function}),
        _ => {
            let id = format!("call_{}", Uuid::new_v4().simple());
            json!({"id": id, "type": "function", "function": function})
        }
    }
}

/// Arguments are JSON as text. What a script gives as text goes as it is, broken or not,
/// and null stays null.
fn written(arguments: Value, shape: Option<Shape>) -> Value {
    match arguments {
        Value::Object(_) if shape != Some(Shape::ObjectArguments) => arguments.to_string().into(),
        other => other,
    }
}
