//! How far the groups are behind, as the brokers know it.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Buf as _;
use contract::Topic;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::{Offset, TopicPartitionList};

use super::blocking::{drop_elsewhere, on_thread};
use super::config::{KafkaConfig, REQUEST_LIMIT};
use super::errors::bus_error;
use super::watch::Watched;
use crate::bus::BusError;
use crate::lag::Lag;

/// For the handful of requests of one answer.
const LAG_LIMIT: Duration = Duration::from_secs(15);

/// Clients that ask about groups without joining them, made when first needed. There
/// is one per group, because a client asks for its own group's offsets only.
pub(crate) struct Groups {
    asking: Option<Arc<Asking>>,
}

struct Asking {
    config: KafkaConfig,
    clients: Mutex<HashMap<String, Arc<BaseConsumer<Watched>>>>,
}

/// Offsets by topic and partition.
type Offsets = HashMap<(Topic, i32), i64>;

impl Groups {
    pub(crate) fn new(config: KafkaConfig) -> Self {
        Self { asking: Some(Arc::new(Asking { config, clients: Mutex::default() })) }
    }

    pub(crate) async fn lag(&self) -> Result<Vec<Lag>, BusError> {
        let Some(asking) = self.asking.clone() else { return Ok(Vec::new()) };
        let asked = on_thread(LAG_LIMIT, move || asking.lag()).await;
        asked
            .ok_or_else(|| {
                BusError::Unavailable(anyhow::anyhow!("no answer about groups in time"))
            })?
            .map_err(bus_error)
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // Closing a client may wait for the brokers.
        if let Some(asking) = self.asking.take() {
            drop_elsewhere(asking);
        }
    }
}

impl Asking {
    fn lag(&self) -> KafkaResult<Vec<Lag>> {
        // The empty name belongs to no group and is the client for everything else.
        let any = self.client("")?;
        let partitions = self.partitions(&any)?;
        let ends = self.offsets_at(&any, &partitions, Offset::End)?;
        let starts = self.offsets_at(&any, &partitions, Offset::Beginning)?;
        let mut lag = Vec::new();
        for (group, topics) in self.groups(&any)? {
            let client = self.client(&group)?;
            let committed = client.committed_offsets(self.list(&partitions)?, REQUEST_LIMIT)?;
            let committed = self.read(&committed);
            let topics: HashSet<_> =
                committed.keys().map(|(topic, _)| *topic).chain(topics).collect();
            let of_group = partitions.iter().filter(|(topic, _)| topics.contains(topic));
            lag.extend(of_group.map(|place| Lag {
                group: group.clone(),
                topic: place.0,
                partition: place.1,
                committed:
                    committed.get(place).or_else(|| starts.get(place)).copied().unwrap_or_default(),
                end: ends.get(place).copied().unwrap_or_default(),
            }));
        }
        lag.sort_by(|a, b| (&a.group, a.topic, a.partition).cmp(&(&b.group, b.topic, b.partition)));
        Ok(lag)
    }

    fn client(&self, group: &str) -> KafkaResult<Arc<BaseConsumer<Watched>>> {
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(group) {
            return Ok(Arc::clone(client));
        }
        let mut config = self.config.client();
        if !group.is_empty() {
            config.set("group.id", self.config.group_name(group));
        }
        let client: Arc<BaseConsumer<Watched>> =
            Arc::new(config.create_with_context(Watched::default())?);
        clients.insert(group.to_owned(), Arc::clone(&client));
        Ok(client)
    }

    fn partitions(&self, client: &BaseConsumer<Watched>) -> KafkaResult<Vec<(Topic, i32)>> {
        let metadata = client.fetch_metadata(None, REQUEST_LIMIT)?;
        let known = metadata.topics().iter();
        let known = known.filter_map(|topic| Some((self.topic(topic.name())?, topic)));
        let places = known.flat_map(|(topic, metadata)| {
            metadata.partitions().iter().map(move |partition| (topic, partition.id()))
        });
        Ok(places.collect())
    }

