//! A prompt as the body of a request. Whatever the conversation holds, the body keeps
//! the contract: every call is answered by exactly one tool message, directly after it.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::Value;

use super::Dialect;
use crate::model::{Call, Message, Prompt, ToolSpec};

/// The longest name of a tool.
const LONGEST_NAME: usize = 64;

/// What answers a call that was never run, so that the server takes the conversation.
const NO_RESULT: &str = r#"{"error":"no result"}"#;

#[derive(Debug, Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<Wire<'a>>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    tools: Vec<Tool<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_choice: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parallel_tool_calls: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_completion_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_tokens: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    temperature: Option<f32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reasoning_effort: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    store: Option<bool>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "role", rename_all = "lowercase")]
enum Wire<'a> {
    System {
        content: &'a str,
    },
    User {
        content: &'a str,
    },
    Assistant {
        content: Option<&'a str>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        tool_calls: Vec<WireCall<'a>>,
    },
    Tool {
        tool_call_id: &'a str,
        content: &'a str,
    },
}

#[derive(Debug, Serialize)]
struct WireCall<'a> {
    id: &'a str,
    r#type: &'static str,
    function: Function<'a>,
}

#[derive(Debug, Serialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    arguments: &'a str,
}

#[derive(Debug, Serialize)]
struct Tool<'a> {
    r#type: &'static str,
    function: Schema<'a>,
}

#[derive(Debug, Serialize)]
struct Schema<'a> {
    name: &'a str,
    description: &'a str,
    parameters: &'a Value,
    strict: bool,
}

/// Tokens of an answer that only shows that there is one.
const PROBE_TOKENS: u32 = 32;

/// A chat that costs next to nothing.
pub(super) fn probe(model: &str, dialect: Dialect) -> Body<'_> {
    let messages = vec![Wire::User { content: "Say ok." }];
    with(model, dialect, messages, &[], PROBE_TOKENS)
}

pub(super) fn body<'a>(model: &'a str, dialect: Dialect, prompt: &'a Prompt) -> Body<'a> {
    let body = with(model, dialect, messages(prompt), &prompt.tools, prompt.max_completion_tokens);
    Body { tool_choice: prompt.must_conclude.then_some("required"), ..body }
}

fn with<'a>(
    model: &'a str,
    dialect: Dialect,
    messages: Vec<Wire<'a>>,
    tools: &'a [ToolSpec],
    most_tokens: u32,
) -> Body<'a> {
    let is_reasoning = is_reasoning(model);
    let most = Some(most_tokens);
    let is_openai = dialect == Dialect::Openai;
    Body {
        model,
        messages,
        tools: tools.iter().map(tool).collect(),
        tool_choice: None,
        // Without it older models do not keep a strict schema; reasoning ones refuse it.
        parallel_tool_calls: (!tools.is_empty() && !is_reasoning).then_some(false),
        max_completion_tokens: most.filter(|_| is_openai),
        max_tokens: most.filter(|_| !is_openai),
        temperature: (!is_reasoning).then_some(0.0),
        reasoning_effort: (is_reasoning && is_openai).then_some("low"),
        store: is_openai.then_some(false),
    }
}

/// The families that refuse sampling parameters: o1, o3, o4-mini, gpt-5 and its sizes.
fn is_reasoning(model: &str) -> bool {
    let name = model.rsplit('/').next().unwrap_or(model);
    let is_o =
        name.strip_prefix('o').is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    is_o || (name.starts_with("gpt-5") && !name.contains("chat"))
}

fn tool(spec: &ToolSpec) -> Tool<'_> {
    let function = Schema {
        name: spec.name,
        description: spec.description,
        parameters: &spec.parameters,
        strict: true,
    };
    Tool { r#type: "function", function }
}

fn messages(prompt: &Prompt) -> Vec<Wire<'_>> {
    let mut wire = vec![Wire::System { content: &prompt.instructions }];
    let mut rest = prompt.messages.as_slice();
    while let Some((message, after)) = rest.split_first() {
        rest = after;
        match message {
            Message::Customer(content) => wire.push(Wire::User { content }),
            Message::Assistant { text, calls } => {
                let results = after.iter().take_while(|m| matches!(m, Message::Tool { .. }));
                let results: Vec<_> = results.collect();
                rest = after.get(results.len()..).unwrap_or_default();
                let content = text.as_deref().or(calls.is_empty().then_some(""));
                let tool_calls = calls.iter().map(call).collect();
                wire.push(Wire::Assistant { content, tool_calls });
                wire.extend(calls.iter().map(|call| result(call, &results)));
            }
            // It answers nothing.
            Message::Tool { .. } => {}
        }
    }
    wire
}

fn call(call: &Call) -> WireCall<'_> {
    let is_object = serde_json::from_str::<Value>(&call.arguments).is_ok_and(|it| it.is_object());
    // Templates of local servers parse what they are given back.
    let arguments = if is_object { &call.arguments } else { "{}" };
    let function = Function { name: name(&call.name), arguments };
    WireCall { id: &call.id, r#type: "function", function }
}

/// A name that the server takes, whatever the model made up.
fn name(name: &str) -> Cow<'_, str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if (1..=LONGEST_NAME).contains(&name.len()) && name.chars().all(is_plain) {
        return Cow::Borrowed(name);
    }
    let plain = name.chars().map(|c| if is_plain(c) { c } else { '_' }).take(LONGEST_NAME);
    let plain: String = plain.collect();
    Cow::Owned(if plain.is_empty() { "unknown".to_owned() } else { plain })
}

