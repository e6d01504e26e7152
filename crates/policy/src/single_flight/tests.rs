use super::*;
use proptest::prelude::*;

/// Notes its number in a log when it wakes.
struct Waker {
    number: usize,
    log: Rc<RefCell<Vec<usize>>>,
}

impl Wake for Waker {
    fn wake(&self) {
        self.log.borrow_mut().push(self.number);
    }
}

type Flights = SingleFlight<u8, Waker, &'static str>;

fn lead(flights: &Flights, key: u8) -> Leader<u8, Waker, &'static str> {
    match flights.join(key) {
        Admission::Lead(leader) => leader,
        Admission::Follow(_) => panic!("{key} is in flight"),
    }
}

fn follow(flights: &Flights, key: u8) -> Follower<Waker, &'static str> {
    match flights.join(key) {
        Admission::Follow(follower) => follower,
        Admission::Lead(_) => panic!("{key} is not in flight"),
    }
}

#[test]
fn the_first_to_join_leads_and_the_others_follow() {
    let flights = Flights::default();
    assert!(!flights.is_in_flight(&1));
    let leader = lead(&flights, 1);
    assert!(flights.is_in_flight(&1));
    assert_eq!(follow(&flights, 1).state(), FlightState::Pending);
    leader.finish("result");
    assert!(!flights.is_in_flight(&1));
}

#[test]
fn each_key_has_a_flight_of_its_own() {
    let flights = Flights::default();
    let one = lead(&flights, 1);
    let two = lead(&flights, 2);
    let follower = follow(&flights, 1);
    drop(two);
    assert_eq!(follower.state(), FlightState::Pending);
    one.finish("one");
    assert_eq!(follower.state(), FlightState::Finished(&"one"));
}

#[test]
fn a_forgotten_flight_still_wakes_its_followers_and_leaves_its_successor_alone() {
    let flights = Flights::default();
    let forgotten = lead(&flights, 1);
    let follower = follow(&flights, 1);
    flights.forget();
    let leader = lead(&flights, 1);
    forgotten.finish("forgotten");
    assert_eq!(follower.state(), FlightState::Finished(&"forgotten"));
    assert!(flights.is_in_flight(&1));
    leader.finish("new");
    assert!(!flights.is_in_flight(&1));
}

#[test]
fn every_follower_learns_the_result_whenever_it_asks() {
    let flights = Flights::default();
    let leader = lead(&flights, 1);
    let followers = [follow(&flights, 1), follow(&flights, 1)];
    leader.finish("first");
    // A later flight with the same key changes nothing for those who followed the first.
    lead(&flights, 1).finish("second");
    for follower in followers {
        assert_eq!(follower.state(), FlightState::Finished(&"first"));
        assert_eq!(follower.state(), FlightState::Finished(&"first"));
    }
}

#[test]
fn a_dropped_leader_abandons_its_flight_and_a_follower_can_lead_the_next() {
    let flights = Flights::default();
    let leader = lead(&flights, 1);
    let follower = follow(&flights, 1);
    drop(leader);
    assert_eq!(follower.state(), FlightState::Abandoned);
    lead(&flights, 1).finish("result");
    assert_eq!(follower.state(), FlightState::Abandoned);
}

#[test]
fn followers_are_woken_once_in_the_order_in_which_they_joined() {
    let log = Rc::default();
    let waker = |number| Waker {
        number,
        log: Rc::clone(&log),
    };
    let flights = Flights::default();
    let leader = lead(&flights, 1);
    for number in [3, 1, 2] {
        follow(&flights, 1).wake_at_end(waker(number));
    }
    assert!(log.borrow().is_empty());
    leader.finish("result");
    assert_eq!(*log.borrow(), [3, 1, 2]);
}

#[test]
fn a_waker_of_a_flight_that_has_ended_is_called_at_once() {
    let log: Rc<RefCell<Vec<usize>>> = Rc::default();
    let flights = Flights::default();
    let leader = lead(&flights, 1);
    let follower = follow(&flights, 1);
    leader.finish("result");
    follower.wake_at_end(Waker {
        number: 7,
        log: Rc::clone(&log),
    });
    assert_eq!(*log.borrow(), [7]);
}

