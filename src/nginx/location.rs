//! The locations of a configuration that nginx has read, for checks of the configuration as a
//! whole.

use super::directive::{Config, MergedConfig};
use super::module::Exported;
use super::shim;
use nginx_sys::{
    ngx_http_conf_ctx_t, ngx_http_core_loc_conf_t, ngx_http_core_module, ngx_http_core_srv_conf_t,
    ngx_str_t,
};
use std::ffi::c_void;
use std::fmt;
use std::marker::PhantomData;
use std::ptr::NonNull;
use text::Quoted;

/// A location, or what a server has outside of its locations.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Location<'cf> {
    location: NonNull<ngx_http_core_loc_conf_t>,
    /// What all modules have configured for the server, by their indices.
    of_server: NonNull<*mut c_void>,
    lifetime: PhantomData<&'cf ngx_http_core_loc_conf_t>,
}

impl<'cf> Config<'cf> {
    /// The location that nginx is merging. To be used in
    /// [`Inherit::inherit`](super::Inherit::inherit). None for the blocks of `if` and
    /// `limit_except`.
    pub fn location(&self) -> Option<Location<'cf>> {
        // SAFETY: inside http{} cf->ctx is an ngx_http_conf_ctx_t. While it merges, nginx points it
        // at the server and the location (ngx_http_merge_servers, ngx_http_merge_locations), and a
        // server's own context is in its configuration. All of them live as long as the cycle.
        unsafe {
            let context = (*self.raw()).ctx.cast::<ngx_http_conf_ctx_t>();
            let index = ngx_http_core_module.ctx_index;
            let server = (*(*context).srv_conf.add(index)).cast::<ngx_http_core_srv_conf_t>();
            let of_server = (*server.as_ref()?.ctx).loc_conf;
            let location = Location {
                location: NonNull::new((*(*context).loc_conf.add(index)).cast())?,
                of_server: NonNull::new(of_server)?,
                lifetime: PhantomData,
            };
            (shim::is_location_noname(location.location.as_ptr()) == 0).then_some(location)
        }
    }
}

impl<'cf> MergedConfig<'_, 'cf> {
    /// All servers and their locations.
    pub fn locations(&self) -> Vec<Location<'cf>> {
        let mut locations = Vec::new();
        // SAFETY: cf is live, and nginx has made the trees of locations before it calls
        // postconfiguration (ngx_http_block). add_location gets this vector.
        unsafe {
            let data = (&raw mut locations).cast::<c_void>();
            shim::visit_locations(self.config.raw(), add_location, data);
        }
        locations
    }

    /// [`Location::unconditional_return`]
    pub fn unconditional_return(&self, location: Location<'cf>) -> Option<u16> {
        location.unconditional_return(self.config)
    }

    /// What a module has configured for a location.
    pub fn conf<M: Exported>(&self, location: Location<'cf>) -> &'cf M::LocationConf {
        // SAFETY: confs has an entry for each HTTP module, and create_loc_conf<M> has made that of
        // M. Nothing changes it now (MergedConfig::new).
        unsafe { &*(*location.confs().add(M::descriptor().ctx_index())).cast() }
    }
}

/// Adds a location to the `Vec` that [`MergedConfig::locations`] has handed over as `data`.
unsafe extern "C" fn add_location(
    data: *mut c_void,
    of_server: *mut *mut c_void,
    location: *mut ngx_http_core_loc_conf_t,
) {
    if let (Some(of_server), Some(location)) = (NonNull::new(of_server), NonNull::new(location)) {
        // SAFETY: `data` is that vector, to which nothing else refers during the visit. It cannot
        // panic: an allocation that fails ends the process.
        unsafe { &mut *data.cast::<Vec<Location<'_>>>() }.push(Location {
            location,
            of_server,
            lifetime: PhantomData,
        });
    }
}

impl<'cf> Location<'cf> {
    /// The location that a subrequest from here reaches with this path. None if it cannot be told.
    pub fn find(self, path: &[u8]) -> Option<Self> {
        let path = ngx_str_t {
            len: path.len(),
            data: path.as_ptr().cast_mut(),
        };
        // SAFETY: the server lives as long as the configuration, and the path is only read.
        let found =
            unsafe { shim::find_location(self.server().location.as_ptr(), &raw const path) };
        NonNull::new(found).map(|location| Self { location, ..self })
    }

    /// The server outside of its locations.
    pub fn server(self) -> Self {
        // SAFETY: of_server has an entry for each HTTP module, and the core module's is not NULL
        // (ngx_http_core_create_loc_conf).
        let server = unsafe {
            let server = *self.of_server.as_ptr().add(ngx_http_core_module.ctx_index);
            NonNull::new_unchecked(server.cast())
        };
        Self {
            location: server,
            ..self
        }
    }

    /// What all modules have configured here, by their indices. The core module's configuration of
    /// a location knows it; that of a server does not.
    pub(super) fn confs(self) -> *mut *mut c_void {
        if self.is_server() {
            return self.server_confs();
        }
        // SAFETY: the location lives as long as the configuration.
        unsafe { shim::location_confs(self.location.as_ptr()) }
    }

    /// What all modules have configured for the server outside of its locations, by their indices.
    pub(super) fn server_confs(self) -> *mut *mut c_void {
        self.of_server.as_ptr()
    }

    /// Whether this is the server outside of its locations.
    pub fn is_server(self) -> bool {
        self == self.server()
    }

    /// Whether no request of a client begins here: the location is named, or has `internal`.
    pub fn is_internal(self) -> bool {
        // SAFETY: the location lives as long as the configuration.
        unsafe { shim::is_location_internal(self.location.as_ptr()) != 0 }
    }

    /// The path, without arguments, of the page that `error_page` shows here for a status. None if
    /// there is none, or one that depends on the request or is no path.
    pub fn error_page(self, status: u16) -> Option<&'cf [u8]> {
        // SAFETY: the location and the texts of its directives live as long as the configuration.
        let uri = unsafe {
            let uri = shim::error_page(self.location.as_ptr(), status.into()).as_ref()?;
            uri.as_bytes()
        };
        let path = uri.split(|&byte| byte == b'?').next()?;
        path.starts_with(b"/").then_some(path)
    }

    /// The status of a `return` that answers each request before any access rule is checked. None
    /// if there is none, or if it depends on the request.
    pub fn unconditional_return(self, cf: &Config<'_>) -> Option<u16> {
        // SAFETY: cf and the location are live.
        let status = unsafe { shim::unconditional_return(cf.raw(), self.confs()) };
        u16::try_from(status).ok().filter(|status| *status != 0)
    }
}

impl fmt::Display for Location<'_> {
    /// `location "/name"`, or `the server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_server() {
            return f.write_str("the server");
        }
        // SAFETY: the location and its name live as long as the configuration.
        let name = unsafe { (*self.location.as_ptr()).name };
        write!(f, "location {}", Quoted::new(name.as_bytes()))
    }
}
