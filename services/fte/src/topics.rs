//! Reads `topics.yaml`: what the topics should be.

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use bus::TopicSpec;
use clap::ValueEnum;
use contract::Topic;
use serde::Deserialize;

/// The file of this build, so that the program needs none beside it.
const BUILT_IN: &str = include_str!("../../../topics.yaml");

/// How much a cluster can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Profile {
    /// Three brokers or more
    Production,
    /// One broker on this machine
    Local,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    profiles: Profiles,
    topics: Vec<Entry>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Profiles {
    production: Size,
    local: Size,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
struct Size {
    partitions: i32,
    replication: i32,
    min_insync_replicas: i32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    /// For the reader: the protobuf message and what its key is.
    #[serde(rename = "message")]
    _message: String,
    #[serde(rename = "key")]
    _key: String,
    retention: String,
    max_message_bytes: usize,
}

/// The topics of `file`, or of this build.
pub(crate) fn read(file: Option<&Path>, profile: Profile) -> anyhow::Result<Vec<TopicSpec>> {
    let Some(path) = file else { return parse(BUILT_IN, profile).context("topics.yaml") };
    let text = std::fs::read_to_string(path).with_context(|| path.display().to_string())?;
    parse(&text, profile).with_context(|| path.display().to_string())
}

fn parse(text: &str, profile: Profile) -> anyhow::Result<Vec<TopicSpec>> {
    let file: File = serde_saphyr::from_str(text)?;
    let size = match profile {
        Profile::Production => file.profiles.production,
        Profile::Local => file.profiles.local,
    };
    let specs = file.topics.into_iter().map(|entry| spec(entry, size));
    let specs = specs.collect::<anyhow::Result<Vec<_>>>()?;
    for topic in Topic::ALL {
        let count = specs.iter().filter(|spec| spec.topic == topic).count();
        anyhow::ensure!(count == 1, "{topic} stands there {count} times, not once");
    }
    Ok(specs)
}

fn spec(entry: Entry, size: Size) -> anyhow::Result<TopicSpec> {
    let topic: Topic = entry.name.parse()?;
    let retention: Duration = humantime::parse_duration(&entry.retention)
        .with_context(|| format!("the retention of {topic}"))?;
    Ok(TopicSpec {
        topic,
        partitions: size.partitions,
        replication: size.replication,
        min_insync_replicas: size.min_insync_replicas,
        retention,
        max_message_bytes: entry.max_message_bytes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_this_build_has_every_topic_once_and_dead_letters_may_be_twice_as_large() {
        let specs = parse(BUILT_IN, Profile::Production).unwrap();

        let bytes = |topic| specs.iter().find(|s| s.topic == topic).unwrap().max_message_bytes;
        for topic in Topic::ALL.into_iter().filter(|topic| *topic != Topic::DeadLetters) {
            assert_eq!(bytes(topic) * 2, bytes(Topic::DeadLetters), "{topic}");
        }
        assert!(specs.iter().all(|s| s.partitions == 24 && s.replication == 3));
    }

    #[test]
    fn a_topic_that_is_missing_or_unknown_is_named() {
        let missing = BUILT_IN.replace("fte.metrics", "fte.dlq");
        let unknown = BUILT_IN.replace("fte.metrics", "fte.weather");

        let error = |text: &str| format!("{:#}", parse(text, Profile::Local).unwrap_err());
        assert!(error(&missing).contains("fte.metrics stands there 0 times"));
        assert!(error(&unknown).contains("fte.weather"));
    }
}
