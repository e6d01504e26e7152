//! Keys that a subrequest fetches: what a response means, and the fetch that belongs to no client.

use std::rc::Rc;
use std::time::Duration;

use super::AuthJwt;
use crate::nginx::{
    BackgroundTask, BodyError, Log, Request, ResponseBody, Subrequest, SubrequestOwner,
    SubrequestResponse, Target, Waker,
};
use crate::status::SourceCounters;
use jose::{KeySet, Warning};
use policy::auth_jwt::key_cache::{KeyCache, KeyError};
use policy::auth_jwt::remote_keys::{KeyFetch, RemoteKeys};
use text::Quoted;

/// The keys behind one URI of one server.
pub(super) type KeyRequest = RemoteKeys<Waker>;

/// What becomes of the body of a response.
pub(super) const BODY: ResponseBody = ResponseBody::Require(KeySet::MAX_BYTES);

/// The first bytes of what gzip writes. A key set never begins with them.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

impl SubrequestOwner for AuthJwt {
    fn subrequest_done(response: SubrequestResponse<'_>) {
        let status = response.status().0;
        response
            .log()
            .debug(format_args!("auth_jwt: key request done s:{status}"));
    }
}

/// A fetch of keys for the cache.
pub(super) struct KeyFetchTask {
    fetch: KeyFetch<Waker>,
    source: Rc<KeyRequest>,
    uri: Quoted,
    /// The cache of the location whose request has begun the fetch.
    cache: KeyCache,
    counters: SourceCounters,
}

impl KeyFetchTask {
    pub(super) fn new(
        fetch: KeyFetch<Waker>,
        source: &Rc<KeyRequest>,
        uri: Quoted,
        cache: &KeyCache,
        counters: &SourceCounters,
    ) -> Self {
        Self {
            fetch,
            source: Rc::clone(source),
            uri,
            cache: *cache,
            counters: counters.clone(),
        }
    }

    /// Starts the fetch, which belongs to no client. If nginx cannot start it, the fetch has failed.
    pub(super) fn start(self, request: Request<'_>, target: &Target<'_>) {
        let (uri, counters) = (self.uri.clone(), self.counters.clone());
        let task = Box::new(self);
        let started = request.start_background_subrequest::<AuthJwt>(target, BODY, task);
        if let Err(failure) = started {
            counters.count_failure();
            request
                .log()
                .warn(format_args!("auth_jwt: key request {uri}: {failure}"));
        }
    }
}

impl BackgroundTask for KeyFetchTask {
    fn is_awaited(&self) -> bool {
        self.fetch.is_awaited()
    }

    fn take_response(self: Box<Self>, request: Request<'_>, subrequest: &Subrequest) {
        let (log, now) = (request.log(), request.uptime());
        let Self {
            fetch,
            source,
            uri,
            cache,
            counters,
        } = *self;
        let report = |warning: &_| warn_of_key(log, &uri, warning);
        let keys = keys_in_response(subrequest, |body| source.parse(body, report));
        count_fetch(&counters, subrequest, &keys, request.now());
        if let Err(error) = &keys {
            let consequence = match source.usable(now, &cache) {
                Some(_) => "; using the last good keys",
                // Each request that waits logs the error.
                None if fetch.is_awaited() => "",
                None => "; there are no keys to use",
            };
            if !consequence.is_empty() {
                log.warn(format_args!(
                    "auth_jwt: key request {uri}: {error}{consequence}"
                ));
            }
        }
        fetch.finish(now, keys);
    }
}

/// Counts a key request that has ended with these keys.
pub(super) fn count_fetch(
    counters: &SourceCounters,
    subrequest: &Subrequest,
    keys: &Result<KeySet, KeyError>,
    now: i64,
) {
    let keys = keys.as_ref().ok().map(KeySet::usable_keys);
    let ms = subrequest.response().map(SubrequestResponse::elapsed_ms);
    let duration = Duration::from_millis(ms.unwrap_or(0));
    counters.count_fetch(keys, duration, now);
}

/// Logs what is wrong with a key of a response.
pub(super) fn warn_of_key(log: Log<'_>, uri: &Quoted, warning: &Warning) {
    log.warn(format_args!("auth_jwt: key request {uri}: {warning}"));
}

/// The keys in the response to a subrequest that has ended. Only a whole, uncompressed response
/// with status 200 has any.
pub(super) fn keys_in_response(
    subrequest: &Subrequest,
    parse: impl FnOnce(&[u8]) -> Result<KeySet, KeyError>,
) -> Result<KeySet, KeyError> {
    let response = subrequest.response().ok_or(KeyError::Incomplete)?;
    if response.status().0 != 200 {
        return Err(KeyError::Status(response.status().0));
    }
    let body = subrequest.body().map_err(|error| match error {
        BodyError::TooLarge => KeyError::TooLarge,
        BodyError::Truncated => KeyError::Truncated,
        BodyError::Unreadable | BodyError::Dropped => KeyError::NotRead,
    })?;
    // The header does not tell: nginx's own gzip filter adds a Content-Encoding header line.
    if body.starts_with(GZIP_MAGIC) {
        return Err(KeyError::Compressed);
    }
    parse(&body)
}
