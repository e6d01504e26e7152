//! The fence: every FFI call, raw pointer and `unsafe` of the project is in this folder, behind
//! safe types. (`exports` has the symbols that nginx's loader reads, which are `unsafe` by name.)
//!
//! There are three kinds of function: generic `extern "C"` trampolines that nginx calls, safe
//! wrappers that `auth_jwt` and `auth_request` call, and `unsafe fn` with a `# Safety` section. A
//! trampoline builds safe types from nginx's pointers, with a lifetime that ends with the call, and
//! runs its body in [`fence::guard`]. Nothing here knows JOSE or a directive.
//!
//! The SAFETY comments rest on how nginx works: a worker process has one thread; memory comes from
//! pools, which live as long as their owner (a request, or the cycle for a configuration); and a
//! pointer that nginx hands to a callback is valid during that call.
//!
//! What a configuration is made of ([`Template`], [`Variable`], [`SharedZone`] and their like)
//! points into the pool of its cycle without a lifetime that says so. It is kept in that
//! configuration, and in requests that the configuration serves. It cannot get anywhere else,
//! because outside of the fence there is no `static` and no thread; `scripts/lint` holds that.
#![allow(unsafe_code)]

mod arguments;
mod background;
mod block;
mod body;
mod chain;
mod client_header;
mod conf_path;
mod content;
mod counters;
mod directive;
mod drain;
mod failure;
mod fence;
mod filter_state;
mod header;
mod header_variables;
mod http_date;
mod line_changes;
mod line_list;
mod location;
mod log;
#[cfg(feature = "fault-injection")]
mod memory_faults;
mod module;
pub mod net;
mod phase;
mod poison;
mod pool;
mod regex;
mod request;
mod response;
mod response_body;
mod server;
mod setting;
mod shared;
mod shared_update;
mod shim;
mod single_line;
mod status;
mod stored_file;
mod subrequest;
mod subrequest_filter;
mod subrequest_response;
mod target;
mod template;
mod text;
mod upstream_line;
mod variable;
mod waker;
mod worker_folder;

pub use background::BackgroundTask;
pub use block::{ConfigBlock, Member};
pub use body::BodyRead;
pub use client_header::LineChange;
pub use content::{ContentHandler, ContentResponse};
pub use counters::{CounterGroup, SharedCounters};
pub use directive::{Config, ConfigError, Directive, MergedConfig, Set, args, context};
pub use failure::Failure;
pub use filter_state::SubrequestFilter;
pub use header::HeaderLines;
pub use http_date::parse_http_date;
pub use location::Location;
pub use log::{Log, Severity};
pub use module::{Descriptor, Exported, Inherit, Module};
pub use phase::{Access, AccessHandler, AccessProgress, AroundAccess, BeforeLog, PreaccessHandler};
pub use regex::Regex;
pub use request::Request;
pub use response::ResponseContent;
pub use response_body::{BodyError, ResponseBody};
pub use server::Server;
pub use setting::{List, Setting};
pub use shared::{LargeValueZone, SharedZone, ZoneLookup};
pub use shared_update::{LargeValueEntries, ZoneEntry};
pub use status::Status;
pub use stored_file::{OpenError, open_stored_file};
pub use subrequest::{Subrequest, SubrequestBody, SubrequestLines, SubrequestOwner};
pub use subrequest_response::{StatusOrigin, SubrequestResponse};
pub use target::Target;
pub use template::Template;
pub use text::Text;
pub use upstream_line::{HeaderName, UpstreamLines};
pub use variable::{AssignableVariable, Getter, ModuleVariable, PrefixVariable, Variable};
pub use waker::{WakeTimer, Waker};
pub use worker_folder::is_own_file;
