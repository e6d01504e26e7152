#![allow(clippy::arithmetic_side_effects)]

use super::*;
use proptest::prelude::*;
use std::collections::{HashMap, HashSet};

/// A table in memory that was something else before.
fn dirty_table() -> Box<CounterTable> {
    let mut table = zeroed_table();
    for owner in &mut table.owners {
        *owner.configuration.get_mut() = 0xa5a5_a5a5;
    }
    for counters in &mut table.counters {
        counters.0.fill_with(|| AtomicU64::new(0xa5a5));
    }
    for gauges in table.workers.as_flattened() {
        for gauge in &gauges.0 {
            gauge.start(1);
            gauge.set(1, 0xa5a5);
        }
    }
    table
}

fn zeroed_table() -> Box<CounterTable> {
    let zero = || AtomicU64::new(0);
    let array = |_| zero();
    let owner = |_| Owner {
        id: std::array::from_fn(array),
        configuration: zero(),
    };
    let gauges = |_| Gauges(std::array::from_fn(|_| Gauge::default()));
    Box::new(CounterTable {
        configuration: zero(),
        since: zero(),
        owners: std::array::from_fn(owner),
        workers: std::array::from_fn(|_| std::array::from_fn(gauges)),
        counters: std::array::from_fn(|_| Counters(std::array::from_fn(array))),
    })
}

/// On a thread whose stack holds a table while it is built.
fn with_table(test: impl FnOnce(&CounterTable) + Send) {
    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().stack_size(32 << 20);
        let thread = builder.spawn_scoped(scope, || {
            let table = dirty_table();
            table.clear(1_700_000_000);
            test(&table);
        });
        if let Err(panic) = thread.unwrap().join() {
            std::panic::resume_unwind(panic);
        }
    });
}

fn id(name: u64) -> GroupId {
    [name, 0, 0, name]
}

fn ids(names: impl IntoIterator<Item = u64>) -> Vec<GroupId> {
    names.into_iter().map(id).collect()
}

fn value(table: &CounterTable, index: usize) -> u64 {
    table.counters(index).unwrap().get(3)
}

#[test]
fn groups_begin_at_0_and_do_not_share_counters() {
    with_table(|table| {
        assert_eq!(table.since(), 1_700_000_000);
        let (number, indices) = table.configure(&ids([7, 8, 9])).unwrap();
        assert_eq!(number, 1);
        assert_eq!(indices.iter().collect::<HashSet<_>>().len(), 3);
        assert!(indices.iter().all(|index| value(table, *index) == 0));
        table.counters(indices[0]).unwrap().add(3, 5);
        table.counters(indices[0]).unwrap().add(3, 2);
        table.counters(indices[1]).unwrap().set(3, 4);
        table.counters(indices[2]).unwrap().add(Counters::LEN, 1);
        let values: Vec<_> = indices.iter().map(|index| value(table, *index)).collect();
        assert_eq!(values, [7, 4, 0]);
        assert_eq!(table.counters(indices[1]).unwrap().swap(3, 6), 4);
        assert_eq!(value(table, indices[1]), 6);
        assert_eq!(table.counters(indices[2]).unwrap().get(Counters::LEN), 0);
        assert!(table.counters(CounterTable::GROUPS).is_none());
    });
}

#[test]
fn a_group_of_an_earlier_configuration_goes_on() {
    with_table(|table| {
        let (_, first) = table.configure(&ids([1, 2])).unwrap();
        table.counters(first[0]).unwrap().add(3, 10);
        table.counters(first[1]).unwrap().add(3, 20);
        let (number, second) = table.configure(&ids([3, 2])).unwrap();
        assert_eq!(number, 2);
        assert_eq!(second[1], first[1]);
        assert!(!first.contains(&second[0]), "1 may still be counted");
        assert_eq!(value(table, second[0]), 0);
        let (_, third) = table.configure(&ids([1])).unwrap();
        assert_eq!(value(table, third[0]), 10, "and comes back");
    });
}

#[test]
fn a_configuration_has_so_many_groups_and_no_more() {
    with_table(|table| {
        let most = CounterTable::MAX_GROUPS as u64;
        let too_many = table.configure(&ids(0..=most));
        assert_eq!(too_many, Err(TooManyGroups));
        for round in 0..10 {
            let (_, indices) = table
                .configure(&ids(round * most..(round + 1) * most))
                .unwrap();
            let distinct: HashSet<_> = indices.iter().collect();
            assert_eq!(distinct.len(), CounterTable::MAX_GROUPS);
            for index in indices {
                assert_eq!(value(table, index), 0, "round {round}");
                table.counters(index).unwrap().add(3, 1);
            }
        }
    });
}

