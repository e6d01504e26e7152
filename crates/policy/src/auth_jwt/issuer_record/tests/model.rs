//! Several workers with one record, in all orders: they look, fetch, fail, exit and are killed, the
//! clock is set back, and shared memory is lost.

use jose::KeySet;
use proptest::prelude::*;

use super::*;
use crate::auth_jwt::has_kid;
use crate::auth_jwt::key_cache::KeyError;
use crate::auth_jwt::worker_keys::WorkerKeys;

const WORKERS: usize = 3;

#[derive(Debug, Clone, Copy)]
enum Action {
    Pass {
        millis: u64,
    },
    SetBack {
        millis: u64,
    },
    Look {
        worker: usize,
        needs_newer: bool,
    },
    Succeed {
        worker: usize,
        text: u8,
        fresh_for: u64,
    },
    Fail {
        worker: usize,
        jitter: u16,
    },
    Exit {
        worker: usize,
    },
    Kill {
        worker: usize,
    },
    Update {
        worker: usize,
    },
    LoseMemory,
}

fn action() -> impl Strategy<Value = Action> {
    let worker = 0..WORKERS;
    prop_oneof![
        6 => prop_oneof![0..3_000_u64, 0..100_000_u64, 0..8_000_000_u64]
            .prop_map(|millis| Action::Pass { millis }),
        1 => (0..10_000_000_u64).prop_map(|millis| Action::SetBack { millis }),
        8 => (worker.clone(), any::<bool>())
            .prop_map(|(worker, needs_newer)| Action::Look { worker, needs_newer }),
        4 => (worker.clone(), 0..4_u8, 30..600_u64).prop_map(|(worker, text, fresh_for)| {
            Action::Succeed { worker, text, fresh_for }
        }),
        3 => (worker.clone(), any::<u16>())
            .prop_map(|(worker, jitter)| Action::Fail { worker, jitter }),
        1 => worker.clone().prop_map(|worker| Action::Exit { worker }),
        1 => worker.clone().prop_map(|worker| Action::Kill { worker }),
        4 => worker.prop_map(|worker| Action::Update { worker }),
        1 => Just(Action::LoseMemory),
    ]
}

