//! Zones of shared memory: a bounded map from 32-byte keys to values that expire, shared by all
//! workers.
//!
//! nginx's slab allocator hands over the whole zone at once, and [`SlabMap`] lays it out in blocks
//! of one size. Its links are numbers, so it does not matter where a worker has mapped the zone,
//! and safe code detects a damaged zone, where nginx would follow a stray pointer.
//!
//! Each operation holds the mutex of the zone and sets a busy flag in it. If a worker dies
//! meanwhile, nginx's master or the next worker releases the mutex, and the flag tells that the
//! zone may be half changed: the next worker empties it. Nothing is allocated while the mutex is
//! held.

use super::directive::{Config, ConfigError};
use super::fence::guard;
use super::log::Log;
use super::net::is_process_alive;
use super::text::Text;
use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_int_t, ngx_pagesize, ngx_parse_size, ngx_pid_t, ngx_shared_memory_add,
    ngx_shm_zone_t, ngx_shmtx_force_unlock, ngx_shmtx_t, ngx_shmtx_trylock, ngx_shmtx_unlock,
    ngx_slab_alloc, ngx_slab_pool_t, ngx_time,
};
use slab_map::change_state::ChangeState;
use slab_map::steps::step;
use slab_map::{
    Block, Damaged, EntryKey, LARGE_BLOCKS, MapHeader, ReadOutcome, SMALL_BLOCKS, SlabMap,
    buckets_for, checksum,
};
use std::ffi::c_void;
use std::hash::{BuildHasher, RandomState};
use std::hint::spin_loop;
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::{Duration, SystemTime};
use text::Quoted;

/// A zone of shared memory, which lives as long as the configuration that names it. `DATA` says how
/// large its blocks are.
#[derive(Clone, Copy)]
pub struct SharedZone<const DATA: usize = SMALL_BLOCKS>(NonNull<ngx_shm_zone_t>);

/// A zone for values of megabytes, of which there are few.
pub type LargeValueZone = SharedZone<LARGE_BLOCKS>;

/// The result of [`SharedZone::get`].
#[derive(Debug, PartialEq, Eq)]
pub enum ZoneLookup {
    /// The zone has no value for the key.
    Missing,
    /// The value has expired. It stays until it is replaced, removed or evicted.
    Expired,
    /// The value.
    Value {
        /// Its bytes.
        bytes: Vec<u8>,
        /// In seconds since 1970.
        expires: i64,
    },
}

/// The address of this constant is the tag of this module's zones. On a reload nginx keeps the
/// memory of a zone only if the tag is the same, so neither another module nor another build of
/// this one gets it.
static ZONE_TAG: u8 = 0;

/// How often a worker that waits for a mutex tries again at once, a bit later each time: 10 to 20
/// microseconds in all, in which most operations end.
const SPINS: u32 = 30;

/// How long it waits before each further try.
const PAUSE: Duration = Duration::from_micros(50);

