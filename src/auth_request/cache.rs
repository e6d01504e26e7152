//! Verdicts that are kept in shared memory, so that the service is not asked again.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::iter;
use std::rc::Rc;

use openssl::sha::Sha256;

use super::AuthRequest;
use super::answer::Verdict;
use super::conf::{LocationConf, Scope};
use super::lifetime::{Lifetime, varying};
use super::near::Question;
use super::record::{Parts, Record};
use super::variables::CacheStatus;
use crate::nginx::{
    Answer, Content, Failure, Found, Request, SharedZone, Status, Target, Template, Text, Waker,
};

type Key = [u8; 32];

/// What a request has to ask, as far as the cache is concerned: all that the service is asked by configuration takes
/// part in it, whether or not the key has it.
pub(super) struct Sought<'r, 'c> {
    zone: SharedZone,
    scope: &'c Scope,
    /// What differs from request to request: the URI where it does, and the strings of the key.
    text: Cow<'r, [u8]>,
    /// The client's, where the service gets it.
    body: Option<Vec<u8>>,
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
        target: &Target<'r>,
    ) -> Result<Option<Self>, Failure> {
        let (Some(zone), Some(key)) = (conf.cache_zone(), conf.cache_key()) else {
            return Ok(None);
        };
        let text = match key {
            [part] if conf.asks_one_uri() => Cow::Borrowed(part.evaluate(request)?.bytes()),
            parts => match joined(request, parts, target)? {
                Some(text) => Cow::Owned(text),
                None => return Ok(None),
            },
        };
        let body = conf.body().map(|_| request.body());
        if text.is_empty() || body == Some(None) {
            return Ok(None);
        }
        Ok(Some(Self {
            zone,
            scope: conf.scope(),
            text,
            body: body.flatten(),
        }))
    }

    /// Looks for a verdict: among the worker's own copies, and then in shared memory.
    pub(super) fn look(
        &self,
        request: Request<'r>,
        conf: &LocationConf,
    ) -> Result<Look<'r>, Failure> {
        let near = &request.main_conf::<AuthRequest>().near;
        let (now, changes) = (request.now(), self.zone.changes());
        let question = self.question();
        let copy = question.and_then(|question| near.find(question, changes, now));
        if let Some(copy) = copy
            && let Some(verdict) = read(request, conf, &copy)?
        {
            return Ok(Look::Hit(verdict));
        }
        let place = self.place();
        let (bytes, expires) = match self.zone.get(&place.key, now, request.log()) {
            Found::Value { bytes, expires } => (bytes, expires),
            Found::Nothing => return Ok(Look::Nothing(CacheStatus::Miss, place)),
            Found::Expired => return Ok(Look::Nothing(CacheStatus::Expired, place)),
        };
        let Some(verdict) = read(request, conf, &bytes)? else {
            return Ok(Look::Nothing(CacheStatus::Miss, place));
        };
        if let Some(question) = question {
            near.keep(question, changes, expires, bytes.into());
        }
        Ok(Look::Hit(verdict))
    }

    /// What a copy is found by. With a body there are none: it would have to be kept.
    fn question(&self) -> Option<Question<'_>> {
        self.body.is_none().then(|| Question {
            location: self.scope.number,
            text: &self.text,
        })
    }

    fn place(&self) -> Place {
        let mut hash = Sha256::new();
        hash.update(&self.scope.digest);
        for part in [&*self.text, self.body.as_deref().unwrap_or_default()] {
            hash.update(&part.len().to_le_bytes());
            hash.update(part);
        }
        Place {
            zone: self.zone,
            key: hash.finish(),
        }
    }
}

/// Several texts as one, each with its length, so that nothing runs into the next one; nothing where the request has no
/// key.
fn joined(
    request: Request<'_>,
    key: &[Template],
    target: &Target<'_>,
) -> Result<Option<Vec<u8>>, Failure> {
    let mut text = Vec::with_capacity(256);
    let mut put = |part: Text<'_>| {
        text.extend(part.len().to_le_bytes());
        text.extend_from_slice(&part);
    };
    target.uri().into_iter().for_each(&mut put);
    let mut has_key = false;
    for part in key {
        let part = part.evaluate(request)?;
        has_key |= !part.is_empty();
        put(part);
    }
    Ok(has_key.then_some(text))
}