fn result<'a>(call: &'a Call, results: &[&'a Message]) -> Wire<'a> {
    let found = results.iter().find_map(|message| match message {
        Message::Tool { call_id, content } if *call_id == call.id => Some(content.as_str()),
        _ => None,
    });
    Wire::Tool { tool_call_id: &call.id, content: found.unwrap_or(NO_RESULT) }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use contract::Channel;
    use serde_json::json;

    use super::*;
    use crate::model::CaseFile;
    use crate::policy::Reading;

    fn prompt(messages: Vec<Message>) -> Prompt {
        let parameters = json!({
            "type": "object", "additionalProperties": false,
            "properties": {"query": {"type": "string"}}, "required": ["query"],
        });
        let search = ToolSpec { name: "search", description: "finds", parameters };
        Prompt {
            instructions: Arc::from("Be brief."),
            messages,
            tools: Arc::from([search]),
            must_conclude: false,
            max_completion_tokens: 300,
            case: Arc::new(CaseFile {
                channel: Channel::WebForm,
                reading: Reading::unread(None, None),
                found: Vec::new(),
            }),
        }
    }

    fn calls(ids: &[&str]) -> Message {
        let call = |id: &&str| Call {
            id: (*id).to_owned(),
            name: "search".to_owned(),
            arguments: r#"{"query":"x"}"#.to_owned(),
        };
        Message::Assistant { text: None, calls: ids.iter().map(call).collect() }
    }

    fn tool(id: &str) -> Message {
        Message::Tool { call_id: id.to_owned(), content: "[]".to_owned() }
    }

    fn sent(model: &str, dialect: Dialect, messages: Vec<Message>) -> Value {
        serde_json::to_value(body(model, dialect, &prompt(messages))).unwrap()
    }

    #[test]
    fn every_call_is_answered_by_exactly_one_tool_message() {
        let broken = vec![
            Message::Customer("hello".to_owned()),
            calls(&["a", "b"]),
            tool("b"),
            tool("b"),
            tool("c"),
            Message::Customer("still there?".to_owned()),
            tool("a"),
        ];

        let body = sent("gpt-4o", Dialect::Openai, broken);

        let roles: Vec<_> = body["messages"].as_array().unwrap().iter().collect();
        let roles: Vec<_> = roles
            .iter()
            .map(|m| m["tool_call_id"].as_str().or(m["role"].as_str()).unwrap().to_owned())
            .collect();
        assert_eq!(roles, ["system", "user", "assistant", "a", "b", "user"]);
        assert_eq!(body["messages"][3]["content"], NO_RESULT);
        assert_eq!(body["messages"][4]["content"], "[]");
    }

    #[test]
    fn openai_and_other_servers_get_the_fields_that_they_read() {
        let openai = sent("gpt-4o", Dialect::Openai, Vec::new());
        let local = sent("llama", Dialect::Compatible, Vec::new());
        let reasoning = sent("o4-mini", Dialect::Openai, Vec::new());

        assert_eq!(openai["max_completion_tokens"], 300);
        assert_eq!((&openai["store"], &openai["temperature"]), (&json!(false), &json!(0.0)));
        assert_eq!(openai["tools"][0]["function"]["strict"], true);
        assert_eq!(openai["parallel_tool_calls"], false);
        assert_eq!(local["max_tokens"], 300);
        for absent in ["max_completion_tokens", "store", "reasoning_effort"] {
            assert!(local.get(absent).is_none(), "{absent}");
        }
        for absent in ["max_tokens", "temperature", "parallel_tool_calls"] {
            assert!(reasoning.get(absent).is_none(), "{absent}");
        }
    }

    #[test]
    fn a_turn_that_must_conclude_asks_for_a_call() {
        let open = prompt(Vec::new());
        let last = Prompt { must_conclude: true, ..open.clone() };
        let sent = |prompt| serde_json::to_value(body("x", Dialect::Compatible, prompt)).unwrap();

        assert!(sent(&open).get("tool_choice").is_none());
        assert_eq!(sent(&last)["tool_choice"], "required");
    }

    #[test]
    fn what_a_model_made_up_is_given_back_as_the_server_takes_it() {
        let call = |name: &str, arguments: &str| Message::Assistant {
            text: None,
            calls: vec![Call {
                id: "call00000".to_owned(),
                name: name.to_owned(),
                arguments: arguments.to_owned(),
            }],
        };

        let body =
            sent("x", Dialect::Compatible, vec![call("rm -rf /", "{\"query\": "), call("", "7")]);

        let function = |at: usize| body["messages"][at]["tool_calls"][0]["function"].clone();
        assert_eq!(function(1), json!({"name": "rm_-rf__", "arguments": "{}"}));
        assert_eq!(function(3), json!({"name": "unknown", "arguments": "{}"}));
    }

    #[test]
    fn the_families_that_reason_are_known_by_their_names() {
        for name in ["o1", "o3-mini", "openai/o4-mini", "gpt-5", "gpt-5-nano-2025-08-07"] {
            assert!(is_reasoning(name), "{name}");
        }
        for name in ["gpt-4o", "olmo-2", "gpt-5-chat-latest", "opus"] {
            assert!(!is_reasoning(name), "{name}");
        }
    }
}
