//! The contract of a chat: what OpenAI refuses with 400.

use serde_json::Value;

/// What it knows at the top of a chat.
const FIELDS: [&str; 24] = [
    "model",
    "messages",
    "tools",
    "tool_choice",
    "parallel_tool_calls",
    "response_format",
    "temperature",
    "top_p",
    "n",
    "max_completion_tokens",
    "max_tokens",
    "seed",
    "stop",
    "stream",
    "stream_options",
    "reasoning_effort",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "store",
    "user",
    "logprobs",
    "service_tier",
    "verbosity",
];

/// Levels of a strict schema.
const DEEPEST: usize = 5;

/// What is wrong with a chat, in words.
pub(super) fn chat(body: &Value) -> Result<(), String> {
    let fields = body.as_object().ok_or("the body is no object")?;
    if let Some(unknown) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
        return Err(format!("unrecognized request argument supplied: {unknown}"));
    }
    if fields.contains_key("max_tokens") && fields.contains_key("max_completion_tokens") {
        return Err("max_tokens and max_completion_tokens together".to_owned());
    }
    let model = body.get("model").and_then(Value::as_str).unwrap_or_default();
    if model.is_empty() {
        return Err("you must provide a model parameter".to_owned());
    }
    let reasons = ["o1", "o3", "o4", "gpt-5"].iter().any(|family| model.starts_with(family));
    let refused = ["temperature", "top_p", "max_tokens", "parallel_tool_calls"];
    if let Some(name) = refused.iter().find(|name| reasons && fields.contains_key(**name)) {
        return Err(format!("unsupported parameter: '{name}' is not supported with this model"));
    }
    let messages = body.get("messages").and_then(Value::as_array).ok_or("messages is required")?;
    if messages.is_empty() {
        return Err("messages is too short".to_owned());
    }
    self::messages(messages)?;
    let tools = body.get("tools").and_then(Value::as_array);
    if tools.is_some_and(Vec::is_empty) {
        return Err("tools is too short".to_owned());
    }
    if tools.is_none() && fields.contains_key("parallel_tool_calls") {
        return Err("parallel_tool_calls is only allowed when tools are specified".to_owned());
    }
    tools.into_iter().flatten().try_for_each(tool)
}

/// Every call is answered by exactly one tool message directly after it.
fn messages(messages: &[Value]) -> Result<(), String> {
    let mut open: Vec<&str> = Vec::new();
    for message in messages {
        let role = message.get("role").and_then(Value::as_str).unwrap_or_default();
        if role == "tool" {
            let id = message.get("tool_call_id").and_then(Value::as_str).unwrap_or_default();
            let at = open.iter().position(|other| *other == id);
            let at = at.ok_or("a tool message answers no call before it")?;
            open.remove(at);
            text(message)?;
            continue;
        }
        if !open.is_empty() {
            return Err(
                "an assistant message with tool_calls is not followed by their results".to_owned()
            );
        }
        match role {
            "system" | "developer" | "user" => text(message)?,
            "assistant" => {
                let calls = message.get("tool_calls").and_then(Value::as_array);
                if calls.is_none() {
                    text(message)?;
                }
                for call in calls.into_iter().flatten() {
                    open.push(self::call(call)?);
                }
            }
            other => return Err(format!("unknown role {other:?}")),
        }
    }
    if open.is_empty() { Ok(()) } else { Err("a call has no result".to_owned()) }
}

fn text(message: &Value) -> Result<(), String> {
    match message.get("content") {
        Some(Value::String(_) | Value::Array(_)) => Ok(()),
        _ => Err("content must be text".to_owned()),
    }
}

fn call(call: &Value) -> Result<&str, String> {
    let id = call.get("id").and_then(Value::as_str).ok_or("a call has no id")?;
    if call.get("type").and_then(Value::as_str) != Some("function") {
        return Err("a call has no type".to_owned());
    }
    name(call.pointer("/function/name"))?;
    let arguments = call.pointer("/function/arguments").and_then(Value::as_str);
    arguments.map(|_| id).ok_or_else(|| "arguments must be text".to_owned())
}

