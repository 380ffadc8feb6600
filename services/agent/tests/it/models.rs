//! Models that say what they are told to say, and may do something meanwhile.

use std::collections::VecDeque;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};

use agent::{
    Answer, Call, Finish, Message, Model, ModelError, ModelFault, Prompt, ToolSpec, Usage,
};
use futures::future::BoxFuture;
use serde_json::{Value, json};

/// An answer in words.
pub(crate) fn says(text: &str) -> Answer {
    let usage =
        Usage { prompt_tokens: 7, cached_tokens: 2, completion_tokens: 3, cost_micro_usd: Some(5) };
    Answer { text: Some(text.to_owned()), calls: Vec::new(), finish: Finish::Stopped, usage }
}

/// An answer that calls tools, with arguments as a server hands them on.
pub(crate) fn calls<const N: usize>(calls: [(&str, String); N]) -> Answer {
    let call = |(name, arguments): (&str, String)| Call {
        id: "repeated".to_owned(),
        name: name.to_owned(),
        arguments,
    };
    Answer { text: None, calls: calls.into_iter().map(call).collect(), ..says("") }
}

/// An answer that calls one tool.
pub(crate) fn call(name: &str, arguments: &Value) -> Answer {
    calls([(name, arguments.to_string())])
}

/// The article of [`load_article`](crate::support::load_article).
pub(crate) const CHUNK: &str = "export-data#export-a-board-as-csv-or-json";

/// Answers with a source.
pub(crate) fn responds(text: &str) -> Answer {
    call("send_response", &json!({"answer": text, "citations": [CHUNK]}))
}

/// Asks for a person.
pub(crate) fn escalates(category: &str) -> Answer {
    let arguments = json!({
        "category": category, "priority": "low", "reason": "the model wants a person",
        "summary": "It is like this.", "suggested_next_step": "Look at it.",
    });
    call("escalate_to_human", &arguments)
}

pub(crate) fn fails(fault: ModelFault) -> ModelError {
    ModelError { fault, after: None, source: anyhow::anyhow!("as told") }
}

/// Does something at each call, then repeats what it was asked.
pub(crate) struct Meanwhile<F> {
    does: F,
    calls: AtomicU32,
}

impl<F: Fn(u32) -> BoxFuture<'static, ()> + Send + Sync + 'static> Meanwhile<F> {
    pub(crate) fn new(does: F) -> Self {
        Self { does, calls: AtomicU32::new(0) }
    }
}

impl<F: Fn(u32) -> BoxFuture<'static, ()> + Send + Sync + 'static> Model for Meanwhile<F> {
    fn name(&self) -> &str {
        "meanwhile"
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Answer, ModelError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        (self.does)(call).await;
        Ok(says(&format!("You wrote: {}", prompt.case.reading.own_words)))
    }
}

/// Follows its script, then repeats the last line of it. Remembers what it was told.
pub(crate) struct Scripted {
    script: Mutex<VecDeque<Result<Answer, ModelFault>>>,
    pub(crate) told: Mutex<Vec<Vec<Message>>>,
    /// The tools of the round in which it had to conclude.
    pub(crate) last_tools: Mutex<Vec<ToolSpec>>,
}

impl Scripted {
    pub(crate) fn new(script: impl IntoIterator<Item = Result<Answer, ModelFault>>) -> Self {
        Self {
            script: Mutex::new(script.into_iter().collect()),
            told: Mutex::default(),
            last_tools: Mutex::default(),
        }
    }

    pub(crate) fn answers<const N: usize>(answers: [Answer; N]) -> Self {
        Self::new(answers.map(Ok))
    }

    /// Everything that it was told, as one text.
    pub(crate) fn heard(&self) -> String {
        serde_json::to_string(&*self.told.lock().unwrap()).unwrap()
    }
}

impl Model for Scripted {
    fn name(&self) -> &str {
        "scripted"
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Answer, ModelError> {
        self.told.lock().unwrap().push(prompt.messages.clone());
        if prompt.must_conclude {
            self.last_tools.lock().unwrap().extend_from_slice(&prompt.tools);
        }
        let mut script = self.script.lock().unwrap();
        let next = match script.len() {
            1 => script[0].clone(),
            _ => script.pop_front().unwrap(),
        };
        next.map_err(fails)
    }
}

/// Panics, or never answers.
pub(crate) struct Broken {
    pub(crate) panics: bool,
}

impl Model for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    async fn complete(&self, _prompt: &Prompt) -> Result<Answer, ModelError> {
        assert!(!self.panics, "as told");
        std::future::pending().await
    }
}
