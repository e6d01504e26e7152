//! The addresses that servers listen on.

use std::fmt::{self, Display};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use text::Quoted;

use crate::error::ConfError;
use crate::tree::ConfDirective;

/// The port where an address has none.
const DEFAULT_PORT: u16 = 80;

/// Where nginx takes connections.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An address and a port.
    Ip(SocketAddr),
    /// A host name, which nginx asks the system for, and a port.
    Name(String, u16),
    /// A Unix socket.
    Unix(String),
}

impl ListenAddress {
    /// The port, if there is one.
    pub fn port(&self) -> Option<u16> {
        match self {
            Self::Ip(address) => Some(address.port()),
            Self::Name(_, port) => Some(*port),
            Self::Unix(_) => None,
        }
    }

    /// Whether connections to all addresses of the machine come here.
    pub fn is_wildcard(&self) -> bool {
        matches!(self, Self::Ip(address) if address.ip().is_unspecified())
    }

    /// Reads an address: `port`, `host`, `host:port`, `unix:path`. `None`: it is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        match &Self::parse_all(text)?[..] {
            [address] => Some(address.clone()),
            _ => None,
        }
    }

    /// Reads an address, or a range of ports, each of which is an address.
    fn parse_all(text: &[u8]) -> Option<Vec<Self>> {
        let text = str::from_utf8(text).ok()?;
        let is_unix = text
            .get(..5)
            .is_some_and(|scheme| scheme.eq_ignore_ascii_case("unix:"));
        if let (true, Some(path)) = (is_unix, text.get(5..)) {
            return (!path.is_empty()).then(|| vec![Self::Unix(path.into())]);
        }
        if let Some(bracketed) = text.strip_prefix('[') {
            let (host, port) = bracketed.split_once(']')?;
            let host: Ipv6Addr = host.parse().ok()?;
            let ports = match port {
                "" => DEFAULT_PORT..=DEFAULT_PORT,
                port => parse_ports(port.strip_prefix(':')?)?,
            };
            return Some(ports.map(|port| Self::Ip((host, port).into())).collect());
        }
        let (host, ports) = match text.split_once(':') {
            Some((host, ports)) => (host, parse_ports(ports)?),
            None => match parse_ports(text) {
                Some(ports) => ("*", ports),
                None if text
                    .bytes()
                    .all(|byte| byte.is_ascii_digit() || byte == b'-') =>
                {
                    return None;
                }
                None => (text, DEFAULT_PORT..=DEFAULT_PORT),
            },
        };
        let address = |port| match (host, host.parse::<Ipv4Addr>()) {
            ("*", _) => Self::Ip((Ipv4Addr::UNSPECIFIED, port).into()),
            (_, Ok(ip)) => Self::Ip((IpAddr::V4(ip), port).into()),
            (name, Err(_)) => Self::Name(name.to_ascii_lowercase(), port),
        };
        let is_host = !host.is_empty() && !host.contains(['/', '?']);
        is_host.then(|| ports.map(address).collect())
    }
}

impl Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(address) => write!(f, "{address}"),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{path}"),
        }
    }
}

/// What one `listen` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Listen {
    pub(crate) addresses: Vec<ListenAddress>,
    /// Whether the server is the one for hosts that no server has.
    pub(crate) is_default: bool,
    /// Whether connections are encrypted.
    pub(crate) is_tls: bool,
}

impl Listen {
    /// Reads the directive.
    pub(crate) fn read(directive: &ConfDirective) -> Result<Self, ConfError> {
        let invalid = |text: &[u8]| {
            let message = format!("invalid address {} in \"listen\"", Quoted::whole(text));
            ConfError::at(directive.place(), message)
        };
        let (address, parameters) = directive.args().split_first().ok_or_else(|| invalid(b""))?;
        let is_default = |word: &Vec<u8>| *word == b"default_server" || *word == b"default";
        Ok(Self {
            addresses: ListenAddress::parse_all(address).ok_or_else(|| invalid(address))?,
            is_default: parameters.iter().any(is_default),
            is_tls: parameters
                .iter()
                .any(|word| *word == b"ssl" || *word == b"quic"),
        })
    }

    /// What a server without the directive listens on, where nginx was started as root.
    pub(crate) fn without_directive() -> Self {
        Self {
            addresses: vec![ListenAddress::Ip(
                (Ipv4Addr::UNSPECIFIED, DEFAULT_PORT).into(),
            )],
            is_default: false,
            is_tls: false,
        }
    }
}

fn parse_ports(text: &str) -> Option<std::ops::RangeInclusive<u16>> {
    let port = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let port = text.parse().ok().filter(|_| is_number)?;
        (port > 0).then_some(port)
    };
    match text.split_once('-') {
        None => port(text).map(|port| port..=port),
        Some((first, last)) => {
            let (first, last) = (port(first)?, port(last)?);
            (first <= last).then_some(first..=last)
        }
    }
}
