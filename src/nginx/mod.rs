//! The fence: every FFI call, raw pointer and `unsafe` of the project, with safe types on the outside.
//!
//! Three kinds of function live here: generic `extern "C"` trampolines that nginx calls, safe wrappers that
//! `auth_*` calls, and `unsafe fn` with a `# Safety` section. A trampoline builds safe types from nginx's pointers,
//! with a lifetime that ends with the call, and runs the body inside [`fence::guard`]. Nothing here knows of JOSE
//! or of a directive.
//!
//! All of it runs on nginx's terms: a worker process has one thread, memory comes from pools that die with their
//! owner (the request, or the cycle for a configuration), and a pointer that nginx hands to a callback is valid for
//! that call.
#![allow(unsafe_code)]

mod body;
mod chain;
mod client_header;
mod conf_path;
mod directive;
mod failure;
mod fence;
mod filter_state;
mod header;
mod log;
mod module;
mod phase;
mod pool;
mod request;
mod response;
mod response_body;
mod setting;
mod shared;
mod shim;
mod status;
mod subrequest;
mod subrequest_filter;
mod subrequest_response;
mod target;
mod template;
mod text;
mod variable;
mod waker;

pub use body::BodyRead;
pub use directive::{Config, ConfigError, Directive, Set, args, context};
pub use failure::Failure;
pub use filter_state::SubrequestFilter;
pub use header::HeaderLines;
pub use log::Log;
pub use module::{Descriptor, Exported, Inherit, Module};
pub use phase::{Access, AccessHandler, AroundAccess};
pub use request::Request;
pub use response::ResponseContent;
pub use response_body::{BodyError, ResponseBody};
pub use setting::{List, Setting};
pub use shared::{SharedZone, ZoneLookup};
pub use status::Status;
pub use subrequest::{Subrequest, SubrequestBody, SubrequestOwner};
pub use subrequest_response::{StatusOrigin, SubrequestResponse};
pub use target::Target;
pub use template::Template;
pub use text::Text;
pub use variable::{AssignableVariable, Getter, ModuleVariable, PrefixVariable, Variable};
pub use waker::Waker;
