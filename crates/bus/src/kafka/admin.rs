//! Makes the cluster's topics what they should be.

use std::collections::HashMap;

use anyhow::Context as _;
use contract::Topic;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, ConfigSource, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::error::RDKafkaErrorCode;

use super::blocking::{drop_elsewhere, on_thread};
use super::config::{KafkaConfig, REQUEST_LIMIT};
use super::errors::{Trouble, bus_error, trouble};
use super::watch::Watched;
use crate::bus::BusError;
use crate::topics::{TopicChange, TopicSpec};

pub(crate) struct Admin {
    config: KafkaConfig,
    client: Option<std::sync::Arc<AdminClient<Watched>>>,
}

/// A topic as it is.
struct Found {
    partitions: i32,
    replication: i32,
    /// Settings, and whether each was set for this topic itself.
    settings: HashMap<String, (String, bool)>,
}

fn wanted(spec: &TopicSpec) -> [(&'static str, String); 4] {
    [
        ("min.insync.replicas", spec.min_insync_replicas.to_string()),
        ("retention.ms", spec.retention.as_millis().to_string()),
        ("max.message.bytes", spec.max_message_bytes.to_string()),
        // A replica that lags behind must never become the truth.
        ("unclean.leader.election.enable", "false".to_owned()),
    ]
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(REQUEST_LIMIT)).request_timeout(Some(REQUEST_LIMIT))
}

fn refused(code: RDKafkaErrorCode, what: String) -> BusError {
    let error = anyhow::Error::new(code).context(what);
    match trouble(code) {
        Trouble::Passing if code == RDKafkaErrorCode::OperationTimedOut => {
            BusError::Unavailable(error)
        }
        _ => BusError::Refused(error),
    }
}

impl Admin {
    pub(crate) fn new(config: &KafkaConfig) -> Result<Self, BusError> {
        let client = config.client().create_with_context(Watched::default());
        let client: AdminClient<Watched> = client.map_err(bus_error)?;
        Ok(Self { config: config.clone(), client: Some(std::sync::Arc::new(client)) })
    }

    fn client(&self) -> Result<&std::sync::Arc<AdminClient<Watched>>, BusError> {
        self.client.as_ref().context("the client is closed").map_err(BusError::Unavailable)
    }

    /// Every difference between the specs and the cluster.
    pub(crate) async fn plan(&self, specs: &[TopicSpec]) -> Result<Vec<TopicChange>, BusError> {
        let found = self.find().await?;
        Ok(specs
            .iter()
            .flat_map(|spec| match found.get(&spec.topic) {
                None => vec![TopicChange::Create(spec.clone())],
                Some(found) => differences(spec, found),
            })
            .collect())
    }

