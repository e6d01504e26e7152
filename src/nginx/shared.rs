//! A zone of shared memory: a bounded map from 32-byte keys to bytes that expire, for all workers together.
//!
//! The slab allocator gives all of a zone at once, and [`SlabMap`] divides it up: with blocks of one size and links
//! that are numbers, room is a matter of counting, nothing depends on where the module is mapped, and a damaged zone is
//! found out by safe code instead of by nginx following a stray pointer.
//!
//! The zone's mutex is held for each operation, and meanwhile a mark is set in the zone. nginx's master releases the
//! mutex of a worker that died; the mark then tells the others that the zone may be half changed, and it is emptied.
//! While the mutex is held, nothing is allocated.

use super::directive::{Config, ConfigError};
use super::fence::guard;
use super::log::Log;
use super::text::Text;
use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_int_t, ngx_pagesize, ngx_parse_size, ngx_shared_memory_add,
    ngx_shm_zone_t, ngx_shmtx_lock, ngx_shmtx_t, ngx_shmtx_unlock, ngx_slab_alloc, ngx_slab_pool_t,
    ngx_time,
};
use slab_map::{Block, Damaged, EntryKey, MapHeader, ReadOutcome, SlabMap, checksum};
use std::ffi::c_void;
use std::hash::{BuildHasher, RandomState};
use std::ptr::NonNull;
use std::slice;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use text::Quoted;

/// A shared-memory zone of the configuration, which it lives as long as.
#[derive(Clone, Copy)]
pub struct SharedZone(NonNull<ngx_shm_zone_t>);

/// What a zone has for a key.
#[derive(Debug, PartialEq, Eq)]
pub enum ZoneLookup {
    Missing,
    /// There was a value. It stays until it is replaced, removed, or makes room.
    Expired,
    Value {
        bytes: Vec<u8>,
        /// In seconds since 1970.
        expires: i64,
    },
}

/// Its address tells our zones from those of other modules, and of other builds of this one: nginx keeps the memory
/// of a zone over a reload only for the same address, and another build that it loads is mapped beside this one.
static TAG: u8 = 0;

impl Config<'_> {
    /// Defines a zone: `name:size`.
    ///
    /// # Errors
    /// In nginx's words: no or a bad size, a size that is too small, no name, or a name that is taken.
    pub fn define_shared_zone(&mut self, name_and_size: &[u8]) -> Result<SharedZone, ConfigError> {
        let wrong =
            |what| ConfigError::message(format_args!("{what} {}", Quoted::new(name_and_size)));
        let colon = name_and_size.iter().position(|&byte| byte == b':');
        let (name, size) = name_and_size.split_at(colon.unwrap_or(name_and_size.len()));
        let mut size = self.copy(size.get(1..).unwrap_or_default())?;
        let size = match size.len {
            0 => -1,
            // SAFETY: nginx only reads the text, of which there is at least one byte.
            _ => unsafe { ngx_parse_size(&raw mut size) },
        };
        let size = usize::try_from(size).map_err(|_| wrong("invalid zone size"))?;
        // SAFETY: nginx sets it when it starts (ngx_os_init).
        if size < 8 * unsafe { ngx_pagesize } {
            return Err(ConfigError::message(format_args!(
                "zone {} is too small",
                Quoted::new(name_and_size)
            )));
        }
        let mut zone = self.add_zone(name, size)?;
        // SAFETY: nginx keeps a zone in place for as long as the cycle lives (cycle->shared_memory is a list), and
        // refers to none while a directive is set.
        let zone = unsafe { zone.0.as_mut() };
        if zone.init.is_some() {
            return Err(ConfigError::message(format_args!(
                "duplicate zone {}",
                Quoted::new(name)
            )));
        }
        zone.init = Some(init);
        Ok(SharedZone(NonNull::from(zone)))
    }

    /// Refers to a zone, which may be defined later. nginx does not start if it is not, see [`SharedZone::is_defined`].
    ///
    /// # Errors
    /// No name, or the name of a zone of another kind.
    pub fn shared_zone(&mut self, name: &[u8]) -> Result<SharedZone, ConfigError> {
        self.add_zone(name, 0)
    }

    fn add_zone(&mut self, name: &[u8], size: usize) -> Result<SharedZone, ConfigError> {
        if name.is_empty() {
            return Err(ConfigError::message("invalid zone name \"\""));
        }
        let mut name = self.copy(name)?;
        let tag = (&raw const TAG).cast_mut().cast();
        // SAFETY: cf is live; the bytes of the name are the cycle's own; nginx only compares the tag.
        let zone = unsafe { ngx_shared_memory_add(self.raw(), &raw mut name, size, tag) };
        NonNull::new(zone)
            .map(SharedZone)
            .ok_or(ConfigError::Logged)
    }
}

