//! Counters in shared memory, which all workers have and which outlive a reload.
//!
//! The memory is a [`CounterTable`]: atomics only, so that nothing is ever locked, and a worker that
//! dies leaves it valid. Its size is always the same, because on a reload nginx keeps the memory of
//! a zone only if the size is. While nginx makes a configuration, in its master process, each group
//! of the configuration finds its counters; the workers inherit what was found.

use super::directive::{Config, ConfigError};
use super::fence::guard;
use super::log::Log;
use super::module::Exported;
use super::text::Text;
use counter_table::{CounterTable, Counters, GroupId, TooManyGroups};
use nginx_sys::{
    NGX_ERROR, NGX_OK, ngx_int_t, ngx_shared_memory_add, ngx_shm_zone_t, ngx_slab_alloc,
    ngx_slab_pool_t, ngx_time, ngx_worker,
};
use std::cell::{Cell, RefCell};
use std::ffi::c_void;
use std::ptr::NonNull;
use std::rc::Rc;
use text::Quoted;

/// The counters of a configuration.
#[derive(Default)]
pub struct SharedCounters {
    groups: RefCell<Vec<(GroupId, Rc<CounterGroup>)>>,
    table: Cell<Option<NonNull<CounterTable>>>,
    /// The number of the configuration in the table.
    configuration: Cell<u64>,
}

/// A group of counters. It counts nothing unless the configuration has a zone for counters.
#[derive(Default)]
pub struct CounterGroup(Cell<Option<NonNull<Counters>>>);

/// The tag of zones with counters, by its address; see the tag of other zones in `shared.rs`.
static ZONE_TAG: u8 = 0;

/// What nginx's slab allocator needs of a zone for itself, and more.
const MANAGEMENT: usize = 64 << 10;

impl CounterGroup {
    /// Adds to a counter.
    #[inline]
    pub fn add(&self, counter: usize, count: u64) {
        if let Some(counters) = self.counters() {
            counters.add(counter, count);
        }
    }

    /// Replaces the value of a counter that shows what is, and not what has happened.
    pub fn set(&self, counter: usize, value: u64) {
        if let Some(counters) = self.counters() {
            counters.set(counter, value);
        }
    }

    /// Replaces such a value, and returns the one before.
    pub fn swap(&self, counter: usize, value: u64) -> u64 {
        let counters = self.counters();
        counters.map_or(0, |counters| counters.swap(counter, value))
    }

    /// The value of a counter.
    pub fn get(&self, counter: usize) -> u64 {
        self.counters().map_or(0, |counters| counters.get(counter))
    }

    #[inline]
    fn counters(&self) -> Option<&Counters> {
        // SAFETY: init_zone has taken the pointer from the table in the zone. nginx unmaps the zone
        // with the cycle whose configuration this group is part of, and any bytes are valid
        // counters, which are only used as atomics.
        self.0.get().map(|counters| unsafe { counters.as_ref() })
    }
}

impl SharedCounters {
    /// The most groups that a configuration may have.
    pub const MAX_GROUPS: usize = CounterTable::MAX_GROUPS;

    /// How many counters a group has.
    pub const COUNTERS: usize = Counters::LEN;

    /// The group with this identity, a digest of what it counts. To be called while nginx reads the
    /// configuration.
    pub fn group(&self, id: [u8; 32]) -> Rc<CounterGroup> {
        let mut parts = id.as_chunks::<8>().0.iter();
        let id: GroupId = std::array::from_fn(|_| {
            let part = parts.next().copied();
            u64::from_le_bytes(part.unwrap_or_default())
        });
        let mut groups = self.groups.borrow_mut();
        if let Some((_, group)) = groups.iter().find(|(known, _)| *known == id) {
            return Rc::clone(group);
        }
        let group = Rc::<CounterGroup>::default();
        groups.push((id, Rc::clone(&group)));
        group
    }

    /// When the counters began at 0, in seconds since 1970.
    pub fn since(&self) -> u64 {
        self.table().map_or(0, CounterTable::since)
    }

    /// Has the gauges of this worker begin at 0. To be called when it starts.
    pub fn start_worker(&self) {
        if let Some(table) = self.table() {
            table.start_worker(self.configuration.get(), worker());
        }
    }

    /// Sets a gauge of this worker.
    pub fn set_gauge(&self, gauge: usize, value: u64) {
        if let Some(table) = self.table() {
            table.set_gauge(self.configuration.get(), worker(), gauge, value);
        }
    }

    /// The sum of a gauge over all workers.
    pub fn sum_of_gauge(&self, gauge: usize) -> u64 {
        let configuration = self.configuration.get();
        self.table()
            .map_or(0, |table| table.sum_of_gauge(configuration, gauge))
    }

    fn table(&self) -> Option<&CounterTable> {
        // SAFETY: init_zone has set the pointer. nginx unmaps the zone with the cycle whose
        // configuration this is part of, and any bytes are a valid table, which is only used as
        // atomics.
        self.table.get().map(|table| unsafe { table.as_ref() })
    }

