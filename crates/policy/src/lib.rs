//! What auth_jwt and auth_request decide, without nginx: bytes, configured values and a time in; a
//! decision out. Nothing here knows a clock, a file or a log. The only global state is the random
//! seed of the hash tables.
//!
//! | module | what it decides |
//! |---|---|
//! | [`auth_jwt`] | which keys are current, which tokens are cached, what a refusal looks like |
//! | [`auth_request`] | what an authorization service's response means and for whom it is kept |
//! | [`counters`] | what is counted of requests, and the metrics that come of it |
//! | [`freshness`] | how long a response may be kept |
//! | [`header_names`] | which header lines an application could take for each other |
//! | [`log_level`] | how loudly a refusal is logged |
//! | [`lru`] | which entries of a bounded table stay |
//! | [`single_flight`] | which of several requests fetches what all of them need |
//! | [`uri`] | what variables may put into the URI of a subrequest |
// perf: functions of the hot path are `#[inline]`, because the compiler inlines a small function
// into another crate only if it says so: 40 instructions of a verdict from the cache, 100 of a
// refusal.

pub mod auth_jwt;
pub mod auth_request;
pub mod counters;
pub mod freshness;
pub mod header_names;
pub mod log_level;
pub mod lru;
pub mod requirement;
pub mod single_flight;
pub mod uri;
