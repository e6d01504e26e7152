//! URLs of `http` and `https`: whom to connect to, and what to ask for. `policy` judges them and
//! `http-client` follows them, so that both read a URL in the same way.
//!
//! A server on a Unix socket is written as in nginx's `proxy_pass`: `http://unix:/path:/uri`.

mod reference;

use std::borrow::Cow;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// A URL of `http` or `https`, without user name, password and fragment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct HttpUrl {
    is_https: bool,
    host: UrlHost,
    port: u16,
    /// The path, which begins with `/`, and the query with its `?`.
    target: String,
}

/// What a URL names between the scheme and the path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum UrlHost {
    /// A host name, in lower case.
    Name(String),
    /// An IP address.
    Ip(IpAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

/// Why a text is not such a URL. The texts follow the URL in a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("does not begin with \"https://\" or \"http://\"")]
    Scheme,
    /// A character that must be percent-encoded.
    #[error("has a character that a URL must not have: write it as \"%\" and two digits")]
    Character,
    /// `user:password@` in front of the host.
    #[error("has a user name in front of the host")]
    Credentials,
    /// A fragment.
    #[error("has a \"#\"")]
    Fragment,
    /// No host.
    #[error("has no host")]
    NoHost,
    /// The host is neither a name nor an IP address.
    #[error("has an invalid host name")]
    Host,
    /// The port is no number from 1 to 65535.
    #[error("has an invalid port")]
    Port,
    /// `unix:` without the path of a socket, without the `:` behind it, or with a character that
    /// log lines could not show.
    #[error("has an invalid socket: it has to be \"unix:/path:/uri\", in printable ASCII")]
    Socket,
}

/// A URL as a message may show it: without `user:password@`, even if it is malformed.
pub fn without_credentials(url: &str) -> Cow<'_, str> {
    match split_credentials(url) {
        (scheme, Some(_), rest) => format!("{scheme}{rest}").into(),
        (_, None, _) => url.into(),
    }
}

/// What is in front of `user:password@`, these, and what follows. All but the credentials is the URL.
pub fn split_credentials(url: &str) -> (&str, Option<&str>, &str) {
    let scheme = match url.split_once("://") {
        _ if url.starts_with("//") => 2,
        // A path has no credentials.
        _ if url.starts_with('/') => return (url, None, ""),
        Some((scheme, _)) if !scheme.contains('@') => scheme.len().saturating_add(3),
        _ => 0,
    };
    let (scheme, rest) = url.split_at_checked(scheme).unwrap_or(("", url));
    // The last "@" in all: a password in which "/" or "@" is not encoded is not shown.
    match rest.rsplit_once('@') {
        Some((credentials, host)) => (scheme, Some(credentials), host),
        None => (scheme, None, rest),
    }
}

impl HttpUrl {
    /// Reads a URL. [`without_credentials`] gives what a message may show of one that is refused.
    ///
    /// # Errors
    /// [`UrlError`]
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (is_https, rest) = split_scheme(text).ok_or(UrlError::Scheme)?;
        if rest.contains('#') {
            return Err(UrlError::Fragment);
        }
        if let Some(rest) = rest.strip_prefix("unix:") {
            return Self::parse_unix(is_https, rest);
        }
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, target) = rest.split_at_checked(end).ok_or(UrlError::Host)?;
        if authority.contains('@') {
            return Err(UrlError::Credentials);
        }
        let (host, port) = split_port(authority)?;
        Ok(Self {
            is_https,
            host: parse_host(host)?,
            port: port.unwrap_or(default_port(is_https)),
            target: parse_target(target)?,
        })
    }

    fn parse_unix(is_https: bool, rest: &str) -> Result<Self, UrlError> {
        let (path, target) = rest.split_once(':').unwrap_or((rest, ""));
        // A URL may come from outside, and is shown in double quotes.
        let is_shown = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\';
        if !path.starts_with('/') || !path.bytes().all(is_shown) {
            return Err(UrlError::Socket);
        }
        if !target.is_empty() && !target.starts_with('/') {
            return Err(UrlError::Socket);
        }
        Ok(Self {
            is_https,
            host: UrlHost::Unix(PathBuf::from(path)),
            port: default_port(is_https),
            target: parse_target(target)?,
        })
    }

    /// The same server with another path and query, which must begin with `/`.
    ///
    /// # Errors
    /// [`UrlError::Character`], [`UrlError::Fragment`]
    pub fn with_target(&self, target: &str) -> Result<Self, UrlError> {
        if target.contains('#') {
            return Err(UrlError::Fragment);
        }
        Ok(Self {
            target: parse_target(target)?,
            ..self.clone()
        })
    }

    /// What a reference means that stands in a response of this URL (RFC 3986 section 5.2). Its
    /// fragment is dropped.
    ///
    /// # Errors
    /// [`UrlError`]
    pub fn join(&self, reference: &str) -> Result<Self, UrlError> {
        let (reference, _fragment) = reference.split_once('#').unwrap_or((reference, ""));
        if reference::has_scheme(reference) {
            Self::parse(reference)
        } else if reference.starts_with("//") {
            Self::parse(&format!("{}:{reference}", self.scheme()))
        } else {
            self.with_target(&reference::resolve(&self.target, reference))
        }
    }

    /// Whether the connection is encrypted.
    pub fn is_https(&self) -> bool {
        self.is_https
    }

    /// `http` or `https`.
    pub fn scheme(&self) -> &'static str {
        match self.is_https {
            true => "https",
            false => "http",
        }
    }

    /// The host.
    pub fn host(&self) -> &UrlHost {
        &self.host
    }

    /// The TCP port, also if the URL does not say it.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The path and the query, as a request line has them.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// The path without the query.
    pub fn path(&self) -> &str {
        self.target
            .split_once('?')
            .map_or(&*self.target, |(path, _)| path)
    }

    /// Whether there is a `?`.
    pub fn has_query(&self) -> bool {
        self.target.contains('?')
    }

    /// The value of a request's `Host`: without the port that the scheme has anyway. A server on a
    /// Unix socket is `localhost`, as in nginx.
    pub fn authority(&self) -> String {
        match (&self.host, self.port == default_port(self.is_https)) {
            (UrlHost::Unix(_), _) => "localhost".to_owned(),
            (host, true) => host.to_string(),
            (host, false) => format!("{host}:{}", self.port),
        }
    }

    /// Whether the other URL is one of the same server: same scheme, host and port.
    pub fn is_same_server(&self, other: &Self) -> bool {
        (self.is_https, &self.host, self.port) == (other.is_https, &other.host, other.port)
    }

    /// Whether the server is this machine whatever a resolver says: a loopback address or a Unix
    /// socket. What is sent there passes no network.
    pub fn is_local(&self) -> bool {
        match &self.host {
            UrlHost::Ip(address) => address.to_canonical().is_loopback(),
            UrlHost::Unix(_) => true,
            UrlHost::Name(_) => false,
        }
    }
}