    /// Finds the counters of each group in the table.
    fn attach(&self, table: NonNull<CounterTable>) -> Result<(), TooManyGroups> {
        self.table.set(Some(table));
        let groups = self.groups.borrow();
        let ids: Vec<_> = groups.iter().map(|(id, _)| *id).collect();
        let Some(table) = self.table() else {
            return Ok(());
        };
        let (configuration, indices) = table.configure(&ids)?;
        self.configuration.set(configuration);
        for ((_, group), index) in groups.iter().zip(indices) {
            group.0.set(table.counters(index).map(NonNull::from));
        }
        Ok(())
    }
}

impl Config<'_> {
    /// Defines the zone of counters that are part of the main configuration of `M`. A colon in its
    /// name tells it from zones that directives can name.
    ///
    /// # Errors
    /// The name is taken; in nginx's own words.
    pub fn define_counter_zone<M: Exported>(
        &mut self,
        name: &[u8],
        counters: fn(&M::MainConf) -> &SharedCounters,
    ) -> Result<(), ConfigError> {
        let mut name = self.copy(name)?;
        let size = size_of::<CounterTable>() + MANAGEMENT;
        let tag = (&raw const ZONE_TAG).cast_mut().cast();
        let counters = counters(self.main_conf::<M>());
        // SAFETY: cf is live; the bytes of the name belong to the cycle; ngx_shared_memory_add only
        // compares the tag. A zone stays in place as long as the cycle lives (cycle->shared_memory
        // is a list), and the counters are part of a configuration of that cycle.
        unsafe {
            let zone = ngx_shared_memory_add(self.raw(), &raw mut name, size, tag);
            let zone = zone.as_mut().ok_or(ConfigError::Logged)?;
            zone.data = std::ptr::from_ref(counters).cast_mut().cast();
            zone.init = Some(init_zone);
        }
        Ok(())
    }

    /// What `M` has configured for the level that nginx is merging, which is merged already if `M`
    /// comes before the module that asks. To be used in
    /// [`Inherit::inherit`](super::Inherit::inherit).
    pub fn merged_conf_of_earlier<M: Exported>(&self) -> &M::LocationConf {
        let index = M::descriptor().ctx_index();
        // SAFETY: inside http{} cf->ctx is an ngx_http_conf_ctx_t. While it merges the levels of a
        // module, nginx points loc_conf at the level (ngx_http_merge_servers,
        // ngx_http_merge_locations), which has an entry for each HTTP module, and
        // create_loc_conf<M> has made that of M. While another module merges, nothing changes it.
        unsafe {
            let context = (*self.raw()).ctx;
            let context = context.cast::<nginx_sys::ngx_http_conf_ctx_t>();
            &*(*(*context).loc_conf.add(index)).cast::<M::LocationConf>()
        }
    }
}

/// The number of this worker: that of a worker that replaces it is the same.
fn worker() -> usize {
    // SAFETY: nginx sets it before it calls anything of a worker (ngx_worker_process_cycle); it is
    // 0 in a single process.
    unsafe { ngx_worker }
}

/// Prepares the memory of a zone. nginx calls this function for each zone of a new cycle
/// (ngx_init_cycle). `old` is the zone's `data` of the previous cycle if the zone keeps its memory,
/// else NULL.
unsafe extern "C" fn init_zone(zone: *mut ngx_shm_zone_t, old: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx hands over a zone of the new cycle that nothing else uses (ngx_init_cycle); its
    // log is the cycle's.
    let (zone, log) = unsafe { (&mut *zone, Log::from_raw((*zone).shm.log)) };
    guard(log, NGX_ERROR as ngx_int_t, || {
        // SAFETY: define_counter_zone has set `data` to a part of the configuration of this cycle.
        let counters = unsafe { &*zone.data.cast::<SharedCounters>() };
        // SAFETY: shm.addr is a slab pool that nginx has made (ngx_init_zone_pool), or the one of
        // the previous cycle, whose `data` this function has set. The workers of that cycle use
        // neither.
        let table = unsafe {
            let pool = zone.shm.addr.cast::<ngx_slab_pool_t>();
            if old.is_null() {
                (*pool).data = ngx_slab_alloc(pool, size_of::<CounterTable>());
            }
            NonNull::new((*pool).data.cast::<CounterTable>())
        };
        let Some(table) = table else {
            log.crit(format_args!(
                "nginx-auth: could not allocate memory in the zone {}",
                // SAFETY: the name belongs to the configuration.
                Quoted::new(unsafe { Text::from_raw(zone.shm.name) }.bytes())
            ));
            return NGX_ERROR as ngx_int_t;
        };
        if old.is_null() {
            // SAFETY: ngx_slab_alloc has given whole pages for the table, and any bytes are one.
            let table = unsafe { table.as_ref() };
            table.clear(u64::try_from(ngx_time()).unwrap_or(0));
        }
        match counters.attach(table) {
            Ok(()) => NGX_OK as ngx_int_t,
            Err(TooManyGroups) => {
                log.emerg(format_args!(
                    "auth_status: there are more than {} names of auth_status_zone, \
                     auth_jwt_issuer, key files and key requests to count for",
                    SharedCounters::MAX_GROUPS
                ));
                NGX_ERROR as ngx_int_t
            }
        }
    })
}
