//! An answer, read as leniently as servers write: only what is needed is looked at, and
//! what is missing is made up.

use serde_json::Value;

use super::failed::Failed;
use crate::model::{Answer, Call, Finish, Usage};

/// Calls of one answer that are looked at; the turn has its own bound over all rounds.
const MOST_CALLS: usize = 32;

pub(super) fn read(body: &Value) -> Result<Answer, Failed> {
    let choice = body.pointer("/choices/0").ok_or_else(|| Failed::malformed("no choice"))?;
    let message = choice.get("message").filter(|message| message.is_object());
    let message = message.ok_or_else(|| Failed::malformed("no message"))?;
    let text = text(message.get("content"));
    let is_refused =
        message.get("refusal").and_then(Value::as_str).is_some_and(|it| !it.is_empty());
    let finish = match choice.get("finish_reason").and_then(Value::as_str) {
        Some("content_filter") => Finish::Refused,
        _ if is_refused => Finish::Refused,
        Some("length") => Finish::Length,
        // Calls say more than the reason: servers write "stop" beside them, or nothing.
        _ => Finish::Stopped,
    };
    Ok(Answer { text, calls: calls(message), finish, usage: usage(body.get("usage")) })
}

/// Ids of ours, unique in this answer: servers repeat theirs or leave them out.
fn calls(message: &Value) -> Vec<Call> {
    let calls = message.get("tool_calls").and_then(Value::as_array);
    let functions = calls.into_iter().flatten().filter_map(|call| call.get("function"));
    // The form before tools, which some servers still write.
    let functions = functions.chain(message.get("function_call")).filter(|it| it.is_object());
    let call = |(at, function): (usize, &Value)| Call {
        id: format!("call{at:05}"),
        name: function.get("name").and_then(Value::as_str).unwrap_or_default().to_owned(),
        arguments: arguments(function.get("arguments")),
    };
    functions.take(MOST_CALLS).enumerate().map(call).collect()
}

/// As JSON text, which may be broken; none at all is an empty object.
fn arguments(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "{}".to_owned(),
        Some(Value::String(text)) if text.trim().is_empty() => "{}".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// A string or parts; nothing where there are no words.
fn text(content: Option<&Value>) -> Option<String> {
    let text = match content? {
        Value::String(text) => text.trim().to_owned(),
        Value::Array(parts) => {
            let texts = parts.iter().filter_map(|part| part.get("text")?.as_str());
            texts.collect::<String>().trim().to_owned()
        }
        _ => return None,
    };
    (!text.is_empty()).then_some(text)
}

fn usage(usage: Option<&Value>) -> Usage {
    let number = |pointer: &str| {
        let number = usage.and_then(|usage| usage.pointer(pointer)).and_then(Value::as_u64);
        number.and_then(|number| u32::try_from(number).ok()).unwrap_or_default()
    };
    Usage {
        prompt_tokens: number("/prompt_tokens"),
        cached_tokens: number("/prompt_tokens_details/cached_tokens"),
        completion_tokens: number("/completion_tokens"),
        cost_micro_usd: None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer(message: Value, finish: Value) -> Answer {
        let body = json!({"choices": [{"message": message, "finish_reason": finish}]});
        read(&body).unwrap()
    }

    #[test]
    fn arguments_come_as_text_object_null_or_not_at_all() {
        let call = |arguments: Value| json!({"id": "x", "function": {"name": "search", "arguments": arguments}});
        let calls = [json!("{\"query\":"), json!({"query": "x"}), json!(null), json!("")];
        let mut calls: Vec<_> = calls.into_iter().map(call).collect();
        calls.push(json!({"function": {"name": "search"}}));

        let answer = answer(json!({"content": null, "tool_calls": calls}), json!(null));

        let arguments: Vec<_> = answer.calls.iter().map(|call| call.arguments.as_str()).collect();
        assert_eq!(arguments, ["{\"query\":", "{\"query\":\"x\"}", "{}", "{}", "{}"]);
        assert_eq!(answer.calls[4].id, "call00004");
        assert_eq!((answer.text, answer.finish), (None, Finish::Stopped));
    }

    #[test]
    fn text_comes_as_a_string_or_in_parts() {
        let parts = json!([{"type": "text", "text": "Hello "}, {"type": "text", "text": "Sam"}]);

        assert_eq!(answer(json!({"content": parts}), json!("stop")).text.unwrap(), "Hello Sam");
        assert_eq!(answer(json!({"content": " \n"}), json!("stop")).text, None);
    }

    #[test]
    fn why_a_model_stopped_is_told_apart() {
        let cases = [
            (json!({"content": "x"}), json!("length"), Finish::Length),
            (json!({"content": ""}), json!("content_filter"), Finish::Refused),
            (json!({"refusal": "I cannot."}), json!("stop"), Finish::Refused),
            (json!({"content": "x", "refusal": null}), json!("eos"), Finish::Stopped),
        ];

        for (message, finish, expected) in cases {
            assert_eq!(answer(message, finish.clone()).finish, expected, "{finish}");
        }
    }

    #[test]
    fn a_body_without_an_answer_is_malformed() {
        for body in [json!({}), json!([]), json!({"choices": []}), json!({"choices": [{}]})] {
            assert!(read(&body).is_err(), "{body}");
        }
    }
}
