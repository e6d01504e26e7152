//! What tells the text of one key set from that of another: its SHA-256. Unlike a number that
//! counts up, it means the same to all workers, after a reload and in a file.

use std::fmt;

/// The SHA-256 of the text of a key set.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct KeyTextId([u8; 32]);

impl KeyTextId {
    /// The identity of a text.
    pub fn of(text: &[u8]) -> Self {
        Self(openssl::sha::sha256(text))
    }

    /// The bytes, which are not all zero.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The identity with these bytes. `None` if all are zero.
    pub fn from_bytes(bytes: [u8; 32]) -> Option<Self> {
        (bytes != [0; 32]).then_some(Self(bytes))
    }
}

/// In hexadecimal digits.
impl fmt::Display for KeyTextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyTextId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}
