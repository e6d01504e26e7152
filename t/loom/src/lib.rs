//! What processes do to the atomics in shared memory, in every order that the memory model allows.
//! The files under test are those of the module: threads stand for the processes.
#![cfg(test)]
#![allow(dead_code)]

#[path = "../../../crates/slab-map/src/change_state.rs"]
mod change_state;
#[path = "../../../crates/counter-table/src/gauge.rs"]
mod gauge;

mod change_state_tests;
mod gauge_tests;