impl Config<'_> {
    /// Defines a zone by `name:size`.
    ///
    /// # Errors
    /// A missing or invalid size, a size that is too small, a missing name, or a name that is
    /// taken; in nginx's own words.
    pub fn define_shared_zone(&mut self, name_and_size: &[u8]) -> Result<SharedZone, ConfigError> {
        let invalid =
            |what| ConfigError::message(format_args!("{what} {}", Quoted::new(name_and_size)));
        let colon = name_and_size.iter().position(|&byte| byte == b':');
        let (name, size) = name_and_size.split_at(colon.unwrap_or(name_and_size.len()));
        let mut size = self.copy(size.get(1..).unwrap_or_default())?;
        let size = match size.len {
            0 => -1,
            // SAFETY: ngx_parse_size only reads the text, which has at least one byte.
            _ => unsafe { ngx_parse_size(&raw mut size) },
        };
        let size = usize::try_from(size).map_err(|_| invalid("invalid zone size"))?;
        // SAFETY: nginx sets ngx_pagesize when it starts (ngx_os_init).
        if size < 8 * unsafe { ngx_pagesize } {
            return Err(ConfigError::message(format_args!(
                "zone {} is too small",
                Quoted::new(name_and_size)
            )));
        }
        self.define_zone(name, size)
    }

    /// Defines a zone of the module's own, which no directive names. A colon in its name tells it
    /// from those that directives can name.
    ///
    /// # Errors
    /// A missing name, or one that is taken; in nginx's own words.
    pub fn define_zone<const DATA: usize>(
        &mut self,
        name: &[u8],
        size: usize,
    ) -> Result<SharedZone<DATA>, ConfigError> {
        let mut zone = self.add_zone::<DATA>(name, size)?;
        // SAFETY: a zone stays in place as long as the cycle lives (cycle->shared_memory is a
        // list), and nginx uses none while it sets a directive.
        let zone = unsafe { zone.0.as_mut() };
        if zone.init.is_some() {
            return Err(ConfigError::message(format_args!(
                "duplicate zone {}",
                Quoted::new(name)
            )));
        }
        zone.init = Some(init_zone::<DATA>);
        Ok(SharedZone(NonNull::from(zone)))
    }

    /// Refers to a zone, which may be defined later ([`SharedZone::is_defined`]).
    ///
    /// # Errors
    /// A missing name, or the name of another module's zone.
    pub fn shared_zone(&mut self, name: &[u8]) -> Result<SharedZone, ConfigError> {
        self.add_zone(name, 0)
    }

    fn add_zone<const DATA: usize>(
        &mut self,
        name: &[u8],
        size: usize,
    ) -> Result<SharedZone<DATA>, ConfigError> {
        if name.is_empty() {
            return Err(ConfigError::message("invalid zone name \"\""));
        }
        let mut name = self.copy(name)?;
        let tag = (&raw const ZONE_TAG).cast_mut().cast();
        // SAFETY: cf is live; the bytes of the name belong to the cycle; ngx_shared_memory_add only
        // compares the tag.
        let zone = unsafe { ngx_shared_memory_add(self.raw(), &raw mut name, size, tag) };
        NonNull::new(zone)
            .map(SharedZone)
            .ok_or(ConfigError::Logged)
    }
}

/// Prepares the memory of a zone. nginx calls this function for each zone of a new cycle
/// (ngx_init_cycle). `old` is the zone's `data` of the previous cycle if the zone keeps its memory,
/// else NULL.
unsafe extern "C" fn init_zone<const DATA: usize>(
    zone: *mut ngx_shm_zone_t,
    old: *mut c_void,
) -> ngx_int_t {
    // SAFETY: nginx hands over a zone of the new cycle that nothing else uses (ngx_init_cycle); its
    // log is the cycle's.
    let (zone, log) = unsafe { (&mut *zone, Log::from_raw((*zone).shm.log)) };
    guard(log, NGX_ERROR as ngx_int_t, || {
        if !old.is_null() {
            // nginx has taken over shm.addr as well. Workers of the previous cycle still use the
            // map, and each use checks it.
            zone.data = old;
            return NGX_OK as ngx_int_t;
        }
        let seed = RandomState::new().hash_one(0);
        // SAFETY: shm.addr is a slab pool of whole pages that nginx has just made
        // (ngx_init_zone_pool, ngx_slab_init).
        zone.data = unsafe {
            let pool = zone.shm.addr.cast::<ngx_slab_pool_t>();
            ngx_slab_alloc(pool, (*pool).pfree * ngx_pagesize)
        };
        let Some(mut locked) = LockedZone::new(zone) else {
            log.crit(format_args!(
                "nginx-auth: could not allocate memory in the zone {}",
                Quoted::new(zone.shm.name.as_bytes())
            ));
            return NGX_ERROR as ngx_int_t;
        };
        let (state, mut map) = locked.content::<DATA>();
        state.reset();
        map.seed(seed);
        map.clear();
        NGX_OK as ngx_int_t
    })
}

impl<const DATA: usize> SharedZone<DATA> {
    /// The value of a key, which becomes the most recently used one. `now` is in seconds since
    /// 1970.
    pub fn get(&self, key: &EntryKey, now: i64, log: Log<'_>) -> ZoneLookup {
        let mut value = Vec::with_capacity(1024);
        loop {
            let outcome = self.with_map(log, |_| false, |map, _| map.get(key, now, &mut value));
            match outcome.unwrap_or(ReadOutcome::Nothing) {
                ReadOutcome::Nothing => return ZoneLookup::Missing,
                ReadOutcome::Expired => return ZoneLookup::Expired,
                // SlabMap has checked that this is not longer than the zone.
                ReadOutcome::Longer(length) => {
                    value.clear();
                    if value.try_reserve_exact(length).is_err() {
                        return ZoneLookup::Missing;
                    }
                }
                ReadOutcome::Copied {
                    expires,
                    checksum: stored_checksum,
                } => {
                    if checksum(key, expires, &value) == stored_checksum {
                        return ZoneLookup::Value {
                            bytes: value,
                            expires,
                        };
                    }
                    log.error(format_args!(
                        "nginx-auth: removing a damaged entry from the zone {}",
                        Quoted::new(self.name())
                    ));
                    self.remove(key, log);
                    return ZoneLookup::Missing;
                }
            }
        }
    }

