//! How a server takes requests, for warnings about its configuration, and what tells it from the
//! others.

use super::directive::{Config, MergedConfig};
use super::location::Location;
use super::shim::location_kind;
use nginx_sys::{
    ngx_conf_t, ngx_http_conf_ctx_t, ngx_http_core_loc_conf_t, ngx_http_core_module,
    ngx_http_core_srv_conf_t, ngx_str_t, ngx_uint_t,
};
use std::ffi::c_void;
use std::ptr;

/// How a server takes requests. The names of the bits are in server.c as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server(ngx_uint_t);

impl Server {
    /// Whether a `listen` has `ssl` or `quic`.
    pub fn takes_tls(self) -> bool {
        self.0 & 1 != 0
    }

    /// Whether `ssl_verify_client` is on, in one of its ways.
    pub fn asks_for_certificates(self) -> bool {
        self.0 & 2 != 0
    }

    /// Whether `ssl_verify_client` is `on`, so that clients without a certificate of the configured
    /// authorities get nothing.
    pub fn insists_on_certificates(self) -> bool {
        self.0 & 4 != 0
    }

    /// Whether it is the default server of an address, which takes every host that is no other
    /// server's.
    pub fn is_default(self) -> bool {
        self.0 & 8 != 0
    }

    /// Whether other machines can connect to one of its addresses.
    pub fn is_reached_from_elsewhere(self) -> bool {
        self.0 & 16 != 0
    }
}

impl Config<'_> {
    /// What tells the level that nginx is merging, a server or a location, from the others inside of
    /// the same outer level, also after a reload: the addresses and names of a server, the kind and
    /// name of a location. File and line are no part of it, because a change elsewhere in the file
    /// moves them. To be used in [`Inherit::inherit`](super::Inherit::inherit).
    pub fn level_name(&self) -> Vec<Vec<u8>> {
        // SAFETY: inside http{} cf->ctx is an ngx_http_conf_ctx_t. While it merges, nginx points it
        // at the server and the location (ngx_http_merge_servers, ngx_http_merge_locations), and a
        // server's own context is in its configuration. Names live as long as the cycle. nginx has
        // read all servers, and add_part gets this vector.
        unsafe {
            let context = (*self.raw()).ctx.cast::<ngx_http_conf_ctx_t>();
            let index = ngx_http_core_module.ctx_index;
            let server = (*(*context).srv_conf.add(index)).cast::<ngx_http_core_srv_conf_t>();
            let location = (*(*context).loc_conf.add(index)).cast::<ngx_http_core_loc_conf_t>();
            let is_server = !server.is_null()
                && !(*server).ctx.is_null()
                && ptr::eq((*(*server).ctx).loc_conf, (*context).loc_conf);
            let mut parts = Vec::new();
            if is_server {
                let data = (&raw mut parts).cast::<c_void>();
                visit_server_identity(self.raw(), server, add_part, data);
                // The order of the addresses is that in which the file has the servers.
                parts.sort_unstable();
            } else if let Some(location) = location.as_ref() {
                parts.push(location_kind(location).to_string().into_bytes());
                parts.push(location.name.as_bytes().to_vec());
            }
            parts
        }
    }
}

impl<'cf> MergedConfig<'_, 'cf> {
    /// How the server of a location takes requests.
    pub fn server(&self, location: Location<'cf>) -> Server {
        // SAFETY: cf is live, and while it is postconfiguration that nginx calls, the list of
        // addresses is as well (ngx_http_block).
        Server(unsafe { server(self.config.raw(), location.server_confs()) })
    }

    /// Whether a location has `allow` or `deny`, and `satisfy all`, without which a token is enough.
    pub fn requires_address(&self, location: Location<'cf>) -> bool {
        // SAFETY: cf is live; the location has the configuration of each HTTP module, which nginx
        // has merged.
        unsafe { requires_address(self.config.raw(), location.confs()) != 0 }
    }
}

/// Adds a part to the `Vec` that [`Config::level_name`] has handed over as `data`.
unsafe extern "C" fn add_part(data: *mut c_void, kind: u8, text: *const u8, len: usize) {
    // SAFETY: `data` is that vector, to which nothing else refers during the visit, and the text is
    // live until the call returns. It cannot panic: an allocation that fails ends the process.
    unsafe {
        let text = ngx_str_t {
            len,
            data: text.cast_mut(),
        };
        let part = [&[kind], text.as_bytes()].concat();
        (*data.cast::<Vec<Vec<u8>>>()).push(part);
    }
}

/// Gets a part of what tells a server from others: its kind and its text.
type VisitPart = unsafe extern "C" fn(data: *mut c_void, kind: u8, text: *const u8, len: usize);

unsafe extern "C" {
    /// Calls `visit` with each address and each name of a server.
    ///
    /// # Safety
    /// `cf` is live, nginx has read all servers and merged what its core module has of them, and
    /// has not made the lists of their addresses yet. `server` points to one of them. `visit` may be
    /// called with `data`.
    #[link_name = "nginx_auth_visit_server_identity"]
    fn visit_server_identity(
        cf: *mut ngx_conf_t,
        server: *const ngx_http_core_srv_conf_t,
        visit: VisitPart,
        data: *mut c_void,
    );

    /// The bits of [`Server`].
    ///
    /// # Safety
    /// `cf` is live, nginx has read all servers, and has not made the lists of their addresses yet.
    #[link_name = "nginx_auth_server"]
    fn server(cf: *mut ngx_conf_t, of_server: *mut *mut c_void) -> ngx_uint_t;

    /// Whether the rules of nginx's access module decide.
    ///
    /// # Safety
    /// `cf` is live, and `confs` is what all modules have configured for a location, by their
    /// indices.
    #[link_name = "nginx_auth_requires_address"]
    fn requires_address(cf: *mut ngx_conf_t, confs: *mut *mut c_void) -> ngx_uint_t;
}
