//! The task of a worker that has keys fetched before a request needs them.

use std::rc::Rc;
use std::time::Duration;

use super::fetched_keys::FetchedKeys;
use crate::nginx::net::{is_shutting_down, sleep, spawn, uptime};

/// The least time between two looks, so that many issuers do not wake an idle worker all the time.
const LEAST_PAUSE: Duration = Duration::from_millis(100);

/// Has the keys of these issuers fetched at the start, by chance one after the other, and before
/// they go stale, as long as the worker takes new requests.
pub(in super::super) fn watch_issuers(issuers: Vec<Rc<FetchedKeys>>) {
    issuers.iter().for_each(|issuer| issuer.restore());
    if !issuers.is_empty() {
        spawn(watch(issuers));
    }
}

async fn watch(issuers: Vec<Rc<FetchedKeys>>) {
    // A worker that starts has the time at which nginx began to read the configuration, which can
    // take longer than all delays. Its tasks begin to run when it has looked at the clock.
    let start = uptime();
    let first_look = |issuer: &FetchedKeys| start + issuer.first_look_delay();
    let mut issuers: Vec<_> = issuers
        .into_iter()
        .map(|issuer| (first_look(&issuer), issuer))
        .collect();
    while !is_shutting_down() {
        let now = uptime();
        let mut pause = Duration::MAX;
        for (next_look, issuer) in &mut issuers {
            if *next_look <= now {
                *next_look = now + issuer.look_in_background();
            }
            pause = pause.min(*next_look - now);
        }
        sleep(pause.max(LEAST_PAUSE)).await;
    }
}
