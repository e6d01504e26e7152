//! What the directives configure, and how a level of the configuration inherits from the outer one.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashSet;
use std::rc::Rc;
use std::time::Duration;

use openssl::sha::sha256;

use super::AuthRequest;
use super::variables::CheckVariables;
use crate::config_checks::{
    self, Fault, Question, warn_of_asked_locations, warn_of_requirement_alone, warn_of_return,
};
use crate::nginx::{
    AssignableVariable, Config, ConfigError, Inherit, List, MergedConfig, ResponseBody, Setting,
    SharedZone, Status, Template, Text, Variable, Waker,
};
use crate::require::Requirement;
use crate::status::{AuthStatus, ZoneCounters};
use crate::subrequest_uri::Uri;
use policy::auth_request::decision::{self, OnError};
use policy::auth_request::key_sources::KeySources;
use policy::auth_request::statuses::Statuses;
use policy::auth_request::uncacheable::UncacheableKeys;
use policy::auth_request::verdict_codec;
use policy::auth_request::worker_cache::WorkerCache;
use policy::header_names::HeaderNames;
use policy::single_flight::SingleFlight;
use text::Quoted;

/// A SHA-256 digest.
pub(super) type Digest = [u8; 32];

/// The verdicts that requests of this worker are asking for. A follower looks in the cache again,
/// so that a flight has no result of its own.
pub(super) type VerdictFlights = SingleFlight<Digest, Waker, ()>;

/// What is configured, or kept in a worker, once for all locations.
#[derive(Default)]
pub struct MainConf {
    pub(super) flights: VerdictFlights,
    pub(super) uncacheable: UncacheableKeys,
    pub(super) worker_cache: WorkerCache,
    pub(super) variables: OnceCell<CheckVariables>,
    /// The sources of all variables that the configuration refers to.
    pub(super) used_sources: OnceCell<KeySources>,
    /// Whether any location has `auth_request_upstream_headers`.
    pub(super) changes_headers: Cell<bool>,
    /// The digests of all [`Scope`]s.
    scopes: RefCell<HashSet<Digest>>,
}

/// What the directives configure for a location.
#[derive(Default)]
pub struct LocationConf {
    pub(super) service: Setting<Service>,
    /// Whether `service` is this level's own.
    has_own_service: bool,
    pub(super) assignments: List<Assignment>,
    pub(super) body: Setting<Option<u64>>,
    pub(super) answer: Setting<Option<usize>>,
    pub(super) upstream_headers: Setting<Rc<HeaderNames>>,
    /// The names of all `auth_request_upstream_headers` of this level and the outer ones: an
    /// application may trust any of them.
    pub(super) reserved_headers: HeaderNames,
    pub(super) client_headers: List<ClientHeaders>,
    pub(super) deny_status: Setting<Rc<Statuses>>,
    pub(super) deny_body: Setting<Option<usize>>,
    pub(super) on_error: Setting<OnError>,
    pub(super) requirements: List<Requirement>,
    pub(super) cache: Setting<Option<VerdictZone>>,
    pub(super) cache_key: Setting<Rc<CacheKey>>,
    pub(super) cache_valid: List<Validity>,
    pub(super) counters: ZoneCounters,
    fingerprint: ConfigFingerprint,
    scope: Scope,
}

/// The value of `auth_request`.
#[derive(Clone)]
pub(super) enum Service {
    /// `auth_request off`
    Off,
    /// `auth_request uri`: the URI of the location that asks the authorization service.
    At(Uri),
}

/// One `auth_request_set`.
#[derive(Clone)]
pub(super) struct Assignment {
    pub(super) variable: AssignableVariable,
    pub(super) value: Template,
    /// Whether the value may have a cookie that the response sets.
    pub(super) shows_set_cookie: bool,
}

/// The value of `auth_request_cache_key`.
pub(super) struct CacheKey {
    pub(super) parts: Box<[Template]>,
    /// What the parts read of a request.
    pub(super) sources: KeySources,
}

/// One `auth_request_client_headers`.
#[derive(Clone)]
pub(super) struct ClientHeaders {
    pub(super) names: HeaderNames,
    pub(super) on: On,
}

/// The parameter `on=` of `auth_request_client_headers`: with which verdicts headers are sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum On {
    Deny,
    Allow,
    Any,
}

/// The value of `auth_request_cache`.
#[derive(Clone)]
pub(super) struct VerdictZone {
    pub(super) zone: SharedZone,
    /// File and line of the directive.
    pub(super) position: Rc<str>,
}

/// One `auth_request_cache_valid`: how long verdicts with these statuses are kept.
#[derive(Debug, Clone)]
pub(super) struct Validity {
    pub(super) statuses: Statuses,
    pub(super) time: Duration,
    /// The variable with the time at which a verdict ends at the latest.
    pub(super) until: Option<Variable>,
}

