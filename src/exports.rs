//! What nginx's loader finds in the library: the modules, and the tables with their names and their
//! order.
//!
//! nginx gives a directive to the first module in its list that defines it, and runs access
//! handlers in the reverse order of the list. So the modules of this project come before the
//! built-in auth_request, whose directives they take over, before an auth_jwt that nginx may have
//! one day, and before auth_basic and access, as the built-in does. The module of the counters
//! comes first: what it has found out of a level when nginx merges levels, the others take over.
//! The filter comes right before the one that reads files, where nginx places third-party filters.
//! The modules for auth_request and auth_jwt have names of their own, because nginx refuses two
//! modules with the same name.
#![allow(unsafe_code)]

use crate::auth_jwt::AuthJwt;
use crate::auth_request::AuthRequest;
use crate::nginx::{Descriptor, Exported, SubrequestFilter};
use crate::status::AuthStatus;
use std::ffi::CStr;

/// The modules whose order matters: each of ours comes before all that follow it here. The file
/// `config` has the same list for nginx's own build.
const ORDER: &[&CStr] = &[
    c"ngx_http_auth_status_module",
    c"ngx_http_auth_subrequest_module",
    c"ngx_http_auth_token_module",
    c"ngx_http_auth_jwt_module",
    c"ngx_http_auth_request_module",
    c"ngx_http_auth_basic_module",
    c"ngx_http_access_module",
    c"ngx_http_auth_capture_filter_module",
    c"ngx_http_copy_filter_module",
];

// SAFETY: no other symbol of nginx has this name, and nginx reads it as the ngx_module_t that it
// begins with.
#[unsafe(no_mangle)]
static ngx_http_auth_status_module: Descriptor<AuthStatus> = Descriptor::new(ORDER);

impl Exported for AuthStatus {
    fn descriptor() -> &'static Descriptor<Self> {
        &ngx_http_auth_status_module
    }
}

// SAFETY: no other symbol of nginx has this name, and nginx reads it as the ngx_module_t that it
// begins with.
#[unsafe(no_mangle)]
static ngx_http_auth_subrequest_module: Descriptor<AuthRequest> = Descriptor::new(ORDER);

// SAFETY: no other symbol of nginx has this name, and nginx reads it as the ngx_module_t that it
// begins with.
#[unsafe(no_mangle)]
static ngx_http_auth_token_module: Descriptor<AuthJwt> = Descriptor::new(ORDER);

impl Exported for AuthJwt {
    fn descriptor() -> &'static Descriptor<Self> {
        &ngx_http_auth_token_module
    }
}

impl Exported for AuthRequest {
    fn descriptor() -> &'static Descriptor<Self> {
        &ngx_http_auth_subrequest_module
    }
}

// SAFETY: no other symbol of nginx has this name, and nginx reads it as the ngx_module_t that it
// begins with.
#[unsafe(no_mangle)]
static ngx_http_auth_capture_filter_module: Descriptor<SubrequestFilter> = Descriptor::new(ORDER);

impl Exported for SubrequestFilter {
    fn descriptor() -> &'static Descriptor<Self> {
        &ngx_http_auth_capture_filter_module
    }
}

/// The tables of a dynamic module (ngx_load_module). nginx's own build makes them itself.
#[cfg(feature = "export-tables")]
mod tables {
    use super::{
        ORDER, ngx_http_auth_capture_filter_module, ngx_http_auth_status_module,
        ngx_http_auth_subrequest_module, ngx_http_auth_token_module,
    };
    use nginx_sys::ngx_module_t;
    use std::ffi::c_char;
    use std::ptr;

    /// An array of pointers that ends with NULL. nginx only reads it.
    #[repr(transparent)]
    struct PointerTable<T, const N: usize>([*mut T; N]);

    // SAFETY: nginx only reads the pointers (ngx_load_module), and Rust code never follows them.
    unsafe impl<T, const N: usize> Sync for PointerTable<T, N> {}

    // SAFETY: nginx looks the symbol up by dlsym, and reads it as an array of ngx_module_t pointers
    // that ends with NULL (ngx_load_module).
    #[unsafe(no_mangle)]
    static ngx_modules: PointerTable<ngx_module_t, 5> = PointerTable([
        ngx_http_auth_status_module.as_ptr(),
        ngx_http_auth_subrequest_module.as_ptr(),
        ngx_http_auth_token_module.as_ptr(),
        ngx_http_auth_capture_filter_module.as_ptr(),
        ptr::null_mut(),
    ]);

    // SAFETY: nginx looks the symbol up by dlsym, and reads it as an array of C strings, one for
    // each entry of ngx_modules (ngx_load_module).
    #[unsafe(no_mangle)]
    static ngx_module_names: PointerTable<c_char, 5> = PointerTable([
        c"ngx_http_auth_status_module".as_ptr().cast_mut(),
        c"ngx_http_auth_subrequest_module".as_ptr().cast_mut(),
        c"ngx_http_auth_token_module".as_ptr().cast_mut(),
        c"ngx_http_auth_capture_filter_module".as_ptr().cast_mut(),
        ptr::null_mut(),
    ]);

    // SAFETY: nginx looks the symbol up by dlsym, and reads it as an array of C strings that ends
    // with NULL (ngx_load_module).
    #[unsafe(no_mangle)]
    static ngx_module_order: PointerTable<c_char, { ORDER.len() + 1 }> = {
        let mut order = [ptr::null_mut(); ORDER.len() + 1];
        let mut i = 0;
        while i < ORDER.len() {
            order[i] = ORDER[i].as_ptr().cast_mut();
            i += 1;
        }
        PointerTable(order)
    };
}
