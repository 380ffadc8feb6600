//! Reads a message with everything there is: patterns, meaning and mood.

use std::sync::Arc;

use classifier::TrainError;

use crate::embedder::{Embedder, EmbedderError};
use crate::policy::meaning::Meaning;
use crate::policy::text::sentences;
use crate::policy::units::{Pieces, Span, pieces};
use crate::policy::{Inputs, Piece, Policy, Reading, Scores};

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
        let texts = policy.examples.iter().map(|example| embedder.legible(&example.text)).collect();
        let vectors = embedder.embed_cached(texts).await?;
        let learning = Arc::clone(&policy);
        let learned = tokio::task::spawn_blocking(move || Meaning::learn(&learning, vectors));
        let meaning = learned.await.map_err(|_| TrainError::Singular)??;
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
        let said = |(start, end): &Span| text.get(*start..*end).unwrap_or_default().to_owned();
        let texts: Vec<String> = spans.iter().map(said).collect();
        let vectors =
            embedder.embed(texts.iter().map(|text| embedder.legible(text)).collect()).await?;
        let judge = |((span, text), vector): ((&Span, &String), Vec<f32>)| {
            meaning.judge(*span, &self.policy.readers.sample(text, vector))
        };
        let mut parts: Vec<Piece> = spans.iter().zip(&texts).zip(vectors).map(judge).collect();
        let whole = pieces.whole.and_then(|_| parts.pop());
        Ok(Scores { parts, whole })
    }
}
