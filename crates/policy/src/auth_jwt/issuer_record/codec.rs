//! A record as bytes in shared memory.

use std::time::Duration;

use super::{Activity, FetchSchedule, IssuerRecord, KeyTextId, SharedText};

/// What the bytes begin with. Another layout gets another number, so that a worker of another build
/// takes the bytes for none of its own.
const LAYOUT: u64 = 0x6973_7375_6572_0002;

const IDLE: u64 = 0;
const FETCHING: u64 = 1;
const FAILED: u64 = 2;

/// Stands for a time that is not there.
const NONE: u64 = u64::MAX;

const WORDS: usize = 11;

impl IssuerRecord {
    /// How many bytes a record has.
    pub const BYTES: usize = WORDS * 8 + 32;

    /// The record as bytes.
    pub fn encode(&self) -> [u8; Self::BYTES] {
        let (activity, until) = match self.schedule.activity {
            Activity::Idle => (IDLE, 0),
            Activity::Fetching { until } => (FETCHING, nanos(until)),
            Activity::Failed { until } => (FAILED, nanos(until)),
        };
        let text = self.text.as_ref();
        let words: [u64; WORDS] = [
            LAYOUT,
            activity,
            until,
            self.schedule.ended_at.map_or(NONE, nanos),
            u64::from(self.schedule.failures),
            self.owner,
            self.begun,
            self.ended,
            text.map_or(0, |text| nanos(text.came_at)),
            text.map_or(0, |text| nanos(text.age_then)),
            text.and_then(|text| text.fresh_for).map_or(NONE, nanos),
        ];
        let id = text.map_or([0; 32], |text| *text.id.as_bytes());
        let bytes = words.into_iter().flat_map(u64::to_le_bytes).chain(id);
        let mut encoded = [0; Self::BYTES];
        for (to, from) in encoded.iter_mut().zip(bytes) {
            *to = from;
        }
        encoded
    }

    /// The record in these bytes. `None` if they are those of no record of this build.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; Self::BYTES] = bytes.try_into().ok()?;
        let (words, id) = bytes.split_at_checked(WORDS * 8)?;
        let mut words = words.chunks_exact(8);
        let mut word = || Some(u64::from_le_bytes(words.next()?.try_into().ok()?));
        if word()? != LAYOUT {
            return None;
        }
        let (activity, until) = (word()?, Duration::from_nanos(word()?));
        let activity = match activity {
            IDLE => Activity::Idle,
            FETCHING => Activity::Fetching { until },
            FAILED => Activity::Failed { until },
            _ => return None,
        };
        let schedule = FetchSchedule {
            activity,
            ended_at: Some(word()?)
                .filter(|&at| at != NONE)
                .map(Duration::from_nanos),
            failures: u32::try_from(word()?).ok()?,
        };
        let (owner, begun, ended) = (word()?, word()?, word()?);
        let mut time = || Some(Duration::from_nanos(word()?));
        let (came_at, age_then) = (time()?, time()?);
        let fresh_for = Some(word()?)
            .filter(|&time| time != NONE)
            .map(Duration::from_nanos);
        let text = KeyTextId::from_bytes(id.try_into().ok()?).map(|id| SharedText {
            id,
            came_at,
            age_then,
            fresh_for,
        });
        Some(Self {
            schedule,
            text,
            owner,
            begun,
            ended,
        })
    }
}

/// A time in nanoseconds, of which there are enough for 584 years.
pub(super) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(NONE - 1)
}
