//! File names in the configuration. Like nginx's own directives, those of this module take a
//! relative name as relative to the folder of the configuration file, nginx.conf.

use nginx_sys::ngx_str_t;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

/// Joins a path to `prefix`, the folder of nginx.conf, unless the path is absolute.
pub(super) fn join(prefix: ngx_str_t, path: &[u8]) -> PathBuf {
    PathBuf::from(OsStr::from_bytes(prefix.as_bytes())).join(OsStr::from_bytes(path))
}