fn text(number: u8) -> String {
    format!(r#"{{"kty":"oct","kid":"{number}","k":"AAAA"}}"#)
}

#[derive(Default)]
struct Worker {
    process: u64,
    /// The fetch, and the true time at which others may take the worker for dead.
    fetch: Option<(FetchLease, Duration)>,
    /// Whether shared memory was lost since.
    is_orphan: bool,
    keys: WorkerKeys,
    /// The last text that was parsed.
    parsed: Option<KeyTextId>,
}

/// What there is besides the record, as the test knows it.
#[derive(Default)]
struct World {
    memory: Vec<u8>,
    text: Option<String>,
    workers: [Worker; WORKERS],
    processes: u64,
    /// Time as it passes, and as the clock shows it.
    true_time: Duration,
    clock: Duration,
    /// When the last fetch that counts ended, and whether it succeeded.
    last_end: Option<(Duration, bool)>,
}

impl World {
    fn record(&self) -> IssuerRecord {
        IssuerRecord::decode(&self.memory).unwrap_or_default()
    }

    fn store(&mut self, record: &IssuerRecord) {
        self.memory = record.encode().to_vec();
        assert_eq!(self.record(), *record);
    }

    fn act(&mut self, action: Action) {
        let mut record = self.record();
        match action {
            Action::Pass { millis } => {
                self.true_time += Duration::from_millis(millis);
                self.clock += Duration::from_millis(millis);
            }
            Action::SetBack { millis } => {
                self.clock = self.clock.saturating_sub(Duration::from_millis(millis));
                // Each worker looks every second.
                record.clamp(self.clock, &TIMES);
                self.store(&record);
            }
            Action::Look {
                worker,
                needs_newer,
            } => self.look(record, worker, needs_newer),
            Action::Succeed {
                worker,
                text: number,
                fresh_for,
            } => {
                if let Some((lease, _)) = self.workers[worker].fetch.take() {
                    let text = text(number);
                    let (id, fresh_for) = (id(&text), Duration::from_secs(fresh_for));
                    let before = record.text_id();
                    let is_orphan = self.workers[worker].is_orphan;
                    if record.succeed(self.clock, &lease, id, fresh_for) {
                        assert!(!is_orphan);
                        self.text = Some(text);
                        self.last_end = Some((self.true_time, true));
                        assert_eq!(record.text_id(), Some(id));
                    } else {
                        assert_eq!(record.text_id(), before);
                    }
                    self.store(&record);
                }
            }
            Action::Fail { worker, jitter } => {
                if let Some((lease, _)) = self.workers[worker].fetch.take() {
                    let before = record.text_id();
                    if record.fail(self.clock, &lease, jitter) {
                        assert!(!self.workers[worker].is_orphan);
                        self.last_end = Some((self.true_time, false));
                    }
                    assert_eq!(record.text_id(), before);
                    self.store(&record);
                }
            }
            Action::Exit { worker } => {
                if let Some((lease, _)) = self.workers[worker].fetch.take() {
                    record.release(&lease);
                    self.store(&record);
                }
                self.start(worker);
            }
            // The lease is not given back.
            Action::Kill { worker } => self.start(worker),
            Action::Update { worker } => self.update(&record, worker),
            Action::LoseMemory => {
                self.memory.clear();
                self.text = None;
                self.last_end = None;
                for worker in &mut self.workers {
                    worker.is_orphan = worker.fetch.is_some();
                }
            }
        }
    }

    /// Starts a worker anew.
    fn start(&mut self, worker: usize) {
        self.processes += 1;
        self.workers[worker] = Worker {
            process: self.processes,
            ..Worker::default()
        };
    }

    fn is_alive(&self, process: u64) -> bool {
        self.workers.iter().any(|worker| worker.process == process)
    }

    fn look(&mut self, mut record: IssuerRecord, worker: usize, needs_newer: bool) {
        let need = match needs_newer {
            true => Need::NewerKeys,
            false => Need::Keys,
        };
        if self.workers[worker].fetch.is_some() {
            return;
        }
        let held = record.held(self.clock, &TIMES);
        let process = self.workers[worker].process;
        let is_alive = |owner| self.is_alive(owner);
        let (step, lease) = record.look_up(self.clock, &TIMES, need, process, is_alive);
        self.store(&record);
        assert_eq!(step.starts_fetch(), lease.is_some());
        if held.is_usable() && need == Need::Keys {
            assert!(
                matches!(step, ScheduleStep::Use { .. }),
                "has keys, and waits: {step:?}"
            );
        }
        if matches!(step, ScheduleStep::Use { .. }) {
            assert!(held.is_usable());
        }
        if step == WAIT {
            let fetches = |other: &Worker| other.fetch.is_some() && !other.is_orphan;
            assert!(self.workers.iter().any(fetches), "waits for nobody");
        }
        let Some(lease) = lease else {
            return;
        };
        for other in &self.workers {
            let is_over = |(_, end): &(_, Duration)| *end <= self.true_time;
            let is_over = other.is_orphan || other.fetch.as_ref().is_none_or(is_over);
            assert!(is_over, "two workers fetch");
        }
        if let Some((at, succeeded)) = self.last_end {
            let least = match (succeeded, need) {
                (false, _) => SECOND,
                (true, Need::NewerKeys) => 10 * SECOND,
                (true, Need::Keys) => 30 * SECOND,
            };
            assert!(self.true_time - at >= least, "asks too often");
        }
        self.workers[worker].fetch = Some((lease, self.true_time + TIMES.lease));
        self.workers[worker].is_orphan = false;
    }

    fn update(&mut self, record: &IssuerRecord, number: usize) {
        let worker = &mut self.workers[number];
        let keys = worker.keys.needs_text(record).then(|| {
            let text = self.text.as_ref().expect("a text for each record");
            let id = id(text);
            assert_ne!(worker.parsed, Some(id), "parses a text twice");
            worker.parsed = Some(id);
            KeySet::parse(text.as_bytes()).map_err(KeyError::from)
        });
        worker.keys.update(self.clock, &TIMES, record, keys);
        if let Some(id) = record.text_id() {
            assert_eq!(worker.parsed, Some(id), "keeps an old text");
            let usable = record.held(self.clock, &TIMES).is_usable();
            let keys = worker.keys.usable(self.clock);
            assert_eq!(keys.is_some(), usable);
            let kids = ["0", "1", "2", "3"].into_iter();
            let kids = kids.filter(|kid| keys.is_some_and(|keys| has_kid(keys, kid)));
            let kids: Vec<_> = kids.map(|kid| text(kid.parse().unwrap())).collect();
            assert!(kids.iter().all(|kid| Some(kid) == self.text.as_ref()));
            assert_eq!(kids.len(), usize::from(usable));
        }
        assert!(!worker.keys.needs_text(record));
    }

    /// Whatever has happened, the issuer is asked again before long.
    fn check_end(&self) {
        let mut record = self.record();
        let is_alive = |owner| self.is_alive(owner);
        let is_fetching = self.workers.iter().any(|worker| worker.fetch.is_some());
        let lease = match is_fetching {
            true => TIMES.lease,
            false => Duration::ZERO,
        };
        let later = self.clock + TIMES.refresh + lease + 34 * SECOND;
        let (step, lease) = record.look_up(later, &TIMES, Need::Keys, 0, is_alive);
        assert!(lease.is_some(), "{step:?}");
        assert!(record.next_look(self.clock, &TIMES) <= IssuerTimes::LOOK);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn one_worker_fetches_at_a_time_and_all_have_the_result(
        actions in prop::collection::vec(action(), 1..60)
    ) {
        let mut world = World::default();
        (0..WORKERS).for_each(|worker| world.start(worker));
        for action in actions {
            world.act(action);
            world.check_end();
        }
    }
}
