//! The decisions of `auth_jwt`.

pub mod bearer;
pub mod key_cache;
pub mod key_file;
pub mod rejection;
pub mod remote_keys;
pub mod token_cache;
