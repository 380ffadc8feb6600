//! Embeddings of the same server. Texts of turns that come at the same time share a
//! request.

use std::fmt;
use std::sync::{Arc, OnceLock};

use batch_aint_one::{BatchError, Batcher, BatchingPolicy, Limits, Processor};
use serde::Serialize;

use super::failed::Failed;
use super::server::{Endpoint, Server};
use super::{Dialect, Settings, SetupError, vectors};
use crate::model::{ModelError, ModelFault};

/// Characters of one text that are looked at. The server takes 8,192 tokens, and a
/// token is hardly ever less than a character.
const LONGEST_TEXT: usize = 8_000;

/// Texts of one request; the server takes 2,048.
const MOST_TEXTS: usize = 512;

/// Characters of one request; the server takes 300,000 tokens.
const MOST_CHARACTERS: usize = 250_000;

/// Requests at once: what comes meanwhile goes together in the next.
const SIDE_BY_SIDE: usize = 4;

/// Messages whose texts go together at most, and those that wait.
const MOST_TOGETHER: usize = 64;
const MOST_WAITING: usize = 4_096;

/// The embeddings of one model. Clones share its requests.
#[derive(Clone)]
pub struct Embeddings {
    batcher: Batcher<Requests>,
    requests: Requests,
}

impl fmt::Debug for Embeddings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Embeddings").field("model", &self.name()).finish_non_exhaustive()
    }
}

impl Embeddings {
    /// Starts the task that joins texts; it ends with the last clone.
    pub fn new(settings: &Settings) -> Result<Self, SetupError> {
        let server = Arc::new(Server::new(settings, Endpoint::Embeddings)?);
        let requests = Requests { server, dimension: Arc::default() };
        let limits = Limits::builder()
            .max_batch_size(MOST_TOGETHER)
            .max_key_concurrency(SIDE_BY_SIDE)
            .max_key_queued_items(MOST_WAITING)
            .build();
        let batcher = Batcher::builder()
            .name("embeddings")
            .processor(requests.clone())
            .limits(limits)
            .batching_policy(BatchingPolicy::Immediate)
            .build();
        Ok(Self { batcher, requests })
    }

    /// The model's name; stands beside each vector.
    pub fn name(&self) -> &str {
        self.requests.server.model()
    }

    /// Numbers of one vector; `None` while the server has not answered yet.
    pub fn dimension(&self) -> Option<usize> {
        self.requests.dimension.get().copied()
    }

    /// One vector of length 1 for each text, in their order. A text without words is
    /// refused: servers refuse it too, and all texts of its request with it.
    pub async fn embed(&self, texts: Vec<String>) -> Result<Vec<Vec<f32>>, ModelError> {
        if texts.iter().any(|text| text.trim().is_empty()) {
            return Err(Failed::new(ModelFault::Invalid, "a text without words").into());
        }
        let texts = texts.iter().map(|text| cut(text)).collect();
        match self.batcher.add((), texts).await {
            Ok(output) => output.map_err(ModelError::from),
            Err(
                BatchError::BatchFailed(failed) | BatchError::ResourceAcquisitionFailed(failed),
            ) => Err(failed.into()),
            Err(_) => Err(Failed::new(ModelFault::RateLimited, "too many texts wait").into()),
        }
    }
}

/// The beginning of a text that is too long.
fn cut(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

#[derive(Debug, Serialize)]
struct Body<'a> {
    model: &'a str,
    input: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    encoding_format: Option<&'static str>,
}

#[derive(Clone)]
struct Requests {
    server: Arc<Server>,
    /// Of the first answer; another one would not be comparable with it.
    dimension: Arc<OnceLock<usize>>,
}

impl Processor for Requests {
    type Key = ();
    /// The texts of a message, which go together.
    type Input = Vec<String>;
    type Output = Result<Vec<Vec<f32>>, Failed>;
    type Error = Failed;
    type Resources = ();

    async fn acquire_resources(&self, (): ()) -> Result<(), Failed> {
        Ok(())
    }

    async fn process(
        &self,
        (): (),
        inputs: impl Iterator<Item = Vec<String>> + Send,
        (): (),
    ) -> Result<Vec<Self::Output>, Failed> {
        let messages: Vec<Vec<String>> = inputs.collect();
        let lengths: Vec<usize> = messages.iter().map(Vec::len).collect();
        let texts: Vec<String> = messages.into_iter().flatten().collect();
        let mut vectors = self.vectors(&texts).await;
        // All of a message's are taken out, also where the first of them is a failure.
        let of_message = |length: &usize| vectors.drain(..*length).collect();
        Ok(lengths.iter().map(of_message).collect())
    }
}

impl Requests {
    /// One vector for each text, or why there is none.
    async fn vectors(&self, texts: &[String]) -> Vec<Result<Vec<f32>, Failed>> {
        let mut outputs = Vec::with_capacity(texts.len());
        for request in requests(texts) {
            match self.ask(request).await {
                Ok(vectors) => outputs.extend(vectors.into_iter().map(Ok)),
                Err(failed) if request.len() > 1 && is_of_a_text(&failed) => {
                    // One of them is in the way of the others.
                    for text in request.chunks(1) {
                        let alone = self.ask(text).await;
                        outputs.push(alone.map(|mut vectors| vectors.pop().unwrap_or_default()));
                    }
                }
                Err(failed) => outputs.extend(request.iter().map(|_| Err(failed.clone()))),
            }
        }
        outputs
    }

    async fn ask(&self, texts: &[String]) -> Result<Vec<Vec<f32>>, Failed> {
        let is_openai = self.server.dialect() == Dialect::Openai;
        let body = Body {
            model: self.server.model(),
            input: texts,
            // A quarter of the length; not every other server has it.
            encoding_format: is_openai.then_some("base64"),
        };
        let vectors = self.server.ask(&body, |value| vectors::read(&value, texts.len())).await?;
        for vector in &vectors {
            if *self.dimension.get_or_init(|| vector.len()) != vector.len() {
                return Err(Failed::malformed("vectors of another dimension"));
            }
        }
        Ok(vectors)
    }
}

fn is_of_a_text(failed: &Failed) -> bool {
    matches!(failed.fault, ModelFault::TooLong | ModelFault::Invalid)
}

/// Pieces that the server takes.
fn requests(texts: &[String]) -> Vec<&[String]> {
    let mut pieces = Vec::new();
    let (mut from, mut characters) = (0, 0);
    for (at, text) in texts.iter().enumerate() {
        let length = text.chars().count();
        if characters + length > MOST_CHARACTERS || at - from == MOST_TEXTS {
            pieces.extend(texts.get(from..at));
            (from, characters) = (at, 0);
        }
        characters += length;
    }
    pieces.extend(texts.get(from..));
    pieces.retain(|piece| !piece.is_empty());
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_never_longer_than_the_server_takes() {
        let texts: Vec<String> = (0..100).map(|_| "x".repeat(LONGEST_TEXT)).collect();

        let pieces = requests(&texts);

        let length = |piece: &&[String]| piece.iter().map(String::len).sum::<usize>();
        assert!(pieces.iter().all(|piece| length(piece) <= MOST_CHARACTERS));
        assert_eq!(pieces.iter().map(|piece| piece.len()).sum::<usize>(), 100);
        assert!(requests(&[]).is_empty());
        let short = vec!["x".to_owned(); 2 * MOST_TEXTS + 1];
        assert_eq!(requests(&short).iter().map(|piece| piece.len()).max(), Some(MOST_TEXTS));
    }
}