#[test]
fn gauges_are_those_of_the_workers_of_one_configuration() {
    with_table(|table| {
        let (first, _) = table.configure(&[]).unwrap();
        assert_eq!(table.sum_of_gauge(first, 1), 0, "no worker has started");
        table.start_worker(first, 0);
        table.start_worker(first, 1);
        table.set_gauge(first, 0, 1, 5);
        table.set_gauge(first, 1, 1, 6);
        table.set_gauge(first, 1, 2, 100);
        assert_eq!(table.sum_of_gauge(first, 1), 11);
        table.start_worker(first, 1);
        assert_eq!(table.sum_of_gauge(first, 1), 5, "a new worker has nothing");
        let (second, _) = table.configure(&[]).unwrap();
        assert_eq!(table.sum_of_gauge(second, 1), 0);
        table.start_worker(second, 0);
        table.set_gauge(first, 0, 1, 9);
        table.set_gauge(second, 0, 1, 2);
        assert_eq!(
            table.sum_of_gauge(second, 1),
            2,
            "an old worker is not in it"
        );
        assert_eq!(table.sum_of_gauge(first, 1), 9);
        table.set_gauge(second, CounterTable::WORKERS, 1, 1);
        table.set_gauge(second, 0, CounterTable::GAUGES, 1);
        assert_eq!(
            table.sum_of_gauge(second, 1),
            2,
            "nothing else is written to"
        );
        for _ in 0..2 * CounterTable::LIVING {
            let (number, _) = table.configure(&[]).unwrap();
            assert_eq!(table.sum_of_gauge(number, 1), 0, "no worker has started");
        }
        let sum = table.sum_of_gauge(second, 1);
        assert_eq!(
            sum, 2,
            "configurations that fail have no workers, and change nothing"
        );
    });
}

#[test]
fn a_gauge_has_a_value_of_32_bits() {
    let gauge = Gauge::default();
    for (configuration, value) in [(1, 7), (u64::MAX, u64::from(u32::MAX)), (1 << 31, 0)] {
        gauge.start(configuration);
        assert_eq!(gauge.get(configuration), Some(0));
        gauge.set(configuration, value);
        assert_eq!(gauge.get(configuration), Some(value));
        gauge.set(configuration, u64::MAX);
        assert_eq!(gauge.get(configuration), Some(u64::from(u32::MAX)));
        assert_eq!(gauge.get(configuration - 1), None);
    }
}

#[test]
fn a_worker_that_has_stayed_for_long_does_not_write_to_another_ones_gauges() {
    with_table(|table| {
        let (old, _) = table.configure(&[]).unwrap();
        table.start_worker(old, 0);
        for _ in 1..CounterTable::LIVING {
            table.configure(&[]).unwrap();
        }
        let (new, _) = table.configure(&[]).unwrap();
        table.set_gauge(old, 0, 1, 5);
        assert_eq!(table.sum_of_gauge(old, 1), 5, "nobody has its place yet");
        table.start_worker(new, 0);
        table.set_gauge(new, 0, 1, 2);
        table.set_gauge(old, 0, 1, 9);
        assert_eq!(table.sum_of_gauge(new, 1), 2);
    });
}

#[test]
fn no_count_is_lost_while_many_count() {
    with_table(|table| {
        let (_, indices) = table.configure(&ids([1])).unwrap();
        let counters = table.counters(indices[0]).unwrap();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..1000).for_each(|_| counters.add(3, 1)));
            }
        });
        assert_eq!(counters.get(3), 4000);
    });
}

/// Workers that read a changed file swap in what they have read: the first of them counts a change.
#[test]
fn of_many_that_swap_in_the_same_value_one_sees_the_one_before() {
    with_table(|table| {
        let (_, indices) = table.configure(&ids([1])).unwrap();
        let counters = table.counters(indices[0]).unwrap();
        for round in 1..=200 {
            std::thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| match counters.swap(3, round) == round {
                        true => {}
                        false => counters.add(4, 1),
                    });
                }
            });
            assert_eq!(counters.get(4), round);
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Configurations with few and many groups, in any order: a group that was in one of the last
    /// four configurations has its count.
    #[test]
    fn counts_stay_with_their_group(
        configurations in prop::collection::vec(
            (0_u64..600, 1_u64..=CounterTable::MAX_GROUPS as u64), 1..12,
        ),
    ) {
        with_table(|table| {
            let mut model: HashMap<u64, (usize, u64)> = HashMap::new();
            for (number, (start, len)) in configurations.into_iter().enumerate() {
                let names: Vec<_> = (start..start + len).collect();
                let (_, indices) = table.configure(&ids(names.iter().copied())).unwrap();
                assert_eq!(indices.iter().collect::<HashSet<_>>().len(), names.len());
                for (name, index) in names.into_iter().zip(indices) {
                    let known = model.get(&name).filter(|(last, _)| number - last < 4);
                    if let Some((_, count)) = known {
                        assert_eq!(value(table, index), *count);
                    }
                    table.counters(index).unwrap().add(3, name + 1);
                    model.insert(name, (number, value(table, index)));
                }
            }
        });
    }
}
