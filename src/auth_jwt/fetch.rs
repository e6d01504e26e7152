//! Gathers the keys that a request is judged with. Some come from subrequests, so it may take several turns.

use crate::subrequest_uri::{UnsafeUri, Uri};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use text::Quoted;

use super::AuthJwt;
use super::conf::{KeySource, LocationConf};
use super::key_file::KeyFile;
use crate::nginx::{
    BodyError, Failure, Request, ResponseBody, Subrequest, SubrequestBody, SubrequestOwner,
    SubrequestResponse, Template, Waker,
};
use jose::KeySet;
use policy::auth_jwt::key_cache::{KeyCache, KeyError};
use policy::auth_jwt::key_file::unfit_name;
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::remote_keys::{Fetch, Look, Number, Outcome, RemoteKeys};

/// The keys behind one URI of one server.
pub(super) type Remote = RemoteKeys<Waker>;

impl From<Failure> for Rejection {
    fn from(failure: Failure) -> Self {
        Self::Nginx(failure.to_string())
    }
}

impl SubrequestOwner for AuthJwt {
    fn subrequest_done(answer: SubrequestResponse<'_>) {
        let status = answer.status().0;
        answer
            .log()
            .debug(format_args!("auth_jwt: key request done s:{status}"));
    }
}

/// How far a request in one location has come with its keys. A slot for each source, in their order.
#[derive(Default)]
pub struct Gathering {
    slots: RefCell<Vec<Slot>>,
    refreshed: Cell<bool>,
}

#[derive(Default)]
enum Slot {
    #[default]
    Empty,
    /// To be asked anew, whatever is kept of it.
    Anew,
    /// By the request's last subrequest: the sources take their turns.
    Asked(Option<Fetch<Waker>>),
    Waiting(Rc<Remote>, Number),
    Filled(KeySet),
}

/// The keys that a request is judged with.
pub(super) struct Keys {
    pub(super) set: KeySet,
    /// Whether another request may come by the same set, and not only by an equal one.
    pub(super) are_shared: bool,
}

/// All keys in force, or none yet: then nginx will ask again. One source that fails takes them all away: the key that
/// would decide may be there.
pub(super) fn keys(request: Request<'_>, conf: &LocationConf) -> Result<Option<Keys>, Rejection> {
    let cache = conf.key_cache();
    let turn = Turn { request, cache };
    let set = match (&*conf.key_sources, request.context::<AuthJwt>()) {
        // Who need not wait has nothing to keep with the request.
        ([source], None) => match at_hand(request, conf) {
            None => turn.file_alone(source)?,
            set => set,
        },
        _ => None,
    };
    let set = match set {
        None => request
            .context_or_new::<AuthJwt>(Gathering::default)?
            .keys(&turn, &conf.key_sources)?,
        set => set,
    };
    let is_shared = |source: &KeySource| match source {
        KeySource::File(_) | KeySource::FileNamed(_) => true,
        KeySource::Request(uri) => uri.constant().is_some(),
    };
    Ok(set.map(|set| Keys {
        set,
        are_shared: conf.key_sources.iter().all(is_shared),
    }))
}

/// The keys in force where that is simple: there is one source, it needs nobody to wait, and there is nothing new
/// about it.
pub(super) fn at_hand(request: Request<'_>, conf: &LocationConf) -> Option<KeySet> {
    let [source] = &*conf.key_sources else {
        return None;
    };
    if request.context::<AuthJwt>().is_some() {
        return None;
    }
    let cache = conf.key_cache();
    let now = request.uptime();
    match source {
        KeySource::File(file) => file.at_hand(now, cache, || request.event_loop_iteration()),
        KeySource::FileNamed(_) => None,
        KeySource::Request(uri) => {
            let kept = conf
                .remote
                .get_or_init(|| uri.constant().map(|uri| remote(request, &uri)));
            kept.as_ref()
                .filter(|_| !cache.time.is_zero())?
                .at_hand(now, cache)
        }
    }
}

/// Whether it is worth to gather keys once more; see [`Gathering::refresh`].
pub(super) fn refresh(request: Request<'_>, conf: &LocationConf) -> Result<bool, Rejection> {
    let cache = conf.key_cache();
    if cache.time.is_zero() || cache.refresh.is_none() {
        return Ok(false);
    }
    let gathering = request.context_or_new::<AuthJwt>(Gathering::default)?;
    Ok(gathering.refresh(&Turn { request, cache }, &conf.key_sources))
}

