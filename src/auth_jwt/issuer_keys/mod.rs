//! The keys of an issuer that the workers fetch by themselves, in the background.

mod endpoint;
mod fetched_keys;
mod lease;
mod saved_file;
mod settings;
mod shared_keys;
mod watch;

pub(super) use fetched_keys::{FetchedKeys, IssuerWait, KeysOrWait};
pub(super) use settings::FetchSettings;
pub(super) use watch::watch_issuers;
