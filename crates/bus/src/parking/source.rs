//! A source that hands over a partition only once its parked keys are known.

use std::time::Duration;

use futures::FutureExt as _;
use futures::future::BoxFuture;

use crate::parking::{Parking, ParkingError};
use crate::source::{Source, SourceError, SourceEvent};

/// Wait between tries while the database is away; the log is still polled meanwhile.
const LOAD_RETRY: Duration = Duration::from_millis(500);

/// Wraps the source of a group that parks.
pub(crate) struct ParkingSource<S> {
    inner: S,
    parking: Parking,
    /// Gained, but not handed over: their parked keys are being read.
    waiting: Vec<i32>,
    loading: Option<BoxFuture<'static, Result<(), ParkingError>>>,
}

impl<S: Source> ParkingSource<S> {
    pub(crate) fn new(inner: S, parking: Parking) -> Self {
        Self { inner, parking, waiting: Vec::new(), loading: None }
    }

    /// Starts reading the parked keys of all that waits.
    fn load(&mut self, delay: Duration) {
        let (parking, partitions) = (self.parking.clone(), self.waiting.clone());
        let load = async move {
            tokio::time::sleep(delay).await;
            parking.load(&partitions).await
        };
        self.loading = (!self.waiting.is_empty()).then(|| load.boxed());
    }

    /// Takes in a change of the assignment; what the runner should hear of it.
    fn changed(&mut self, event: SourceEvent) -> Option<SourceEvent> {
        match event {
            SourceEvent::Assigned(partitions) => {
                for partition in &partitions {
                    self.inner.pause(*partition);
                }
                self.waiting.extend(partitions);
                self.load(Duration::ZERO);
                None
            }
            SourceEvent::Revoked(partitions) => {
                self.parking.forget(&partitions);
                let (unknown, known): (Vec<i32>, Vec<i32>) =
                    partitions.into_iter().partition(|partition| self.waiting.contains(partition));
                if !unknown.is_empty() {
                    self.waiting.retain(|partition| !unknown.contains(partition));
                    self.load(Duration::ZERO);
                }
                (!known.is_empty()).then_some(SourceEvent::Revoked(known))
            }
            records @ SourceEvent::Records(_) => Some(records),
        }
    }

    fn loaded(&mut self, result: Result<(), ParkingError>) -> Option<SourceEvent> {
        self.loading = None;
        if let Err(error) = result {
            tracing::warn!(error = &error as &dyn std::error::Error, "parked keys not read yet");
            self.load(LOAD_RETRY);
            return None;
        }
        let partitions = std::mem::take(&mut self.waiting);
        for partition in &partitions {
            self.inner.resume(*partition);
        }
        Some(SourceEvent::Assigned(partitions))
    }
}

impl<S: Source> Source for ParkingSource<S> {
    /// Cancel-safe: the load goes on at the next call, and the inner source is
    /// polled all the while, so that a database outage costs no membership.
    async fn next(&mut self) -> Result<SourceEvent, SourceError> {
        loop {
            let event = match &mut self.loading {
                None => {
                    let event = self.inner.next().await?;
                    self.changed(event)
                }
                Some(loading) => tokio::select! {
                    result = loading => self.loaded(result),
                    event = self.inner.next() => self.changed(event?),
                },
            };
            if let Some(event) = event {
                return Ok(event);
            }
        }
    }

    fn pause(&mut self, partition: i32) {
        self.inner.pause(partition);
    }

    fn resume(&mut self, partition: i32) {
        if !self.waiting.contains(&partition) {
            self.inner.resume(partition);
        }
    }

    fn finish(&mut self, partition: i32, next_offset: i64) {
        self.inner.finish(partition, next_offset);
    }

    async fn flush(&mut self) -> Result<(), SourceError> {
        self.inner.flush().await
    }

    async fn close(self) -> Result<(), SourceError> {
        self.inner.close().await
    }
}
