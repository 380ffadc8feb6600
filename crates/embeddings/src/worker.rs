//! One thread that turns one text after the other into its vector. Batches would save
//! less than a fifth and make a short question wait for a long one.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rten::{Model, ModelOptions, NodeId, RunOptions, ThreadPool, ValueOrView};
use rten_tensor::prelude::*;
use rten_tensor::{NdTensor, Tensor};
use rten_text::tokenizer::{EncodeOptions, Tokenizer};
use tokio::sync::mpsc;

use crate::uncased::Uncased;
use crate::{Error, MiniLm, Vector};

/// More text than this holds more tokens than are read; it need not be cut into them.
/// (A token has seven letters at most times, a hundred at the utmost.)
const MOST_CHARS: usize = 100 * MiniLm::MAX_TOKENS;

/// A text that waits for its vector.
pub(crate) struct Job {
    pub(crate) number: usize,
    pub(crate) text: String,
    pub(crate) result: mpsc::Sender<(usize, Result<Vector, Error>)>,
}

/// The network with its weights, shared by the workers.
pub(crate) struct Network {
    model: Model,
    token_ids: NodeId,
    mask: NodeId,
    token_types: NodeId,
    output: NodeId,
}

impl Network {
    pub(crate) fn load(file: &Path) -> Result<Self, Error> {
        let unusable = |problem: &dyn std::fmt::Display| Error::Unusable {
            file: file.to_owned(),
            problem: problem.to_string(),
        };
        // Weights laid out for this processor: a fifth faster for 40 MB.
        let mut options = ModelOptions::with_all_ops();
        let model = options.prepack_weights(true).load_file(file).map_err(|e| unusable(&e))?;
        let node = |name| model.node_id(name).map_err(|e| unusable(&e));
        let (token_ids, mask) = (node("input_ids")?, node("attention_mask")?);
        let (token_types, output) = (node("token_type_ids")?, node("last_hidden_state")?);
        Ok(Self { model, token_ids, mask, token_types, output })
    }
}

/// What the workers share.
#[derive(Clone)]
pub(crate) struct Workshop {
    pub(crate) network: Arc<Network>,
    /// Checked; each worker reads it for itself, as a tokenizer stays on its thread.
    pub(crate) tokenizer: Arc<str>,
    pub(crate) waiting: Arc<Mutex<mpsc::Receiver<Job>>>,
}

impl Workshop {
    /// Works until nobody can hand in a text any more.
    pub(crate) fn work(&self) {
        let Ok(tokenizer) = Tokenizer::from_json(&self.tokenizer) else { return };
        let tokenizer = tokenizer.with_normalizer(Box::new(Uncased::new()));
        // By default the network would take every core for each text.
        let pool = Arc::new(ThreadPool::with_num_threads(1));
        let options = RunOptions::default().with_thread_pool(Some(pool));
        let worker = Worker { network: &self.network, tokenizer, options };
        loop {
            // Held while it waits: the other workers are then idle, too.
            let next = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).blocking_recv();
            let Some(Job { number, text, result }) = next else { return };
            if result.is_closed() {
                continue;
            }
            let vector = catch_unwind(AssertUnwindSafe(|| worker.vector(&text)))
                .unwrap_or_else(|_| Err(failed("a panic")));
            // Fails when the caller has gone meanwhile.
            drop(result.try_send((number, vector)));
        }
    }
}

/// Reads the tokenizer's file and makes sure that it is one.
pub(crate) fn read_tokenizer(file: &Path) -> Result<Arc<str>, Error> {
    let unusable = |problem: String| Error::Unusable { file: file.to_owned(), problem };
    let json = std::fs::read_to_string(file).map_err(|error| unusable(error.to_string()))?;
    Tokenizer::from_json(&json).map_err(|error| unusable(error.to_string()))?;
    Ok(json.into())
}

struct Worker<'a> {
    network: &'a Network,
    tokenizer: Tokenizer,
    options: RunOptions,
}

impl Worker<'_> {
    /// The mean of the network's output over the tokens, at length 1. There is no
    /// padding that a mask would have to take out.
    fn vector(&self, text: &str) -> Result<Vector, Error> {
        let end = text.char_indices().nth(MOST_CHARS).map_or(text.len(), |(at, _)| at);
        let text = text.get(..end).unwrap_or_default();
        let chunk = EncodeOptions { max_chunk_len: Some(MiniLm::MAX_TOKENS), overlap: 0 };
        let tokens = self.tokenizer.encode(text, Some(chunk)).map_err(failed)?;
        let ids = tokens.token_ids();
        let signed = ids.iter().map(|id| i32::try_from(*id)).collect::<Result<Vec<_>, _>>();
        let input = |values: Vec<i32>| -> ValueOrView<'static> {
            NdTensor::from_data([1, values.len()], values).into()
        };
        let network = self.network;
        let inputs = vec![
            (network.token_ids, input(signed.map_err(failed)?)),
            (network.mask, input(vec![1; ids.len()])),
            (network.token_types, input(vec![0; ids.len()])),
        ];
        let options = Some(self.options.clone());
        let [states] = network.model.run_n(inputs, [network.output], options).map_err(failed)?;
        let states: Tensor<f32> = states.try_into().map_err(failed)?;
        mean(&states.to_vec()).ok_or_else(|| failed("an output without numbers"))
    }
}

fn failed(problem: impl std::fmt::Display) -> Error {
    Error::Failed { problem: problem.to_string() }
}

fn mean(states: &[f32]) -> Option<Vector> {
    let mut mean = vec![0.0_f32; MiniLm::DIMENSION];
    for state in states.chunks_exact(MiniLm::DIMENSION) {
        for (sum, value) in mean.iter_mut().zip(state) {
            *sum += value;
        }
    }
    let length = mean.iter().map(|value| value * value).sum::<f32>().sqrt();
    if !length.is_normal() {
        return None;
    }
    for value in &mut mean {
        *value /= length;
    }
    Some(mean)
}
