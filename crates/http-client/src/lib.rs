//! One GET, for keys and discovery documents, over any stream. The client knows no socket, clock or
//! event loop: a [`Network`](network::Network) gives it connections and timers. hyper speaks HTTP,
//! OpenSSL speaks TLS.
//!
//! | module | what is in it |
//! |---|---|
//! | [`client`] | [`get`](client::get), with redirects |
//! | [`error`] | why there is no document |
//! | [`limits`] | time limits and sizes |
//! | [`network`] | what has to be implemented by whoever has sockets |
//! | [`proxy`] | HTTP proxies |
//! | [`tls`] | certificates, and the encrypted stream |

pub mod client;
pub mod error;
mod exchange;
pub mod limits;
pub mod network;
pub mod proxy;
pub mod tls;
mod turns;

#[cfg(test)]
mod tests;
