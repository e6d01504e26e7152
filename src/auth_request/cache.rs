//! Verdicts that are kept in shared memory, so that the service is not asked again.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use openssl::sha::{Sha256, sha256};

use super::answer::Verdict;
use super::conf::LocationConf;
use super::lifetime::{Lifetime, varying};
use super::record::{self, Record};
use crate::nginx::{
    Answer, Content, Failure, Found, Request, SharedZone, Status, Target, Text, Waker,
};

type Key = [u8; 32];

/// Where the verdict of a request is, if it is kept.
pub(super) struct Place {
    zone: SharedZone,
    key: Key,
}

/// What a request finds in its place.
pub(super) enum Look<'r> {
    Hit(Verdict<'r>),
    Miss,
    Expired,
}

impl Place {
    /// The place for the question that a request has; nothing where its key is empty. All that the service is asked by
    /// configuration takes part in it, whether or not the key has it: where, and with what body. The key is evaluated
    /// before anybody has changed what it is made of.
    pub(super) fn of(
        request: Request<'_>,
        conf: &LocationConf,
        target: &Target<'_>,
    ) -> Result<Option<Self>, Failure> {
        let (Some(zone), Some(key)) = (conf.cache_zone(), conf.cache_key.get()) else {
            return Ok(None);
        };
        let key = key.iter().map(|part| part.evaluate(request));
        let key = key.collect::<Result<Vec<_>, _>>()?;
        if key.iter().all(|part| part.is_empty()) {
            return Ok(None);
        }
        let body = match conf.body() {
            Some(_) => request.body(),
            None => Some(Vec::new()),
        };
        let Some(body) = body else {
            return Ok(None);
        };
        let [path, args] = target.uri();
        let mut hash = Sha256::new();
        hash.update(&conf.scope());
        // Of fixed length each, so that nothing runs into the next one.
        let question = [path.bytes(), args.bytes(), &body];
        for part in question
            .into_iter()
            .chain(key.iter().map(|part| part.bytes()))
        {
            hash.update(&sha256(part));
        }
        Ok(Some(Self {
            zone,
            key: hash.finish(),
        }))
    }

    pub(super) fn look<'r>(
        &self,
        request: Request<'r>,
        conf: &LocationConf,
    ) -> Result<Look<'r>, Failure> {
        let bytes = match self.zone.get(&self.key, request.now(), request.log()) {
            Found::Value(bytes) => request.copy(&bytes)?,
            Found::Nothing => return Ok(Look::Miss),
            Found::Expired => return Ok(Look::Expired),
        };
        let record = Record::decode(bytes.bytes()).filter(|record| {
            record.assigned.len() == conf.assignments.len()
                && record.vary_digest == digest(request, record.vary.iter().copied())
        });
        Ok(match record {
            Some(record) => Look::Hit(restore(bytes, &record)?),
            None => Look::Miss,
        })
    }

    /// Keeps a verdict, for as long as the configuration and the answer want it.
    pub(super) fn keep(
        &self,
        request: Request<'_>,
        conf: &LocationConf,
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
        let record = Record {
            status: verdict.status.0,
            vary: vary.iter().map(Vec::as_slice).collect(),
            vary_digest: digest(request, vary.iter().map(Vec::as_slice)),
            assigned: verdict.assigned.iter().copied().map(Text::bytes).collect(),
            lines: verdict
                .lines
                .iter()
                .map(|(name, value)| (name.bytes(), value.bytes()))
                .collect(),
            content: verdict.content.map(|content| record::Content {
                content_type: content.content_type.bytes(),
                encoding: content.encoding.bytes(),
                body: content.body.bytes(),
            }),
        };
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        let expires = request.now().saturating_add(seconds);
        if let Some(bytes) = record.encode() {
            self.zone.put(&self.key, expires, &bytes, request.log());
        }
    }
}

/// A verdict out of a record, whose parts are parts of `bytes`.
fn restore<'r>(bytes: Text<'r>, record: &Record<'r>) -> Result<Verdict<'r>, Failure> {
    let part = |part| bytes.part_of(part).ok_or(Failure);
    Ok(Verdict {
        status: Status(record.status),
        assigned: record
            .assigned
            .iter()
            .map(|value| part(value))
            .collect::<Result<_, _>>()?,
        lines: record
            .lines
            .iter()
            .map(|(name, value)| Ok((part(name)?, part(value)?)))
            .collect::<Result<_, _>>()?,
        content: match record.content {
            None => None,
            Some(content) => Some(Content {
                content_type: part(content.content_type)?,
                encoding: part(content.encoding)?,
                body: part(content.body)?,
            }),
        },
    })
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
