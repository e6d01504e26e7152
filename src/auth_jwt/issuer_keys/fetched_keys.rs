//! The keys of an issuer in a worker: when they are fetched, and what a request does meanwhile.
//!
//! One worker fetches for all. It has a lease, and shares the text of the key set and the time of
//! the fetch; each worker parses a text once.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use super::endpoint::Endpoint;
use super::lease::HeldLease;
use super::saved_file::SavedFile;
use super::shared_keys::SharedKeys;
use crate::nginx::net::{is_process_alive, random, sleep, spawn, unix_time, uptime, with_log};
use crate::nginx::{Failure, Request, Severity, WakeTimer, Waker};
use crate::status::SourceCounters;
use jose::KeySet;
use policy::auth_jwt::failure_reason::FailureReason;
use policy::auth_jwt::fetch_schedule::{Need, ScheduleStep};
use policy::auth_jwt::issuer_record::IssuerRecord;
use policy::auth_jwt::issuer_times::IssuerTimes;
use policy::auth_jwt::key_cache::KeyError;
use policy::auth_jwt::worker_keys::WorkerKeys;
use text::Quoted;

/// How often a worker looks whether another one has fetched the keys that its requests wait for.
const POLL_INTERVAL: Duration = Duration::from_millis(25);

/// Keys that the workers fetch.
pub(in super::super) struct FetchedKeys {
    /// The name of the issuer's block.
    issuer: Quoted,
    counters: SourceCounters,
    endpoint: Endpoint,
    times: IssuerTimes,
    shared: Rc<SharedKeys>,
    saved: Option<SavedFile>,
    keys: RefCell<WorkerKeys>,
    /// The change counter of the shared memory that `keys` are of.
    seen: Cell<Option<u64>>,
    waiting: RefCell<Vec<Waker>>,
    is_polling: Cell<bool>,
    /// How long after the start of nginx the keys are fetched. All workers have the same time,
    /// which is by chance, so that the fetches of many issuers are spread evenly.
    start_delay: Duration,
}

/// What a request gets.
pub(in super::super) enum KeysOrWait {
    /// The keys to use.
    Ready(KeySet),
    /// The request is to wait until nginx runs its handler again, and to ask
    /// [`after_wait`](FetchedKeys::after_wait) then.
    Wait(KeyWait),
    /// There are no keys.
    Failed(KeyError),
}

/// The wait of a request for the end of a fetch.
pub(in super::super) struct KeyWait {
    need: Need,
    /// How many fetches had ended when it began.
    ended_fetches: u64,
    until: Duration,
    _timer: WakeTimer,
}

/// What a request that uses such keys has to remember.
#[derive(Default)]
pub(in super::super) struct IssuerWait {
    pub(in super::super) wait: RefCell<Option<KeyWait>>,
    /// Whether the request has had the issuer asked again.
    pub(in super::super) has_refreshed: Cell<bool>,
    /// Whether the request ends if its client leaves.
    pub(in super::super) is_client_watched: Cell<bool>,
}

impl FetchedKeys {
    pub(super) fn new(
        issuer: &str,
        counters: SourceCounters,
        endpoint: Endpoint,
        times: IssuerTimes,
        shared: SharedKeys,
        saved: Option<SavedFile>,
    ) -> Self {
        Self {
            issuer: Quoted::whole(issuer),
            counters,
            endpoint,
            times,
            shared: Rc::new(shared),
            saved,
            keys: RefCell::default(),
            seen: Cell::new(None),
            waiting: RefCell::default(),
            is_polling: Cell::new(false),
            start_delay: IssuerTimes::start_delay(random()),
        }
    }

    /// Forgets the keys of this worker: the next request takes them from shared memory.
    pub(in super::super) fn forget(&self) {
        self.seen.set(None);
        self.keys.take();
    }

    /// How long after the start of a worker the first look is due. After a reload it is at once, and
    /// passes over the pause after a failure: a server that is reloaded again and again would hardly
    /// ever look otherwise.
    pub(super) fn first_look_delay(&self) -> Duration {
        let was_asked = self.shared.update(|record| record.ended_fetches() > 0);
        match was_asked {
            Some((true, _)) => Duration::ZERO,
            _ => self.start_delay,
        }
    }

    /// The keys, if they are those that are shared. The background sees to it that they stay fresh.
    #[inline]
    pub(in super::super) fn cached(&self, now: Duration) -> Option<KeySet> {
        if self.seen.get() != Some(self.shared.change_counter()) {
            return None;
        }
        self.keys.borrow().usable(now).cloned()
    }

