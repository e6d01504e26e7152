//! The key sets of responses that are for one request only. A source says the same to many
//! requests: a text that comes again is neither parsed nor reported again, whatever its URI is.

use super::key_cache::{KeyError, ParsedText};
use crate::lru::Lru;
use jose::{KeySet, Warning};

/// The key sets that were parsed most recently, within a bound of bytes.
pub struct RecentKeySets(Lru<ParsedText>);

impl RecentKeySets {
    const BYTES: usize = 64 << 20;

    /// The memory of a typical set with its text.
    const TYPICAL_BYTES: usize = 16 << 10;

    /// The key set in a text. `report` gets the warnings about its keys, unless the text is known.
    ///
    /// # Errors
    /// [`KeyError::Invalid`]
    pub fn parse(&mut self, text: &[u8], report: impl FnMut(&Warning)) -> Result<KeySet, KeyError> {
        let hash = self.0.hash(text);
        if let Some(known) = self.0.find(hash, |known| known.is_of(text)) {
            return known.result();
        }
        let parsed = ParsedText::parse(text, report);
        let result = parsed.result();
        let keys = result.as_ref().map_or(0, KeySet::memory);
        let bytes = text.len().saturating_add(keys);
        self.0.insert(hash, bytes, parsed);
        result
    }

    /// Forgets all sets.
    pub fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Default for RecentKeySets {
    fn default() -> Self {
        Self(Lru::new(Self::BYTES, Self::TYPICAL_BYTES))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_was_forgotten_is_parsed_and_reported_again() {
        let mut sets = RecentKeySets::default();
        for _ in 0..2 {
            let mut reported = 0;
            let keys = sets.parse(br#"{"kty":"oct","k":"AAAA"}"#, |_| reported += 1);
            assert_eq!((keys.is_ok(), reported), (true, 1));
            sets.clear();
        }
    }

    #[test]
    fn sets_count_with_what_their_keys_take() {
        let mut sets = RecentKeySets::default();
        let text = |kid: usize| {
            let key = r#"{"kty":"oct","k":"AAAA","kid":""#;
            let keys: Vec<_> = (0..1_000).map(|_| format!("{key}{kid:02}\"}}")).collect();
            format!(r#"{{"keys":[{}]}}"#, keys.join(","))
        };
        let mut is_new = |kid: usize| {
            let mut reported = 0;
            let _ = sets.parse(text(kid).as_bytes(), |_| reported += 1);
            reported > 0
        };
        // Each takes 4.9 MB, though its text has only 38 KB.
        assert!((0..13).all(&mut is_new));
        assert!(!is_new(0));
        assert!(is_new(13), "another one");
        assert!(is_new(1), "that went for it");
        assert!(!is_new(0));
    }

    #[test]
    fn a_known_text_is_neither_parsed_nor_reported_again() {
        let mut sets = RecentKeySets::default();
        let mut parse = |kid: &str| {
            let text = format!(r#"{{"kty":"oct","kid":"{kid}","k":"AAAA"}}"#);
            let mut reported = 0;
            let keys = sets.parse(text.as_bytes(), |_| reported += 1).unwrap();
            (keys.generations().collect::<Vec<_>>(), reported)
        };
        let (a, b) = (parse("a"), parse("b"));
        assert_eq!([a.1, b.1], [1, 1]);
        assert_eq!([parse("a"), parse("b")], [(a.0, 0), (b.0, 0)]);
        let error = sets.parse(b"{}", |_| ()).unwrap_err();
        assert_eq!(sets.parse(b"{}", |_| ()).unwrap_err(), error);
    }
}
