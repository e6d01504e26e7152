//! Gets the keys that a request's token is verified with. Some come from subrequests: then nginx
//! runs the handler again, several times if need be, and the state is kept with the request.

use std::cell::{Cell, RefCell};
use std::mem;
use std::rc::Rc;

use super::AuthJwt;
use super::conf::{KeySource, LocationConf};
use super::key_file::{KeyFile, KeyFilePath};
use super::key_request::KeyRequest;
use crate::nginx::{
    BodyError, Failure, Request, ResponseBody, Subrequest, SubrequestBody, SubrequestOwner,
    SubrequestResponse, Template, Waker,
};
use crate::subrequest_uri::{UnsafeUri, Uri};
use jose::KeySet;
use policy::auth_jwt::key_cache::{KeyCache, KeyError};
use policy::auth_jwt::key_file::unsafe_name_reason;
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::remote_keys::{FetchDecision, KeyFetch, KeyFollower};
use policy::single_flight::FlightState;
use text::Quoted;

/// The first bytes of what gzip writes. A key set never begins with them.
const GZIP_MAGIC: &[u8] = &[0x1f, 0x8b];

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self::Nginx(failure.to_string())
    }
}

impl SubrequestOwner for AuthJwt {
    fn subrequest_done(response: SubrequestResponse<'_>) {
        let status = response.status().0;
        response
            .log()
            .debug(format_args!("auth_jwt: key request done s:{status}"));
    }
}

/// Per-request state while keys are fetched: one entry for each configured source, in the order of
/// the configuration.
#[derive(Default)]
pub struct KeyFetchState {
    sources: RefCell<Vec<SourceState>>,
    has_refreshed: Cell<bool>,
}

/// How far a request has come with one source.
#[derive(Default)]
enum SourceState {
    #[default]
    NotAsked,
    /// Not asked, and its cached keys do not have the token's key.
    Refetch,
    /// The request's own subrequest is under way. It is the last one that the request has started,
    /// since sources are asked one after the other. Without a [`KeyFetch`] the keys are not cached.
    Subrequest(Option<KeyFetch<Waker>>),
    /// Another request fetches.
    Waiting(KeyFollower<Waker>),
    Ready(KeySet),
}

impl SourceState {
    fn keys(&self) -> Option<&KeySet> {
        match self {
            Self::Ready(keys) => Some(keys),
            Self::NotAsked | Self::Refetch | Self::Subrequest(_) | Self::Waiting(_) => None,
        }
    }
}

/// The keys that a token is verified with.
pub(super) struct VerificationKeys {
    pub(super) set: KeySet,
    /// Whether later requests can get this same set (same generations), so that it makes sense to
    /// cache a token with it.
    pub(super) are_shared: bool,
}

/// The keys of all sources, or `None` while a subrequest is pending: nginx then runs the handler
/// again. If one source fails, all do: the key that matters might be there.
pub(super) fn keys(
    request: Request<'_>,
    conf: &LocationConf,
) -> Result<Option<VerificationKeys>, Rejection> {
    let fetcher = KeyFetcher {
        request,
        cache: conf.key_cache(),
    };
    let set = match fetcher.keys_without_state(conf)? {
        None => request
            .context_or_new::<AuthJwt>(KeyFetchState::default)?
            .keys(&fetcher, &conf.key_sources)?,
        set => set,
    };
    let is_shared = |source: &KeySource| match source {
        KeySource::File(_) | KeySource::FileNamed(_) => true,
        KeySource::Request(uri) => uri.constant().is_some(),
    };
    Ok(set.map(|set| VerificationKeys {
        set,
        are_shared: conf.key_sources.iter().all(is_shared),
    }))
}

/// The cached keys of a single source, if it does not have to be asked and nothing is to be logged.
pub(super) fn cached_keys(request: Request<'_>, conf: &LocationConf) -> Option<KeySet> {
    let [source] = &*conf.key_sources else {
        return None;
    };
    if request.context::<AuthJwt>().is_some() {
        return None;
    }
    let cache = conf.key_cache();
    let now = request.uptime();
    match source {
        KeySource::File(file) => file.cached(now, cache, || request.event_loop_iteration()),
        KeySource::FileNamed(_) => None,
        KeySource::Request(uri) => {
            let key_request = conf
                .only_key_request
                .get_or_init(|| uri.constant().map(|uri| key_request(request, &uri)));
            key_request
                .as_ref()
                .filter(|_| !cache.time.is_zero())?
                .cached(now, cache)
        }
    }
}

/// Has sources asked again whose cached keys do not have the token's key; see
/// [`KeyFetchState::refresh`].
pub(super) fn refresh(request: Request<'_>, conf: &LocationConf) -> Result<bool, Rejection> {
    let cache = conf.key_cache();
    if cache.refresh_interval().is_none() {
        return Ok(false);
    }
    let state = request.context_or_new::<AuthJwt>(KeyFetchState::default)?;
    Ok(state.refresh(request, cache, &conf.key_sources))
}

