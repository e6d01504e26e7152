//! The keys of one issuer in one worker: what it has parsed of the text in shared memory.

use std::time::Duration;

use jose::KeySet;

use super::issuer_record::IssuerRecord;
use super::issuer_times::IssuerTimes;
use super::key_cache::KeyError;
use super::key_text_id::KeyTextId;

/// The keys of one issuer in one worker.
#[derive(Debug, Default)]
pub struct WorkerKeys {
    parsed: Option<ParsedKeys>,
}

#[derive(Debug)]
struct ParsedKeys {
    id: KeyTextId,
    keys: Result<KeySet, KeyError>,
    usable_until: Duration,
}

impl WorkerKeys {
    /// Whether the text in shared memory has to be parsed: it is not the one that was parsed last.
    pub fn needs_text(&self, record: &IssuerRecord) -> bool {
        let parsed = self.parsed.as_ref().map(|parsed| parsed.id);
        record.text_id().is_some_and(|id| parsed != Some(id))
    }

    /// Takes what shared memory says now, and the keys in its text if
    /// [`needs_text`](Self::needs_text) has asked for them. If they do not come, the worker has no
    /// keys until the next time: the old ones may have been withdrawn. Where shared memory has
    /// nothing, because it was damaged, the worker goes on with what it has.
    pub fn update(
        &mut self,
        now: Duration,
        times: &IssuerTimes,
        record: &IssuerRecord,
        keys: Option<Result<KeySet, KeyError>>,
    ) {
        let Some(id) = record.text_id() else {
            return;
        };
        let usable_until = now.saturating_add(record.usable_for(now, times));
        let known = self.parsed.take().filter(|parsed| parsed.id == id);
        let keys = known.map(|parsed| parsed.keys).or(keys);
        self.parsed = keys.map(|keys| ParsedKeys {
            id,
            keys,
            usable_until,
        });
    }

    /// The keys, if they may be used.
    #[inline]
    pub fn usable(&self, now: Duration) -> Option<&KeySet> {
        let parsed = self.parsed.as_ref()?;
        let keys = parsed.keys.as_ref().ok()?;
        (now < parsed.usable_until).then_some(keys)
    }
}

#[cfg(test)]
mod tests;