/// The verdict in a record, if it is one for this request. Variables get their values, as they got them from the answer.
fn read<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    bytes: &[u8],
) -> Result<Option<Verdict<'r>>, Failure> {
    // What is handed on has to last as long as the request.
    let texts = match bytes.len() > Record::BARE {
        true => request.copy(bytes)?,
        false => Text::from_static(b""),
    };
    let record = Record::decode(match texts.is_empty() {
        true => bytes,
        false => texts.bytes(),
    });
    match record {
        Some(record)
            if record.assigned.len() == conf.assignments.len() && is_for(request, &record) =>
        {
            restore(request, conf, texts, record).map(Some)
        }
        _ => Ok(None),
    }
}

/// Whether the lines of the request's header that the answer depends on are what they were.
fn is_for(request: Request<'_>, record: &Record<Parts<'_>>) -> bool {
    record.vary.len() == 0 || record.vary_digest == digest(request, record.vary)
}

/// A verdict out of a record, whose parts are parts of `texts`.
fn restore<'r>(
    request: Request<'r>,
    conf: &LocationConf,
    texts: Text<'r>,
    record: Record<Parts<'_>>,
) -> Result<Verdict<'r>, Failure> {
    let text = |part: &[u8]| texts.part_of(part).ok_or(Failure);
    for (assignment, value) in conf.assignments.iter().zip(record.assigned) {
        request.assign(&assignment.variable, text(value)?);
    }
    let mut lines = record.lines;
    let lines = iter::from_fn(|| lines.next().zip(lines.next()));
    let mut content = record.content.map(text);
    Ok(Verdict {
        status: Status(record.status),
        lines: lines
            .map(|(name, value)| Ok((text(name)?, text(value)?)))
            .collect::<Result<_, _>>()?,
        content: match (content.next(), content.next(), content.next()) {
            (Some(content_type), Some(encoding), Some(body)) => Some(request.content(Content {
                content_type: content_type?,
                encoding: encoding?,
                body: body?,
            })?),
            _ => None,
        },
    })
}

impl Place {
    /// Keeps a verdict, for as long as the configuration and the answer want it.
    pub(super) fn keep(
        &self,
        request: Request<'_>,
        conf: &LocationConf,
        assigned: &[Text<'_>],
        verdict: &Verdict<'_>,
        answer: Answer<'_>,
    ) {
        let lifetime = Lifetime::of(answer.header_values(b"cache-control").map(Text::bytes))
            .after(answer.header_values(b"age").map(Text::bytes));
        let validity = conf.cache_valid.iter();
        let time = validity
            .filter(|validity| validity.statuses.contain(verdict.status))
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

/// The places of a worker whose verdicts requests are asking for.
#[derive(Default)]
pub(super) struct Fills(RefCell<HashMap<Key, Rc<Pending>>>);

/// A question that is under way, and who waits for what comes of it.
#[derive(Default)]
pub(super) struct Pending {
    ended: Cell<bool>,
    waiting: RefCell<Vec<Waker>>,
}

/// Whoever has it asks; when it goes, whatever has become of the question, the others are woken.
pub(super) struct Fill {
    fills: Rc<Fills>,
    key: Key,
    pending: Rc<Pending>,
}

/// Who is to ask.
pub(super) enum Turn {
    /// The one who wanted to know, whom others may wait for.
    Own(Fill),
    /// Somebody else does.
    Others(Rc<Pending>),
}

impl Fills {
    pub(super) fn take_turn(self: &Rc<Self>, place: &Place) -> Turn {
        let mut fills = self.0.borrow_mut();
        if let Some(pending) = fills.get(&place.key) {
            return Turn::Others(Rc::clone(pending));
        }
        let pending = Rc::new(Pending::default());
        fills.insert(place.key, Rc::clone(&pending));
        Turn::Own(Fill {
            fills: Rc::clone(self),
            key: place.key,
            pending,
        })
    }
}

impl Pending {
    pub(super) fn has_ended(&self) -> bool {
        self.ended.get()
    }

    pub(super) fn wake_at_end(&self, waker: Waker) {
        self.waiting.borrow_mut().push(waker);
    }
}

impl Drop for Fill {
    fn drop(&mut self) {
        self.fills.0.borrow_mut().remove(&self.key);
        self.pending.ended.set(true);
        for waker in self.pending.waiting.take() {
            waker.wake();
        }
    }
}
