//! Gets the keys that a request's token is verified with. A request may have to wait for some: then
//! nginx runs the handler again, several times if need be, and the state is kept with the request.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use super::AuthJwt;
use super::conf::{KeyRequestSource, KeySource, LocationConf};
use super::file_path::KeyFile;
use super::issuer_keys::IssuerWait;
use super::key_request::{
    BODY, KeyFetchTask, KeyRequest, count_fetch, keys_in_response, warn_of_key,
};
use crate::nginx::{
    Failure, Request, SubrequestBody, SubrequestLines, Target, Template, Text, Waker,
};
use crate::subrequest_uri::Uri;
use jose::KeySet;
use policy::auth_jwt::fetch_state::Need;
use policy::auth_jwt::key_cache::{KeyCache, KeyError};
use policy::auth_jwt::key_file::unsafe_name_reason;
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::remote_keys::{KeyFollower, KeyLookup, MaybeKeys};
use text::Quoted;

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self::Nginx(failure.to_string())
    }
}

/// Per-request state while keys are fetched: one entry for each configured source, in the order of
/// the configuration.
#[derive(Default)]
pub struct KeyFetchState {
    sources: RefCell<Vec<SourceState>>,
    has_refreshed: Cell<bool>,
    /// Whether the request ends if its client leaves.
    is_client_watched: Cell<bool>,
    /// The same for the keys of the token's issuer.
    pub(super) issuer: IssuerWait,
}

/// How far a request has come with one source.
enum SourceState {
    NotAsked(SourceName),
    /// The request's own subrequest is under way. It is the last one that the request has started.
    Subrequest(EvaluatedUri),
    /// A fetch is under way that belongs to no request.
    Waiting(Rc<KeyRequest>, KeyFollower<Waker>),
    Ready(KeySet),
}

/// What a source is called for one request. Names with variables are evaluated before the first
/// subrequest starts: it runs the `set` directives of the server again.
enum SourceName {
    /// A file or a URI without variables; the keys that the request needs of it.
    Fixed(Need),
    File(PathBuf),
    Uri(EvaluatedUri),
}

/// The URI of a request's own subrequest.
struct EvaluatedUri {
    path: Box<[u8]>,
    args: Box<[u8]>,
    /// The URI as log lines quote it.
    quoted: Quoted,
}

impl SourceState {
    fn is_subrequest(&self) -> bool {
        matches!(self, Self::Subrequest(_))
    }

    /// Whether the request has to wait for what was started.
    fn is_waiting(&self) -> bool {
        matches!(self, Self::Subrequest(_) | Self::Waiting(..))
    }

    fn keys(&self) -> Option<&KeySet> {
        match self {
            Self::Ready(keys) => Some(keys),
            Self::NotAsked(_) | Self::Subrequest(_) | Self::Waiting(..) => None,
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

/// The keys of all sources, or `None` while the request has to wait: nginx then runs the handler
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
        KeySource::Request(source) => source.shared_uri().is_some(),
    };
    if let Some(set) = set.as_ref().filter(|set| set.mark_used()) {
        let (kind, check) = conf.key_purpose();
        for warning in set.warnings_for(kind, check) {
            let sources = conf.describe_key_sources();
            request
                .log()
                .warn(format_args!("auth_jwt: {sources}: {warning}"));
        }
    }
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
        KeySource::Request(source) => {
            let key_request = conf
                .only_key_request
                .get_or_init(|| source.shared_uri().map(|uri| key_request(request, &uri)));
            key_request
                .as_ref()
                .filter(|_| !cache.time.is_zero())?
                .cached(now, cache)
        }
    }
}

/// The keys in the file of an issuer.
pub(super) fn load_issuer_file(request: Request<'_>, file: &KeyFile) -> Result<KeySet, Rejection> {
    let cache = &KeyCache::NONE;
    let fetcher = KeyFetcher { request, cache };
    fetcher.load_file(file, cache, Need::Keys)
}

/// Whether [`refresh`] would have a source asked again.
pub(super) fn may_refresh(request: Request<'_>, conf: &LocationConf) -> bool {
    let cache = conf.key_cache();
    let fetcher = KeyFetcher { request, cache };
    let has_refreshed = |state: &KeyFetchState| state.has_refreshed.get();
    cache.refresh_interval().is_some()
        && !request.context::<AuthJwt>().is_some_and(has_refreshed)
        && conf
            .key_sources
            .iter()
            .any(|source| fetcher.may_refresh(source))
}

