//! Single flight of checks: of all requests in a worker that need the same verdict, one asks the
//! service.

use super::conf::Digest;
use crate::nginx::Waker;
use policy::single_flight::{FlightState, Follower, Leader};

/// The duty to ask the service for a verdict.
pub(super) type FlightLeader = Leader<Digest, Waker, ()>;

/// A place among those that wait for the leader's verdict.
pub(super) type FlightFollower = Follower<Waker, ()>;

/// What a request does whose verdict is not in the cache.
pub(super) enum FlightRole {
    /// It asks the service, and others wait for it.
    Lead(FlightLeader),
    /// It waits for another request.
    Follow(FlightFollower),
    /// It asks the service, and nobody waits for it.
    AskAlone,
}

/// The flights that a request has followed.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FollowedFlights {
    /// How many leaders have left before the service has responded.
    abandoned: u8,
    /// Whether a leader had a response.
    has_response: bool,
}

impl FollowedFlights {
    /// A client cannot make others wait for longer than this by leaving again and again.
    const MAX_ABANDONED: u8 = 5;

    /// These flights and the one that the follower was part of, or `None` if that goes on.
    pub(super) fn and(self, follower: &FlightFollower) -> Option<Self> {
        match follower.state() {
            FlightState::Pending => None,
            FlightState::Finished(()) => Some(Self {
                has_response: true,
                ..self
            }),
            FlightState::Abandoned => Some(Self {
                abandoned: self.abandoned + 1,
                ..self
            }),
        }
    }

    /// Whether it would be in vain to wait for another leader: a response that is not in the cache
    /// now was not one to keep.
    pub(super) fn are_enough(self) -> bool {
        self.has_response || self.abandoned >= Self::MAX_ABANDONED
    }
}
