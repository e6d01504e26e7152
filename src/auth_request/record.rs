//! Verdicts as bytes, for shared memory. Whatever is in there, reading it is safe: what is not a whole record is none.

/// What is kept of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) status: u16,
    /// The names of lines of the client's header that the answer depends on.
    pub(super) vary: Vec<&'a [u8]>,
    /// The digest of those lines.
    pub(super) vary_digest: [u8; 32],
    /// The values of all `auth_request_set`, in their order.
    pub(super) assigned: Vec<&'a [u8]>,
    /// Lines of the answer's header, names and values.
    pub(super) lines: Vec<(&'a [u8], &'a [u8])>,
    pub(super) content: Option<Content<'a>>,
}

/// A body, and what says how to read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Content<'a> {
    pub(super) content_type: &'a [u8],
    pub(super) encoding: &'a [u8],
    pub(super) body: &'a [u8],
}

impl<'a> Record<'a> {
    /// Nothing where a part is longer than a record can say, 4 GiB.
    pub(super) fn encode(&self) -> Option<Vec<u8>> {
        let Self {
            status,
            vary,
            vary_digest,
            assigned,
            lines,
            content,
        } = self;
        let mut bytes = Vec::with_capacity(256);
        bytes.extend(status.to_le_bytes());
        put_all(&mut bytes, vary.iter().copied())?;
        bytes.extend(vary_digest);
        put_all(&mut bytes, assigned.iter().copied())?;
        put_all(
            &mut bytes,
            lines.iter().flat_map(|&(name, value)| [name, value]),
        )?;
        let content = content.iter();
        put_all(
            &mut bytes,
            content.flat_map(|content| [content.content_type, content.encoding, content.body]),
        )?;
        Some(bytes)
    }

    pub(super) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(bytes);
        let record = Self {
            status: u16::from_le_bytes(reader.array()?),
            vary: reader.all()?,
            vary_digest: reader.array()?,
            assigned: reader.all()?,
            lines: match reader.all()?.as_chunks() {
                (pairs, []) => pairs.iter().map(|&[name, value]| (name, value)).collect(),
                _ => return None,
            },
            content: match reader.all()?.as_slice() {
                [] => None,
                &[content_type, encoding, body] => Some(Content {
                    content_type,
                    encoding,
                    body,
                }),
                _ => return None,
            },
        };
        reader.0.is_empty().then_some(record)
    }
}

/// Writes how many parts there are, and each with its length.
fn put_all<'a>(bytes: &mut Vec<u8>, parts: impl Iterator<Item = &'a [u8]> + Clone) -> Option<()> {
    bytes.extend(u32::try_from(parts.clone().count()).ok()?.to_le_bytes());
    for part in parts {
        bytes.extend(u32::try_from(part.len()).ok()?.to_le_bytes());
        bytes.extend(part);
    }
    Some(())
}

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

    fn all(&mut self) -> Option<Vec<&'a [u8]>> {
        let count = self.length()?;
        // Not with room for `count`, which may be anything.
        let mut parts = Vec::new();
        for _ in 0..count {
            let length = self.length()?;
            let (part, rest) = self.0.split_at_checked(length)?;
            self.0 = rest;
            parts.push(part);
        }
        Some(parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn record() -> Record<'static> {
        Record {
            status: 200,
            vary: vec![b"cookie", b"origin"],
            vary_digest: [7; 32],
            assigned: vec![b"alice", b""],
            lines: vec![
                (b"X-User", b"alice"),
                (b"Set-Cookie", b"a=1"),
                (b"Set-Cookie", b"b=2"),
            ],
            content: Some(Content {
                content_type: b"text/plain",
                encoding: b"",
                body: b"no\0",
            }),
        }
    }

    #[test]
    fn comes_back() {
        let empty = Record {
            status: 65535,
            vary: Vec::new(),
            vary_digest: [0; 32],
            assigned: Vec::new(),
            lines: Vec::new(),
            content: None,
        };
        for record in [record(), empty] {
            let bytes = record.encode().unwrap();
            assert_eq!(Record::decode(&bytes), Some(record));
        }
    }

    #[test]
    fn nothing_but_a_whole_record_is_read() {
        let bytes = record().encode().unwrap();
        for end in 0..bytes.len() {
            assert_eq!(Record::decode(&bytes[..end]), None, "{end}");
        }
        let longer = [&bytes[..], b"\0"].concat();
        assert_eq!(Record::decode(&longer), None);
        let odd = {
            let mut bytes = 200_u16.to_le_bytes().to_vec();
            put_all(&mut bytes, [].into_iter()).unwrap();
            bytes.extend([0; 32]);
            put_all(&mut bytes, [].into_iter()).unwrap();
            put_all(&mut bytes, [&b"X-User"[..]].into_iter()).unwrap();
            put_all(&mut bytes, [].into_iter()).unwrap();
            bytes
        };
        assert_eq!(Record::decode(&odd), None);
    }

    proptest! {
        #[test]
        fn reads_anything(bytes: Vec<u8>) {
            if let Some(record) = Record::decode(&bytes) {
                prop_assert_eq!(record.encode(), Some(bytes));
            }
        }
    }
}