    fn topic(&self, name: &str) -> Option<Topic> {
        name.strip_prefix(&self.config.prefix)?.parse().ok()
    }

    fn offsets_at(
        &self,
        client: &BaseConsumer<Watched>,
        partitions: &[(Topic, i32)],
        place: Offset,
    ) -> KafkaResult<Offsets> {
        if partitions.is_empty() {
            return Ok(Offsets::new());
        }
        let mut list = self.list(partitions)?;
        // The request takes times, and both ends as times of their own.
        list.set_all_offsets(place)?;
        Ok(self.read(&client.offsets_for_times(list, REQUEST_LIMIT)?))
    }

    fn list(&self, partitions: &[(Topic, i32)]) -> KafkaResult<TopicPartitionList> {
        let mut list = TopicPartitionList::with_capacity(partitions.len());
        for (topic, partition) in partitions {
            list.add_partition(&self.config.topic_name(*topic), *partition);
        }
        Ok(list)
    }

    fn read(&self, list: &TopicPartitionList) -> Offsets {
        let elements = list.elements();
        let known = elements.iter().filter_map(|element| match element.offset() {
            Offset::Offset(offset) => {
                Some(((self.topic(element.topic())?, element.partition()), offset))
            }
            _ => None,
        });
        known.collect()
    }

    /// Groups and the topics of ours that their members read now: a group that has not
    /// committed yet is behind by everything. Groups at work elsewhere are left out, as
    /// each would cost a client.
    fn groups(&self, client: &BaseConsumer<Watched>) -> KafkaResult<Vec<(String, Vec<Topic>)>> {
        let list = client.fetch_group_list(None, REQUEST_LIMIT)?;
        let ours = list.groups().iter().filter_map(|group| {
            let name = group.name().strip_prefix(&self.config.prefix)?.to_owned();
            let assignments = group.members().iter().filter_map(|member| member.assignment());
            let names: Vec<String> = assignments.filter_map(topics_of).flatten().collect();
            let topics: Vec<_> = names.iter().filter_map(|name| self.topic(name)).collect();
            // Members that just join have no assignment yet: that says nothing.
            let is_elsewhere = topics.is_empty() && !names.is_empty();
            (!is_elsewhere).then_some((name, topics))
        });
        Ok(ours.collect())
    }
}

/// The topics in a member's assignment, as the classic protocol writes it.
fn topics_of(mut assignment: &[u8]) -> Option<Vec<String>> {
    let bytes = &mut assignment;
    let _version = bytes.try_get_i16().ok()?;
    let count = bytes.try_get_i32().ok()?;
    let mut topics = Vec::new();
    for _ in 0..count {
        let length = usize::try_from(bytes.try_get_i16().ok()?).ok()?;
        let (name, rest) = bytes.split_at_checked(length)?;
        topics.push(String::from_utf8(name.to_vec()).ok()?);
        *bytes = rest;
        let partitions = usize::try_from(bytes.try_get_i32().ok()?).ok()?;
        *bytes = bytes.get(partitions.checked_mul(4)?..)?;
    }
    Some(topics)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn topics_are_read_from_an_assignment() {
        let mut bytes = vec![0, 1, 0, 0, 0, 2];
        for (name, partitions) in [("fte.dlq", 2_i32), ("fte.metrics", 0)] {
            bytes.extend((name.len() as i16).to_be_bytes());
            bytes.extend(name.as_bytes());
            bytes.extend(partitions.to_be_bytes());
            (0..partitions).for_each(|partition| bytes.extend(partition.to_be_bytes()));
        }
        bytes.extend([0, 0, 0, 0]);

        assert_eq!(topics_of(&bytes), Some(vec!["fte.dlq".into(), "fte.metrics".into()]));
    }

    #[test]
    fn a_cut_assignment_names_nothing() {
        assert_eq!(topics_of(&[0, 1, 0, 0, 0, 1, 0, 9, b'f']), None);
    }
}
