//! One GET, for keys and discovery documents, over any stream. The client knows no socket, clock or
//! event loop: [`network::Network`] gives it connections and timers.

pub mod network;
