//! TLS on top of any stream, by OpenSSL: what is configured, the handshake with the verification of
//! the server's certificate, and the encrypted stream.

mod certificate;
mod config;
mod error_queue;
mod stream;

pub use config::{TlsConfig, TlsConfigError, TlsConfigs, TlsOptions};
pub use stream::TlsStream;

pub(crate) use stream::{TlsIoError, handshake};
