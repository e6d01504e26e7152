//! nginx-auth: `auth_jwt` and `auth_request` for open-source nginx, as one dynamic module.
//!
//! | module | what it is for |
//! |---|---|
//! | [`jose`] | JOSE in pure Rust: bytes, keys and time in; verified claims or an error out |
//! | `nginx` | the fence: every FFI call and every `unsafe`; safe types out; knows neither of the others |
//! | `auth_jwt` | the directives `auth_jwt*` and the variables `$jwt_*` |
//! | `auth_request` | the directives `auth_request*` |
//! | `lru` | a table with a bound in bytes, for what a worker keeps |
//! | `require` | the directives `auth_jwt_require` and `auth_request_require` |
//! | `uri` | what variables may put into the URI of a subrequest |
//! | `exports` | the tables that nginx's loader reads |
//!
//! Directions: exports -> auth_jwt, auth_request -> nginx; auth_jwt -> jose; never between auth_jwt and
//! auth_request, from jose to any other, or from nginx to any other.
#![deny(unsafe_code, unsafe_op_in_unsafe_fn)]
#![warn(clippy::undocumented_unsafe_blocks)]

pub mod auth_jwt;
pub mod auth_request;
pub mod jose;

#[cfg(feature = "module")]
mod exports;
#[cfg_attr(not(feature = "module"), allow(dead_code))]
mod lru;
#[cfg(feature = "module")]
pub mod nginx;
#[cfg(feature = "module")]
mod require;
// It needs no nginx to be tested.
#[cfg(all(test, not(feature = "module")))]
#[path = "nginx/shared/blocks.rs"]
mod shared_blocks;
#[cfg_attr(not(feature = "module"), allow(dead_code))]
mod uri;
