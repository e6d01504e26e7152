//! What nginx's loader finds in the shared object: the modules, and the tables that name and order them.
//!
//! nginx looks for a directive's module, and runs access handlers in reverse, in the order of its modules. Ours come
//! before the built-in auth_request, so that its directives are ours, and before auth_basic and access, as the
//! built-in does. The filter is where nginx has others' filters, right before the one that reads files. The name differs from the built-in's, for nginx takes no second module of one name.
#![allow(unsafe_code)]

use crate::auth_jwt::AuthJwt;
use crate::auth_request::AuthRequest;
use crate::nginx::{Descriptor, Exported, SubrequestFilter};
use std::ffi::CStr;

/// The modules whose order matters. The file `config` has the same list for nginx's own build.
const ORDER: &[&CStr] = &[
    c"ngx_http_auth_subrequest_module",
    c"ngx_http_auth_jwt_module",
    c"ngx_http_auth_request_module",
    c"ngx_http_auth_basic_module",
    c"ngx_http_access_module",
    c"ngx_http_auth_capture_filter_module",
    c"ngx_http_copy_filter_module",
];

// SAFETY: no other symbol of nginx has this name, and nginx reads it as the ngx_module_t that it is.
#[unsafe(no_mangle)]
static ngx_http_auth_subrequest_module: Descriptor<AuthRequest> = Descriptor::new();

// SAFETY: as above.
#[unsafe(no_mangle)]
static ngx_http_auth_jwt_module: Descriptor<AuthJwt> = Descriptor::new();

impl Exported for AuthJwt {
    const ORDER: &'static [&'static CStr] = ORDER;

    fn descriptor() -> &'static Descriptor<Self> {
        &ngx_http_auth_jwt_module
    }
}

impl Exported for AuthRequest {
    const ORDER: &'static [&'static CStr] = ORDER;

    fn descriptor() -> &'static Descriptor<Self> {
        &ngx_http_auth_subrequest_module
    }
}

// SAFETY: as above.
#[unsafe(no_mangle)]
static ngx_http_auth_capture_filter_module: Descriptor<SubrequestFilter> = Descriptor::new();

impl Exported for SubrequestFilter {
    const ORDER: &'static [&'static CStr] = ORDER;

    fn descriptor() -> &'static Descriptor<Self> {
        &ngx_http_auth_capture_filter_module
    }
}

/// The tables of a dynamic module (ngx_load_module). nginx's own build makes them itself.
#[cfg(feature = "export-tables")]
mod tables {
    use super::{
        ORDER, ngx_http_auth_capture_filter_module, ngx_http_auth_jwt_module,
        ngx_http_auth_subrequest_module,
    };
    use nginx_sys::ngx_module_t;
    use std::ffi::c_char;
    use std::ptr;

    /// Pointers that end with NULL, which nginx only reads.
    #[repr(transparent)]
    struct Table<T, const N: usize>([*mut T; N]);

    // SAFETY: the pointers themselves never change; what they point to is nginx's affair.
    unsafe impl<T, const N: usize> Sync for Table<T, N> {}

    // SAFETY: nginx looks the symbol up with dlsym and reads it as an array of ngx_module_t pointers.
    #[unsafe(no_mangle)]
    static ngx_modules: Table<ngx_module_t, 4> = Table([
        ngx_http_auth_subrequest_module.as_ptr(),
        ngx_http_auth_jwt_module.as_ptr(),
        ngx_http_auth_capture_filter_module.as_ptr(),
        ptr::null_mut(),
    ]);

    // SAFETY: as above, as an array of C strings, one for each module.
    #[unsafe(no_mangle)]
    static ngx_module_names: Table<c_char, 4> = Table([
        c"ngx_http_auth_subrequest_module".as_ptr().cast_mut(),
        c"ngx_http_auth_jwt_module".as_ptr().cast_mut(),
        c"ngx_http_auth_capture_filter_module".as_ptr().cast_mut(),
        ptr::null_mut(),
    ]);

    // SAFETY: as above, as an array of C strings.
    #[unsafe(no_mangle)]
    static ngx_module_order: Table<c_char, { ORDER.len() + 1 }> = {
        let mut order = [ptr::null_mut(); ORDER.len() + 1];
        let mut i = 0;
        while i < ORDER.len() {
            order[i] = ORDER[i].as_ptr().cast_mut();
            i += 1;
        }
        Table(order)
    };
}
