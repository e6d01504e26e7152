//! The cache of verdicts: in shared memory, with copies in each worker.

use std::borrow::Cow;
use std::rc::Rc;
use std::time::Duration;

use openssl::sha::Sha256;

use super::AuthRequest;
use super::conf::{CacheKey, Digest, LocationConf, Scope};
use super::flight::{FlightLeader, FlightRole, FollowedFlights};
use super::verdict::Verdict;
use crate::nginx::{
    Failure, Request, ResponseContent, SharedZone, Status, SubrequestResponse, Target, Template,
    Text, ZoneLookup, parse_http_date,
};
use policy::auth_request::answer::{Answer, CorruptAnswer};
use policy::auth_request::cache_status::CacheStatus;
use policy::auth_request::key_sources::RequestTexts;
use policy::auth_request::variable_names::has_cookie;
use policy::auth_request::vary::{has_seen, vary_names};
use policy::auth_request::verdict_codec::{self, VerdictRecord, VerdictView};
use policy::auth_request::worker_cache::WorkerKey;
use policy::freshness::Freshness;
use policy::header_names::says_how_to_read_body;
use policy::single_flight::Admission;

/// What a request looks for in the cache: everything that the response may depend on, whether or
/// not `auth_request_cache_key` has it.
pub(super) struct CacheLookup<'r, 'c> {
    zone: SharedZone,
    scope: &'c Scope,
    /// What distinguishes this request from others in the same location.
    text: Cow<'r, [u8]>,
    /// Whether the worker keeps a copy. It does not if the text includes the client's body, which
    /// would take too much memory.
    is_copied: bool,
}

/// Where the verdict of a request belongs in the cache.
pub(super) struct CacheSlot {
    zone: SharedZone,
    key: Digest,
}

/// What the shared memory has for a request.
pub(super) enum CacheResult<'r> {
    Hit(Verdict<'r>),
    /// No valid verdict.
    Miss(CacheStatus, CacheSlot),
}

impl<'r, 'c> CacheLookup<'r, 'c> {
    /// What this request looks for, or `None` if its key is empty or ambiguous, or its body cannot
    /// be read. The variables of the key have the values that they have before the check.
    pub(super) fn for_request(
        request: Request<'r>,
        conf: &'c LocationConf,
        zone: SharedZone,
        target: &Target<'r>,
    ) -> Result<Option<Self>, Failure> {
        let is_copied = conf.body().is_none();
        let Some(key) = conf.cache_key().filter(|key| !is_ambiguous(key, request)) else {
            return Ok(None);
        };
        let text = match &*key.parts {
            // perf: a key of one part needs no copy if nothing else differs between requests, 300
            // instructions less.
            [part] if is_copied && conf.has_fixed_uri() => {
                Cow::Borrowed(part.evaluate(request)?.bytes())
            }
            parts => Cow::Owned(lookup_text(request, conf, parts, target)?),
        };
        Ok((!text.is_empty()).then(|| Self {
            zone,
            scope: conf.scope(),
            text,
            is_copied,
        }))
    }