    /// The change counter of the zone. It differs after every put or remove, so a value that was
    /// read earlier is still current while the counter is the same. It is read without the mutex.
    pub fn change_counter(&self) -> u64 {
        // SAFETY: nginx changes a zone only while it makes the cycle. `data` is NULL or begins with
        // a ZoneHead (init_zone), whose counter is only used as an atomic.
        unsafe {
            let head = self.0.as_ref().data.cast::<ZoneHead>();
            match head.is_null() {
                true => 0,
                false => (*head).state.changes(),
            }
        }
    }

    /// Stores a value for a key until `expires`, in seconds since 1970, replacing the key's value.
    /// To make room, entries are evicted: expired ones and the least recently used. False if the
    /// value is larger than the zone.
    pub fn put(&self, key: &EntryKey, expires: i64, value: &[u8], log: Log<'_>) -> bool {
        let checksum = checksum(key, expires, value);
        let now = ngx_time();
        let fits = self.with_map(
            log,
            |_| true,
            |map, _| map.put(key, expires, checksum, value, now),
        );
        let fits = fits.unwrap_or(false);
        if !fits {
            log.warn(format_args!(
                "nginx-auth: a value of {} bytes does not fit into the zone {}",
                value.len(),
                Quoted::new(self.name())
            ));
        }
        fits
    }

    /// Removes the value of a key.
    pub fn remove(&self, key: &EntryKey, log: Log<'_>) {
        self.with_map(log, |()| true, |map, _| map.remove(key));
    }