impl Gathering {
    fn keys(&self, turn: &Turn<'_>, sources: &[KeySource]) -> Result<Option<KeySet>, Rejection> {
        let mut slots = self.slots.borrow_mut();
        slots.resize_with(sources.len(), Slot::default);
        for (slot, source) in slots.iter_mut().zip(sources) {
            *slot = turn.advance(std::mem::take(slot), source)?;
            if !matches!(slot, Slot::Filled(_)) {
                return Ok(None);
            }
        }
        let sets = slots.iter().filter_map(|slot| match slot {
            Slot::Filled(keys) => Some(keys),
            _ => None,
        });
        Ok(Some(match slots.as_slice() {
            [Slot::Filled(keys)] => keys.clone(),
            _ => KeySet::merge(sets),
        }))
    }

    /// Whether it is worth to gather keys once more, for a token whose key is not among them: some were kept from
    /// earlier, and it is long enough since somebody asked.
    fn refresh(&self, turn: &Turn<'_>, sources: &[KeySource]) -> bool {
        if self.refreshed.replace(true) {
            return false;
        }
        let Turn { request, cache } = turn;
        let now = request.uptime();
        let mut slots = self.slots.borrow_mut();
        slots.resize_with(sources.len(), Slot::default);
        let mut any = false;
        for (slot, source) in slots.iter_mut().zip(sources) {
            let may = match source {
                KeySource::File(file) => file.may_refresh(now, cache),
                KeySource::FileNamed(_) => false,
                KeySource::Request(uri) => uri
                    .constant()
                    .is_some_and(|uri| remote(*request, &uri).may_refresh(now, cache)),
            };
            if may {
                *slot = Slot::Anew;
                any = true;
            }
        }
        any
    }
}

/// One turn of a request at its sources.
struct Turn<'r> {
    request: Request<'r>,
    cache: &'r KeyCache,
}