    /// Looks for a verdict among the worker's copies.
    pub(super) fn find_in_worker(
        &self,
        request: Request<'r>,
        conf: &LocationConf,
    ) -> Result<Option<Verdict<'r>>, Failure> {
        if !self.is_copied {
            return Ok(None);
        }
        let cache = &request.main_conf::<AuthRequest>().worker_cache;
        match cache.find(self.worker_key(), self.zone.change_counter(), request.now()) {
            Some(stored) => match verdict_codec::current(&stored, request.uptime()) {
                Some(record) => read_verdict(request, conf, record),
                None => Ok(None),
            },
            None => Ok(None),
        }
    }

    /// Looks for a verdict in shared memory.
    pub(super) fn find_in_zone(
        &self,
        request: Request<'r>,
        conf: &LocationConf,
    ) -> Result<CacheResult<'r>, Failure> {
        // The counter is read before the record: if the zone changes in between, the copy that the
        // worker keeps is invalid at once.
        let (now, changes) = (request.now(), self.zone.change_counter());
        let slot = self.slot();
        let (bytes, expires) = match self.zone.get(&slot.key, now, request.log()) {
            ZoneLookup::Value { bytes, expires } => (bytes, expires),
            ZoneLookup::Missing => return Ok(CacheResult::Miss(CacheStatus::Miss, slot)),
            ZoneLookup::Expired => return Ok(CacheResult::Miss(CacheStatus::Expired, slot)),
        };
        let Some(record) = verdict_codec::current(&bytes, request.uptime()) else {
            return Ok(CacheResult::Miss(CacheStatus::Expired, slot));
        };
        let Some(verdict) = read_verdict(request, conf, record)? else {
            return Ok(CacheResult::Miss(CacheStatus::Miss, slot));
        };
        if self.is_copied {
            let cache = &request.main_conf::<AuthRequest>().worker_cache;
            cache.insert(self.worker_key(), changes, expires, bytes.into());
        }
        Ok(CacheResult::Hit(verdict))
    }

    fn worker_key(&self) -> WorkerKey<'_> {
        WorkerKey {
            location: self.scope.number,
            text: &self.text,
        }
    }

    fn slot(&self) -> CacheSlot {
        let mut hash = Sha256::new();
        hash.update(&self.scope.digest);
        hash.update(&self.text);
        CacheSlot {
            zone: self.zone,
            key: hash.finish(),
        }
    }
}

/// Whether the service may read another value than nginx for a cookie, an argument or a header of
/// the key.
fn is_ambiguous(key: &CacheKey, request: Request<'_>) -> bool {
    let Some(used) = request.main_conf::<AuthRequest>().used_sources.get() else {
        return true;
    };
    let lines = request.headers();
    let texts = RequestTexts {
        lines: lines.map(|(name, value)| (name.bytes(), value.bytes())),
        args: request.args().bytes(),
        original_uri: request.original_uri().bytes(),
    };
    key.sources.are_ambiguous(used, &texts)
}

/// Everything that distinguishes this request from others in the same location: the URI, the parts
/// of the key and, last, what the body is and the body itself. Each part follows its length, so
/// that parts cannot run into each other. The text is empty if the key is empty or the body cannot
/// be read.
fn lookup_text(
    request: Request<'_>,
    conf: &LocationConf,
    key: &[Template],
    target: &Target<'_>,
) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::with_capacity(256);
    let mut push = |part: &[u8]| {
        text.extend(part.len().to_le_bytes());
        text.extend_from_slice(part);
    };
    push(&target.path);
    push(&target.args);
    let mut has_key = false;
    for part in key {
        let part = part.evaluate(request)?;
        has_key |= !part.is_empty();
        push(&part);
    }
    if !has_key {
        return Ok(Vec::new());
    }
    if conf.body().is_some() {
        // The same bytes are another question as a form than as JSON.
        for (name, value) in request.headers() {
            if says_how_to_read_body(&name) {
                push(&name);
                push(&value);
            }
        }
        match request.body() {
            Some(body) => push(&body),
            None => return Ok(Vec::new()),
        }
    }
    Ok(text)
}

/// The verdict in a record, or `None` if it is not valid for this request. Assigns the variables of
/// `auth_request_set`, as the response did.
fn read_verdict<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    bytes: &[u8],
) -> Result<Option<Verdict<'r>>, Failure> {
    // perf: most records have no parts. Not copying and parsing them saves 240 of 10,600
    // instructions of a cache hit.
    if conf.assignments.is_empty()
        && let Some(status) = verdict_codec::status_without_parts(bytes)
        && !conf.requires_answer(Status(status))
    {
        return Ok(Some(Verdict {
            status: Status(status),
            headers: Vec::new(),
            content: None,
            answer: None,
        }));
    }
    // The parts of the verdict must live as long as the request.
    let texts = request.copy(bytes)?;
    let Some(record) = VerdictView::read(texts.bytes()) else {
        return Ok(None);
    };
    if record.assigned().len() != conf.assignments.len() || !matches_vary(request, &record) {
        return Ok(None);
    }
    if record.answer().is_some() != conf.requires_answer(Status(record.status)) {
        return Ok(None);
    }
    restore_verdict(request, conf, texts, &record).map(Some)
}

