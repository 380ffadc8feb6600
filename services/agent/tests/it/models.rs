//! Models that do something while they draft.

use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};

use agent::{Answer, Model, ModelError, Prompt, Proposal};
use futures::future::BoxFuture;

fn says(text: &str) -> Answer {
    let proposal = Proposal::Say(text.to_owned());
    Answer { proposal, prompt_tokens: 7, completion_tokens: 3 }
}

/// Does something at each call, then repeats what it was asked.
pub(crate) struct Meanwhile<F> {
    pub(crate) does: F,
    pub(crate) calls: AtomicU32,
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

    fn complete(
        &self,
        prompt: &Prompt<'_>,
    ) -> impl Future<Output = Result<Answer, ModelError>> + Send {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let answer = says(&format!("You wrote: {}", prompt.reading.own_words));
        let does = (self.does)(call);
        async move {
            does.await;
            Ok(answer)
        }
    }
}

/// Fails, or panics.
pub(crate) struct Broken {
    pub(crate) panics: bool,
}

impl Model for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    async fn complete(&self, _prompt: &Prompt<'_>) -> Result<Answer, ModelError> {
        assert!(!self.panics, "as told");
        Err(ModelError(anyhow::anyhow!("no answer")))
    }
}

/// Promises what it must not.
pub(crate) struct Generous;

impl Model for Generous {
    fn name(&self) -> &str {
        "generous"
    }

    async fn complete(&self, _prompt: &Prompt<'_>) -> Result<Answer, ModelError> {
        Ok(says("No problem, we will refund you today."))
    }
}
