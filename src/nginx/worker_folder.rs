//! Folders that the workers write to, as nginx's own directives `proxy_temp_path` and the like have
//! them: nginx makes the folder if there is none, and gives it to the user of the workers.

use super::directive::{Config, ConfigError};
use super::failure::Failure;
use nginx_sys::{
    NGX_OK, geteuid, ngx_add_path, ngx_conf_full_name, ngx_int_t, ngx_path_t, ngx_pcalloc,
};
use std::ffi::OsStr;
use std::fs::Metadata;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::ptr::NonNull;

impl Config<'_> {
    /// Has nginx make a folder for the workers. A relative name is relative to nginx's prefix.
    ///
    /// # Errors
    /// There is no memory, or the folder is that of another directive, which nginx logs.
    pub fn worker_folder(&mut self, name: &[u8]) -> Result<PathBuf, ConfigError> {
        let without_slash = name.strip_suffix(b"/").unwrap_or(name);
        let name = self.copy(without_slash)?;
        // SAFETY: cf->pool is the cycle's, and NULL is checked. The name ends with a NUL, as
        // ngx_conf_full_name and ngx_create_paths need it. nginx keeps the structure in the cycle's
        // list of paths, and only reads it. Zeros stand for a path without levels or manager.
        unsafe {
            let path = ngx_pcalloc((*self.raw()).pool, size_of::<ngx_path_t>());
            let mut path = NonNull::new(path.cast::<ngx_path_t>()).ok_or(Failure::OutOfMemory)?;
            let path = path.as_mut();
            path.name = name;
            let cycle = (*self.raw()).cycle;
            if ngx_conf_full_name(cycle, &raw mut path.name, 0) != NGX_OK as ngx_int_t {
                return Err(Failure::OutOfMemory.into());
            }
            if let Some(file) = (*self.raw()).conf_file.as_ref() {
                path.conf_file = file.file.name.data;
                path.line = file.line;
            }
            let mut slot: *mut ngx_path_t = path;
            if ngx_add_path(self.raw(), &raw mut slot) != NGX_OK as ngx_int_t {
                return Err(ConfigError::Logged);
            }
            let name = (*slot).name;
            Ok(PathBuf::from(OsStr::from_bytes(name.as_bytes())))
        }
    }
}

/// Whether only root and the user of this process can have written a file.
pub fn is_own_file(metadata: &Metadata) -> bool {
    // SAFETY: it has no preconditions.
    let user = unsafe { geteuid() };
    let is_of_user = metadata.uid() == user || metadata.uid() == 0;
    is_of_user && metadata.mode() & 0o022 == 0
}
