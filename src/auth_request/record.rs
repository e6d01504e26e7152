//! Verdicts as bytes, for shared memory. Whatever is in there, reading it is safe: what is not a whole record is none.

/// What is kept of an answer: made of lists of texts, read as [`Parts`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record<P> {
    pub(super) status: u16,
    /// The names of lines of the client's header that the answer depends on.
    pub(super) vary: P,
    /// The digest of those lines.
    pub(super) vary_digest: [u8; 32],
    /// The values of all `auth_request_set`, in their order.
    pub(super) assigned: P,
    /// Lines of the answer's header: a name, its value, the next name.
    pub(super) lines: P,
    /// The body's type, its encoding and itself, or nothing.
    pub(super) content: P,
}

/// Texts that are read as they are asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    count: usize,
    /// It has so many at least.
    reader: Reader<'a>,
}

impl<'a, P: AsRef<[&'a [u8]]>> Record<P> {
    /// Nothing where a part is longer than a record can say, 4 GiB.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(self.status.to_le_bytes());
        put_all(&mut bytes, self.vary.as_ref())?;
        bytes.extend(self.vary_digest);
        put_all(&mut bytes, self.assigned.as_ref())?;
        put_all(&mut bytes, self.lines.as_ref())?;
        put_all(&mut bytes, self.content.as_ref())?;
        Some(bytes)
    }
}

impl<'a> Record<Parts<'a>> {
    /// The length of one that has no texts.
    pub(super) const BARE: usize = 2 + 32 + 4 * 4;

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let record = Self {
            status: u16::from_le_bytes(reader.array()?),
            vary: reader.parts()?,
            vary_digest: reader.array()?,
            assigned: reader.parts()?,
            lines: reader.parts()?,
            content: reader.parts()?,
        };
        let is_whole = reader.0.is_empty()
            && record.lines.count.is_multiple_of(2)
            && matches!(record.content.count, 0 | 3);
        is_whole.then_some(record)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        self.reader.part()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Parts<'_> {}

/// Writes how many parts there are, and each with its length.
fn put_all(bytes: &mut Vec<u8>, parts: &[&[u8]]) -> Option<()> {
    bytes.extend(u32::try_from(parts.len()).ok()?.to_le_bytes());
    for part in parts {
        bytes.extend(u32::try_from(part.len()).ok()?.to_le_bytes());
        bytes.extend(*part);
    }
    Some(())
}

#[derive(Debug, Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.array()?)).ok()
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }

    fn parts(&mut self) -> Option<Parts<'a>> {
        let count = self.length()?;
        let parts = Parts {
            count,
            reader: *self,
        };
        for _ in 0..count {
            self.part()?;
        }
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Texts<'a> = Record<Vec<&'a [u8]>>;

    fn decode(bytes: &[u8]) -> Option<Texts<'_>> {
        Record::decode(bytes).map(|record| Record {
            status: record.status,
            vary: record.vary.collect(),
            vary_digest: record.vary_digest,
            assigned: record.assigned.collect(),
            lines: record.lines.collect(),
            content: record.content.collect(),
        })
    }

    fn bare() -> Texts<'static> {
        Record {
            status: 65535,
            vary: Vec::new(),
            vary_digest: [0; 32],
            assigned: Vec::new(),
            lines: Vec::new(),
            content: Vec::new(),
        }
    }

    fn record() -> Texts<'static> {
        Record {
            status: 200,
            vary: vec![b"cookie", b"origin"],
            vary_digest: [7; 32],
            assigned: vec![b"alice", b""],
            lines: vec![
                b"X-User",
                b"alice",
                b"Set-Cookie",
                b"a=1",
                b"Set-Cookie",
                b"",
            ],
            content: vec![b"text/plain", b"", b"no\0"],
        }
    }

    #[test]
    fn comes_back() {
        for record in [record(), bare()] {
            let bytes = record.encode().unwrap();
            assert_eq!(decode(&bytes), Some(record));
        }
    }

    #[test]
    fn bare_is_without_texts() {
        assert_eq!(bare().encode().unwrap().len(), Record::BARE);
        let mut other = bare();
        other.assigned.push(b"");
        assert!(other.encode().unwrap().len() > Record::BARE);
    }

    #[test]
    fn nothing_but_a_whole_record_is_read() {
        let bytes = record().encode().unwrap();
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end]), None, "{end}");
        }
        let longer = [&bytes[..], b"\0"].concat();
        assert_eq!(decode(&longer), None);
        for odd in [vec![&b"X-User"[..]], vec![b"a", b"b", b"c"]] {
            let bytes = Record {
                lines: odd,
                ..bare()
            }
            .encode()
            .unwrap();
            assert_eq!(decode(&bytes), None);
        }
        let bytes = Record {
            content: vec![&b"a"[..]],
            ..bare()
        }
        .encode()
        .unwrap();
        assert_eq!(decode(&bytes), None);
    }

    proptest! {
        #[test]
        fn reads_anything(bytes: Vec<u8>) {
            if let Some(record) = decode(&bytes) {
                prop_assert_eq!(record.encode(), Some(bytes));
            }
        }
    }
}
