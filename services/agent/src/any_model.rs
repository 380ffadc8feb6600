//! The model that the settings name.

use std::sync::Arc;

use chassis::SettingsError;
use chassis::settings::OutboundSettings;
use clap::{Args, ValueEnum};

use crate::builtin::Builtin;
use crate::model::{Answer, Model, ModelError, Prompt};
use crate::openai::{OpenAi, RemoteSettings};
use crate::policy::Policy;

/// Who drafts answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Provider {
    /// A server of chat completions
    Openai,
    /// Articles and policy alone, without a network
    Builtin,
}

/// The model, and where it is.
#[derive(Debug, Clone, Args)]
pub struct ModelSettings {
    /// openai: a server of chat completions; builtin: articles and policy, without a network
    #[arg(long, env = "FTE_MODEL_PROVIDER", hide_possible_values = true)]
    pub model_provider: Provider,
    #[command(flatten)]
    pub remote: RemoteSettings,
    #[command(flatten)]
    pub outbound: OutboundSettings,
}

impl ModelSettings {
    /// The model; half of its settings is refused by name.
    pub fn open(&self, policy: &Arc<Policy>) -> Result<AnyModel, SettingsError> {
        match self.model_provider {
            Provider::Builtin => Ok(AnyModel::Builtin(Builtin::new(Arc::clone(policy)))),
            Provider::Openai => {
                let server = self.remote.chat(self.outbound)?;
                let model = OpenAi::new(&server).map_err(|e| SettingsError(e.to_string()))?;
                Ok(AnyModel::OpenAi(Box::new(model)))
            }
        }
    }
}

/// One of the models.
#[derive(Debug, Clone)]
pub enum AnyModel {
    Builtin(Builtin),
    OpenAi(Box<OpenAi>),
}

impl Model for AnyModel {
    fn name(&self) -> &str {
        match self {
            Self::Builtin(model) => model.name(),
            Self::OpenAi(model) => model.name(),
        }
    }

    fn reads_messages(&self) -> bool {
        match self {
            Self::Builtin(model) => model.reads_messages(),
            Self::OpenAi(model) => model.reads_messages(),
        }
    }

    async fn complete(&self, prompt: &Prompt) -> Result<Answer, ModelError> {
        match self {
            Self::Builtin(model) => model.complete(prompt).await,
            Self::OpenAi(model) => model.complete(prompt).await,
        }
    }
}
