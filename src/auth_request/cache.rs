//! Verdicts that are kept in shared memory, so that the service is not asked again.

use std::borrow::Cow;

use openssl::sha::Sha256;

use super::AuthRequest;
use super::answer::Verdict;
use super::conf::{LocationConf, Scope};
use super::variables::CacheStatus;
use crate::nginx::{
    Failure, Request, ResponseContent, SharedZone, Status, SubrequestResponse, Target, Template,
    Text, Waker, ZoneLookup,
};
use policy::auth_request::freshness::{Lifetime, varying};
use policy::auth_request::verdict_codec::{BARE, Encoded, Record};
use policy::auth_request::worker_cache::Question;
use policy::single_flight::{Admission, Follower, Leader, SingleFlight};

type Key = [u8; 32];

/// The verdicts that requests of this worker are asking the service for. A follower looks in the
/// cache again, so the flight itself has no result.
pub(super) type Flights = SingleFlight<Key, Waker, ()>;

/// The request that asks the service for a verdict.
pub(super) type FlightLeader = Leader<Key, Waker, ()>;

/// A request that waits for the leader's verdict.
pub(super) type FlightFollower = Follower<Waker, ()>;

/// What a request has to ask, as far as the cache is concerned: all that the service is asked by configuration takes
/// part in it, whether or not the key has it.
pub(super) struct Sought<'r, 'c> {
    zone: SharedZone,
    scope: &'c Scope,
    /// What differs from request to request.
    text: Cow<'r, [u8]>,
    /// Whether a worker keeps a copy of its own. With the client's body that would take too much room.
    near: bool,
}

/// Where the verdict of a request is, if it is kept.
pub(super) struct Place {
    zone: SharedZone,
    key: Key,
}

/// What a request finds in its place.
pub(super) enum Look<'r> {
    Hit(Verdict<'r>),
    Nothing(CacheStatus, Place),
}

impl<'r, 'c> Sought<'r, 'c> {
    /// Nothing where the request has no key, or its body cannot be read. The key is evaluated before anybody has changed
    /// what it is made of.
    pub(super) fn by(
        request: Request<'r>,
        conf: &'c LocationConf,
        zone: SharedZone,
        target: &Target<'r>,
    ) -> Result<Option<Self>, Failure> {
        let near = conf.body().is_none();
        let text = match conf.cache_key() {
            [part] if near && conf.asks_one_uri() => Cow::Borrowed(part.evaluate(request)?.bytes()),
            parts => Cow::Owned(joined(request, conf, parts, target)?),
        };
        Ok((!text.is_empty()).then(|| Self {
            zone,
            scope: conf.scope(),
            text,
            near,
        }))
    }

    /// Looks for a verdict among the worker's own copies.
    pub(super) fn look_near(
        &self,
        request: Request<'r>,
        conf: &LocationConf,
    ) -> Result<Option<Verdict<'r>>, Failure> {
        let near = &request.main_conf::<AuthRequest>().near;
        let question = self.near.then(|| self.question());
        let copy =
            question.and_then(|question| near.find(question, self.zone.changes(), request.now()));
        match copy {
            Some(copy) => read(request, conf, &copy),
            None => Ok(None),
        }
    }

    /// Looks for a verdict in shared memory.
    #[inline(never)]
    pub(super) fn look(
        &self,
        request: Request<'r>,
        conf: &LocationConf,
    ) -> Result<Look<'r>, Failure> {
        // Read before the record is, which then is no older.
        let (now, changes) = (request.now(), self.zone.changes());
        let place = self.place();
        let (bytes, expires) = match self.zone.get(&place.key, now, request.log()) {
            ZoneLookup::Value { bytes, expires } => (bytes, expires),
            ZoneLookup::Missing => return Ok(Look::Nothing(CacheStatus::Miss, place)),
            ZoneLookup::Expired => return Ok(Look::Nothing(CacheStatus::Expired, place)),
        };
        let Some(verdict) = read(request, conf, &bytes)? else {
            return Ok(Look::Nothing(CacheStatus::Miss, place));
        };
        if self.near {
            let near = &request.main_conf::<AuthRequest>().near;
            near.keep(self.question(), changes, expires, bytes.into());
        }
        Ok(Look::Hit(verdict))
    }

    fn question(&self) -> Question<'_> {
        Question {
            location: self.scope.number,
            text: &self.text,
        }
    }

    fn place(&self) -> Place {
        let mut hash = Sha256::new();
        hash.update(&self.scope.digest);
        hash.update(&self.text);
        Place {
            zone: self.zone,
            key: hash.finish(),
        }
    }
}

