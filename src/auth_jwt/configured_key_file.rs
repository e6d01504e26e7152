//! Key files that the configuration names.

use std::rc::Rc;

use super::AuthJwt;
use super::file_path::{FilePath, KeyFile};
use crate::nginx::Config;
use crate::status::AuthStatus;
use policy::auth_jwt::key_file::advice;

/// The key file with this name, which all levels and issuers share. The first that names it reads
/// it, so that the workers have its keys from the beginning, and warns of what is wrong with it.
pub(super) fn configured_key_file(name: &[u8], cf: &Config<'_>) -> Rc<KeyFile> {
    let main = cf.main_conf::<AuthJwt>();
    let path = cf.path(name);
    main.key_file(&path).unwrap_or_else(|| {
        let counters = AuthStatus::key_file(cf, &path);
        let file = Rc::new(KeyFile::new(FilePath(path)));
        read_key_file(&file, cf);
        main.add_key_file(&file, counters);
        file
    })
}

fn read_key_file(file: &KeyFile, cf: &Config<'_>) {
    let path = file.access();
    let report = |warning: &_| cf.warn(format_args!("key file {path}: {warning}"));
    if let Err(error) = file.current_keys(None, report) {
        let advice = advice(&path.0, &error);
        cf.warn(format_args!("key file {path}: {error}{advice}"));
    }
    path.warn_of_obstacle("key file", cf);
}
