//! The checks of the model server: one word and one vector.

use std::time::Duration;

use agent::openai::{Embeddings, OpenAi, Settings};
use agent::{ModelError, ModelFault, Provider};
use chassis::SettingsError;

use super::Arguments;
use super::Finding::{self, Fail, Fine, Warn};

/// A model may have to be loaded first.
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) async fn chat(arguments: &Arguments) -> Finding {
    match arguments.model_provider {
        Some(Provider::Openai) => {}
        Some(Provider::Builtin) => return Fine("builtin: it needs no connection".to_owned()),
        None => {
            return Warn(
                "FTE_MODEL_PROVIDER is not set: `fte up` chooses, the agent by itself does not \
                 start; set it to openai or builtin"
                    .to_owned(),
            );
        }
    }
    let asked = async |settings: Settings| {
        let model = OpenAi::new(&settings).map_err(|error| SettingsError(error.to_string()))?;
        Ok(model.check().await)
    };
    let settings = arguments.model.chat(arguments.outbound).map(patient);
    let answered = match settings {
        Ok(settings) => asked(settings).await,
        Err(error) => Err(error),
    };
    found(answered, &arguments.model.openai_model, "OPENAI_MODEL")
}

pub(super) async fn embeddings(arguments: &Arguments) -> Finding {
    let asked = async |settings: Settings| {
        let model = Embeddings::new(&settings).map_err(|error| SettingsError(error.to_string()))?;
        Ok(model.embed(vec!["ok".to_owned()]).await.map(drop))
    };
    let answered = match arguments.model.embeddings(arguments.outbound) {
        Ok(None) => return Fine("by the model on this machine".to_owned()),
        Ok(Some(settings)) => asked(patient(settings)).await,
        Err(error) => Err(error),
    };
    let name = arguments.model.embedding_model.as_deref().unwrap_or_default();
    found(answered, name, "EMBEDDING_MODEL")
}

fn patient(settings: Settings) -> Settings {
    Settings { limit: PATIENCE.min(settings.limit), ..settings }
}

fn found(
    answered: Result<Result<(), ModelError>, SettingsError>,
    name: &str,
    setting: &str,
) -> Finding {
    let error = match answered {
        Err(error) => return Fail(error.to_string()),
        Ok(Ok(())) => return Fine(format!("{name} answers")),
        Ok(Err(error)) => error,
    };
    let advice = match error.fault {
        ModelFault::Denied => format!("check OPENAI_API_KEY, {setting} and OPENAI_BASE_URL"),
        ModelFault::Quota => "the account has no money left: see its billing page".to_owned(),
        ModelFault::RateLimited => {
            "too many requests: set FTE_MODEL_REQUESTS_PER_MINUTE, or try again".to_owned()
        }
        ModelFault::Unavailable | ModelFault::TimedOut | ModelFault::BreakerOpen => {
            "check OPENAI_BASE_URL and that the server runs".to_owned()
        }
        ModelFault::TooLong | ModelFault::Invalid | ModelFault::Malformed => {
            "check that OPENAI_BASE_URL is a server of chat completions, with its version (/v1), \
             and OPENAI_DIALECT"
                .to_owned()
        }
    };
    Fail(format!("{name}: {}: {advice}", error.source))
}