    /// The keys, or the wait for them.
    ///
    /// # Errors
    /// There is no memory.
    pub(in super::super) fn look_up(
        self: &Rc<Self>,
        request: Request<'_>,
        need: Need,
    ) -> Result<KeysOrWait, Failure> {
        let now = uptime();
        let (step, record) = self.look(now, need);
        let keys = match step {
            ScheduleStep::Wait { .. } => {
                let wait = KeyWait {
                    need,
                    ended_fetches: record.ended_fetches(),
                    until: now + IssuerTimes::LONGEST_WAIT,
                    _timer: request.wake_after(IssuerTimes::LONGEST_WAIT)?,
                };
                self.wake_at_end(request)?;
                return Ok(KeysOrWait::Wait(wait));
            }
            // Shared memory may have lost what this worker still has.
            ScheduleStep::Use { .. } | ScheduleStep::Fail => self.usable(now),
        };
        Ok(match keys {
            Some(keys) => KeysOrWait::Ready(keys),
            None => KeysOrWait::Failed(self.paused()),
        })
    }

    /// What a request has after it waited. `None`: it has to wait on.
    ///
    /// # Errors
    /// There is no memory.
    pub(in super::super) fn after_wait(
        self: &Rc<Self>,
        request: Request<'_>,
        wait: &mut KeyWait,
    ) -> Result<Option<Result<KeySet, KeyError>>, Failure> {
        let now = uptime();
        let record = self.refresh_from_shared(now).unwrap_or_default();
        let has_ended = record.ended_fetches() != wait.ended_fetches;
        // Who waited for newer keys goes on with those that were there.
        if let Some(keys) = self.usable(now).filter(|_| has_ended || now >= wait.until) {
            return Ok(Some(Ok(keys)));
        }
        if now >= wait.until {
            let limit = IssuerTimes::LONGEST_WAIT.as_secs();
            let error = KeyError::Fetch(format!("no keys within {limit} s"));
            return Ok(Some(Err(error)));
        }
        if has_ended || !record.is_fetching(now) {
            // If the worker that fetched has exited or died, this one begins anew.
            let (step, record) = self.look(now, wait.need);
            match step {
                ScheduleStep::Wait { .. } => wait.ended_fetches = record.ended_fetches(),
                ScheduleStep::Use { .. } | ScheduleStep::Fail => {
                    return Ok(Some(self.usable(now).ok_or_else(|| self.paused())));
                }
            }
        }
        self.wake_at_end(request)?;
        Ok(None)
    }

    /// Takes the keys of the file, unless the workers have some. For the start of a worker.
    pub(super) fn restore(&self) {
        let Some(saved) = &self.saved else { return };
        let (now, times) = (uptime(), &self.times);
        let has_text = self.shared.update(|record| record.text_id().is_some());
        if has_text.is_none_or(|(has_text, _)| has_text) {
            return;
        }
        let error = match saved.read() {
            Ok(None) => return,
            Ok(Some((text, age))) => match KeySet::parse(&text) {
                Ok(_) if self.shared.restore(now, times, &text, age) => {
                    let minutes = age.as_secs() / 60;
                    let issuer = &self.issuer;
                    with_log(|log| {
                        log.at(
                            Severity::Notice,
                            format_args!(
                                "auth_jwt: issuer {issuer}: using the keys in \"{}\", which are \
                                 {minutes} minutes old",
                                saved.path().display()
                            ),
                        );
                    });
                    return;
                }
                // They are too old, or another worker has taken them.
                Ok(_) => return,
                Err(error) => error.to_string(),
            },
            Err(error) => error.to_string(),
        };
        self.warn_of_file(saved, &error);
    }

    fn save(&self, text: &[u8]) {
        if let Some(saved) = &self.saved
            && let Err(error) = saved.write(text)
        {
            self.warn_of_file(saved, &format!("cannot be written: {error}"));
        }
    }

    fn warn_of_file(&self, saved: &SavedFile, error: &str) {
        let (issuer, path) = (&self.issuer, saved.path().display());
        with_log(|log| {
            log.warn(format_args!(
                "auth_jwt: issuer {issuer}: \"{path}\" {error}"
            ));
        });
    }

    /// Looks whether a fetch is due, and begins it. Returns the time until the next look.
    pub(super) fn look_in_background(self: &Rc<Self>) -> Duration {
        let now = uptime();
        let (_, record) = self.look(now, Need::Keys);
        record.next_look(now, &self.times)
    }

    /// Looks what there is and what is to be done. Begins a fetch if one is due.
    fn look(self: &Rc<Self>, now: Duration, need: Need) -> (ScheduleStep, IssuerRecord) {
        let counter = self.shared.change_counter();
        let worker = std::process::id().into();
        let looked = self
            .shared
            .update(|record| record.look_up(now, &self.times, need, worker, is_process_alive));
        let Some(((step, lease), record)) = looked else {
            return (ScheduleStep::Fail, IssuerRecord::default());
        };
        if let Some(lease) = lease {
            let lease = HeldLease::new(Rc::clone(&self.shared), lease);
            spawn(Rc::clone(self).fetch(lease));
        }
        self.take(now, &record);
        self.seen.set(Some(counter));
        (step, record)
    }

