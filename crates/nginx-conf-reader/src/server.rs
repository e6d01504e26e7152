//! Finds the server of a request: by the address that the connection comes to, then by the host
//! that it is for.

use std::fs;

use text::Quoted;

use crate::error::ConfError;
use crate::listen::{Listen, ListenAddress};
use crate::server_name::ServerNames;
use crate::tree::ConfDirective;
use crate::units::flag;

/// Which connection a request comes by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AskedAddress {
    /// One to any address of the machine.
    Any,
    /// One to this port.
    Port(u16),
    /// One to this address.
    One(ListenAddress),
}

/// The server of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChosenServer<'a> {
    /// The block.
    pub server: &'a ConfDirective,
    /// The name in `server_name` that the host fits. `None`: the server is the default one of the
    /// address.
    pub name: Option<Vec<u8>>,
    /// An address that the server listens on, which the connection may come to.
    pub address: ListenAddress,
    /// Whether several slashes in a URI count as one: `merge_slashes`. A URI is read before the
    /// line `Host` is, so this is said by the default server, unless TLS has told the host.
    pub merges_slashes: bool,
}

/// Finds the server that nginx chooses for this host. Without a host it is the default one.
///
/// # Errors
/// There is no such address, or the server depends on which of several addresses it is.
pub fn choose<'a>(
    http: &'a ConfDirective,
    target: &AskedAddress,
    host: Option<&str>,
) -> Result<ChosenServer<'a>, ConfError> {
    let sockets = sockets(http)?;
    let asked = asked(&sockets, target);
    let mut chosen: Vec<ChosenServer<'a>> = Vec::new();
    for socket in asked {
        let choice = choose_at(http, socket, host)?;
        if !chosen
            .iter()
            .any(|other| std::ptr::eq(other.server, choice.server))
        {
            chosen.push(choice);
        }
    }
    match &chosen[..] {
        [choice] => Ok(choice.clone()),
        [] => Err(nobody_listens(&sockets, target)),
        several => {
            let list = several
                .iter()
                .map(|choice| format!("{} at {}", choice.server.place(), choice.address));
            let list: Vec<_> = list.collect();
            Err(ConfError::new(format!(
                "the server depends on the address, which has to be named: {}",
                list.join(", ")
            )))
        }
    }
}

/// An address, and who listens there.
struct Socket<'a> {
    address: ListenAddress,
    /// In the order of the configuration.
    servers: Vec<&'a ConfDirective>,
    /// The server for hosts that no server has.
    default: &'a ConfDirective,
    is_tls: bool,
}

fn sockets(http: &ConfDirective) -> Result<Vec<Socket<'_>>, ConfError> {
    let mut sockets: Vec<Socket<'_>> = Vec::new();
    for server in http.find("server").filter(|server| server.has_block()) {
        let listens = server.find("listen").map(Listen::read);
        let mut listens = listens.collect::<Result<Vec<_>, _>>()?;
        if listens.is_empty() {
            listens.push(Listen::without_directive());
        }
        for listen in listens {
            for address in listen.addresses {
                match sockets.iter_mut().find(|socket| socket.address == address) {
                    Some(socket) => {
                        socket.servers.push(server);
                        socket.is_tls |= listen.is_tls;
                        if listen.is_default {
                            socket.default = server;
                        }
                    }
                    None => sockets.push(Socket {
                        address,
                        servers: vec![server],
                        default: server,
                        is_tls: listen.is_tls,
                    }),
                }
            }
        }
    }
    Ok(sockets)
}

/// The sockets that the connection may come to.
fn asked<'s, 'a>(sockets: &'s [Socket<'a>], target: &AskedAddress) -> Vec<&'s Socket<'a>> {
    let of = |is_asked: &dyn Fn(&ListenAddress) -> bool| {
        let asked = sockets.iter().filter(|socket| is_asked(&socket.address));
        asked.collect::<Vec<_>>()
    };
    match target {
        AskedAddress::Any => of(&|_| true),
        AskedAddress::Port(port) => of(&|address| address.port() == Some(*port)),
        AskedAddress::One(target) => {
            let exact = of(&|address| address == target);
            if !exact.is_empty() {
                return exact;
            }
            let is_v6 =
                |address: &ListenAddress| matches!(address, ListenAddress::Ip(ip) if ip.is_ipv6());
            of(&|address| {
                let is_same_port = address.port().is_some() && address.port() == target.port();
                address.is_wildcard() && is_same_port && is_v6(address) == is_v6(target)
            })
        }
    }
}

fn choose_at<'a>(
    http: &ConfDirective,
    socket: &Socket<'a>,
    host: Option<&str>,
) -> Result<ChosenServer<'a>, ConfError> {
    let found = match host {
        None => None,
        Some(host) => names(&socket.servers).find(&normalized(host))?,
    };
    let (server, name) = match found {
        Some((server, name)) => (server, Some(name)),
        None => (socket.default, None),
    };
    let of_uri = if socket.is_tls {
        server
    } else {
        socket.default
    };
    let mut of_uri = of_uri
        .find("merge_slashes")
        .chain(http.find("merge_slashes"));
    let merges_slashes = of_uri
        .next()
        .and_then(|directive| flag(directive.args().first()?));
    Ok(ChosenServer {
        server,
        name,
        address: socket.address.clone(),
        merges_slashes: merges_slashes.unwrap_or(true),
    })
}

fn names<'a>(servers: &[&'a ConfDirective]) -> ServerNames<&'a ConfDirective> {
    let mut names = ServerNames::new();
    for &server in servers {
        let mut has_name = false;
        for directive in server.find("server_name") {
            for name in directive.args() {
                has_name = true;
                match name.eq_ignore_ascii_case(b"$hostname") {
                    true => names.add(&host_name(), server, directive.place()),
                    false => names.add(name, server, directive.place()),
                }
            }
        }
        if !has_name {
            names.add(b"", server, server.place());
        }
    }
    names
}

/// The name of this machine, which `$hostname` stands for.
fn host_name() -> Vec<u8> {
    let name = fs::read("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim_ascii_end().to_ascii_lowercase()
}

/// The host as nginx compares it: in lower case, without a dot at the end.
fn normalized(host: &str) -> Vec<u8> {
    let host = host.to_ascii_lowercase();
    host.strip_suffix('.').unwrap_or(&host).into()
}

fn nobody_listens(sockets: &[Socket<'_>], target: &AskedAddress) -> ConfError {
    if sockets.is_empty() {
        return ConfError::new("the configuration has no server");
    }
    let what = match target {
        AskedAddress::Any => String::new(),
        AskedAddress::Port(port) => format!(" port {port}"),
        AskedAddress::One(address) => format!(" {}", Quoted::whole(address.to_string())),
    };
    let known: Vec<_> = sockets
        .iter()
        .map(|socket| socket.address.to_string())
        .collect();
    ConfError::new(format!(
        "no server listens on{what}; there are {}",
        known.join(", ")
    ))
}