/// Whether the request's headers that the response depends on are the same as then.
fn matches_vary(request: Request<'_>, record: &VerdictView<'_>) -> bool {
    let vary = record.vary();
    vary.len() == 0 || *record.vary_digest == vary_digest(request, vary)
}

/// The verdict in a record whose parts are parts of `texts`.
fn restore_verdict<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    texts: Text<'r>,
    record: &VerdictView<'_>,
) -> Result<Verdict<'r>, Failure> {
    let text = |part: &[u8]| texts.part_of(part).ok_or(Failure::Inconsistent);
    for (assignment, value) in conf.assignments.iter().zip(record.assigned()) {
        request.assign(&assignment.variable, text(value)?);
    }
    let mut verdict = Verdict {
        status: Status(record.status),
        headers: Vec::new(),
        content: None,
        answer: None,
    };
    if let Some(answer) = record.answer() {
        let answer = Answer::from_stored(answer).map_err(|CorruptAnswer| Failure::Inconsistent)?;
        verdict.answer = Some(Rc::new(answer));
    }
    let mut lines = record.lines();
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        verdict.headers.push((text(name)?, text(value)?));
    }
    let mut content = record.content();
    if let (Some(content_type), Some(encoding), Some(body)) =
        (content.next(), content.next(), content.next())
    {
        verdict.content = Some(request.keep(ResponseContent {
            content_type: text(content_type)?,
            encoding: text(encoding)?,
            body: text(body)?,
        })?);
    }
    Ok(verdict)
}

impl CacheSlot {
    /// Takes part in the flight of the requests that need this verdict.
    pub(super) fn join(&self, request: Request<'_>, followed: FollowedFlights) -> FlightRole {
        let conf = request.main_conf::<AuthRequest>();
        if followed.are_enough() || conf.uncacheable.contains(&self.key, request.uptime()) {
            return FlightRole::AskAlone;
        }
        match conf.flights.join(self.key) {
            Admission::Lead(leader) => FlightRole::Lead(leader),
            Admission::Follow(follower) => FlightRole::Follow(follower),
        }
    }

    /// Ends the flight that the request may lead, as the service has responded. `is_cached` says
    /// whether the verdict was stored.
    pub(super) fn end_flight(
        &self,
        request: Request<'_>,
        leader: Option<FlightLeader>,
        is_cached: bool,
    ) {
        let uncacheable = &request.main_conf::<AuthRequest>().uncacheable;
        match is_cached {
            true => uncacheable.remove(&self.key),
            false => uncacheable.add(self.key, request.uptime()),
        }
        if let Some(leader) = leader {
            leader.finish(());
        }
    }

