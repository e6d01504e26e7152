//! nginx-auth: `auth_jwt` and `auth_request` for open-source nginx, as one dynamic module.
//!
//! | module | what it is for |
//! |---|---|
//! | [`jose`] | JOSE in pure Rust: bytes, keys and time in; verified claims or an error out |
#![deny(unsafe_code)]

pub mod jose;
