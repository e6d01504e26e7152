//! The client against servers on the loopback interface. A server is a thread with blocking I/O, so
//! that it is easy to see what it does. Where a test waits for a time limit, the server never does
//! what would end the wait, and all other limits are far away: nothing depends on speed.

mod bodies;
mod certificates;
mod error_queue;
mod floods;
mod headers;
mod proxies;
mod redirects;
mod support;
mod time_limits;
mod tls_files;