    /// Stores a verdict, for as long as the configuration and the response allow. False if it is
    /// not stored.
    pub(super) fn store(
        &self,
        request: Request<'_>,
        conf: &LocationConf,
        assigned: &[Text<'_>],
        verdict: &Verdict<'_>,
        response: SubrequestResponse<'_>,
    ) -> bool {
        let Some(time) = time_to_keep(request, conf, assigned, verdict, response) else {
            return false;
        };
        let Some(vary) = usable_vary(request, response) else {
            return false;
        };
        let vary: Vec<_> = vary.iter().map(Vec::as_slice).collect();
        let headers = verdict.headers.iter();
        let content = verdict.content.into_iter();
        let Ok(answer) = verdict.answer.as_ref().map(|a| a.compact()).transpose() else {
            return false;
        };
        let record = VerdictRecord {
            status: verdict.status.0,
            vary_digest: vary_digest(request, vary.iter().copied()),
            vary,
            assigned: assigned.iter().map(|value| value.bytes()).collect(),
            lines: headers
                .flat_map(|(name, value)| [name.bytes(), value.bytes()])
                .collect(),
            content: content
                .flat_map(|content| [content.content_type, content.encoding, content.body])
                .map(Text::bytes)
                .collect(),
            answer: answer.iter().map(String::as_bytes).collect(),
        };
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        // The time of day may be set, so that the verdict ends by the monotonic clock as well.
        let expires = request.now().saturating_add(seconds);
        let until = request.uptime().saturating_add(time);
        record
            .encode(until)
            .is_some_and(|bytes| self.zone.put(&self.key, expires, &bytes, request.log()))
    }
}

/// How long a verdict may be kept, or `None` if it may not.
fn time_to_keep(
    request: Request<'_>,
    conf: &LocationConf,
    assigned: &[Text<'_>],
    verdict: &Verdict<'_>,
    response: SubrequestResponse<'_>,
) -> Option<Duration> {
    let mut validities = conf.cache_valid.iter();
    let validity = validities.find(|validity| validity.statuses.contain(verdict.status.0))?;
    if sets_cookie(conf, assigned, verdict, response) {
        return None;
    }
    let until = validity.until.and_then(|until| response.variable(until));
    let until = until.map_or(Freshness::Unspecified, |until| {
        Freshness::from_until(&until, request.now())
    });
    freshness(response, request.now())
        .and(until)
        .cap(validity.time)
}

/// The names in all `Vary` lines, or `None` if the client's values of such a header do not tell
/// whether the response fits another request.
fn usable_vary(request: Request<'_>, response: SubrequestResponse<'_>) -> Option<Vec<Vec<u8>>> {
    let vary = response.header_values(b"vary");
    let vary = vary_names(vary.map(Text::bytes))?;
    let mut names = vary.iter();
    names
        .all(|name| has_seen_clients(request, response, name))
        .then_some(vary)
}

/// How long a response may be kept, as far as its header says. The shortest limit counts: a verdict
/// that is asked for too often does no harm. Headers of `proxy_ignore_headers` do not count.
fn freshness(response: SubrequestResponse<'_>, now: i64) -> Freshness {
    let values = |name: &'static [u8]| {
        // Pragma is the old way of saying Cache-Control, and Age belongs to its max-age.
        let rule = match name {
            b"pragma" | b"age" => b"cache-control",
            name => name,
        };
        let lines = (!response.ignores_header(rule)).then(|| response.header_values(name));
        lines.into_iter().flatten().map(Text::bytes)
    };
    let expires = values(b"expires").map(parse_http_date);
    Freshness::from_cache_control(values(b"cache-control"))
        .minus_age(values(b"age"))
        .and(Freshness::from_pragma(values(b"pragma")))
        .and(Freshness::from_accel_expires(
            values(b"x-accel-expires"),
            now,
        ))
        .and(Freshness::from_expires(expires, now))
}

/// Whether the client gets a cookie that the response sets, and that is meant for this client only:
/// by `auth_request_client_headers`, or in a variable of `auth_request_set`.
fn sets_cookie(
    conf: &LocationConf,
    assigned: &[Text<'_>],
    verdict: &Verdict<'_>,
    response: SubrequestResponse<'_>,
) -> bool {
    response.header_values(b"set-cookie").any(|cookie| {
        // A map may have made a value of the cookie.
        let is_assigned = |value: &Text<'_>| has_cookie(value, &cookie);
        conf.sends_cookie(verdict.status) || assigned.iter().any(is_assigned)
    })
}

/// Whether it is certain that the service has seen the client's header with this name.
fn has_seen_clients(request: Request<'_>, response: SubrequestResponse<'_>, name: &[u8]) -> bool {
    let lines = request.headers();
    let lines = lines.filter(|(other, _)| other.eq_ignore_ascii_case(name));
    let sent = response.sent_request();
    sent.is_some_and(|sent| has_seen(&sent, name, lines.map(|(_, value)| value.bytes())))
}

/// A digest of the request's headers with these names.
fn vary_digest<'a>(request: Request<'_>, names: impl Iterator<Item = &'a [u8]>) -> Digest {
    let mut hash = Sha256::new();
    let mut update = |bytes: &[u8]| {
        hash.update(&bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    for name in names {
        let lines = || {
            let lines = request.headers();
            lines.filter(|(other, _)| other.eq_ignore_ascii_case(name))
        };
        update(name);
        // The number of values keeps them apart from the next name.
        update(&lines().count().to_le_bytes());
        for (_, value) in lines() {
            update(&value);
        }
    }
    hash.finish()
}
