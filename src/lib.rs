//! nginx-auth: `auth_jwt` and `auth_request` for open-source nginx, as one dynamic module.
//!
//! | module | what it is for |
//! |---|---|
//! | [`nginx`] | the fence: every FFI call, and every `unsafe` but those of `exports`; safe types out |
//! | [`auth_jwt`] | the directives `auth_jwt*` and the variables `$jwt_*` |
//! | [`auth_request`] | the directives `auth_request*` and their variables |
//! | [`status`] | the directives `auth_status*`: counters, and the page that shows them |
//! | `config_checks` | warnings about configurations that do not check what they seem to |
//! | `require` | the directives `auth_jwt_require` and `auth_request_require` |
//! | `subrequest_uri` | the URIs that `auth_request` and `auth_jwt_key_request` name |
//! | `wake` | how a single flight wakes a request of nginx |
//! | `exports` | the tables that nginx's loader reads |
//!
//! What can be decided without nginx is in the crates `jose` and `policy`. `nginx` uses neither of
//! them, `auth_jwt` and `auth_request` do not use each other, and `status` uses neither.

pub mod auth_jwt;
pub mod auth_request;
mod config_checks;
mod exports;
pub mod nginx;
mod require;
pub mod status;
mod subrequest_uri;
mod wake;
