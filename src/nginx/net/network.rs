//! What the HTTP client needs of a worker: connections to addresses and host names, and time.

#[cfg(feature = "fault-injection")]
use super::super::fence::fault_injection;
use super::connection::Connection;
use super::resolver::Resolver;
use super::timer::sleep;
use futures_util::StreamExt;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use http_client::network::{ConnectError, Network, ResolvedAddress};
use socket2::SockAddr;
use std::collections::HashMap;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::time::Duration;

/// How long one address of a host has before the next one is tried as well, so that one that does
/// not respond costs no more than that (RFC 8305, section 8).
const HEAD_START: Duration = Duration::from_millis(250);

/// How many addresses of one host are tried.
const MAX_ADDRESSES: usize = 8;

/// The network as a worker sees it.
pub struct WorkerNetwork {
    host_names: HostNames,
}

/// Where the addresses of host names are from.
pub enum HostNames {
    /// The name servers of a `resolver` directive.
    Resolver(Resolver),
    /// The system, which was asked when the configuration was read.
    Known(HashMap<String, Vec<IpAddr>>),
}

impl HostNames {
    /// Asks the system for the addresses of some hosts, which takes as long as it takes: for the
    /// time when the configuration is read.
    ///
    /// # Errors
    /// The host that the system does not know, and the reason.
    pub fn look_up<'a>(
        hosts: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, (&'a str, io::Error)> {
        let mut known = HashMap::new();
        for host in hosts {
            let addresses = (host, 0).to_socket_addrs().map_err(|error| (host, error))?;
            let addresses = addresses.map(|address| address.ip()).collect();
            known.insert(host.to_ascii_lowercase(), addresses);
        }
        Ok(Self::Known(known))
    }

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        match self {
            Self::Resolver(resolver) => resolver.resolve(host).await,
            Self::Known(known) => known.get(host).cloned().ok_or_else(|| {
                ConnectError::Resolve(
                    "it was not known when the configuration was read: set \"resolver\"".into(),
                )
            }),
        }
    }
}

impl WorkerNetwork {
    /// A network in which host names have these addresses.
    pub fn new(host_names: HostNames) -> Self {
        Self { host_names }
    }
}

impl Network for WorkerNetwork {
    type Stream = Connection;

    async fn resolve(&self, host: &str) -> Result<Vec<IpAddr>, ConnectError> {
        self.host_names.resolve(host).await
    }

    async fn connect(&self, address: &ResolvedAddress<'_>) -> Result<Connection, ConnectError> {
        match address {
            ResolvedAddress::Ip(addresses) => connect_to_first(addresses.iter().copied()).await,
            ResolvedAddress::Unix(path) => {
                #[cfg(feature = "fault-injection")]
                fault_injection::panic_in_connect(path);
                connect(&SockAddr::unix(path)?).await
            }
        }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> {
        sleep(duration)
    }
}

/// Connects to the first of several addresses that responds.
async fn connect_to_first(
    addresses: impl Iterator<Item = SocketAddr>,
) -> Result<Connection, ConnectError> {
    let mut addresses = addresses.take(MAX_ADDRESSES).map(SockAddr::from);
    let mut attempts = FuturesUnordered::new();
    let mut last_error = ConnectError::NoAddress;
    loop {
        let next = addresses.next();
        let is_last = next.is_none();
        attempts.extend(next.map(|address| async move { connect(&address).await }));
        let attempt = match is_last {
            true => attempts.next().await,
            false => match select(attempts.next(), sleep(HEAD_START)).await {
                Either::Left((attempt, _)) => attempt,
                Either::Right(_) => continue,
            },
        };
        match attempt {
            Some(Ok(connection)) => return Ok(connection),
            Some(Err(error)) => last_error = error,
            None => return Err(last_error),
        }
    }
}

async fn connect(address: &SockAddr) -> Result<Connection, ConnectError> {
    Connection::connect(address)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::QuotaExceeded => ConnectError::NoResources(error.to_string()),
            ErrorKind::ConnectionAborted => ConnectError::ShuttingDown,
            _ if error.raw_os_error() == Some(nginx_sys::EMFILE as i32) => {
                ConnectError::NoResources(error.to_string())
            }
            _ => error.into(),
        })
}