/// nginx calls it for each zone of a new cycle (ngx_init_cycle). `old` is what the zone's `data` was in the cycle
/// before, where it goes on with the same memory, else NULL.
unsafe extern "C" fn init(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx hands over a zone of the new cycle, and nobody else refers to it; its log is the cycle's.
    let (zone, log) = unsafe { (&mut *zone, Log::from_raw((*zone).shm.log)) };
    guard(log, NGX_ERROR as ngx_int_t, || {
        if !old.is_null() {
            // The same place: nginx takes over shm.addr with it. Other workers use it already, and each use checks it.
            zone.data = old;
            return NGX_OK as ngx_int_t;
        }
        let seed = RandomState::new().hash_one(0);
        // SAFETY: shm.addr is a slab pool that nginx has just made, of whole pages (ngx_init_zone_pool,
        // ngx_slab_init).
        zone.data = unsafe {
            let pool = zone.shm.addr.cast::<ngx_slab_pool_t>();
            ngx_slab_alloc(pool, (*pool).pfree * ngx_pagesize)
        };
        let Some(mut locked) = Locked::new(zone) else {
            log.crit(format_args!(
                "nginx-auth: no memory in the zone {}",
                Quoted::new(zone.shm.name.as_bytes())
            ));
            return NGX_ERROR as ngx_int_t;
        };
        let (marks, mut map) = locked.content();
        marks.mark.store(0, Ordering::Relaxed);
        map.seed(seed);
        map.clear();
        NGX_OK as ngx_int_t
    })
}

impl SharedZone {
    /// The value of a key, which is then the most recently used one. `now` is in seconds since 1970.
    pub fn get(&self, key: &EntryKey, now: i64, log: Log<'_>) -> ZoneLookup {
        let mut value = Vec::with_capacity(1024);
        loop {
            let look = self.with_map(log, Use::Look, |map| map.get(key, now, &mut value));
            match look.unwrap_or(ReadOutcome::Nothing) {
                ReadOutcome::Nothing => return ZoneLookup::Missing,
                ReadOutcome::Expired => return ZoneLookup::Expired,
                // No longer than the zone is.
                ReadOutcome::Longer(length) => {
                    value.clear();
                    if value.try_reserve_exact(length).is_err() {
                        return ZoneLookup::Missing;
                    }
                }
                ReadOutcome::Copied {
                    expires,
                    checksum: written,
                } => {
                    if checksum(key, expires, &value) == written {
                        return ZoneLookup::Value {
                            bytes: value,
                            expires,
                        };
                    }
                    log.error(format_args!(
                        "nginx-auth: a damaged entry in the zone {} is dropped",
                        Quoted::new(self.name())
                    ));
                    self.remove(key, log);
                    return ZoneLookup::Missing;
                }
            }
        }
    }

    /// A number that is another one once anything was put, replaced or removed: what has been got before is as it was
    /// found as long as the number stays. It is read without the mutex.
    pub fn changes(&self) -> u64 {
        // SAFETY: nginx changes a zone only while it makes the cycle; `data` is NULL or begins with a Head (init), of
        // which this field is only ever used as the atomic that it is.
        unsafe {
            let head = self.0.as_ref().data.cast::<Head>();
            match head.is_null() {
                true => 0,
                false => (*head).marks.changes.load(Ordering::Acquire),
            }
        }
    }

    /// Keeps a value for a key until `expires`, in seconds since 1970, instead of the one that it has. For that,
    /// others go: expired ones, and those that were longest not used. False if it does not fit even then.
    pub fn put(&self, key: &EntryKey, expires: i64, value: &[u8], log: Log<'_>) -> bool {
        let checksum = checksum(key, expires, value);
        let now = ngx_time();
        let put = self.with_map(log, Use::Change, |map| {
            map.put(key, expires, checksum, value, now)
        });
        let put = put.unwrap_or(false);
        if !put {
            log.warn(format_args!(
                "nginx-auth: {} bytes do not fit into the zone {}",
                value.len(),
                Quoted::new(self.name())
            ));
        }
        put
    }

    /// Drops the value of a key.
    pub fn remove(&self, key: &EntryKey, log: Log<'_>) {
        self.with_map(log, Use::Change, |map| map.remove(key));
    }

