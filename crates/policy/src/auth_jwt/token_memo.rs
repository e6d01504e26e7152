//! What a worker remembers of a cached token besides its being authentic: which rules it has met, and
//! where in its claims the values of header lines are.
//!
//! Both follow from the token and the configuration alone. Whatever depends on the time or on a
//! variable is judged for each request, and is not remembered.

use std::cell::{Cell, RefCell};

/// A number that no other set of rules or headers of a configuration has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SetId(u32);

/// Gives out the numbers.
#[derive(Debug, Default)]
pub struct SetIds(Cell<u32>);

/// What is remembered of one token.
#[derive(Debug, Default)]
pub struct TokenMemo {
    /// The sets of rules that the token has met last.
    rules: Cell<[Option<SetId>; Self::RULES]>,
    values: RefCell<Option<KnownValues>>,
}

/// The values of the headers of one set.
#[derive(Debug)]
struct KnownValues {
    set: SetId,
    values: Box<[ValueInClaims]>,
}

/// A header's value in the JSON of the claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueInClaims {
    /// The position of the header in its set.
    pub header: u16,
    start: u32,
    end: u32,
}

impl SetIds {
    /// The next number. `None` if there are no more.
    pub fn next(&self) -> Option<SetId> {
        let next = self.0.get().checked_add(1)?;
        self.0.set(next);
        Some(SetId(next))
    }
}

impl TokenMemo {
    /// How many sets of rules are remembered: locations with other rules take turns.
    const RULES: usize = 4;

    /// The most values that are remembered.
    const VALUES: usize = 8;

    /// The most memory that is taken up, with what the allocator adds.
    pub const BYTES: usize = size_of::<Self>() + Self::VALUES * size_of::<ValueInClaims>() + 64;

    /// Whether the token has met these rules.
    #[inline]
    pub fn has_met(&self, rules: SetId) -> bool {
        self.rules.get().contains(&Some(rules))
    }

    /// Remembers that the token has met these rules.
    pub fn note_met(&self, rules: SetId) {
        let mut all = self.rules.get();
        all.rotate_right(1);
        if let Some(first) = all.first_mut() {
            *first = Some(rules);
        }
        self.rules.set(all);
    }

    /// Calls `use_value` for each value that is remembered for this set of headers. `None` if none
    /// were.
    #[inline]
    pub fn for_each_value<E>(
        &self,
        set: SetId,
        use_value: impl FnMut(ValueInClaims) -> Result<(), E>,
    ) -> Option<Result<(), E>> {
        let values = self.values.borrow();
        let known = values.as_ref().filter(|values| values.set == set)?;
        Some(known.values.iter().copied().try_for_each(use_value))
    }

    /// Remembers the values of a set of headers, unless there are too many.
    pub fn note_values(&self, set: SetId, values: &[ValueInClaims]) {
        if values.len() <= Self::VALUES {
            let values = values.into();
            self.values.replace(Some(KnownValues { set, values }));
        }
    }
}

impl ValueInClaims {
    /// Finds a value in the JSON that it is a part of. `None` if it is none, because it had to be
    /// composed.
    pub fn find(header: usize, value: &str, json: &str) -> Option<Self> {
        let start = value.as_ptr().addr().checked_sub(json.as_ptr().addr())?;
        let end = start.checked_add(value.len())?;
        let found = Self {
            header: u16::try_from(header).ok()?,
            start: u32::try_from(start).ok()?,
            end: u32::try_from(end).ok()?,
        };
        (found.of(json) == Some(value)).then_some(found)
    }

    /// The value in this JSON.
    #[inline]
    pub fn of(self, json: &str) -> Option<&str> {
        json.get(self.start as usize..self.end as usize)
    }
}

#[cfg(test)]
mod tests;
