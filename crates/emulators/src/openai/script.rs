//! The agent that it plays when nobody scripts it: the first article that stands between
//! tags, or that a search brought, is the answer; without one a person is called.

use serde_json::{Value, json};

use super::answer::Said;

/// Characters of an article that make an answer.
const ANSWER: usize = 700;

/// Characters of the customer's words that are searched for.
const QUERY: usize = 200;

const SEARCH: &str = "search_knowledge_base";
const SEND: &str = "send_response";
const ESCALATE: &str = "escalate_to_human";

pub(super) fn agent(body: &Value) -> Said {
    let messages = body.get("messages").and_then(Value::as_array);
    let messages = messages.map(Vec::as_slice).unwrap_or_default();
    let has_failed = |tool: &str| {
        let last = messages.last().filter(|last| role(last) == "tool");
        last.is_some_and(|last| content(last).contains("\"error\"")) && last_call(messages) == tool
    };
    let article = messages.iter().find_map(article);
    match article {
        _ if !has_tool(body, SEND) => Said::text(article.map_or_else(String::new, |it| it.text)),
        Some(article) if !has_failed(SEND) => {
            Said::call(SEND, json!({"answer": article.text, "citations": [article.chunk]}))
        }
        None if last_call(messages).is_empty() => search(messages),
        _ if has_failed(ESCALATE) => Said::text("A colleague of mine will look into it."),
        _ => Said::call(
            ESCALATE,
            json!({
                "category": "general",
                "priority": "medium",
                "reason": "no article answers this",
                "summary": "The customer asks something that the articles do not cover.",
                "suggested_next_step": "Answer the customer.",
            }),
        ),
    }
}

/// A search with the customer's newest words.
pub(super) fn search(messages: &[Value]) -> Said {
    let words: String = newest(messages).chars().take(QUERY).collect();
    let query = if words.trim().is_empty() { "help".to_owned() } else { words };
    Said::call(SEARCH, json!({"query": query}))
}

/// The newest words of the customer's, without what stands between other tags.
pub(super) fn newest(messages: &[Value]) -> String {
    let last = messages.iter().rev().find(|message| role(message) == "user");
    let text = last.map(content).unwrap_or_default();
    match between(text, "<customer_message", "</customer_message>") {
        Some(_) => {
            let parts = text.split("<customer_message").skip(1);
            let parts = parts.filter_map(|part| between(part, ">", "</customer_message>"));
            parts.map(|part| plain(part.trim())).collect::<Vec<_>>().join(" ")
        }
        None => text.to_owned(),
    }
}

struct Article {
    chunk: String,
    text: String,
}

fn article(message: &Value) -> Option<Article> {
    match role(message) {
        "user" => {
            let (_, rest) = content(message).split_once("<article chunk=\"")?;
            let (chunk, rest) = rest.split_once('"')?;
            let text = between(rest, ">", "</article>")?;
            Some(Article { chunk: plain(chunk), text: beginning(&plain(text.trim())) })
        }
        "tool" => {
            let result: Value = serde_json::from_str(content(message)).ok()?;
            let first = result.pointer("/untrusted_articles/0")?;
            let text = first.get("text")?.as_str()?;
            Some(Article {
                chunk: first.get("chunk")?.as_str()?.to_owned(),
                text: beginning(text.trim()),
            })
        }
        _ => None,
    }
}

/// Whole lines, as far as an answer should go.
fn beginning(text: &str) -> String {
    let mut answer = String::new();
    for line in text.lines() {
        if !answer.is_empty() && answer.len() + line.len() > ANSWER {
            break;
        }
        if !answer.is_empty() {
            answer.push('\n');
        }
        answer.push_str(line);
    }
    answer
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(from)?;
    rest.split_once(to).map(|(inner, _)| inner)
}

/// Brackets were written as in HTML.
fn plain(text: &str) -> String {
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}

fn role(message: &Value) -> &str {
    message.get("role").and_then(Value::as_str).unwrap_or_default()
}

fn content(message: &Value) -> &str {
    message.get("content").and_then(Value::as_str).unwrap_or_default()
}

/// The tool that was called last.
fn last_call(messages: &[Value]) -> &str {
    let calls =
        messages.iter().rev().find_map(|message| message.pointer("/tool_calls/0/function/name"));
    calls.and_then(Value::as_str).unwrap_or_default()
}

fn has_tool(body: &Value, name: &str) -> bool {
    let tools = body.get("tools").and_then(Value::as_array);
    let names = tools.into_iter().flatten().filter_map(|tool| tool.pointer("/function/name"));
    names.into_iter().any(|known| known == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(messages: Value) -> Value {
        let tool = json!({"type": "function", "function": {"name": SEND}});
        json!({"model": "m", "messages": messages, "tools": [tool]})
    }

    #[test]
    fn the_first_article_is_the_answer_with_its_citation() {
        let prompt = "<customer_message number=\"1\">\nHow?\n</customer_message>\n\n\
                      <article chunk=\"a#b\" title=\"A\">\nDo 1 &lt; 2.\n</article>\n\n\
                      <article chunk=\"c\">\nNo.\n</article>";

        let said = agent(&body(json!([{"role": "user", "content": prompt}])));

        assert_eq!(said.calls[0].0, SEND);
        assert_eq!(said.calls[0].1, json!({"answer": "Do 1 < 2.", "citations": ["a#b"]}));
    }

    #[test]
    fn without_an_article_it_searches_once_and_then_calls_a_person() {
        let user =
            json!({"role": "user", "content": "<customer_message>\nBarcode\n</customer_message>"});
        let first = agent(&body(json!([user])));
        let function = json!({"name": SEARCH, "arguments": "{}"});
        let asked = json!({"role": "assistant", "tool_calls": [{"id": "1", "function": function}]});
        let result =
            json!({"role": "tool", "tool_call_id": "1", "content": "{\"untrusted_articles\":[]}"});
        let then = agent(&body(json!([user, asked, result])));

        assert_eq!(first.calls[0], (SEARCH.to_owned(), json!({"query": "Barcode"})));
        assert_eq!(then.calls[0].0, ESCALATE);
    }
}
