//! Reads a message with everything there is: patterns, meaning and mood.

use std::sync::Arc;

use classifier::{Said, TrainError};
use embeddings::Kept;

use crate::embedder::{Embedder, EmbedderError};
use crate::policy::meaning::Meaning;
use crate::policy::text::sentences;
use crate::policy::units::{Pieces, Span, pieces};
use crate::policy::{Inputs, Policy, Reading, Scores};

/// What was learned, beside the vectors that it was learned from.
const LEARNED: &str = "policy.learned-1";

/// A message that could not be read, or a policy whose examples teach nothing.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the words could not be embedded")]
    Embedder(#[from] EmbedderError),
    #[error("nothing can be learned from the examples of the policy")]
    Examples(#[from] TrainError),
}

/// The policy with what it needs to understand words that no pattern knows.
#[derive(Debug)]
pub struct Reader {
    policy: Arc<Policy>,
    meaning: Option<(Meaning, Embedder)>,
}

impl Reader {
    /// A reader that knows the patterns only.
    pub fn by_patterns(policy: Arc<Policy>) -> Self {
        Self { policy, meaning: None }
    }

    /// A reader that has learned from the examples of the policy.
    pub async fn learned(policy: Arc<Policy>, embedder: Embedder) -> Result<Self, ReadError> {
        let kept = embedder.kept(LEARNED);
        Self::learning(policy, embedder, kept).await
    }

    /// The same for a policy that nobody will ask for again: what was learned of it takes
    /// no other's place.
    pub async fn learned_once(policy: Arc<Policy>, embedder: Embedder) -> Result<Self, ReadError> {
        Self::learning(policy, embedder, None).await
    }

    async fn learning(
        policy: Arc<Policy>,
        embedder: Embedder,
        kept: Option<Kept>,
    ) -> Result<Self, ReadError> {
        let texts = policy.examples.iter().map(|example| embedder.legible(&example.text)).collect();
        let vectors = embedder.embed_cached(texts).await?;
        let learning = Arc::clone(&policy);
        let learn = move || Meaning::learn(&learning, &vectors, kept.as_ref());
        let meaning = in_a_thread(learn).await.ok_or(TrainError::Singular)??;
        Ok(Self { policy, meaning: Some((meaning, embedder)) })
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Reads a message. The reading holds the scores it rests on, so that
    /// [`Policy::read_again`] gives the same one without a model.
    pub async fn read(&self, inputs: &Inputs<'_>) -> Result<Reading, ReadError> {
        let (text, body) = self.policy.own_words(inputs);
        let sentences = sentences(&text);
        let scores = match &self.meaning {
            Some((meaning, embedder)) => {
                self.scores(&text, pieces(&sentences, body), meaning, embedder).await?
            }
            None => Scores::default(),
        };
        Ok(self.policy.read_words(text, &sentences, inputs.chosen, scores))
    }

    async fn scores(
        &self,
        text: &str,
        pieces: Pieces,
        meaning: &Meaning,
        embedder: &Embedder,
    ) -> Result<Scores, ReadError> {
        let spans: Vec<Span> = pieces.parts.iter().copied().chain(pieces.whole).collect();
        let words = |(start, end): &Span| text.get(*start..*end).unwrap_or_default();
        let texts: Vec<&str> = spans.iter().map(words).collect();
        let vectors =
            embedder.embed(texts.iter().map(|text| embedder.legible(text)).collect()).await?;
        let said = texts.iter().map(|text| self.policy.readers.said(text));
        let judged: Vec<(Said, Vec<f32>)> = said.zip(vectors).collect();
        let mut parts = meaning.judge(&spans, &judged);
        let whole = pieces.whole.and_then(|_| parts.pop());
        Ok(Scores { parts, whole })
    }
}

/// Blocking work of some seconds that nobody waits for once its caller has gone: the
/// runtime would, however soon the process shall end. `None` where it panicked.
async fn in_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, result) = tokio::sync::oneshot::channel();
    // Fails where the caller has gone meanwhile.
    let thread = std::thread::Builder::new().spawn(move || drop(done.send(work())));
    thread.ok()?;
    result.await.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_nobody_waits_for_any_more_holds_up_no_end() {
        let (go_on, told) = std::sync::mpsc::channel::<()>();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        runtime.block_on(async {
            let working = in_a_thread(move || told.recv().is_ok());
            assert!(futures::poll!(std::pin::pin!(working)).is_pending());
        });

        drop(runtime);

        go_on.send(()).expect("the work still goes on");
    }
}
