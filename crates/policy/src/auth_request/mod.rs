//! Decisions of `auth_request`.

pub mod answer;
pub mod cache_status;
pub mod check_result;
pub mod decision;
pub mod field_names;
pub mod key_sources;
pub mod post_args;
pub mod refusal;
pub mod statuses;
pub mod uncacheable;
pub mod variable_names;
pub mod vary;
pub mod verdict_codec;
pub mod worker_cache;
