//! Reads nginx.conf as nginx does, and finds the server and the location that nginx would choose
//! for a request. It knows the directives that this takes, and no others: what they may say is
//! checked by `nginx -t`.

pub mod error;
mod include;
pub mod listen;
pub mod location;
mod lua;
pub mod regex;
pub mod server;
mod server_name;
pub mod tree;
pub mod units;
pub mod uri;
mod words;

#[cfg(test)]
mod tests;