    /// Takes over what is shared, without beginning a fetch.
    fn refresh_from_shared(&self, now: Duration) -> Option<IssuerRecord> {
        let counter = self.shared.change_counter();
        let ((), record) = self.shared.update(|_| ())?;
        self.take(now, &record);
        self.seen.set(Some(counter));
        Some(record)
    }

    /// Takes over the keys that this record speaks of, or a later one.
    fn take(&self, now: Duration, record: &IssuerRecord) {
        let mut keys = self.keys.borrow_mut();
        let mut record = *record;
        let mut parsed = None;
        while let Some(id) = record.text_id()
            && keys.needs_text(&record)
        {
            if let Some(text) = self.shared.text(id) {
                parsed = Some(KeySet::parse(&text).map_err(KeyError::from));
                break;
            }
            // Another worker may have shared a newer one since.
            match self.shared.forget(id) {
                Some(newer) => record = newer,
                None => break,
            }
        }
        if let Some(Ok(set)) = &parsed
            && let Some(age) = record.age(now)
        {
            let keys = set.usable_keys();
            self.counters.note_known_keys(keys, age, unix_time());
        }
        keys.update(now, &self.times, &record, parsed);
    }

    fn usable(&self, now: Duration) -> Option<KeySet> {
        self.keys.borrow().usable(now).cloned()
    }

    /// The error while the issuer is left alone after a failure.
    fn paused(&self) -> KeyError {
        let reason = match self.shared.failure() {
            Some(reason) => reason.to_string(),
            None => "shared memory has lost the reason".into(),
        };
        KeyError::Paused(Box::new(KeyError::Fetch(reason)))
    }

    /// Fetches the keys, and shares them or the failure.
    async fn fetch(self: Rc<Self>, lease: HeldLease) {
        let started = uptime();
        let fetched = self.endpoint.fetch().await;
        let fetched = fetched.and_then(|document| match KeySet::parse(&document.text) {
            Ok(keys) => Ok((document, keys)),
            Err(error) => Err(format!("\"{}\": {error}", document.url)),
        });
        let duration = uptime().saturating_sub(started);
        match fetched {
            Ok((document, keys)) => {
                let fresh_for = self.times.fresh_for(document.freshness, random());
                let shared = lease.succeed(&document.text, fresh_for);
                // What came too late is used by nobody, and is no success.
                let count = shared.map(|_| keys.usable_keys());
                self.counters.count_fetch(count, duration, unix_time());
                if shared == Some(true) {
                    self.warn_of_keys(&document.url.to_string(), &keys);
                }
                if shared.is_some() {
                    self.save(&document.text);
                }
            }
            Err(error) => {
                self.counters.count_fetch(None, duration, unix_time());
                self.log_failure(&error);
                lease.fail(&FailureReason::new(error));
            }
        }
        self.refresh_from_shared(uptime());
        self.wake_all();
    }

    fn warn_of_keys(&self, url: &str, keys: &KeySet) {
        let issuer = &self.issuer;
        for warning in keys.warnings() {
            with_log(|log| {
                log.warn(format_args!(
                    "auth_jwt: issuer {issuer}: \"{url}\": {warning}"
                ));
            });
        }
    }

    fn log_failure(&self, error: &str) {
        let (severity, consequence) = match self.usable(uptime()) {
            Some(_) => (Severity::Warn, "using the last good keys"),
            None => (Severity::Error, "there are no keys to use"),
        };
        let issuer = &self.issuer;
        with_log(|log| {
            log.at(
                severity,
                format_args!("auth_jwt: issuer {issuer}: {error}; {consequence}"),
            );
        });
    }

    /// Has the request resumed when a fetch ends, by whichever worker.
    fn wake_at_end(self: &Rc<Self>, request: Request<'_>) -> Result<(), Failure> {
        self.waiting.borrow_mut().push(request.waker()?);
        if !self.is_polling.replace(true) {
            spawn(Rc::clone(self).poll_shared());
        }
        Ok(())
    }

    /// Looks for changes in shared memory as long as requests wait.
    async fn poll_shared(self: Rc<Self>) {
        while !self.waiting.borrow().is_empty() {
            sleep(POLL_INTERVAL).await;
            // A client that asks and leaves, again and again, leaves nothing here.
            self.waiting.borrow_mut().retain(Waker::has_request);
            if self.seen.get() != Some(self.shared.change_counter()) {
                self.wake_all();
            }
        }
        self.is_polling.set(false);
    }

    fn wake_all(&self) {
        for waker in self.waiting.take() {
            waker.wake();
        }
    }
}