fn name(name: Option<&Value>) -> Result<(), String> {
    let name = name.and_then(Value::as_str).unwrap_or_default();
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=64).contains(&name.len()) && name.chars().all(is_plain) {
        return Ok(());
    }
    Err(format!("invalid function name {name:?}"))
}

fn tool(tool: &Value) -> Result<(), String> {
    name(tool.pointer("/function/name"))?;
    let parameters = tool.pointer("/function/parameters").unwrap_or(&Value::Null);
    match tool.pointer("/function/strict") {
        Some(Value::Bool(true)) => strict(parameters, 0),
        _ => Ok(()),
    }
}

/// The subset of JSON Schema that `strict` takes.
fn strict(schema: &Value, depth: usize) -> Result<(), String> {
    let is_object = match schema.get("type") {
        Some(Value::String(kind)) => kind == "object",
        Some(Value::Array(kinds)) => kinds.iter().any(|kind| kind == "object"),
        _ if depth == 0 => return Err("a schema must be of an object".to_owned()),
        _ => false,
    };
    if depth > DEEPEST {
        return Err("the schema is too deep".to_owned());
    }
    if schema.get("default").is_some() {
        return Err("'default' is not permitted".to_owned());
    }
    if let Some(items) = schema.get("items") {
        strict(items, depth + 1)?;
    }
    if !is_object {
        return Ok(());
    }
    if schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Err("'additionalProperties' is required to be false".to_owned());
    }
    let required = schema.get("required").and_then(Value::as_array);
    let required: Vec<_> = required.into_iter().flatten().filter_map(Value::as_str).collect();
    let properties = schema.get("properties").and_then(Value::as_object);
    for (name, property) in properties.into_iter().flatten() {
        if !required.contains(&name.as_str()) {
            return Err(format!("'required' must hold every property; {name:?} is missing"));
        }
        strict(property, depth + 1)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(body: Value) -> String {
        chat(&body).unwrap_err()
    }

    #[test]
    fn a_call_without_its_result_is_refused() {
        let calls =
            json!([{"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}]);
        let asked = json!({"role": "assistant", "content": null, "tool_calls": calls});
        let result = json!({"role": "tool", "tool_call_id": "a", "content": "1"});
        let user = json!({"role": "user", "content": "x"});
        let body = |messages: &[&Value]| json!({"model": "m", "messages": messages});

        assert_eq!(chat(&body(&[&user, &asked, &result, &user])), Ok(()));
        assert!(refused(body(&[&asked])).contains("no result"));
        assert!(refused(body(&[&asked, &user])).contains("not followed"));
        assert!(refused(body(&[&asked, &result, &result])).contains("no call"));
    }

    #[test]
    fn a_schema_that_is_not_strict_is_refused() {
        let with = |parameters: Value| {
            let function = json!({"name": "f", "strict": true, "parameters": parameters});
            let user = json!({"role": "user", "content": "x"});
            json!({"model": "m", "messages": [user], "tools": [{"type": "function", "function": function}]})
        };
        let good = json!({
            "type": "object", "additionalProperties": false, "required": ["a"],
            "properties": {"a": {"type": ["string", "null"]}},
        });

        assert_eq!(chat(&with(good.clone())), Ok(()));
        for field in ["additionalProperties", "required"] {
            let mut schema = good.clone();
            schema.as_object_mut().unwrap().remove(field);
            assert!(refused(with(schema)).contains(field));
        }
    }

    #[test]
    fn what_a_reasoning_model_does_not_take_is_refused() {
        let user = json!({"role": "user", "content": "x"});

        let error = refused(json!({"model": "o4-mini", "messages": [user], "temperature": 0}));

        assert!(error.contains("temperature"), "{error}");
    }
}