    /// Does something with the map, twice if it has to be emptied first. Nothing before nginx has made the zone.
    fn with_map<T>(
        &self,
        log: Log<'_>,
        purpose: Use,
        mut work: impl FnMut(&mut SlabMap<'_>) -> Result<T, Damaged>,
    ) -> Option<T> {
        // SAFETY: nginx changes a zone only while it makes the cycle.
        let mut locked = Locked::new(unsafe { self.0.as_ref() })?;
        let (marks, mut map) = locked.content();
        // The mark is written before anything else is, and taken back after all else.
        let whole = marks.mark.swap(1, Ordering::SeqCst) == 0 && map.is_ours();
        let mut result = if whole { work(&mut map) } else { Err(Damaged) };
        let emptied = result.is_err();
        if emptied {
            map.clear();
            result = work(&mut map);
        }
        if emptied || purpose == Use::Change {
            marks.changes.fetch_add(1, Ordering::Release);
        }
        marks.mark.store(0, Ordering::Release);
        drop(locked);
        if emptied {
            let found = if whole { "damaged" } else { "half changed" };
            log.error(format_args!(
                "nginx-auth: the zone {} was found {found}, all of its entries are dropped",
                Quoted::new(self.name())
            ));
        }
        result.ok()
    }

    /// Whether the configuration, of which all has been read, defines it.
    pub fn is_defined(&self) -> bool {
        // SAFETY: nginx keeps a zone in place as long as the cycle lives, and changes it only while it makes that.
        unsafe { self.0.as_ref() }.init.is_some()
    }

    pub fn name(&self) -> &[u8] {
        // SAFETY: the configuration owns the name, and it lives as long as the zone.
        unsafe { Text::from_raw(self.0.as_ref().shm.name) }.bytes()
    }
}

/// What the map is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    /// Nothing that could be found before or after differs.
    Look,
    Change,
}

/// The mutex of a zone, held until this is dropped, and what it protects.
struct Locked {
    mutex: NonNull<ngx_shmtx_t>,
    area: NonNull<u8>,
    size: usize,
}

/// How the memory of a zone begins. Blocks follow, and as many buckets.
#[repr(C, align(64))]
struct Head {
    marks: Marks,
    header: MapHeader,
}

/// What is used as atomics only.
#[repr(C)]
struct Marks {
    /// Not 0 while somebody changes anything.
    mark: AtomicU32,
    /// See [`SharedZone::changes`].
    changes: AtomicU64,
}

impl Locked {
    /// Waits for the mutex. None before [`init`] has allocated the zone.
    fn new(zone: &ngx_shm_zone_t) -> Option<Self> {
        let area = NonNull::new(zone.data.cast::<u8>())?;
        let end = zone.shm.addr.addr() + zone.shm.size;
        let size = end.checked_sub(area.addr().get())?;
        // SAFETY: shm.addr is the zone's slab pool, and `data` lies within it: init has set both.
        let mutex = unsafe { &raw mut (*zone.shm.addr.cast::<ngx_slab_pool_t>()).mutex };
        let mutex = NonNull::new(mutex)?;
        // SAFETY: nginx made the mutex with the pool (ngx_init_zone_pool).
        unsafe { ngx_shmtx_lock(mutex.as_ptr()) };
        Some(Self { mutex, area, size })
    }

    /// The marks, and the map.
    fn content(&mut self) -> (&Marks, SlabMap<'_>) {
        let each = size_of::<Block>() + size_of::<u32>();
        // A block has 32 bits for its number, one of which is for none.
        let count = (self.size.saturating_sub(size_of::<Head>()) / each).min(u32::MAX as usize);
        // SAFETY: from `area` to the end of the shared memory all is ours: the slab allocator gave us all of its pages,
        // and what may be behind them it does not use. `area` begins a page, the parts follow each other, each fits
        // the next one's alignment, and any bytes make up a valid value of each. All of it is only ever touched with
        // the mutex held, which this value does.
        unsafe {
            let head = self.area.cast::<Head>().as_ptr();
            let blocks = head.add(1).cast::<Block>();
            let buckets = blocks.add(count).cast::<u32>();
            let map = SlabMap {
                header: &mut (*head).header,
                blocks: slice::from_raw_parts_mut(blocks, count),
                buckets: slice::from_raw_parts_mut(buckets, count),
            };
            (&(*head).marks, map)
        }
    }
}

impl Drop for Locked {
    fn drop(&mut self) {
        // SAFETY: `new` locked it, and the shared memory stays mapped as long as the cycle that it was called in.
        unsafe { ngx_shmtx_unlock(self.mutex.as_ptr()) };
    }
}
