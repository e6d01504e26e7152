//! The levels of a configuration that a request is in: `http`, its server, its locations.

use nginx_conf_reader::error::ConfError;
use nginx_conf_reader::listen::ListenAddress;
use nginx_conf_reader::location::{self, Found};
use nginx_conf_reader::server::{self, AskedAddress, ChosenServer};
use nginx_conf_reader::tree::ConfDirective;
use nginx_conf_reader::uri;
use text::Quoted;

use super::LocationQuestion;
use super::line::{Names, shown_word, shown_words};

/// A level of the configuration.
#[derive(Debug, Clone)]
pub(super) struct Level<'a> {
    /// As in `location /api/`.
    pub(super) name: String,
    pub(super) block: &'a ConfDirective,
}

/// Where a request goes.
#[derive(Debug)]
pub(super) struct ChosenLocation<'a> {
    pub(super) server: ChosenServer<'a>,
    host: Option<String>,
    /// The path as locations are compared with it.
    pub(super) path: Vec<u8>,
    /// From the outside to the inside. The first is `http`.
    pub(super) levels: Vec<Level<'a>>,
    /// The location with a slash at the end of its name that nginx redirects to.
    pub(super) redirect: Option<&'a ConfDirective>,
}

impl<'a> ChosenLocation<'a> {
    /// Finds where nginx has a request go.
    pub(super) fn find(
        http: &'a ConfDirective,
        question: &LocationQuestion,
    ) -> Result<Self, ConfError> {
        let (host, port) = match question.host.as_deref().map(host_and_port) {
            None => (None, None),
            Some(parsed) => {
                let (host, port) = parsed?;
                (Some(host), port)
            }
        };
        let address = match (&question.address, port) {
            (Some(address), _) => asked_address(address)?,
            (None, Some(port)) => AskedAddress::Port(port),
            (None, None) => AskedAddress::Any,
        };
        let server = server::choose(http, &address, host.as_deref())?;
        let path = uri::path(question.uri.as_bytes(), server.merges_slashes).map_err(|why| {
            let uri = Quoted::whole(&question.uri);
            ConfError::new(format!("{uri} is not the URI of a request: {why}"))
        })?;
        let (locations, redirect) = match location::choose(server.server, &path)? {
            Found::Locations(locations) => (locations, None),
            Found::RedirectTo(location) => (Vec::new(), Some(location)),
        };
        let level = |block: &'a ConfDirective| Level {
            name: level_name(block),
            block,
        };
        let mut levels = vec![level(http), level(server.server)];
        levels.extend(locations.into_iter().map(level));
        let limits = levels
            .last()
            .and_then(|level| level.block.find("limit_except").next());
        if let Some(limits) = limits.filter(|limits| !allows(limits, &question.method)) {
            levels.push(level(limits));
        }
        Ok(Self {
            server,
            host,
            path,
            levels,
            redirect,
        })
    }

    /// The innermost location or the server, without `limit_except`.
    pub(super) fn innermost(&self) -> &'a ConfDirective {
        let mut levels = self.levels.iter().rev().map(|level| level.block);
        let innermost = levels.find(|block| !block.is("limit_except"));
        innermost.unwrap_or(self.server.server)
    }

    /// Which blocks were chosen.
    pub(super) fn lines(&self, names: &Names<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        for level in self.levels.iter().skip(1) {
            let mut line = format!("{}, {}", level.name, names.place(level.block.place()));
            if level.block.is("server") {
                line.push_str(&self.server_reason());
            }
            lines.push(line);
        }
        if !self.levels.iter().any(|level| level.block.is("location")) && self.redirect.is_none() {
            lines.push("no location of this server matches the URI".into());
        }
        lines
    }

    /// Why it is this server.
    fn server_reason(&self) -> String {
        let address = &self.server.address;
        match (&self.server.name, &self.host) {
            (Some(name), _) => format!(", listens on {address}, server_name {}", shown_word(name)),
            (None, Some(host)) => format!(
                ", the default server of {address}: no server_name there matches {}",
                shown_word(host.as_bytes())
            ),
            (None, None) => format!(", the default server of {address}"),
        }
    }
}

/// As in `location ~ ^/api/`.
fn level_name(block: &ConfDirective) -> String {
    let name = shown_word(block.name());
    match block.args() {
        [] => name,
        args => format!("{name} {}", shown_words(args)),
    }
}

/// Whether the block is for other methods than this one.
fn allows(limit_except: &ConfDirective, method: &str) -> bool {
    limit_except.args().iter().any(|allowed| {
        let is_head = method == "HEAD" && allowed.eq_ignore_ascii_case(b"GET");
        is_head || allowed.eq_ignore_ascii_case(method.as_bytes())
    })
}

/// Splits `host`, `host:port` and `[::1]:port`.
fn host_and_port(text: &str) -> Result<(String, Option<u16>), ConfError> {
    let wrong = || {
        let text = Quoted::whole(text);
        ConfError::new(format!("{text} is not a host, or a host and a port"))
    };
    let end = text.rfind(']').map_or(0, |at| at.saturating_add(1));
    let (before, behind) = text.split_at_checked(end).ok_or_else(wrong)?;
    let (host, port) = match behind.split_once(':') {
        Some((host, port)) => {
            let port = port.parse().ok().filter(|port| *port > 0);
            (host, Some(port.ok_or_else(wrong)?))
        }
        None => (behind, None),
    };
    let host = format!("{before}{host}");
    let is_host = !host.is_empty() && host.bytes().all(|byte| byte > b' ' && byte != b'/');
    is_host.then_some((host, port)).ok_or_else(wrong)
}

fn asked_address(text: &str) -> Result<AskedAddress, ConfError> {
    let wrong = || {
        let text = Quoted::whole(text);
        ConfError::new(format!("{text} is not a port, or an address and a port"))
    };
    if let Ok(port) = text.parse() {
        return Ok(AskedAddress::Port(port));
    }
    let address = ListenAddress::parse(text.as_bytes()).ok_or_else(wrong)?;
    Ok(AskedAddress::One(address))
}
