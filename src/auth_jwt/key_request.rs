//! Keys that a subrequest fetches.

use crate::nginx::Waker;
use policy::auth_jwt::remote_keys::RemoteKeys;

/// The keys behind one URI of one server.
pub(super) type KeyRequest = RemoteKeys<Waker>;
