//! Verdicts as bytes, for shared memory. Whatever is in there, reading it is safe: what is not a whole record is none.

/// The length of a record without parts.
pub const BARE: usize = 2 + 32 + 4 * 4;

/// What is kept of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<'a> {
    pub status: u16,
    /// The names of lines of the client's header that the answer depends on.
    pub vary: Vec<&'a [u8]>,
    /// The digest of those lines.
    pub vary_digest: [u8; 32],
    /// The values of all `auth_request_set`, in their order.
    pub assigned: Vec<&'a [u8]>,
    /// Lines of the answer's header: a name, its value, the next name.
    pub lines: Vec<&'a [u8]>,
    /// The body's type, its encoding and itself, or nothing.
    pub content: Vec<&'a [u8]>,
}

impl Record<'_> {
    /// Nothing where there is more than a record can say: 2^32 parts, or a part of 4 GiB.
    pub fn encode(&self) -> Option<Vec<u8>> {
        let lists = [&self.vary, &self.assigned, &self.lines, &self.content];
        let mut bytes = Vec::with_capacity(256);
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

/// A record as bytes. Its parts are looked for as they are asked for: most records have few, or none.
#[derive(Debug, Clone, Copy)]
pub struct Encoded<'a> {
    pub status: u16,
    pub vary_digest: &'a [u8; 32],
    /// How many parts there are of each kind.
    vary: usize,
    assigned: usize,
    lines: usize,
    content: usize,
    parts: Reader<'a>,
}

impl<'a> Encoded<'a> {
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (head, parts) = bytes.split_first_chunk::<BARE>()?;
        let mut head = Reader(head);
        let record = Self {
            status: u16::from_le_bytes(*head.array()?),
            vary_digest: head.array()?,
            vary: head.length()?,
            assigned: head.length()?,
            lines: head.length()?,
            content: head.length()?,
            parts: Reader(parts),
        };
        let mut rest = record.parts;
        for count in [record.vary, record.assigned, record.lines, record.content] {
            for _ in 0..count {
                rest.part()?;
            }
        }
        let is_whole =
            rest.0.is_empty() && record.lines.is_multiple_of(2) && matches!(record.content, 0 | 3);
        is_whole.then_some(record)
    }

    pub fn vary(&self) -> Parts<'a> {
        self.parts(0, self.vary)
    }

    pub fn assigned(&self) -> Parts<'a> {
        self.parts(self.vary, self.assigned)
    }

    pub fn lines(&self) -> Parts<'a> {
        self.parts(self.vary + self.assigned, self.lines)
    }

    pub fn content(&self) -> Parts<'a> {
        self.parts(self.vary + self.assigned + self.lines, self.content)
    }

    fn parts(&self, before: usize, count: usize) -> Parts<'a> {
        let mut parts = self.parts;
        for _ in 0..before {
            parts.part();
        }
        Parts { parts, count }
    }
}

/// So many parts of a record.
pub struct Parts<'a> {
    parts: Reader<'a>,
    count: usize,
}

impl<'a> Iterator for Parts<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        self.count = self.count.checked_sub(1)?;
        self.parts.part()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.count, Some(self.count))
    }
}

impl ExactSizeIterator for Parts<'_> {}

#[derive(Debug, Clone, Copy)]
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(array)
    }

    fn length(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(*self.array()?)).ok()
    }

    fn part(&mut self) -> Option<&'a [u8]> {
        let length = self.length()?;
        let (part, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(part)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(bytes: &[u8]) -> Option<Record<'_>> {
        Encoded::read(bytes).map(|record| Record {
            status: record.status,
            vary: record.vary().collect(),
            vary_digest: *record.vary_digest,
            assigned: record.assigned().collect(),
            lines: record.lines().collect(),
            content: record.content().collect(),
        })
    }

    fn bare() -> Record<'static> {
        Record {
            status: 65535,
            vary: Vec::new(),
            vary_digest: [0; 32],
            assigned: Vec::new(),
            lines: Vec::new(),
            content: Vec::new(),
        }
    }

    fn record() -> Record<'static> {
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
        assert_eq!(bare().encode().unwrap().len(), BARE);
        let mut other = bare();
        other.assigned.push(b"");
        assert!(other.encode().unwrap().len() > BARE);
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
