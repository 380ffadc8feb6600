//! Ids that only grow, and numbers that look random.

/// Where ids come from: they only grow, with gaps.
#[derive(Debug)]
pub(super) struct Counter {
    last: u64,
    random: u64,
}

impl Counter {
    pub(super) fn new(start: u64) -> Self {
        Self { last: start, random: start | 1 }
    }

    /// The next id, some way after the last.
    pub(super) fn next(&mut self) -> u64 {
        self.last += 1 + self.random() % 97;
        self.last
    }

    /// Knuth's generator: nothing here needs to be unpredictable.
    pub(super) fn random(&mut self) -> u64 {
        self.random = self
            .random
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        self.random >> 33
    }
}
