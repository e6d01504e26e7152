//! Paths in the configuration.

use nginx_sys::ngx_str_t;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// A path as nginx's own directives take one: relative to the folder of nginx.conf.
pub(super) fn join(prefix: ngx_str_t, path: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(prefix.as_bytes())).join(OsStr::from_bytes(path))
}
