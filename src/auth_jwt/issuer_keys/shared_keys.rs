//! The keys of one issuer in shared memory: a record of what all workers know, the text of the key
//! set, and why the last fetch has failed. Each issuer has a zone of its own, so that none can take
//! the room of another.

use std::time::Duration;

use crate::nginx::net::{unix_time, with_log};
use crate::nginx::{Config, ConfigError, LargeValueEntries, LargeValueZone, ZoneEntry, ZoneLookup};
use openssl::sha::Sha256;
use policy::auth_jwt::failure_reason::FailureReason;
use policy::auth_jwt::issuer_record::{FetchLease, IssuerRecord};
use policy::auth_jwt::issuer_times::IssuerTimes;
use policy::auth_jwt::key_text_id::KeyTextId;

/// The keys of one issuer in shared memory.
pub(super) struct SharedKeys {
    zone: LargeValueZone,
    /// The keys of the entries. They are made of all that says whose keys these are: after a
    /// reload with another URL or certificate, nobody finds the keys of before.
    record: [u8; 32],
    text: [u8; 32],
    failure: [u8; 32],
}

impl SharedKeys {
    /// The longest text of a key set: some 10,000 RSA keys. Real ones have up to 20 kilobytes. nginx
    /// manages a zone by 24 bytes for each of its pages, used or not: twice the room would take up
    /// 25 kilobytes more for each issuer.
    pub(super) const MAX_TEXT: usize = 4 << 20;

    /// What a zone needs for a text of that length, the other entries, and the management of all. The
    /// kernel gives memory only to pages that are used: management takes up 30 kilobytes.
    const ZONE_SIZE: usize = Self::MAX_TEXT + Self::MAX_TEXT / 24 + (64 << 10);

    /// Defines the zone of an issuer. `identity` says whose keys these are, and how they are got.
    pub(super) fn define(
        name: &str,
        identity: &str,
        cf: &mut Config<'_>,
    ) -> Result<Self, ConfigError> {
        let zone = cf.define_zone(
            format!("auth_jwt_issuer:{name}").as_bytes(),
            Self::ZONE_SIZE,
        )?;
        let key = |what: &[u8]| {
            let mut digest = Sha256::new();
            digest.update(what);
            digest.update(identity.as_bytes());
            digest.finish()
        };
        Ok(Self {
            zone,
            record: key(b"record\0"),
            text: key(b"text\0"),
            failure: key(b"failure\0"),
        })
    }

    /// A number that differs after each change of what is shared.
    #[inline]
    pub(super) fn change_counter(&self) -> u64 {
        self.zone.change_counter()
    }

    /// Changes the record, or asks it something, with no other worker in between. Also gives the
    /// record as it is then.
    pub(super) fn update<T>(
        &self,
        mut work: impl FnMut(&mut IssuerRecord) -> T,
    ) -> Option<(T, IssuerRecord)> {
        with_log(|log| {
            self.zone.update(log, |entries| {
                let before = self.read(entries);
                let mut record = before;
                let result = work(&mut record);
                if record != before {
                    self.write(entries, &record);
                }
                (result, record)
            })
        })
    }

    /// Shares a text that was fetched, and returns whether it is another one than before. `None`: it
    /// is not shared, because the lease has ended.
    pub(super) fn publish(
        &self,
        now: Duration,
        lease: &FetchLease,
        text: &[u8],
        fresh_for: Duration,
    ) -> Option<bool> {
        let id = KeyTextId::of(text);
        let entry = ZoneEntry::new(self.text, text);
        let published = with_log(|log| {
            self.zone.update(log, |entries| {
                let mut record = self.read(entries);
                let is_new = record.text_id() != Some(id);
                let counts = record.succeed(now, lease, id, fresh_for) && entries.write(&entry);
                if counts {
                    self.write(entries, &record);
                }
                counts.then_some(is_new)
            })
        });
        published.flatten()
    }

    /// Shares that a fetch has failed, unless the lease has ended. `jitter` is a random number.
    pub(super) fn fail(&self, now: Duration, lease: &FetchLease, jitter: u16, why: &FailureReason) {
        let entry = ZoneEntry::new(self.failure, why.as_str().as_bytes());
        with_log(|log| {
            self.zone.update(log, |entries| {
                let mut record = self.read(entries);
                if record.fail(now, lease, jitter) {
                    entries.write(&entry);
                    self.write(entries, &record);
                }
            })
        });
    }

    /// Why the last fetch that failed did so. `None` if shared memory has lost it.
    pub(super) fn failure(&self) -> Option<FailureReason> {
        match with_log(|log| self.zone.get(&self.failure, unix_time(), log)) {
            ZoneLookup::Value { bytes, .. } => FailureReason::from_shared(bytes),
            ZoneLookup::Missing | ZoneLookup::Expired => None,
        }
    }

    /// Shares a text out of a file, which is so old, unless there is one already. Whether it does.
    pub(super) fn restore(
        &self,
        now: Duration,
        times: &IssuerTimes,
        text: &[u8],
        age: Duration,
    ) -> bool {
        let id = KeyTextId::of(text);
        let entry = ZoneEntry::new(self.text, text);
        let restored = with_log(|log| {
            self.zone.update(log, |entries| {
                let mut record = self.read(entries);
                let counts = record.restore(now, times, id, age) && entries.write(&entry);
                if counts {
                    self.write(entries, &record);
                }
                counts
            })
        });
        restored.unwrap_or(false)
    }

    /// The text with this identity. `None` if there is another one meanwhile, or none.
    pub(super) fn text(&self, id: KeyTextId) -> Option<Vec<u8>> {
        match with_log(|log| self.zone.get(&self.text, unix_time(), log)) {
            ZoneLookup::Value { bytes, .. } => Some(bytes).filter(|text| KeyTextId::of(text) == id),
            ZoneLookup::Missing | ZoneLookup::Expired => None,
        }
    }

    /// Has the keys fetched anew, if the record has this text still, and so the zone has lost it.
    /// Returns the record if it has another text meanwhile.
    pub(super) fn forget(&self, id: KeyTextId) -> Option<IssuerRecord> {
        let forget = |record: &mut IssuerRecord| {
            if record.text_id() == Some(id) {
                *record = IssuerRecord::default();
            }
        };
        let ((), record) = self.update(forget)?;
        record.text_id().is_some().then_some(record)
    }

    fn read(&self, entries: &mut LargeValueEntries<'_, '_>) -> IssuerRecord {
        let bytes = entries.read::<{ IssuerRecord::BYTES }>(&self.record);
        let record = bytes.and_then(|bytes| IssuerRecord::decode(&bytes));
        record.unwrap_or_default()
    }

    fn write(&self, entries: &mut LargeValueEntries<'_, '_>, record: &IssuerRecord) {
        entries.write(&ZoneEntry::new(self.record, &record.encode()));
    }
}