impl Turn<'_> {
    /// The keys of a source that is a file.
    fn file_alone(&self, source: &KeySource) -> Result<Option<KeySet>, Rejection> {
        match source {
            KeySource::File(file) => self.file(file, self.cache, false).map(Some),
            KeySource::FileNamed(name) => self.named_file(name).map(Some),
            KeySource::Request(_) => Ok(None),
        }
    }

    fn advance(&self, slot: Slot, source: &KeySource) -> Result<Slot, Rejection> {
        match (slot, source) {
            (Slot::Filled(keys), _) => Ok(Slot::Filled(keys)),
            (slot, KeySource::File(file)) => {
                let anew = matches!(slot, Slot::Anew);
                self.file(file, self.cache, anew).map(Slot::Filled)
            }
            (_, KeySource::FileNamed(name)) => self.named_file(name).map(Slot::Filled),
            (Slot::Empty, KeySource::Request(uri)) => self.look(uri, false),
            (Slot::Anew, KeySource::Request(uri)) => self.look(uri, true),
            (Slot::Waiting(remote, number), KeySource::Request(uri)) => {
                match remote.outcome(number) {
                    Outcome::Pending => Ok(Slot::Waiting(remote, number)),
                    Outcome::Ended(Ok(keys)) => Ok(Slot::Filled(keys)),
                    Outcome::Ended(Err(error)) => Err(self.failed(uri, error)?),
                    Outcome::GivenUp => self.look(uri, false),
                }
            }
            (Slot::Asked(fetch), KeySource::Request(uri)) => self.answered(fetch, uri),
        }
    }

    fn named_file(&self, name: &Template) -> Result<KeySet, Rejection> {
        let name = name.evaluate(self.request)?;
        if let Some(reason) = unfit_name(&name) {
            return Err(Rejection::KeyFileName(reason));
        }
        let path = self.request.conf_path(&name);
        let conf = self.request.main_conf::<AuthJwt>();
        let file = conf.key_file_of_request(path);
        let keys = self.file(&file, &KeyCache::NONE, false)?;
        conf.keep(&file);
        Ok(keys)
    }

    fn file(&self, file: &KeyFile, cache: &KeyCache, anew: bool) -> Result<KeySet, Rejection> {
        let log = self.request.log();
        let path = &file.access().0;
        let report = |warning: &_| {
            log.warn(format_args!("auth_jwt: key file {path:?}: {warning}"));
        };
        let turn = self.request.event_loop_iteration();
        let found = file.look(self.request.uptime(), cache, anew, turn, report);
        if let Some(error) = found.stood_in_for {
            log.warn(format_args!(
                "auth_jwt: key file {path:?}: {error}; what was in it before stands in"
            ));
        }
        found.keys.map_err(|error| Rejection::KeyFile {
            path: path.to_owned(),
            error,
        })
    }

    /// The source with this URI, if what it answers is kept: with variables, and without a time, it is not.
    fn kept_remote(&self, uri: &Uri) -> Option<Rc<Remote>> {
        let constant = uri.constant().filter(|_| !self.cache.time.is_zero());
        constant.map(|uri| remote(self.request, &uri))
    }

    fn look(&self, uri: &Uri, anew: bool) -> Result<Slot, Rejection> {
        let Some(remote) = self.kept_remote(uri) else {
            return self.ask(uri, None);
        };
        let now = self.request.uptime();
        let waker = || self.request.waker();
        let look = match anew {
            true => remote.look_anew(now, waker)?,
            false => remote.look(now, self.cache, waker)?,
        };
        match look {
            Look::Keys(keys) => Ok(Slot::Filled(keys)),
            Look::Wait(number) => Ok(Slot::Waiting(remote, number)),
            Look::Fetch(fetch) => self.ask(uri, Some(fetch)),
        }
    }

    fn ask(&self, uri: &Uri, fetch: Option<Fetch<Waker>>) -> Result<Slot, Rejection> {
        let target = match uri.target(self.request)? {
            Ok(target) => target,
            Err(UnsafeUri { uri, reason }) => {
                let uri = Quoted::new(&uri).to_string();
                return Err(Rejection::KeyRequestUri { uri, reason });
            }
        };
        let body = ResponseBody::Require(KeySet::MAX_BYTES);
        self.request
            .start_subrequest::<AuthJwt>(target, SubrequestBody::None, body)?;
        Ok(Slot::Asked(fetch))
    }

    fn answered(&self, fetch: Option<Fetch<Waker>>, uri: &Uri) -> Result<Slot, Rejection> {
        let subrequest = self
            .request
            .subrequest::<AuthJwt>()
            .ok_or(Failure::Inconsistent)?;
        let Some(answer) = subrequest.response() else {
            return Ok(Slot::Asked(fetch));
        };
        self.request.forget_body_variables::<AuthJwt>();
        let mut keys = self.parse(answer, subrequest, uri);
        let log = self.request.log();
        for warning in keys.iter().flat_map(KeySet::warnings) {
            let uri = Quoted::new(&uri.evaluate(self.request)?).to_string();
            log.warn(format_args!("auth_jwt: key request {uri}: {warning}"));
        }
        if let Some(fetch) = fetch {
            let ended = fetch.end(self.request.uptime(), self.cache, keys);
            if let Some(error) = ended.stood_in_for {
                let uri = Quoted::new(&uri.evaluate(self.request)?).to_string();
                log.warn(format_args!(
                    "auth_jwt: key request {uri}: {error}; keys from before stand in"
                ));
            }
            keys = ended.keys;
        }
        match keys {
            Ok(keys) => Ok(Slot::Filled(keys)),
            Err(error) => Err(self.failed(uri, error)?),
        }
    }

    fn failed(&self, uri: &Uri, error: KeyError) -> Result<Rejection, Rejection> {
        let uri = Quoted::new(&uri.evaluate(self.request)?).to_string();
        Ok(Rejection::KeyRequest { uri, error })
    }

    fn parse(
        &self,
        answer: SubrequestResponse<'_>,
        subrequest: &Subrequest,
        uri: &Uri,
    ) -> Result<KeySet, KeyError> {
        if answer.status().0 != 200 {
            return Err(KeyError::Status(answer.status().0));
        }
        let body = subrequest.body().map_err(|fault| match fault {
            BodyError::TooLarge => KeyError::TooLarge,
            BodyError::Truncated => KeyError::Incomplete,
        })?;
        // What gzip writes first; a key set is text. The header line would not tell: nginx's own filter adds one.
        if body.starts_with(&[0x1f, 0x8b]) {
            return Err(KeyError::Compressed);
        }
        match uri.constant() {
            Some(uri) => remote(self.request, &uri).parse(&body),
            None => Ok(KeySet::parse(&body)?),
        }
    }
}

fn remote(request: Request<'_>, uri: &[u8]) -> Rc<Remote> {
    request
        .main_conf::<AuthJwt>()
        .key_request(uri, request.server())
}