/// What distinguishes the cached verdicts of a location from those of other locations.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Scope {
    /// The digest of the location's [`ConfigFingerprint`]. It stays the same after a reload that
    /// does not change the configuration of the location.
    pub(super) digest: Digest,
    /// A number that no other location of this configuration has.
    pub(super) number: usize,
}

/// All directives of a level with their arguments, in order. After a reload, a cached verdict
/// counts only for a location whose configuration is the same as before.
#[derive(Default)]
struct ConfigFingerprint(Vec<u8>);

impl ConfigFingerprint {
    fn push(&mut self, part: &[u8]) {
        self.0.extend(part.len().to_le_bytes());
        self.0.extend(part);
    }

    fn digest(&self) -> Digest {
        sha256(&self.0)
    }
}

impl ClientHeaders {
    /// Whether a header with this name is sent to the client, `on` being what the verdict is.
    pub(super) fn select(&self, name: &[u8], on: On) -> bool {
        (self.on == On::Any || self.on == on) && self.names.selects(name)
    }
}

impl MainConf {
    /// A scope that no other location has, even if their fingerprints are the same.
    fn new_scope(&self, mut digest: Digest) -> Scope {
        let mut scopes = self.scopes.borrow_mut();
        while !scopes.insert(digest) {
            digest = sha256(&digest);
        }
        Scope {
            digest,
            number: scopes.len(),
        }
    }
}

impl LocationConf {
    /// The longest body of a client that is read and forwarded to the service, or `None` if the
    /// service gets no body.
    pub(super) fn body(&self) -> Option<u64> {
        self.body.get().copied().flatten()
    }

    /// The headers of a response that go to the upstream.
    pub(super) fn upstream_headers(&self) -> &HeaderNames {
        const NONE: &HeaderNames = &HeaderNames::none();
        self.upstream_headers.get().map_or(NONE, |names| names)
    }

    /// The longest body of a denial that the client gets, or `None` if it gets nginx's own page.
    pub(super) fn deny_body(&self) -> Option<usize> {
        self.deny_body.get().copied().flatten()
    }

    /// The longest body of a response that allows, if its members are kept.
    pub(super) fn answer(&self) -> Option<usize> {
        self.answer.get().copied().flatten()
    }

    /// Whether a response with this status needs a body with members to count.
    pub(super) fn requires_answer(&self, status: Status) -> bool {
        self.answer().is_some() && status.is_success()
    }

    /// What nginx does with the body of the service's response.
    pub(super) fn response_body(&self) -> ResponseBody {
        match (self.deny_body(), self.answer()) {
            (None, None) => ResponseBody::Discard,
            _ => ResponseBody::ByStatus,
        }
    }

    /// How many bytes of the body of a response with this status are kept at most, or `None` if
    /// nobody gets it.
    pub(super) fn body_limit(&self, status: Status) -> Option<usize> {
        let may_deny = match status.is_success() {
            true => !self.requirements.is_empty(),
            false => self.denies(status.0),
        };
        let answer = self.answer().filter(|_| status.is_success());
        self.deny_body().filter(|_| may_deny).max(answer)
    }

    pub(super) fn on_error(&self) -> OnError {
        self.on_error.get().copied().unwrap_or(OnError::Refuse(500))
    }

    pub(super) fn deny_status(&self) -> Option<&Statuses> {
        self.deny_status.get().map(|statuses| &**statuses)
    }

    /// Whether a response with this status denies.
    pub(super) fn denies(&self, status: u16) -> bool {
        decision::is_denial(status, self.deny_status())
    }

    /// Whether headers of a response that allows may go somewhere.
    pub(super) fn wants_headers(&self) -> bool {
        !self.upstream_headers().is_empty()
            || !self.client_headers.is_empty()
            || !self.requirements.is_empty()
    }

    /// The zone that verdicts are cached in.
    pub(super) fn cache_zone(&self) -> Option<SharedZone> {
        Some(self.cache.get()?.as_ref()?.zone)
    }

    pub(super) fn cache_key(&self) -> Option<&CacheKey> {
        self.cache_key.get().map(|key| &**key)
    }

    /// Whether a cookie of a response with this status may go to the client.
    pub(super) fn sends_cookie(&self, status: Status) -> bool {
        // A response that allows may still deny, because of auth_request_require.
        let allows = status.is_success();
        let denies = !allows || !self.requirements.is_empty();
        let is_sent = |headers: &ClientHeaders| {
            allows && headers.select(b"set-cookie", On::Allow)
                || denies && headers.select(b"set-cookie", On::Deny)
        };
        self.client_headers.iter().any(is_sent)
            || self
                .assignments
                .iter()
                .any(|assignment| assignment.shows_set_cookie)
    }