/// Has sources asked again whose cached keys do not have the token's key; see
/// [`KeyFetchState::refresh`].
pub(super) fn refresh(request: Request<'_>, conf: &LocationConf) -> Result<bool, Rejection> {
    let cache = conf.key_cache();
    if cache.refresh_interval().is_none() {
        return Ok(false);
    }
    let fetcher = KeyFetcher { request, cache };
    let state = request.context_or_new::<AuthJwt>(KeyFetchState::default)?;
    state.refresh(&fetcher, &conf.key_sources)
}

/// Drops what the request waits for. A fetch for the cache goes on.
pub(super) fn give_up(request: Request<'_>) {
    if let Some(state) = request.context::<AuthJwt>() {
        state.sources.take();
        state.issuer.wait.take();
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
        if states.is_empty() {
            states = fetcher.name_all(sources)?;
        }
        if self.is_client_watched.take() {
            fetcher.request.stop_watching_client();
        }
        let keys = fetcher.advance_all(&mut states, sources);
        // A subrequest of this request watches the client itself.
        let has_subrequest = states.iter().any(SourceState::is_subrequest);
        if matches!(keys, Ok(None)) && !has_subrequest {
            fetcher.request.watch_client();
            self.is_client_watched.set(true);
        }
        self.sources.replace(states);
        keys
    }

    /// Once for a request, marks the sources that may be refreshed, and says whether there are any:
    /// then [`keys`] may give other keys.
    fn refresh(&self, fetcher: &KeyFetcher<'_>, sources: &[KeySource]) -> Result<bool, Rejection> {
        if self.has_refreshed.replace(true) {
            return Ok(false);
        }
        let mut states = self.sources.take();
        if states.is_empty() {
            states = fetcher.name_all(sources)?;
        }
        let mut any = false;
        for (state, source) in states.iter_mut().zip(sources) {
            if fetcher.may_refresh(source) {
                *state = SourceState::NotAsked(SourceName::Fixed(Need::NewerKeys));
                any = true;
            }
        }
        self.sources.replace(states);
        Ok(any)
    }
}

/// Gets the keys of a request in one run of its handler.
struct KeyFetcher<'r> {
    request: Request<'r>,
    cache: &'r KeyCache,
}