/// Ends what the request was fetching. Another request that waits for the keys fetches them.
pub(super) fn give_up(request: Request<'_>) {
    if let Some(state) = request.context::<AuthJwt>() {
        state.sources.take();
    }
}

impl KeyFetchState {
    fn keys(
        &self,
        fetcher: &KeyFetcher<'_>,
        sources: &[KeySource],
    ) -> Result<Option<KeySet>, Rejection> {
        // Taken rather than borrowed: meanwhile nginx evaluates variables and starts subrequests.
        let mut states = self.sources.take();
        states.resize_with(sources.len(), SourceState::default);
        let keys = fetcher.advance_all(&mut states, sources);
        self.sources.replace(states);
        keys
    }

    /// Once for a request, marks the sources that may be refreshed, and says whether there are any:
    /// then [`keys`] may give other keys.
    fn refresh(&self, request: Request<'_>, cache: &KeyCache, sources: &[KeySource]) -> bool {
        if self.has_refreshed.replace(true) {
            return false;
        }
        let now = request.uptime();
        let mut states = self.sources.borrow_mut();
        states.resize_with(sources.len(), SourceState::default);
        let mut any = false;
        for (state, source) in states.iter_mut().zip(sources) {
            let may_refresh = match source {
                KeySource::File(file) => file.may_refresh(now, cache),
                KeySource::FileNamed(_) => false,
                KeySource::Request(uri) => uri
                    .constant()
                    .is_some_and(|uri| key_request(request, &uri).may_refresh(now, cache)),
            };
            if may_refresh {
                *state = SourceState::Refetch;
                any = true;
            }
        }
        any
    }
}

/// Gets the keys of a request in one run of its handler.
struct KeyFetcher<'r> {
    request: Request<'r>,
    cache: &'r KeyCache,
}