    /// What distinguishes this location's verdicts in the cache.
    pub(super) fn scope(&self) -> &Scope {
        &self.scope
    }

    /// Whether all requests ask the service at the same URI.
    pub(super) fn has_fixed_uri(&self) -> bool {
        matches!(self.service.get(), Some(Service::At(service)) if service.is_fixed())
    }

    /// Checks what is known only after the whole configuration has been read.
    fn check_cache(&self) -> Result<(), ConfigError> {
        let Some(Some(VerdictZone { zone, position })) = self.cache.get() else {
            return Ok(());
        };
        if !zone.is_defined() {
            return Err(ConfigError::message(format_args!(
                "\"auth_request_cache\" in {position} names the zone {}, which no \
                 \"auth_request_cache_zone\" defines",
                Quoted::new(zone.name())
            )));
        }
        let asks = matches!(self.service.get(), Some(Service::At(_)));
        if asks && self.cache_key.get().is_none() {
            return Err(ConfigError::message(format_args!(
                "\"auth_request_cache\" in {position} requires \"auth_request_cache_key\": \
                 without it one user would get another user's verdict"
            )));
        }
        Ok(())
    }
}

impl Inherit for LocationConf {
    fn record(&mut self, directive: Text<'_>, args: &[Text<'_>]) {
        self.fingerprint.push(&directive);
        args.iter().for_each(|arg| self.fingerprint.push(arg));
    }

    fn inherit(&mut self, outer: &Self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let Self {
            service,
            has_own_service,
            assignments,
            body,
            answer,
            upstream_headers,
            reserved_headers,
            client_headers,
            deny_status,
            deny_body,
            on_error,
            requirements,
            cache,
            cache_key,
            cache_valid,
            counters,
            fingerprint,
            scope,
        } = self;
        *counters = AuthStatus::counters(cf);
        *has_own_service = service.get().is_some();
        service.inherit(&outer.service);
        if !requirements.is_empty() && !matches!(service.get(), Some(Service::At(_))) {
            warn_of_requirement_alone(cf, "auth_request_require", "auth_request");
        }
        if let Some(Service::At(service)) = service.get() {
            let position = service.position();
            warn_of_return(cf, "auth_request", position, *has_own_service);
        }
        assignments.inherit(&outer.assignments);
        body.inherit(&outer.body);
        answer.inherit(&outer.answer);
        upstream_headers.inherit(&outer.upstream_headers);
        reserved_headers.extend(&outer.reserved_headers);
        client_headers.inherit(&outer.client_headers);
        deny_status.inherit(&outer.deny_status);
        deny_body.inherit(&outer.deny_body);
        on_error.inherit(&outer.on_error);
        requirements.inherit(&outer.requirements);
        cache.inherit(&outer.cache);
        cache_key.inherit(&outer.cache_key);
        cache_valid.inherit(&outer.cache_valid);
        fingerprint.push(&outer.fingerprint.digest());
        for part in cf.level_name() {
            fingerprint.push(&part);
        }
        fingerprint.push(&[verdict_codec::FORMAT]);
        // The level of http is never merged, and has no scope: no request runs there.
        *scope = cf
            .main_conf::<AuthRequest>()
            .new_scope(fingerprint.digest());
        self.check_cache()
    }
}

/// Warns of pages for denied requests about which the service is asked again.
pub(super) fn warn_of_refused_pages(cf: &MergedConfig<'_, '_>) {
    config_checks::warn_of_refused_pages(cf, "auth_request", |location| {
        let service = cf.conf::<AuthRequest>(location).service.get();
        matches!(service, Some(Service::At(_)))
    });
}

/// Warns of locations that `auth_request` asks and that are no services of their own. A location
/// that inherits `auth_request`, and that only subrequests reach, is the usual way to protect a
/// whole server.
pub(super) fn warn_of_services(cf: &MergedConfig<'_, '_>) {
    let locations = cf.locations();
    let questions =
        locations
            .iter()
            .filter_map(|&from| match cf.conf::<AuthRequest>(from).service.get() {
                Some(Service::At(service)) => Some(Question {
                    directive: "auth_request",
                    uri: service,
                    from,
                }),
                Some(Service::Off) | None => None,
            });
    warn_of_asked_locations(cf, questions, |asked| {
        let conf = cf.conf::<AuthRequest>(asked);
        let is_checked = matches!(conf.service.get(), Some(Service::At(_)));
        match (asked.is_internal(), asked.is_server()) {
            (true, _) if is_checked && conf.has_own_service => Some(Fault::AsksItself),
            (false, _) if is_checked => Some(Fault::AsksItself),
            (false, false) => Some(Fault::NotInternal),
            _ => None,
        }
    });
}