impl<'r> KeyFetcher<'r> {
    /// The keys of a single source, if the request has them without waiting. Such a request needs
    /// no state.
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
            KeySource::File(file) => self.load_file(file, self.cache, Need::Keys).map(Some),
            KeySource::FileNamed(name) => self.load_named_file(self.file_name(name)?).map(Some),
            KeySource::Request(_) => Ok(None),
        }
    }

    fn may_refresh(&self, source: &KeySource) -> bool {
        let now = self.request.uptime();
        match source {
            KeySource::File(file) => file.may_refresh(now, self.cache),
            KeySource::FileNamed(_) => false,
            KeySource::Request(source) => self
                .cached_uri(source)
                .is_some_and(|uri| key_request(self.request, &uri).may_refresh(now, self.cache)),
        }
    }

    /// The URI of a source whose keys are cached.
    fn cached_uri<'s>(&self, source: &'s KeyRequestSource) -> Option<Text<'s>> {
        source.shared_uri().filter(|_| !self.cache.time.is_zero())
    }

    /// The state of each source before it is asked.
    fn name_all(&self, sources: &[KeySource]) -> Result<Vec<SourceState>, Rejection> {
        let name = |source: &KeySource| {
            Ok(SourceState::NotAsked(match source {
                KeySource::File(_) => SourceName::Fixed(Need::Keys),
                KeySource::FileNamed(name) => SourceName::File(self.file_name(name)?),
                KeySource::Request(source) => match self.cached_uri(source) {
                    Some(_) => SourceName::Fixed(Need::Keys),
                    None => SourceName::Uri(self.evaluated(&source.uri)?),
                },
            }))
        };
        sources.iter().map(name).collect()
    }

    fn file_name(&self, name: &Template) -> Result<PathBuf, Rejection> {
        let name = name.evaluate(self.request)?;
        match unsafe_name_reason(&name) {
            Some(reason) => Err(Rejection::KeyFileName(reason)),
            None => Ok(self.request.conf_path(&name)),
        }
    }

    fn evaluated(&self, uri: &Uri) -> Result<EvaluatedUri, Rejection> {
        // Once: an evaluation may log a warning.
        let text = uri.evaluate(self.request)?;
        let Target { path, args } = self.target(uri, text)?;
        Ok(EvaluatedUri {
            path: path[..].into(),
            args: args[..].into(),
            quoted: Quoted::new(text),
        })
    }

    fn target(&self, uri: &Uri, text: Text<'r>) -> Result<Target<'r>, Rejection> {
        uri.split_target(self.request, text)?.map_err(|reason| {
            let uri = Quoted::new(uri.text());
            Rejection::KeyRequestUri { uri, reason }
        })
    }

    /// Asks all sources. Those that are fetched for the cache are asked at the same time. Those for
    /// which the request makes a subrequest of its own come last and one after the other, so that
    /// no other source fails while such a subrequest is under way: nginx would hold the refusal
    /// back until the subrequest ends.
    fn advance_all(
        &self,
        states: &mut [SourceState],
        sources: &[KeySource],
    ) -> Result<Option<KeySet>, Rejection> {
        for (state, source) in states.iter_mut().zip(sources) {
            let next = match state {
                SourceState::Ready(_) | SourceState::NotAsked(SourceName::Uri(_)) => continue,
                SourceState::NotAsked(name) => Some(self.ask(name, source)?),
                SourceState::Subrequest(uri) => self.finish_subrequest(uri, source)?,
                SourceState::Waiting(keys, follower) => self.finish_wait(keys, follower, source)?,
            };
            if let Some(next) = next {
                *state = next;
            }
        }
        if states.iter().any(SourceState::is_waiting) {
            return Ok(None);
        }
        for (state, source) in states.iter_mut().zip(sources) {
            if let SourceState::NotAsked(name) = state {
                *state = self.ask(name, source)?;
                return Ok(None);
            }
        }
        Ok(Some(match states {
            [SourceState::Ready(keys)] => keys.clone(),
            _ => KeySet::merge(states.iter().filter_map(SourceState::keys)),
        }))
    }

    fn ask(&self, name: &mut SourceName, source: &KeySource) -> Result<SourceState, Rejection> {
        Ok(match (name, source) {
            (SourceName::Fixed(need), KeySource::File(file)) => {
                SourceState::Ready(self.load_file(file, self.cache, *need)?)
            }
            (SourceName::File(path), KeySource::FileNamed(_)) => {
                SourceState::Ready(self.load_named_file(std::mem::take(path))?)
            }
            (SourceName::Fixed(need), KeySource::Request(source)) => self.look_up(source, *need)?,
            (SourceName::Uri(uri), KeySource::Request(source)) => {
                self.start_subrequest(uri, source)?
            }
            _ => return Err(Failure::Inconsistent.into()),
        })
    }

    fn load_named_file(&self, path: PathBuf) -> Result<KeySet, Rejection> {
        let main = self.request.main_conf::<AuthJwt>();
        let file = main.requested_key_file(path);
        let keys = self.load_file(&file, &KeyCache::NONE, Need::Keys);
        main.remember_requested_key_file(&file);
        keys
    }

    fn load_file(&self, file: &KeyFile, cache: &KeyCache, need: Need) -> Result<KeySet, Rejection> {
        let log = self.request.log();
        let path = file.access();
        let report = |warning: &_| {
            log.warn(format_args!("auth_jwt: key file {path}: {warning}"));
        };
        let iteration = self.request.event_loop_iteration();
        let now = self.request.uptime();
        let loaded = file.load(now, cache, need, iteration, report);
        // Another worker may have read a newer file than the one that cached keys are of.
        if loaded.is_first_hand {
            let is_good = loaded.stale_because.is_none();
            let good_keys = loaded.keys.as_ref().ok().filter(|_| is_good);
            let main = self.request.main_conf::<AuthJwt>();
            main.count_key_file(file, good_keys, self.request.now());
        }
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

    /// Takes cached keys, or waits for a fetch. Starts a fetch if one is due.
    fn look_up(&self, source: &KeyRequestSource, need: Need) -> Result<SourceState, Rejection> {
        let uri = source.uri.evaluate(self.request)?;
        let target = self.target(&source.uri, uri)?;
        let keys = key_request(self.request, &uri);
        let (now, jitter) = (self.request.uptime(), self.request.random());
        let waker = || self.request.waker();
        let lookup = keys.look_up(now, self.cache, need, jitter, waker)?;
        let KeyLookup { keys: found, fetch } = lookup;
        if let Some(fetch) = fetch {
            let uri = Quoted::new(uri);
            let task = KeyFetchTask::new(fetch, &keys, uri, self.cache, &source.counters);
            task.start(self.request, &target);
        }
        match found {
            MaybeKeys::Ready(keys) => Ok(SourceState::Ready(keys)),
            MaybeKeys::Wait(follower) => Ok(SourceState::Waiting(keys, follower)),
            MaybeKeys::Failed(error) => Err(self.request_failed(Quoted::new(uri), error)),
        }
    }

    fn finish_wait(
        &self,
        keys: &KeyRequest,
        follower: &KeyFollower<Waker>,
        source: &KeySource,
    ) -> Result<Option<SourceState>, Rejection> {
        match keys.after_wait(follower, self.request.uptime(), self.cache) {
            None => Ok(None),
            Some(Ok(keys)) => Ok(Some(SourceState::Ready(keys))),
            Some(Err(error)) => {
                let KeySource::Request(source) = source else {
                    return Err(Failure::Inconsistent.into());
                };
                let uri = source.uri.evaluate(self.request)?;
                Err(self.request_failed(Quoted::new(uri), error))
            }
        }
    }

    /// Starts a subrequest of this request, whose response is for nobody else.
    fn start_subrequest(
        &self,
        uri: &mut EvaluatedUri,
        source: &KeyRequestSource,
    ) -> Result<SourceState, Rejection> {
        let target = Target {
            path: self.request.copy(&uri.path)?,
            args: self.request.copy(&uri.args)?,
        };
        let lines = SubrequestLines::Named(&source.pass_headers);
        self.request
            .start_subrequest::<AuthJwt>(&target, SubrequestBody::None, lines, BODY)?;
        let uri = EvaluatedUri {
            path: std::mem::take(&mut uri.path),
            args: std::mem::take(&mut uri.args),
            quoted: uri.quoted.clone(),
        };
        Ok(SourceState::Subrequest(uri))
    }

    fn finish_subrequest(
        &self,
        uri: &EvaluatedUri,
        source: &KeySource,
    ) -> Result<Option<SourceState>, Rejection> {
        let subrequest = self
            .request
            .subrequest::<AuthJwt>()
            .ok_or(Failure::Inconsistent)?;
        if subrequest.response().is_none() {
            return Ok(None);
        }
        self.request.forget_body_variables::<AuthJwt>();
        let log = self.request.log();
        let report = |warning: &_| warn_of_key(log, &uri.quoted, warning);
        let shared_uri = match source {
            KeySource::Request(source) => source.shared_uri(),
            KeySource::File(_) | KeySource::FileNamed(_) => None,
        };
        let keys = keys_in_response(subrequest, |body| match shared_uri {
            Some(uri) => key_request(self.request, &uri).parse(body, report),
            None => {
                let main = self.request.main_conf::<AuthJwt>();
                main.parse_response(body, report)
            }
        });
        if let KeySource::Request(source) = source {
            count_fetch(&source.counters, subrequest, &keys, self.request.now());
        }
        match keys {
            Ok(keys) => Ok(Some(SourceState::Ready(keys))),
            Err(error) => Err(self.request_failed(uri.quoted.clone(), error)),
        }
    }

    fn request_failed(&self, uri: Quoted, error: KeyError) -> Rejection {
        Rejection::KeyRequest { uri, error }
    }
}

/// The keys behind a constant URI, as the server of the request sees it.
fn key_request(request: Request<'_>, uri: &[u8]) -> Rc<KeyRequest> {
    request
        .main_conf::<AuthJwt>()
        .key_request(uri, request.server())
}