    /// Calls `work` with the map and its state. If the map turns out to be damaged, it is emptied
    /// and `work` is called again. `has_changed` tells of its result whether a lookup finds
    /// something else now. None before nginx has made the zone.
    pub(super) fn with_map<T>(
        &self,
        log: Log<'_>,
        has_changed: impl FnOnce(&T) -> bool,
        mut work: impl FnMut(&mut SlabMap<'_, DATA>, &ChangeState) -> Result<T, Damaged>,
    ) -> Option<T> {
        // SAFETY: nginx changes a zone only while it makes the cycle.
        let mut locked = LockedZone::new(unsafe { self.0.as_ref() })?;
        let (state, mut map) = locked.content();
        step();
        let is_intact = state.begin() && map.is_ours();
        step();
        let mut result = match is_intact {
            true => work(&mut map, state),
            false => Err(Damaged),
        };
        let emptied = result.is_err();
        if emptied {
            state.note_loss(clock());
            map.clear();
            result = work(&mut map, state);
        }
        step();
        if emptied || result.as_ref().is_ok_and(has_changed) {
            state.note_change();
        }
        step();
        state.finish();
        step();
        drop(locked);
        if emptied {
            let found = if is_intact { "damaged" } else { "half changed" };
            log.error(format_args!(
                "nginx-auth: the zone {} is {found}, dropping all of its entries",
                Quoted::new(self.name())
            ));
        }
        result.ok()
    }

    /// Whether the configuration defines the zone. To be asked when all of it has been read.
    pub fn is_defined(&self) -> bool {
        // SAFETY: a zone stays in place as long as the cycle lives, and nginx changes it only while
        // it makes the cycle.
        unsafe { self.0.as_ref() }.init.is_some()
    }

    /// The name of the zone.
    pub fn name(&self) -> &[u8] {
        // SAFETY: the name belongs to the configuration, and lives as long as the zone.
        unsafe { Text::from_raw(self.0.as_ref().shm.name) }.bytes()
    }
}

/// Locks a mutex, waiting for it. ngx_shmtx_lock would leave it to nginx's master to release the
/// mutex of a worker that has died. The master does so for zones of its newest configuration only,
/// so that workers of an older one, whose zone the newest does not have, would wait for ever.
///
/// # Safety
/// nginx has made the mutex (ngx_shmtx_create), and its memory stays mapped.
unsafe fn lock(mutex: *mut ngx_shmtx_t) {
    let mut tries = 0;
    // SAFETY: ngx_shmtx_trylock takes a mutex that nginx has made, as the caller promises.
    while unsafe { ngx_shmtx_trylock(mutex) } == 0 {
        tries += 1;
        if tries < SPINS {
            (0..tries).for_each(|_| spin_loop());
            continue;
        }
        tries = SPINS;
        sleep(PAUSE);
        // SAFETY: the caller promises a mutex that nginx has made: ngx_shmtx_create has pointed
        // `lock` to the atomic number in shared memory that is the id of the process that holds it,
        // or 0.
        let holder = unsafe { AtomicUsize::from_ptr((*mutex).lock.cast()) };
        let holder = holder.load(Ordering::Relaxed);
        if holder != 0 && !is_process_alive(holder as u64) {
            // SAFETY: as above. ngx_shmtx_force_unlock does nothing if another process has released
            // the mutex since.
            unsafe { ngx_shmtx_force_unlock(mutex, holder as ngx_pid_t) };
        }
    }
}

/// The time now, in seconds since 1970. nginx's own is that of the last event, before this worker
/// waited for the mutex.
fn clock() -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.map_or(0, |now| i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

/// The mutex of a zone, held until this is dropped, and the memory that it protects.
struct LockedZone {
    mutex: NonNull<ngx_shmtx_t>,
    memory: NonNull<u8>,
    size: usize,
}

/// The beginning of a zone's memory. The buckets follow, and then the blocks.
#[repr(C, align(64))]
struct ZoneHead {
    /// What is read without the mutex, or after a worker died with it.
    state: ChangeState,
    header: MapHeader,
}

impl LockedZone {
    /// Locks the mutex, waiting for it. None before [`init_zone`] has allocated the memory.
    fn new(zone: &ngx_shm_zone_t) -> Option<Self> {
        let memory = NonNull::new(zone.data.cast::<u8>())?;
        let end = zone.shm.addr.addr() + zone.shm.size;
        let size = end.checked_sub(memory.addr().get())?;
        // SAFETY: shm.addr is the slab pool of the zone, and init_zone has set `data` to memory
        // within it.
        let mutex = unsafe { &raw mut (*zone.shm.addr.cast::<ngx_slab_pool_t>()).mutex };
        let mutex = NonNull::new(mutex)?;
        // SAFETY: nginx has made the mutex with the pool (ngx_init_zone_pool), and unmaps both with
        // the cycle.
        unsafe { lock(mutex.as_ptr()) };
        Some(Self {
            mutex,
            memory,
            size,
        })
    }

    /// The state and the map in the zone's memory.
    fn content<const DATA: usize>(&mut self) -> (&ChangeState, SlabMap<'_, DATA>) {
        let size = self.size.saturating_sub(size_of::<ZoneHead>());
        let bucket_count = buckets_for::<DATA>(size / size_of::<Block<DATA>>());
        let size = size.saturating_sub(bucket_count * size_of::<u32>());
        // A block number has 32 bits, and one value stands for no block.
        let count = (size / size_of::<Block<DATA>>()).min(u32::MAX as usize);
        // The parts follow each other from the start of a page. The size of each fits the alignment
        // of the next (the number of buckets is even), and any bytes are a valid value of each.
        //
        // SAFETY: ngx_slab_alloc gave this module all free pages of the pool from `memory` on, and
        // the slab allocator does not use what may follow them. All but the state is only used
        // with the mutex held, as this value does.
        unsafe {
            let head = self.memory.cast::<ZoneHead>().as_ptr();
            let buckets = head.add(1).cast::<u32>();
            let blocks = buckets.add(bucket_count).cast::<Block<DATA>>();
            let map = SlabMap {
                header: &mut (*head).header,
                blocks: slice::from_raw_parts_mut(blocks, count),
                buckets: slice::from_raw_parts_mut(buckets, bucket_count),
            };
            (&(*head).state, map)
        }
    }
}

impl Drop for LockedZone {
    fn drop(&mut self) {
        // SAFETY: `new` has locked the mutex (ngx_shmtx_trylock), and the zone stays mapped as long
        // as the cycle lives.
        unsafe { ngx_shmtx_unlock(self.mutex.as_ptr()) };
    }
}
