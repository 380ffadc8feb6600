//! Sentences as vectors: a local MiniLM model, without a network.
