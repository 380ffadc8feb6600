//! The emulated model server of benchmarks: it answers chats by itself, and turns texts
//! into the vectors of this machine's model, so that the agent understands them as always.

use std::time::Duration;

use agent::Embedder;
use emulators::openai::{OpenAiEmulator, Settings as Emulated, Vectors};

use crate::up::settings::Settings;
use crate::up::told;

/// What it calls its vectors.
const EMBEDDING_MODEL: &str = "emulated-embeddings";

/// More texts than a message has stand in files: their vectors are kept beside the model.
const MOST_OF_A_MESSAGE: usize = 64;

/// Starts one whose chats take so long.
pub(crate) async fn start(latency: Duration) -> anyhow::Result<OpenAiEmulator> {
    let local = told::embedder()?;
    let vectors = Vectors::new(move |texts| {
        let local = local.clone();
        async move {
            match texts.len() {
                ..=MOST_OF_A_MESSAGE => local.embed(texts).await.ok(),
                _ => local.embed_cached(texts).await.ok(),
            }
        }
    });
    let settings = Emulated { latency, vectors: Some(vectors), kept: 1, ..Emulated::default() };
    Ok(OpenAiEmulator::start(settings).await?)
}

/// What a service is told to take its vectors from there.
pub(crate) fn embeddings_of(server: &OpenAiEmulator) -> Vec<(&'static str, String)> {
    vec![
        ("EMBEDDING_MODEL", EMBEDDING_MODEL.to_owned()),
        ("OPENAI_API_KEY", Emulated::default().api_key),
        ("OPENAI_BASE_URL", server.base_url()),
        ("OPENAI_MODEL", "emulated".to_owned()),
        ("FTE_ALLOW_LOOPBACK", "true".to_owned()),
    ]
}

/// The embedder of such a service.
pub(crate) fn embedder_of(server: &OpenAiEmulator) -> anyhow::Result<Embedder> {
    let mut settings = Settings::default();
    for (name, value) in embeddings_of(server) {
        settings.set(name, value);
    }
    told::embedder_by(settings)
}