/// All that differs from request to request, the body at last, each with its length, so that nothing runs into the next
/// one. Nothing at all where the request has no key, or its body cannot be read.
#[inline(never)]
fn joined(
    request: Request<'_>,
    conf: &LocationConf,
    key: &[Template],
    target: &Target<'_>,
) -> Result<Vec<u8>, Failure> {
    let mut text = Vec::with_capacity(256);
    let mut put = |part: &[u8]| {
        text.extend(part.len().to_le_bytes());
        text.extend_from_slice(part);
    };
    put(&target.path);
    put(&target.args);
    let mut has_key = false;
    for part in key {
        let part = part.evaluate(request)?;
        has_key |= !part.is_empty();
        put(&part);
    }
    if !has_key {
        return Ok(Vec::new());
    }
    if conf.body().is_some() {
        match request.body() {
            Some(body) => put(&body),
            None => return Ok(Vec::new()),
        }
    }
    Ok(text)
}

/// The verdict in a record, if it is one for this request. Variables get their values, as they got them from the answer.
fn read<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    bytes: &[u8],
) -> Result<Option<Verdict<'r>>, Failure> {
    // What is handed on has to last as long as the request.
    let texts = match bytes.len() > BARE {
        true => request.copy(bytes)?,
        false => Text::from_static(b""),
    };
    let record = Encoded::read(match texts.is_empty() {
        true => bytes,
        false => texts.bytes(),
    });
    let Some(record) = record.as_ref() else {
        return Ok(None);
    };
    if record.assigned().len() != conf.assignments.len() || !is_for(request, record) {
        return Ok(None);
    }
    restore(request, conf, texts, record).map(Some)
}

/// Whether the lines of the request's header that the answer depends on are what they were.
fn is_for(request: Request<'_>, record: &Encoded<'_>) -> bool {
    let vary = record.vary();
    vary.len() == 0 || *record.vary_digest == digest(request, vary)
}

/// A verdict out of a record, whose parts are parts of `texts`.
fn restore<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    texts: Text<'r>,
    record: &Encoded<'_>,
) -> Result<Verdict<'r>, Failure> {
    let text = |part: &[u8]| texts.part_of(part).ok_or(Failure::Inconsistent);
    for (assignment, value) in conf.assignments.iter().zip(record.assigned()) {
        request.assign(&assignment.variable, text(value)?);
    }
    let mut verdict = Verdict {
        status: Status(record.status),
        lines: Vec::new(),
        content: None,
    };
    let mut lines = record.lines();
    while let (Some(name), Some(value)) = (lines.next(), lines.next()) {
        verdict.lines.push((text(name)?, text(value)?));
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

impl Place {
    /// Takes part in the flight of the requests that ask for this verdict.
    pub(super) fn join(&self, flights: &Flights) -> Admission<Key, Waker, ()> {
        flights.join(self.key)
    }

    /// Keeps a verdict, for as long as the configuration and the answer want it.
    pub(super) fn keep(
        &self,
        request: Request<'_>,
        conf: &LocationConf,
        assigned: &[Text<'_>],
        verdict: &Verdict<'_>,
        answer: SubrequestResponse<'_>,
    ) {
        let lifetime = Lifetime::of(answer.header_values(b"cache-control").map(Text::bytes))
            .after(answer.header_values(b"age").map(Text::bytes));
        let validity = conf.cache_valid.iter();
        let time = validity
            .filter(|validity| validity.statuses.contain(verdict.status.0))
            .map(|validity| validity.time)
            .next();
        let Some(time) = time.and_then(|time| lifetime.shorten(time)) else {
            return;
        };
        let Some(vary) = varying(answer.header_values(b"vary").map(Text::bytes)) else {
            return;
        };
        let vary: Vec<_> = vary.iter().map(Vec::as_slice).collect();
        let lines = verdict.lines.iter();
        let content = verdict.content.into_iter();
        let record = Record {
            status: verdict.status.0,
            vary_digest: digest(request, vary.iter().copied()),
            vary,
            assigned: assigned.iter().map(|value| value.bytes()).collect(),
            lines: lines
                .flat_map(|(name, value)| [name.bytes(), value.bytes()])
                .collect(),
            content: content
                .flat_map(|content| [content.content_type, content.encoding, content.body])
                .map(Text::bytes)
                .collect(),
        };
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let expires = request.now().saturating_add(seconds);
        if let Some(bytes) = record.encode() {
            self.zone.put(&self.key, expires, &bytes, request.log());
        }
    }
}

/// A digest of the lines with these names, in the client's header.
#[inline(never)]
fn digest<'a>(request: Request<'_>, names: impl Iterator<Item = &'a [u8]>) -> Key {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update(&bytes.len().to_le_bytes());
        hash.update(bytes);
    };
    for name in names {
        part(name);
        let lines = request.headers();
        for (_, value) in lines.filter(|(other, _)| other.eq_ignore_ascii_case(name)) {
            part(&value);
        }
        // No value has this length.
        part(&[]);
    }
    hash.finish()
}
