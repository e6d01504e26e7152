//! Single flight: of all requests that need the same result at the same time, one (the leader)
//! fetches it, and the others (the followers) wait until it has finished.
//!
//! One worker's requests run on one thread, so nothing here blocks: a follower leaves a waker, and
//! asks for the [`FlightState`] when it has been woken. Each flight ends exactly once, because
//! dropping the leader ends it too.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::hash::Hash;
use std::rc::Rc;

#[cfg(test)]
mod tests;

/// Something that resumes a waiting request.
pub trait Wake {
    /// Resumes the request, or does nothing if the request is gone.
    fn wake(&self);
}

/// The flights of one worker, by key. `W` wakes a follower, and `R` is the result that a leader
/// hands to its followers.
#[derive(Debug)]
pub struct SingleFlight<K, W, R>(Rc<Flights<K, W, R>>);

type Flights<K, W, R> = RefCell<HashMap<K, Rc<Flight<W, R>>>>;

/// One fetch, shared by its leader and its followers.
#[derive(Debug)]
struct Flight<W, R> {
    /// Empty while the leader is fetching; `Some(None)` if it gave up.
    outcome: OnceCell<Option<R>>,
    /// In the order in which the followers joined.
    wakers: RefCell<Vec<W>>,
}

/// The role of a request that joined a flight.
#[derive(Debug)]
pub enum Admission<K: Eq + Hash, W: Wake, R> {
    /// Nobody is fetching this key: the request that joined must do it.
    Lead(Leader<K, W, R>),
    /// Another request is fetching this key.
    Follow(Follower<W, R>),
}

/// The duty to fetch. If it is dropped before [`Leader::finish`], the flight is abandoned; either
/// way the followers are woken.
#[derive(Debug)]
pub struct Leader<K: Eq + Hash, W: Wake, R> {
    flights: Rc<Flights<K, W, R>>,
    key: K,
    flight: Rc<Flight<W, R>>,
}

/// A place in a flight that another request leads.
#[derive(Debug)]
pub struct Follower<W, R>(Rc<Flight<W, R>>);

/// What has become of a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlightState<'a, R> {
    /// The leader is still fetching.
    Pending,
    /// The leader finished with this result.
    Finished(&'a R),
    /// The leader was dropped without a result. A follower that joins again may become the leader.
    Abandoned,
}

impl<K: Clone + Eq + Hash, W: Wake, R> SingleFlight<K, W, R> {
    /// Takes part in the flight for this key, which begins if there is none.
    pub fn join(&self, key: K) -> Admission<K, W, R> {
        let mut flights = self.0.borrow_mut();
        if let Some(flight) = flights.get(&key) {
            return Admission::Follow(Follower(Rc::clone(flight)));
        }
        let flight = Rc::new(Flight {
            outcome: OnceCell::new(),
            wakers: RefCell::default(),
        });
        flights.insert(key.clone(), Rc::clone(&flight));
        Admission::Lead(Leader {
            flights: Rc::clone(&self.0),
            key,
            flight,
        })
    }

    /// Forgets all flights: who joins next is a leader. Flights that have a leader still end with
    /// it, and their followers are woken.
    pub fn forget(&self) {
        self.0.borrow_mut().clear();
    }

    /// Whether somebody is fetching this key, for tests.
    #[cfg(test)]
    fn is_in_flight(&self, key: &K) -> bool {
        self.0.borrow().contains_key(key)
    }
}

impl<K, W, R> Default for SingleFlight<K, W, R> {
    fn default() -> Self {
        Self(Rc::default())
    }
}

impl<K: Eq + Hash, W: Wake, R> Leader<K, W, R> {
    /// Whether somebody waits for the result. A follower that was dropped does not.
    pub fn has_followers(&self) -> bool {
        // The other references are that of the leader, and that in the table of flights.
        Rc::strong_count(&self.flight) > 1 + usize::from(self.is_current())
    }

    /// Whether the flight is the one that others join. After [`SingleFlight::forget`] it is not,
    /// and the key may have another flight.
    pub fn is_current(&self) -> bool {
        let flights = self.flights.borrow();
        let current = flights.get(&self.key);
        current.is_some_and(|flight| Rc::ptr_eq(flight, &self.flight))
    }

    /// Ends the flight with a result for all followers, and wakes them in the order in which they
    /// joined.
    pub fn finish(self, result: R) {
        // Nobody else sets the outcome before `drop` does, which ends the flight.
        let _ = self.flight.outcome.set(Some(result));
    }
}

impl<K: Eq + Hash, W: Wake, R> Drop for Leader<K, W, R> {
    fn drop(&mut self) {
        if self.is_current() {
            self.flights.borrow_mut().remove(&self.key);
        }
        self.flight.outcome.get_or_init(|| None);
        // A waker may join again, so no RefCell is borrowed while the wakers run.
        for waker in self.flight.wakers.take() {
            waker.wake();
        }
    }
}

impl<W: Wake, R> Follower<W, R> {
    /// Has the follower woken when the flight ends; at once if it has ended.
    pub fn wake_at_end(&self, waker: W) {
        match self.state() {
            FlightState::Pending => self.0.wakers.borrow_mut().push(waker),
            FlightState::Finished(_) | FlightState::Abandoned => waker.wake(),
        }
    }

    /// What has become of the flight.
    pub fn state(&self) -> FlightState<'_, R> {
        match self.0.outcome.get() {
            None => FlightState::Pending,
            Some(Some(result)) => FlightState::Finished(result),
            Some(None) => FlightState::Abandoned,
        }
    }
}
