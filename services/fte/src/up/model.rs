//! The model under `fte up`: the one that the environment names, the built-in one, or an
//! emulator of a model server.

use anyhow::Context as _;
use clap::ValueEnum;
use emulators::openai::{OpenAiEmulator, Settings as Emulated};

use crate::up::settings::{self, Settings};

const PROVIDER: &str = "FTE_MODEL_PROVIDER";
const KEY: &str = "OPENAI_API_KEY";
const BASE_URL: &str = "OPENAI_BASE_URL";
const MODEL: &str = "OPENAI_MODEL";
const LOOPBACK: &str = "FTE_ALLOW_LOOPBACK";

/// What other commands need to reach an emulated model.
pub(crate) const SHARED: [&str; 5] = [PROVIDER, KEY, BASE_URL, MODEL, LOOPBACK];

/// What drafts answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Choice {
    /// As FTE_MODEL_PROVIDER says, else openai where OPENAI_API_KEY is set, else builtin
    #[default]
    Auto,
    Builtin,
    Openai,
    /// A server on this machine that answers with the first article
    Emulator,
}

/// The model of this run.
pub(crate) enum Model {
    /// As FTE_MODEL_PROVIDER says.
    Environment,
    Builtin {
        is_asked_for: bool,
    },
    OpenAi,
    Emulator(OpenAiEmulator),
}

impl Model {
    pub(crate) async fn start(choice: Choice) -> anyhow::Result<Self> {
        Ok(match choice {
            Choice::Auto if settings::is_any_set(&[PROVIDER]) => Self::Environment,
            // Half of the group is refused by the agent, by name.
            Choice::Auto if settings::is_any_set(&[KEY, BASE_URL]) => Self::OpenAi,
            Choice::Auto => Self::Builtin { is_asked_for: false },
            Choice::Builtin => Self::Builtin { is_asked_for: true },
            Choice::Openai => Self::OpenAi,
            Choice::Emulator => {
                let emulator = OpenAiEmulator::start(Emulated::default()).await;
                Self::Emulator(emulator.context("the emulator of a model does not start")?)
            }
        })
    }

    /// Tells the agent which model it has.
    pub(crate) fn tell(&self, settings: &mut Settings) {
        match self {
            Self::Environment => {}
            Self::Builtin { .. } => settings.set(PROVIDER, "builtin"),
            Self::OpenAi => settings.set(PROVIDER, "openai"),
            Self::Emulator(emulator) => {
                settings.set(PROVIDER, "openai");
                settings.set(KEY, Emulated::default().api_key);
                settings.set(BASE_URL, emulator.base_url());
                settings.set(MODEL, "emulated");
                settings.set(LOOPBACK, "true");
            }
        }
    }

    /// In one line.
    pub(crate) fn describe(&self) -> String {
        let value = |name: &str, default: &str| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            value.unwrap_or_else(|| default.to_owned())
        };
        match self {
            Self::Environment => format!("{}, as {PROVIDER} says", value(PROVIDER, "")),
            Self::Builtin { is_asked_for: true } => {
                "builtin: answers from the knowledge base, needs no network".to_owned()
            }
            Self::Builtin { is_asked_for: false } => format!(
                "builtin: answers from the knowledge base, needs no network, as no {KEY} is set"
            ),
            Self::OpenAi => format!(
                "{} at {}, as {KEY} is set",
                value(MODEL, "gpt-4o"),
                value(BASE_URL, "https://api.openai.com/v1")
            ),
            Self::Emulator(emulator) => {
                format!("an emulator of a model server at {}", emulator.base_url())
            }
        }
    }
}
