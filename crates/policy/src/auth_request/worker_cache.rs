//! A worker's own copies of what it has found in shared memory: they need neither the zone's mutex nor a digest. A copy
//! counts as long as nothing in the zone has changed, so that what is found is the same with it as without.

use std::cell::RefCell;
use std::rc::Rc;

use crate::lru::Lru;

/// The copies of one worker.
#[derive(Default)]
pub struct Near(RefCell<Option<Lru<Copy>>>);

/// What a copy is found by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Question<'a> {
    /// The number of the location.
    pub location: usize,
    pub text: &'a [u8],
}

struct Copy {
    location: usize,
    text: Box<[u8]>,
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
    pub fn find(&self, question: Question<'_>, changes: u64, now: i64) -> Option<Rc<[u8]>> {
        let mut copies = self.0.borrow_mut();
        let copies = copies.as_mut()?;
        let is_it =
            |copy: &Copy| copy.changes == changes && now < copy.expires && copy.is_of(question);
        let copy = copies.find(copies.hash(question), is_it)?;
        Some(Rc::clone(&copy.record))
    }

    pub fn keep(&self, question: Question<'_>, changes: u64, expires: i64, record: Rc<[u8]>) {
        let mut copies = self.0.borrow_mut();
        let copies = copies.get_or_insert_with(|| Lru::new(Self::BYTES, Self::USUAL_BYTES));
        let hash = copies.hash(question);
        copies.keep_newest(0, hash, |copy| copy.is_of(question));
        let bytes = question.text.len() + record.len() + Copy::ALLOCATIONS;
        let copy = Copy {
            location: question.location,
            text: question.text.into(),
            changes,
            expires,
            record,
        };
        copies.insert(hash, bytes, copy);
    }
}

impl Copy {
    /// What the allocator and the counts of references add to the record.
    const ALLOCATIONS: usize = 4 * 16;

    fn is_of(&self, question: Question<'_>) -> bool {
        self.location == question.location && *self.text == *question.text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(text: &[u8]) -> Question<'_> {
        Question { location: 1, text }
    }

    fn finds(near: &Near, question: Question<'_>, changes: u64, now: i64) -> Option<Vec<u8>> {
        near.find(question, changes, now)
            .map(|record| record.to_vec())
    }

    #[test]
    fn only_what_counts_is_found() {
        let near = Near::default();
        assert_eq!(finds(&near, question(b"ab"), 7, 0), None);
        near.keep(question(b"ab"), 7, 100, Rc::from(*b"record"));
        assert_eq!(
            finds(&near, question(b"ab"), 7, 99),
            Some(b"record".to_vec())
        );
        assert_eq!(finds(&near, question(b"ab"), 7, 100), None);
        assert_eq!(finds(&near, question(b"ab"), 8, 99), None);
        let elsewhere = Question {
            location: 2,
            text: b"ab",
        };
        assert_eq!(finds(&near, elsewhere, 7, 99), None);
        for other in [&b""[..], b"a", b"b", b"ac", b"abc", b"AB"] {
            assert_eq!(finds(&near, question(other), 7, 99), None, "{other:?}");
        }
    }

    #[test]
    fn a_newer_copy_takes_the_place_of_an_older_one() {
        let near = Near::default();
        near.keep(question(b"a"), 7, 100, Rc::from(*b"old"));
        near.keep(question(b"b"), 7, 100, Rc::from(*b"other"));
        near.keep(question(b"a"), 8, 200, Rc::from(*b"new"));
        assert_eq!(finds(&near, question(b"a"), 7, 0), None);
        assert_eq!(finds(&near, question(b"a"), 8, 150), Some(b"new".to_vec()));
        assert_eq!(finds(&near, question(b"b"), 7, 0), Some(b"other".to_vec()));
    }
}