/// Joins again while it is being woken, and leads for a moment.
struct Rejoin {
    flights: Rc<SingleFlight<u8, Self, u8>>,
    led: Rc<RefCell<Vec<bool>>>,
}

impl Wake for Rejoin {
    fn wake(&self) {
        let admission = self.flights.join(1);
        let leads = matches!(admission, Admission::Lead(_));
        self.led.borrow_mut().push(leads);
    }
}

#[test]
fn a_waker_may_join_again() {
    let flights: Rc<SingleFlight<u8, Rejoin, u8>> = Rc::default();
    let led: Rc<RefCell<Vec<bool>>> = Rc::default();
    let Admission::Lead(leader) = flights.join(1) else {
        panic!("nobody leads");
    };
    for _ in 0..2 {
        let Admission::Follow(follower) = flights.join(1) else {
            panic!("two leaders");
        };
        follower.wake_at_end(Rejoin {
            flights: Rc::clone(&flights),
            led: Rc::clone(&led),
        });
    }
    leader.finish(0);
    assert_eq!(*led.borrow(), [true, true]);
    assert!(!flights.is_in_flight(&1));
}

/// One thing that a request does.
#[derive(Debug, Clone)]
enum Step {
    Join(u8),
    /// The leader of this key finishes with this result.
    Finish(u8, u16),
    /// The leader of this key gives up.
    Drop(u8),
    /// The follower at this position goes away.
    Leave(prop::sample::Index),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..3_u8).prop_map(Step::Join),
        1 => (0..3_u8, any::<u16>()).prop_map(|(key, result)| Step::Finish(key, result)),
        1 => (0..3_u8).prop_map(Step::Drop),
        1 => any::<prop::sample::Index>().prop_map(Step::Leave),
    ];
    prop::collection::vec(step, 0..60)
}

/// What the model knows of a follower.
struct Expected {
    key: u8,
    number: usize,
    state: FlightState<'static, u16>,
    follower: Follower<Waker, u16>,
}

proptest! {
    /// The model is a list of followers with their expected states, and the keys that have a
    /// leader.
    #[test]
    fn any_sequence_of_steps_agrees_with_the_model(steps in steps()) {
        let flights: SingleFlight<u8, Waker, u16> = SingleFlight::default();
        let log: Rc<RefCell<Vec<usize>>> = Rc::default();
        let mut leaders = HashMap::new();
        let mut followers: Vec<Expected> = Vec::new();
        // Followers that are in flight in the order in which they joined, whether or not they left.
        let mut waiting: Vec<(u8, usize)> = Vec::new();
        for (number, step) in steps.into_iter().enumerate() {
            let (ended, state) = match step {
                Step::Join(key) => {
                    match flights.join(key) {
                        Admission::Lead(leader) => {
                            prop_assert!(leaders.insert(key, leader).is_none());
                        }
                        Admission::Follow(follower) => {
                            prop_assert!(leaders.contains_key(&key));
                            follower.wake_at_end(Waker { number, log: Rc::clone(&log) });
                            waiting.push((key, number));
                            let state = FlightState::Pending;
                            followers.push(Expected { key, number, state, follower });
                        }
                    }
                    continue;
                }
                Step::Leave(index) => {
                    if !followers.is_empty() {
                        followers.remove(index.index(followers.len()));
                    }
                    continue;
                }
                Step::Finish(key, result) => {
                    let Some(leader) = leaders.remove(&key) else { continue };
                    leader.finish(result);
                    (key, FlightState::Finished(&*Box::leak(Box::new(result))))
                }
                Step::Drop(key) => {
                    let Some(leader) = leaders.remove(&key) else { continue };
                    drop(leader);
                    (key, FlightState::Abandoned)
                }
            };
            let woken = waiting.extract_if(.., |(key, _)| *key == ended);
            let woken: Vec<_> = woken.map(|(_, number)| number).collect();
            prop_assert_eq!(log.take(), woken);
            let pending = followers.iter_mut().filter(|follower| {
                follower.key == ended && follower.state == FlightState::Pending
            });
            pending.for_each(|follower| follower.state = state);
            for Expected { number, state, follower, .. } in &followers {
                prop_assert_eq!(follower.state(), *state, "follower {}", number);
            }
            for key in 0..3 {
                prop_assert_eq!(flights.is_in_flight(&key), leaders.contains_key(&key));
            }
        }
    }
}
