//! How a server takes requests, for warnings about its configuration, and what tells it from the
//! others.

use super::directive::MergedConfig;
use super::location::Location;
use nginx_sys::{ngx_conf_t, ngx_http_core_srv_conf_t, ngx_uint_t};
use std::ffi::c_void;

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

/// Gets a part of what tells a server from others: its kind and its text.
pub(super) type VisitPart =
    unsafe extern "C" fn(data: *mut c_void, kind: u8, text: *const u8, len: usize);

unsafe extern "C" {
    /// Calls `visit` with each address and each name of a server.
    ///
    /// # Safety
    /// `cf` is live, nginx has read all servers and merged what its core module has of them, and
    /// has not made the lists of their addresses yet. `server` points to one of them. `visit` may be
    /// called with `data`.
    #[link_name = "nginx_auth_visit_server_identity"]
    pub(super) fn visit_server_identity(
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