impl KeyFetcher<'_> {
    /// The keys of a single source that needs no subrequest now. Such a request needs no state.
    fn keys_without_state(&self, conf: &LocationConf) -> Result<Option<KeySet>, Rejection> {
        let [source] = &*conf.key_sources else {
            return Ok(None);
        };
        if self.request.context::<AuthJwt>().is_some() {
            return Ok(None);
        }
        if let Some(keys) = cached_keys(self.request, conf) {
            return Ok(Some(keys));
        }
        match source {
            KeySource::File(file) => self.load_file(file, self.cache, false).map(Some),
            KeySource::FileNamed(name) => self.load_named_file(name).map(Some),
            KeySource::Request(_) => Ok(None),
        }
    }

    /// Advances one source after the other, up to one that has to wait.
    fn advance_all(
        &self,
        states: &mut [SourceState],
        sources: &[KeySource],
    ) -> Result<Option<KeySet>, Rejection> {
        for (state, source) in states.iter_mut().zip(sources) {
            *state = self.advance(mem::take(state), source)?;
            if state.keys().is_none() {
                return Ok(None);
            }
        }
        Ok(Some(match states {
            [SourceState::Ready(keys)] => keys.clone(),
            _ => KeySet::merge(states.iter().filter_map(SourceState::keys)),
        }))
    }

    fn advance(&self, state: SourceState, source: &KeySource) -> Result<SourceState, Rejection> {
        let force_refresh = matches!(state, SourceState::Refetch);
        match (state, source) {
            (SourceState::Ready(keys), _) => Ok(SourceState::Ready(keys)),
            (_, KeySource::File(file)) => self
                .load_file(file, self.cache, force_refresh)
                .map(SourceState::Ready),
            (_, KeySource::FileNamed(name)) => self.load_named_file(name).map(SourceState::Ready),
            (SourceState::NotAsked | SourceState::Refetch, KeySource::Request(uri)) => {
                self.ask(uri, force_refresh)
            }
            (SourceState::Waiting(follower), KeySource::Request(uri)) => match follower.state() {
                FlightState::Pending => Ok(SourceState::Waiting(follower)),
                FlightState::Finished(Ok(keys)) => Ok(SourceState::Ready(keys.clone())),
                FlightState::Finished(Err(error)) => Err(self.request_failed(uri, error.clone())),
                FlightState::Abandoned => self.ask(uri, false),
            },
            (SourceState::Subrequest(fetch), KeySource::Request(uri)) => {
                self.finish_subrequest(fetch, uri)
            }
        }
    }

    fn load_named_file(&self, name: &Template) -> Result<KeySet, Rejection> {
        let name = name.evaluate(self.request)?;
        if let Some(reason) = unsafe_name_reason(&name) {
            return Err(Rejection::KeyFileName(reason));
        }
        let path = self.request.conf_path(&name);
        let main = self.request.main_conf::<AuthJwt>();
        let file = main
            .key_file(&path)
            .unwrap_or_else(|| Rc::new(KeyFile::new(KeyFilePath(path))));
        let keys = self.load_file(&file, &KeyCache::NONE, false)?;
        main.add_requested_key_file(&file);
        Ok(keys)
    }

    fn load_file(
        &self,
        file: &KeyFile,
        cache: &KeyCache,
        force_refresh: bool,
    ) -> Result<KeySet, Rejection> {
        let log = self.request.log();
        let path = file.access();
        let report = |warning: &_| {
            log.warn(format_args!("auth_jwt: key file {path}: {warning}"));
        };
        let iteration = self.request.event_loop_iteration();
        let now = self.request.uptime();
        let loaded = file.load(now, cache, force_refresh, iteration, report);
        if let Some(error) = loaded.stale_because {
            log.warn(format_args!(
                "auth_jwt: key file {path}: {error}; using the last good keys"
            ));
        }
        loaded.keys.map_err(|error| Rejection::KeyFile {
            path: path.0.clone(),
            error,
        })
    }

    /// Takes cached keys, waits for another request, or starts a subrequest.
    fn ask(&self, uri: &Uri, force_refresh: bool) -> Result<SourceState, Rejection> {
        // The response for a URI with variables is not cached, nor is any without a time.
        let Some(constant) = uri.constant().filter(|_| !self.cache.time.is_zero()) else {
            return self.start_subrequest(uri, None);
        };
        let now = self.request.uptime();
        let waker = || self.request.waker();
        match key_request(self.request, &constant).decide(now, self.cache, force_refresh, waker)? {
            FetchDecision::Cached(keys) => Ok(SourceState::Ready(keys)),
            FetchDecision::Wait(follower) => Ok(SourceState::Waiting(follower)),
            FetchDecision::Fetch(fetch) => self.start_subrequest(uri, Some(fetch)),
        }
    }

    fn start_subrequest(
        &self,
        uri: &Uri,
        fetch: Option<KeyFetch<Waker>>,
    ) -> Result<SourceState, Rejection> {
        let target = match uri.target(self.request)? {
            Ok(target) => target,
            Err(UnsafeUri { uri, reason }) => {
                let uri = Quoted::new(uri);
                return Err(Rejection::KeyRequestUri { uri, reason });
            }
        };
        let body = ResponseBody::Require(KeySet::MAX_BYTES);
        self.request
            .start_subrequest::<AuthJwt>(&target, SubrequestBody::None, body)?;
        Ok(SourceState::Subrequest(fetch))
    }

    fn finish_subrequest(
        &self,
        fetch: Option<KeyFetch<Waker>>,
        uri: &Uri,
    ) -> Result<SourceState, Rejection> {
        let subrequest = self
            .request
            .subrequest::<AuthJwt>()
            .ok_or(Failure::Inconsistent)?;
        let Some(response) = subrequest.response() else {
            return Ok(SourceState::Subrequest(fetch));
        };
        self.request.forget_body_variables::<AuthJwt>();
        let mut keys = self.parse(response, subrequest, uri);
        let log = self.request.log();
        for warning in keys.iter().flat_map(KeySet::warnings) {
            let uri = self.quoted(uri)?;
            log.warn(format_args!("auth_jwt: key request {uri}: {warning}"));
        }
        if let Some(fetch) = fetch {
            let loaded = fetch.finish(self.request.uptime(), self.cache, keys);
            if let Some(error) = loaded.stale_because {
                let uri = self.quoted(uri)?;
                log.warn(format_args!(
                    "auth_jwt: key request {uri}: {error}; using the last good keys"
                ));
            }
            keys = loaded.keys;
        }
        keys.map(SourceState::Ready)
            .map_err(|error| self.request_failed(uri, error))
    }

    fn request_failed(&self, uri: &Uri, error: KeyError) -> Rejection {
        match self.quoted(uri) {
            Ok(uri) => Rejection::KeyRequest { uri, error },
            Err(failure) => failure.into(),
        }
    }

    /// The URI as log lines quote it.
    fn quoted(&self, uri: &Uri) -> Result<Quoted, Failure> {
        uri.evaluate(self.request).map(Quoted::new)
    }

    fn parse(
        &self,
        response: SubrequestResponse<'_>,
        subrequest: &Subrequest,
        uri: &Uri,
    ) -> Result<KeySet, KeyError> {
        if response.status().0 != 200 {
            return Err(KeyError::Status(response.status().0));
        }
        let body = subrequest.body().map_err(|error| match error {
            BodyError::TooLarge => KeyError::TooLarge,
            BodyError::Truncated => KeyError::Truncated,
            BodyError::Unreadable | BodyError::Dropped => {
                KeyError::Unreadable("nginx has not read the body of the response".into())
            }
        })?;
        // The header does not tell: nginx's own gzip filter adds a Content-Encoding header line.
        if body.starts_with(GZIP_MAGIC) {
            return Err(KeyError::Compressed);
        }
        match uri.constant() {
            Some(uri) => key_request(self.request, &uri).parse(&body),
            None => Ok(KeySet::parse(&body)?),
        }
    }
}

/// The keys behind a constant URI, as the server of the request sees it.
fn key_request(request: Request<'_>, uri: &[u8]) -> Rc<KeyRequest> {
    request
        .main_conf::<AuthJwt>()
        .key_request(uri, request.server())
}
