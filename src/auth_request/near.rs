//! A worker's own copies of what it has found in shared memory: they need neither the zone's mutex nor a digest. A copy
//! counts as long as nothing in the zone has changed, so that what is found is the same with it as without.

use std::cell::RefCell;
use std::rc::Rc;

use crate::lru::Lru;

/// The copies of one worker.
#[derive(Default)]
pub(super) struct Near(RefCell<Option<Lru<Copy>>>);

/// What a copy is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Question<'a> {
    pub(super) scope: &'a [u8; 32],
    /// What was asked, in parts.
    pub(super) parts: [&'a [u8]; 3],
}

struct Copy {
    scope: [u8; 32],
    parts: [Box<[u8]>; 3],
    /// How often the zone had been changed before the record was read.
    changes: u64,
    expires: i64,
    record: Rc<[u8]>,
}

impl Near {
    /// How many bytes a worker keeps at most. It takes memory as it is used.
    const BYTES: usize = 8 << 20;

    /// What a copy takes, about.
    const USUAL_BYTES: usize = 512;

    /// The record, if there is a copy that counts: for a zone that was changed so often, at this time.
    pub(super) fn find(&self, question: Question<'_>, changes: u64, now: i64) -> Option<Rc<[u8]>> {
        let mut copies = self.0.borrow_mut();
        let copies = copies.as_mut()?;
        let is_it =
            |copy: &Copy| copy.changes == changes && now < copy.expires && copy.is_of(question);
        let copy = copies.find(copies.hash(question), is_it)?;
        Some(Rc::clone(&copy.record))
    }

    pub(super) fn keep(
        &self,
        question: Question<'_>,
        changes: u64,
        expires: i64,
        record: Rc<[u8]>,
    ) {
        let mut copies = self.0.borrow_mut();
        let copies = copies.get_or_insert_with(|| Lru::new(Self::BYTES, Self::USUAL_BYTES));
        let hash = copies.hash(question);
        copies.keep_last(0, hash, |copy| copy.is_of(question));
        let lengths = question.parts.iter().map(|part| part.len());
        let bytes = lengths.sum::<usize>() + record.len() + Copy::ALLOCATIONS;
        let copy = Copy {
            scope: *question.scope,
            parts: question.parts.map(Into::into),
            changes,
            expires,
            record,
        };
        copies.insert(hash, bytes, copy);
    }
}

impl Copy {
    /// What the allocator and a count of references add to the parts and the record.
    const ALLOCATIONS: usize = 5 * 16;

    fn is_of(&self, question: Question<'_>) -> bool {
        let mut parts = self.parts.iter().zip(question.parts);
        self.scope == *question.scope && parts.all(|(own, other)| **own == *other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCOPE: [u8; 32] = [1; 32];

    fn question(key: &str) -> Question<'_> {
        Question {
            scope: &SCOPE,
            parts: [b"/auth", b"", key.as_bytes()],
        }
    }

    fn finds(near: &Near, question: Question<'_>, changes: u64, now: i64) -> Option<Vec<u8>> {
        near.find(question, changes, now)
            .map(|record| record.to_vec())
    }

    #[test]
    fn only_what_counts_is_found() {
        let near = Near::default();
        assert_eq!(finds(&near, question("a"), 7, 0), None);
        near.keep(question("a"), 7, 100, Rc::from(*b"record"));
        assert_eq!(finds(&near, question("a"), 7, 99), Some(b"record".to_vec()));
        assert_eq!(finds(&near, question("a"), 7, 100), None);
        assert_eq!(finds(&near, question("a"), 8, 99), None);
        assert_eq!(finds(&near, question("b"), 7, 99), None);
        assert_eq!(finds(&near, question(""), 7, 99), None);
        let elsewhere = Question {
            scope: &[2; 32],
            ..question("a")
        };
        assert_eq!(finds(&near, elsewhere, 7, 99), None);
        for parts in [
            [&b"/aut"[..], b"h", b"a"],
            [b"/auth", b"a", b""],
            [b"/autha", b"", b""],
        ] {
            let other = Question {
                scope: &SCOPE,
                parts,
            };
            assert_eq!(finds(&near, other, 7, 99), None);
        }
    }

    #[test]
    fn a_newer_copy_takes_the_place_of_an_older_one() {
        let near = Near::default();
        near.keep(question("a"), 7, 100, Rc::from(*b"old"));
        near.keep(question("b"), 7, 100, Rc::from(*b"other"));
        near.keep(question("a"), 8, 200, Rc::from(*b"new"));
        assert_eq!(finds(&near, question("a"), 7, 0), None);
        assert_eq!(finds(&near, question("a"), 8, 150), Some(b"new".to_vec()));
        assert_eq!(finds(&near, question("b"), 7, 0), Some(b"other".to_vec()));
    }
}
