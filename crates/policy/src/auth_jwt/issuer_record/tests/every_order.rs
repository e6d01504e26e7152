//! Two workers with one record, in every order of a few actions: who may fetch, and whose result
//! counts. The model has longer sequences, in some orders.

use std::collections::HashSet;

use super::*;

/// How many actions follow each other.
const ACTIONS: usize = 7;

#[derive(Debug, Clone, Copy)]
enum Action {
    Look(usize, Need),
    Succeed(usize),
    Fail(usize),
    Exit(usize),
    Kill(usize),
    Pass(Duration),
    LoseMemory,
}

/// What tells a lease from others.
type LeaseId = (u64, u64);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    record: [u8; IssuerRecord::BYTES],
    now: Duration,
    /// The process ids of the workers, and the leases that they have.
    workers: [(u64, Option<LeaseId>); 2],
    /// The lease whose result counts, and when it expires.
    current: Option<(LeaseId, Duration)>,
    ended: u64,
}

impl State {
    fn start() -> Self {
        Self {
            record: IssuerRecord::default().encode(),
            now: 100 * SECOND,
            workers: [(1, None), (2, None)],
            current: None,
            ended: 0,
        }
    }

    /// The state after an action, or `None` if that cannot be.
    fn after(&self, action: Action) -> Option<Self> {
        let mut state = self.clone();
        let mut record = IssuerRecord::decode(&self.record).expect("a record");
        let ends = |state: &mut Self, worker: usize| {
            let (owner, number) = state.workers[worker].1.take()?;
            let counts = state.current.is_some_and(|(id, _)| id == (owner, number));
            state.current = state.current.filter(|_| !counts);
            state.ended += u64::from(counts);
            Some((FetchLease { owner, number }, counts))
        };
        match action {
            Action::Look(worker, need) => state.look(&mut record, worker, need)?,
            Action::Succeed(worker) => {
                let (lease, counts) = ends(&mut state, worker)?;
                let counted = record.succeed(self.now, &lease, id("a"), 60 * SECOND);
                assert_eq!(counted, counts);
            }
            Action::Fail(worker) => {
                let (lease, counts) = ends(&mut state, worker)?;
                assert_eq!(record.fail(self.now, &lease, 0), counts);
            }
            Action::Exit(worker) => {
                let (lease, counts) = ends(&mut state, worker)?;
                record.release(&lease);
                state.ended -= u64::from(counts);
            }
            Action::Kill(worker) => {
                state.workers[worker] = (self.workers[0].0.max(self.workers[1].0) + 1, None);
            }
            Action::Pass(time) => state.now += time,
            Action::LoseMemory => {
                record = IssuerRecord::default();
                (state.current, state.ended) = (None, 0);
            }
        }
        assert_eq!(record.ended_fetches(), state.ended);
        state.record = record.encode();
        Some(state)
    }

    fn look(&mut self, record: &mut IssuerRecord, worker: usize, need: Need) -> Option<()> {
        let (owner, own) = self.workers[worker];
        if own.is_some() {
            return None;
        }
        let lives = |id: u64| self.workers.iter().any(|(process, _)| *process == id);
        let (now, held) = (self.now, record.held(self.now, &TIMES));
        let (step, lease) = record.look_up(now, &TIMES, need, owner, lives);
        let fetching = self
            .current
            .filter(|((owner, _), until)| now < *until && lives(*owner));
        assert!(fetching.is_none() || lease.is_none(), "two workers fetch");
        match step {
            ScheduleStep::Wait { fetch: false } => assert!(fetching.is_some(), "waits for nobody"),
            ScheduleStep::Use { .. } => assert!(held.is_usable()),
            ScheduleStep::Wait { fetch: true } => assert!(lease.is_some()),
            ScheduleStep::Fail => assert!(!held.is_usable() && record.failures() > 0),
        }
        if let Some(FetchLease { owner, number }) = lease {
            let id = (owner, number);
            let mut others = self.workers.iter().filter_map(|(_, lease)| *lease);
            assert!(!others.any(|other| other == id), "a lease given twice");
            self.workers[worker].1 = Some(id);
            self.current = Some((id, now + TIMES.lease));
        } else if fetching.is_none() && !record.is_fetching(now) {
            // The worker that fetched has died. One that is late has its lease still.
            self.current = self.current.filter(|(_, until)| now >= *until);
        }
        Some(())
    }
}

#[test]
fn in_every_order_one_worker_fetches_and_the_last_fetch_counts() {
    let of_each = |worker| {
        [
            Action::Look(worker, Need::Keys),
            Action::Look(worker, Need::NewerKeys),
            Action::Succeed(worker),
            Action::Fail(worker),
            Action::Exit(worker),
            Action::Kill(worker),
        ]
    };
    let actions = of_each(0).into_iter().chain(of_each(1)).chain([
        Action::Pass(SECOND),
        Action::Pass(TIMES.lease),
        Action::LoseMemory,
    ]);
    let actions: Vec<_> = actions.collect();
    let mut states = HashSet::from([State::start()]);
    let mut seen = states.clone();
    for _ in 0..ACTIONS {
        let after = states.iter().flat_map(|state| {
            let after = actions.iter().filter_map(|action| state.after(*action));
            after.collect::<Vec<_>>()
        });
        states = after.filter(|state| !seen.contains(state)).collect();
        seen.extend(states.iter().cloned());
    }
    assert!(seen.len() > 10_000, "{} states", seen.len());
}