impl fmt::Display for HttpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.scheme())?;
        match &self.host {
            UrlHost::Unix(path) => write!(f, "unix:{}:", path.display())?,
            _ => f.write_str(&self.authority())?,
        }
        f.write_str(&self.target)
    }
}

impl UrlHost {
    /// The path, if this is a Unix socket.
    pub fn unix_path(&self) -> Option<&Path> {
        match self {
            Self::Unix(path) => Some(path),
            Self::Name(_) | Self::Ip(_) => None,
        }
    }
}

/// The host as a URL has it: an IPv6 address in brackets.
impl fmt::Display for UrlHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ip(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Ip(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Whether the scheme is https, and what follows `://`.
fn split_scheme(text: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = text.split_once("://")?;
    if scheme.eq_ignore_ascii_case("https") {
        Some((true, rest))
    } else if scheme.eq_ignore_ascii_case("http") {
        Some((false, rest))
    } else {
        None
    }
}

fn default_port(is_https: bool) -> u16 {
    match is_https {
        true => 443,
        false => 80,
    }
}

/// The host, and the port if there is one. A `:` without a number counts as none.
fn split_port(authority: &str) -> Result<(&str, Option<u16>), UrlError> {
    // The colons of an IPv6 address are inside brackets.
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, port),
        _ => (authority, ""),
    };
    if port.is_empty() {
        return Ok((host, None));
    }
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|&port| is_number && port > 0);
    Ok((host, Some(port.ok_or(UrlError::Port)?)))
}

fn parse_host(host: &str) -> Result<UrlHost, UrlError> {
    if host.is_empty() {
        return Err(UrlError::NoHost);
    }
    if let Some(host) = host.strip_prefix('[') {
        let address = host.strip_suffix(']').and_then(|host| host.parse().ok());
        return Ok(UrlHost::Ip(IpAddr::V6(address.ok_or(UrlError::Host)?)));
    }
    if let Ok(address) = host.parse() {
        return Ok(UrlHost::Ip(IpAddr::V4(address)));
    }
    let labels = host.strip_suffix('.').unwrap_or(host).split('.');
    let is_label = |label: &str| {
        let is_known = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        !label.is_empty() && label.len() <= 63 && label.bytes().all(is_known)
    };
    match host.len() <= 253 && labels.into_iter().all(is_label) {
        true => Ok(UrlHost::Name(host.to_ascii_lowercase())),
        false => Err(UrlError::Host),
    }
}

/// The target of a request line: what follows the host.
fn parse_target(target: &str) -> Result<String, UrlError> {
    let is_known = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    if !target.bytes().all(is_known) {
        return Err(UrlError::Character);
    }
    Ok(match target.starts_with('/') {
        true => target.to_owned(),
        false => format!("/{target}"),
    })
}

#[cfg(test)]
mod tests;