    /// Creates and changes what the plan says; gives the plan, with what it refused.
    pub(crate) async fn apply(&self, specs: &[TopicSpec]) -> Result<Vec<TopicChange>, BusError> {
        let plan = self.plan(specs).await?;
        let mut settings: HashMap<Topic, Vec<(&'static str, &str)>> = HashMap::new();
        for change in &plan {
            match change {
                TopicChange::Create(spec) => self.create(spec).await?,
                TopicChange::Set { topic, setting, to, .. } => {
                    settings.entry(*topic).or_default().push((setting, to));
                }
                TopicChange::Refuse { .. } => {}
            }
        }
        if !settings.is_empty() {
            let found = self.find().await?;
            for (topic, changes) in settings {
                self.alter(topic, &changes, found.get(&topic)).await?;
            }
        }
        Ok(plan)
    }

    async fn find(&self) -> Result<HashMap<Topic, Found>, BusError> {
        let client = std::sync::Arc::clone(self.client()?);
        let metadata = on_thread(REQUEST_LIMIT * 2, move || {
            client.inner().fetch_metadata(None, REQUEST_LIMIT)
        });
        let metadata = metadata.await.context("no broker answered in time");
        let metadata = metadata.map_err(BusError::Unavailable)?.map_err(bus_error)?;
        let mut found = HashMap::new();
        for topic in Topic::ALL {
            let name = self.config.topic_name(topic);
            let Some(known) = metadata.topics().iter().find(|known| known.name() == name) else {
                continue;
            };
            let partitions = known.partitions();
            let replication = partitions.iter().map(|partition| partition.replicas().len()).min();
            let settings = self.settings(&name).await?;
            found.insert(
                topic,
                Found {
                    partitions: i32::try_from(partitions.len()).unwrap_or(i32::MAX),
                    replication: i32::try_from(replication.unwrap_or_default()).unwrap_or(i32::MAX),
                    settings,
                },
            );
        }
        Ok(found)
    }

    async fn settings(&self, name: &str) -> Result<HashMap<String, (String, bool)>, BusError> {
        let topics = [ResourceSpecifier::Topic(name)];
        let described = self.client()?.describe_configs(&topics, &options()).await;
        let mut settings = HashMap::new();
        for described in described.map_err(bus_error)? {
            let described = described
                .map_err(|code| refused(code, format!("reading the settings of {name}")))?;
            for entry in described.entries {
                let is_own = matches!(entry.source, ConfigSource::DynamicTopic);
                settings.insert(entry.name, (entry.value.unwrap_or_default(), is_own));
            }
        }
        Ok(settings)
    }

    async fn create(&self, spec: &TopicSpec) -> Result<(), BusError> {
        let name = self.config.topic_name(spec.topic);
        let settings = wanted(spec);
        let mut topic =
            NewTopic::new(&name, spec.partitions, TopicReplication::Fixed(spec.replication));
        for (setting, value) in &settings {
            topic = topic.set(setting, value);
        }
        let created = self.client()?.create_topics([&topic], &options()).await;
        for created in created.map_err(bus_error)? {
            match created {
                // Somebody else created it meanwhile; the next plan compares the rest.
                Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
                Err((name, code)) => return Err(refused(code, format!("creating topic {name}"))),
            }
        }
        Ok(())
    }

    /// The request replaces all settings of the topic, so the others go along.
    async fn alter(
        &self,
        topic: Topic,
        changes: &[(&'static str, &str)],
        found: Option<&Found>,
    ) -> Result<(), BusError> {
        let name = self.config.topic_name(topic);
        let mut request = AlterConfig::new(ResourceSpecifier::Topic(&name));
        let kept = found.iter().flat_map(|found| &found.settings);
        for (setting, (value, _)) in kept.filter(|(_, (_, is_own))| *is_own) {
            request = request.set(setting, value);
        }
        for (setting, value) in changes {
            request = request.set(setting, value);
        }
        let altered = self.client()?.alter_configs([&request], &options()).await;
        for altered in altered.map_err(bus_error)? {
            altered.map_err(|(_, code)| refused(code, format!("changing topic {name}")))?;
        }
        Ok(())
    }
}

fn differences(spec: &TopicSpec, found: &Found) -> Vec<TopicChange> {
    let topic = spec.topic;
    let mut changes = Vec::new();
    let fixed = [
        ("partitions", found.partitions, spec.partitions),
        ("replication", found.replication, spec.replication),
    ];
    for (setting, from, to) in fixed {
        if from != to {
            let (from, to) = (from.to_string(), to.to_string());
            changes.push(TopicChange::Refuse { topic, setting, from, to });
        }
    }
    for (setting, to) in wanted(spec) {
        let from = found.settings.get(setting).map(|(value, _)| value.clone()).unwrap_or_default();
        if from != to {
            changes.push(TopicChange::Set { topic, setting, from, to });
        }
    }
    changes
}

impl Drop for Admin {
    fn drop(&mut self) {
        // Joins a thread that looks up only now and then.
        if let Some(client) = self.client.take() {
            drop_elsewhere(client);
        }
    }
}
