//! Reads a message with everything there is: patterns, meaning and mood.

use std::sync::Arc;

use crate::policy::Policy;
use crate::policy::reading::{Inputs, Reading, Scores};

/// A message that could not be read: the model of meaning gave no vectors.
#[derive(Debug, thiserror::Error)]
#[error("the words could not be embedded")]
pub struct ReadError(#[source] pub anyhow::Error);

/// The policy with what it needs to understand words that no pattern knows.
#[derive(Debug)]
pub struct Reader {
    policy: Arc<Policy>,
}

impl Reader {
    /// A reader that knows the patterns only.
    pub fn by_patterns(policy: Arc<Policy>) -> Self {
        Self { policy }
    }

    pub fn policy(&self) -> &Arc<Policy> {
        &self.policy
    }

    /// Reads a message. The reading holds the scores it rests on, so that
    /// [`Policy::read_again`] gives the same one without a model.
    #[expect(clippy::unused_async, reason = "the vectors of the words are computed elsewhere")]
    pub async fn read(&self, inputs: &Inputs<'_>) -> Result<Reading, ReadError> {
        Ok(self.policy.read_again(inputs, &Scores::default()))
    }
}
