//! The configuration of a level.

use std::rc::Rc;

use super::AuthStatus;
use super::counted::ZoneCounters;
use super::main_conf::Subject;
use super::page::PageFormat;
use crate::nginx::{Config, ConfigError, Inherit, Setting};

/// The configuration of a level.
#[derive(Default)]
pub struct LocationConf {
    pub(super) zone: Setting<Rc<str>>,
    /// Of this location only: nginx inherits no content handler.
    pub(super) page: Option<PageFormat>,
    /// The counters of this level, when levels are merged.
    pub(super) counters: ZoneCounters,
}

impl Inherit for LocationConf {
    fn inherit(&mut self, outer: &Self, cf: &mut Config<'_>) -> Result<(), ConfigError> {
        let Self {
            zone,
            page,
            counters,
        } = self;
        zone.inherit(&outer.zone);
        let main = cf.main_conf::<AuthStatus>();
        if main.has_page.get() {
            let name = zone.get().map_or("", |name| name);
            *counters = ZoneCounters(Some(main.group(Subject::Zone, name)));
        }
        if page.is_some() && !cf.is_content_handler::<AuthStatus>() {
            return Err(ConfigError::message(
                "\"auth_status\" has no effect: another directive of the location, such as \
                 proxy_pass, responds to the requests",
            ));
        }
        Ok(())
    }
}
