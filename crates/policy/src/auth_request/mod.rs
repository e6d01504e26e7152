//! Decisions of `auth_request`.

pub mod decision;
pub mod freshness;
pub mod header_names;
pub mod post_args;
pub mod refusal;
pub mod statuses;
pub mod verdict_codec;
pub mod worker_cache;
