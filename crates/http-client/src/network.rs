//! What the client needs of the world: connections and the passing of time. nginx's event loop
//! gives both, in tests tokio does. A worker of nginx has one thread, so nothing here is `Send`.

use std::fmt;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_url::{HttpUrl, UrlHost};

/// Connections, and the passing of time.
///
/// The futures are dropped before they are ready when a time limit ends them: a connection that is
/// being made, a resolution and a timer then end with them.
pub trait Network {
    /// A connection. It is closed when it is dropped.
    type Stream: hyper::rt::Read + hyper::rt::Write + Unpin;

    /// The addresses of a host name. There is no time limit, here and below: the client has one.
    ///
    /// # Errors
    /// [`ConnectError`]
    fn resolve(&self, host: &str) -> impl Future<Output = Result<Vec<IpAddr>, ConnectError>>;

    /// Connects to a server. If it has several addresses, they are tried in turn.
    ///
    /// # Errors
    /// [`ConnectError`]
    fn connect(
        &self,
        address: &ResolvedAddress<'_>,
    ) -> impl Future<Output = Result<Self::Stream, ConnectError>>;

    /// Is ready when this time has passed.
    fn sleep(&self, duration: Duration) -> impl Future<Output = ()>;
}

/// What is connected to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// A host name that has to be resolved, in ASCII and lower case, and a port.
    Name {
        /// The host name.
        host: String,
        /// The TCP port.
        port: u16,
    },
    /// An IP address and a port.
    Ip(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Whether this is this machine whatever a resolver says: what is sent there passes no network.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Ip(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
            Self::Name { .. } => false,
        }
    }
}

/// Where a connection leads, when the name is resolved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedAddress<'a> {
    /// The addresses of one host, each with the port.
    Ip(Vec<SocketAddr>),
    /// The path of a Unix socket.
    Unix(&'a Path),
}

/// The server of a URL.
impl From<&HttpUrl> for Address {
    fn from(url: &HttpUrl) -> Self {
        match url.host() {
            UrlHost::Ip(ip) => Self::Ip(SocketAddr::new(*ip, url.port())),
            UrlHost::Unix(path) => Self::Unix(path.clone()),
            UrlHost::Name(host) => Self::Name {
                host: host.clone(),
                port: url.port(),
            },
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name { host, port } => write!(f, "{host}:{port}"),
            Self::Ip(address) => write!(f, "{address}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Why there is no connection. The texts follow the address in a log line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The host name does not exist.
    #[error("the host name does not exist")]
    NoSuchHost,
    /// The host name exists, and has no address that can be used.
    #[error("the host name has no address")]
    NoAddress,
    /// The host name is not known, because resolving it failed. The reason is the resolver's.
    #[error("the host name could not be resolved: {0}")]
    Resolve(String),
    /// Nothing listens there.
    #[error("connection refused")]
    Refused,
    /// There is no way to that host, or none is allowed.
    #[error("host or network unreachable")]
    Unreachable,
    /// The operating system gave up.
    #[error("connection timed out")]
    TimedOut,
    /// The Unix socket does not exist.
    #[error("no such socket")]
    NoSuchSocket,
    /// The process may not connect to it.
    #[error("permission denied")]
    Denied,
    /// The worker has no more file descriptors or connections (`worker_connections`), or no memory.
    #[error("{0}")]
    NoResources(String),
    /// The worker is about to exit.
    #[error("the worker is shutting down")]
    ShuttingDown,
    /// Another error of the operating system.
    #[error("{0}")]
    Other(String),
}

impl From<std::io::Error> for ConnectError {
    fn from(error: std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable | Kind::AddrNotAvailable => {
                Self::Unreachable
            }
            Kind::TimedOut => Self::TimedOut,
            Kind::NotFound => Self::NoSuchSocket,
            Kind::PermissionDenied => Self::Denied,
            _ => Self::Other(error.to_string()),
        }
    }
}
