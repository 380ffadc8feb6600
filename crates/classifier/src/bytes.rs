//! Numbers and names as bytes. Who reads them has made sure that they are whole; nothing
//! that they may hold makes a reader fail otherwise than by saying so.

/// Bytes so far.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    fn count(&mut self, count: usize) {
        self.bytes.extend((count as u64).to_le_bytes());
    }

    pub(crate) fn numbers(&mut self, numbers: impl ExactSizeIterator<Item = usize>) {
        self.count(numbers.len());
        numbers.for_each(|number| self.count(number));
    }

    pub(crate) fn floats(&mut self, floats: &[f32]) {
        self.count(floats.len());
        self.bytes.extend(floats.iter().flat_map(|float| float.to_le_bytes()));
    }

    pub(crate) fn name(&mut self, name: &str) {
        self.count(name.len());
        self.bytes.extend(name.as_bytes());
    }
}

/// What is left to read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    fn count(&mut self) -> Option<usize> {
        let (count, rest) = self.bytes.split_first_chunk::<8>()?;
        self.bytes = rest;
        usize::try_from(u64::from_le_bytes(*count)).ok()
    }

    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.bytes.split_at_checked(count)?;
        self.bytes = rest;
        Some(taken)
    }

    pub(crate) fn numbers(&mut self) -> Option<Vec<usize>> {
        let count = self.count()?;
        (0..count).map(|_| self.count()).collect()
    }

    pub(crate) fn floats(&mut self) -> Option<Vec<f32>> {
        let count = self.count()?;
        let (floats, _) = self.take(count.checked_mul(4)?)?.as_chunks::<4>();
        Some(floats.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }

    pub(crate) fn name(&mut self) -> Option<&'a str> {
        let length = self.count()?;
        str::from_utf8(self.take(length)?).ok()
    }
}
