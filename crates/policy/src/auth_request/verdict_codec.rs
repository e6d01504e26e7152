//! Verdicts as bytes, for shared memory. Any bytes are safe to read: what is not exactly one record
//! is refused.
//!
//! What is stored begins with the time until which it counts, by a monotonic clock: the zone itself
//! goes by the time of day, and a clock that is set back would make each verdict live longer. The
//! record follows.
//!
//! A record begins with a header of fixed length: the status, the digest of the request headers
//! that `Vary` names, and the number of parts in each of the five lists. The parts follow, each
//! behind its length. All numbers are little-endian.

use std::time::Duration;

#[cfg(test)]
mod tests;

/// The form of the records. A zone outlives a reload, which may bring another version of the module:
/// the number is part of what records are found by, and changes with the form.
pub const FORMAT: u8 = 3;

/// The length of the time in front of a record: milliseconds of the monotonic clock.
const UNTIL_LEN: usize = 8;

const LIST_COUNT: usize = 5;

/// The length of a record's header.
const HEADER_LEN: usize = 2 + 32 + 4 * LIST_COUNT;

/// What the cache keeps of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictRecord<'a> {
    /// The status of the response.
    pub status: u16,
    /// The names of the request headers that the response depends on.
    pub vary: Vec<&'a [u8]>,
    /// The digest of those headers.
    pub vary_digest: [u8; 32],
    /// The values of all `auth_request_set`, in the order of the configuration.
    pub assigned: Vec<&'a [u8]>,
    /// Header lines of the response: a name, its value, the next name.
    pub lines: Vec<&'a [u8]>,
    /// The type, the encoding and the bytes of the response's body, or nothing.
    pub content: Vec<&'a [u8]>,
    /// The text of the answer that `auth_request_answer` has kept, or nothing.
    pub answer: Vec<&'a [u8]>,
}

impl VerdictRecord<'_> {
    /// What is stored: the record, which counts until this time of a monotonic clock. `None` if it
    /// has a list or a part of 4 GiB.
    pub fn encode(&self, until: Duration) -> Option<Vec<u8>> {
        let lists: [_; LIST_COUNT] = [
            &self.vary,
            &self.assigned,
            &self.lines,
            &self.content,
            &self.answer,
        ];
        let mut bytes = Vec::with_capacity(256);
        let until = u64::try_from(until.as_millis()).unwrap_or(u64::MAX);
        bytes.extend(until.to_le_bytes());
        bytes.extend(self.status.to_le_bytes());
        bytes.extend(self.vary_digest);
        for list in lists {
            bytes.extend(u32::try_from(list.len()).ok()?.to_le_bytes());
        }
        for part in lists.into_iter().flatten() {
            bytes.extend(u32::try_from(part.len()).ok()?.to_le_bytes());
            bytes.extend(*part);
        }
        Some(bytes)
    }
}

/// The record in what is stored, or `None` if its time is over. `now` is of the clock of
/// [`VerdictRecord::encode`].
pub fn current(stored: &[u8], now: Duration) -> Option<&[u8]> {
    let (until, record) = stored.split_first_chunk::<UNTIL_LEN>()?;
    (now < Duration::from_millis(u64::from_le_bytes(*until))).then_some(record)
}

/// The status in an encoded record that has no parts, or `None` if it has any.
pub fn status_without_parts(bytes: &[u8]) -> Option<u16> {
    let (status, rest) = bytes.split_first_chunk()?;
    let counts = rest.get(32..)?;
    (counts == [0; 4 * LIST_COUNT]).then(|| u16::from_le_bytes(*status))
}

/// An encoded record. Its parts are found when they are asked for, because most records have few
/// or none.
#[derive(Debug, Clone, Copy)]
pub struct VerdictView<'a> {
    /// The status of the response.
    pub status: u16,
    /// The digest of the request headers that [`vary`](Self::vary) names.
    pub vary_digest: &'a [u8; 32],
    vary_count: usize,
    assigned_count: usize,
    line_count: usize,
    content_count: usize,
    answer_count: usize,
    parts: Reader<'a>,
}

impl<'a> VerdictView<'a> {
    /// The record that these bytes are, or `None` if they are not exactly one.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (header, parts) = bytes.split_first_chunk::<HEADER_LEN>()?;
        let mut header = Reader(header);
        let view = Self {
            status: u16::from_le_bytes(*header.array()?),
            vary_digest: header.array()?,
            vary_count: header.number()?,
            assigned_count: header.number()?,
            line_count: header.number()?,
            content_count: header.number()?,
            answer_count: header.number()?,
            parts: Reader(parts),
        };
        let mut rest = view.parts;
        for count in [
            view.vary_count,
            view.assigned_count,
            view.line_count,
            view.content_count,
            view.answer_count,
        ] {
            for _ in 0..count {
                rest.part()?;
            }
        }
        let is_whole = rest.0.is_empty()
            && view.line_count.is_multiple_of(2)
            && matches!(view.content_count, 0 | 3)
            && matches!(view.answer_count, 0 | 1);
        is_whole.then_some(view)
    }

    /// See [`VerdictRecord::vary`].
    pub fn vary(&self) -> RecordParts<'a> {
        self.skip(0, self.vary_count)
    }

    /// See [`VerdictRecord::assigned`].
    pub fn assigned(&self) -> RecordParts<'a> {
        self.skip(self.vary_count, self.assigned_count)
    }

    /// See [`VerdictRecord::lines`].
    pub fn lines(&self) -> RecordParts<'a> {
        self.skip(self.vary_count + self.assigned_count, self.line_count)
    }

    /// See [`VerdictRecord::content`].
    pub fn content(&self) -> RecordParts<'a> {
        let before = self.vary_count + self.assigned_count + self.line_count;
        self.skip(before, self.content_count)
    }

    /// See [`VerdictRecord::answer`].
    pub fn answer(&self) -> Option<&'a [u8]> {
        let before = self.vary_count + self.assigned_count + self.line_count + self.content_count;
        self.skip(before, self.answer_count).next()
    }

    /// The `count` parts that follow the first `before` parts.
    fn skip(&self, before: usize, count: usize) -> RecordParts<'a> {
        let mut rest = self.parts;
        for _ in 0..before {
            rest.part();
        }
        RecordParts { rest, count }
    }
}

/// The parts of one list of a record.
pub struct RecordParts<'a> {
    rest: Reader<'a>,
    count: usize,
}

impl<'a> Iterator for RecordParts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        self.rest.part()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for RecordParts<'_> {}

/// The bytes of a record that are still to be read.
#[derive(Debug, Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(*self.array()?)).ok()
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }
}
