//! The way to the servers of an issuer: from which URLs its keys may come.

use http_url::{HttpUrl, UrlHost};

/// How the servers of an issuer are reached, and what the configuration allows on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KeyRoute {
    /// `insecure`: keys count that somebody on the way can have changed.
    pub insecure: bool,
    /// `proxy`: where the proxy is, if there is one.
    pub proxy: Option<ProxyPlace>,
}

/// Where a proxy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProxyPlace {
    /// On this machine, whatever a resolver says.
    ThisMachine,
    /// Behind a network.
    Elsewhere,
}

/// Why keys may not come from a URL. The texts follow the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Somebody on the way can change the keys.
    #[error("is not https: what comes over http may be anybody's keys, see insecure")]
    Insecure,
    /// The address would be local without the proxy, to which it means the proxy's machine.
    #[error(
        "is http, and the proxy is on another machine: whoever is on the way can give keys, see \
         insecure"
    )]
    InsecureByProxy,
    /// `CONNECT` has a host and a port.
    #[error("is a Unix socket, to which no proxy connects")]
    SocketByProxy,
}

impl KeyRoute {
    /// Whether keys may come from a URL: nobody on the way can change them, or the configuration
    /// says `insecure`.
    ///
    /// # Errors
    /// [`RouteError`]
    pub fn check(&self, url: &HttpUrl) -> Result<(), RouteError> {
        if self.proxy.is_some() && matches!(url.host(), UrlHost::Unix(_)) {
            return Err(RouteError::SocketByProxy);
        }
        if url.is_https() || self.insecure || self.is_local(url) {
            return Ok(());
        }
        Err(match url.is_local() {
            true => RouteError::InsecureByProxy,
            false => RouteError::Insecure,
        })
    }

    /// Whether what is sent to a URL passes no network. To a proxy on another machine, a loopback
    /// address is its own.
    pub fn is_local(&self, url: &HttpUrl) -> bool {
        url.is_local() && self.proxy != Some(ProxyPlace::Elsewhere)
    }
}

#[cfg(test)]
mod tests;
