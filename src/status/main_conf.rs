//! The counters of a configuration, and what each group of them is about.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use crate::nginx::{CounterGroup, SharedCounters};
use openssl::sha::Sha256;
use policy::counters::{SourceCounter, ZoneCounter};

/// The zone of the counters. Its name has a colon, so that no directive can have it.
pub(super) const ZONE: &[u8] = b"auth_status:counters";

/// The layout of the counters within their groups. Another number makes those of before begin at 0.
const LAYOUT: u8 = 1;

/// The counters of a configuration.
#[derive(Default)]
pub struct MainConf {
    /// Whether a level has `auth_status`.
    pub(super) has_page: Cell<bool>,
    pub(super) counters: SharedCounters,
    groups: RefCell<Vec<NamedGroup>>,
}

/// A gauge of each worker: how many tokens its token cache has.
pub(super) const TOKEN_CACHE_ENTRIES: usize = 0;

/// What a group of counters is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Subject {
    /// The requests of levels with a name of `auth_status_zone`, or of those without.
    Zone,
    /// An `auth_jwt_issuer` whose keys are fetched.
    Issuer,
    /// A key file that the configuration names.
    KeyFile,
    /// An `auth_jwt_key_request`, by the URI as it is configured.
    KeyRequest,
}

/// A group of counters and its name.
pub(super) struct NamedGroup {
    pub(super) subject: Subject,
    pub(super) name: Rc<str>,
    pub(super) group: Rc<CounterGroup>,
}

impl MainConf {
    /// The group of counters about this subject with this name.
    pub(super) fn group(&self, subject: Subject, name: &str) -> Rc<CounterGroup> {
        let mut groups = self.groups.borrow_mut();
        let known = groups
            .iter()
            .find(|known| known.subject == subject && *known.name == *name);
        if let Some(known) = known {
            return Rc::clone(&known.group);
        }
        let group = self.counters.group(identity(subject, name));
        groups.push(NamedGroup {
            subject,
            name: name.into(),
            group: Rc::clone(&group),
        });
        group
    }

    /// Calls `show` with the groups about this subject, in the order of their names.
    pub(super) fn with_groups<T>(
        &self,
        subject: Subject,
        show: impl FnOnce(&[&NamedGroup]) -> T,
    ) -> T {
        let groups = self.groups.borrow();
        let mut groups: Vec<_> = groups
            .iter()
            .filter(|group| group.subject == subject)
            .collect();
        groups.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        show(&groups)
    }
}

/// What tells a group from others, also after a reload.
fn identity(subject: Subject, name: &str) -> [u8; 32] {
    const { assert!(ZoneCounter::COUNT <= SharedCounters::COUNTERS) };
    const { assert!(SourceCounter::COUNT <= SharedCounters::COUNTERS) };
    let subject: &[u8] = match subject {
        Subject::Zone => b"zone",
        Subject::Issuer => b"issuer",
        Subject::KeyFile => b"key file",
        Subject::KeyRequest => b"key request",
    };
    let mut digest = Sha256::new();
    digest.update(&[LAYOUT]);
    digest.update(subject);
    digest.update(b"\0");
    digest.update(name.as_bytes());
    digest.finish()
}
