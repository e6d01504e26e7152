//! Why a GET gave no document.

use std::time::Duration;

use http_url::{HttpUrl, UrlError};
use text::Quoted;

use crate::network::{Address, ConnectError};

/// Why a GET gave no document. The texts follow the URL in a log line: they say what happened, the
/// value, and what to do where that is known. Values that the server chose are quoted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FetchError {
    /// There is no connection.
    #[error("no connection to \"{address}\": {error}")]
    Connect {
        /// The server, or the proxy.
        address: Address,
        /// The reason.
        error: ConnectError,
    },
    /// The name of the server, or of the proxy, is not resolved in time.
    #[error("no name server has answered about \"{host}\" within {limit:?}, see resolver")]
    ResolveTimeout {
        /// The name.
        host: String,
        /// The time limit.
        limit: Duration,
    },
    /// There is no connection in time.
    #[error("no connection to \"{address}\" within {limit:?}, see connect_timeout")]
    ConnectTimeout {
        /// The server, or the proxy.
        address: Address,
        /// The time limit.
        limit: Duration,
    },

    /// The proxy refuses.
    #[error("proxy \"{proxy}\": HTTP status {status}{}", proxy_advice(*.status))]
    ProxyStatus {
        /// The proxy.
        proxy: Address,
        /// The status of its response to `CONNECT`.
        status: u16,
    },
    /// The proxy sends something that is no response to `CONNECT`.
    #[error("proxy \"{proxy}\": no valid response to CONNECT, {reason}; is this an HTTP proxy?")]
    ProxyResponse {
        /// The proxy.
        proxy: Address,
        /// What is wrong with the response.
        reason: String,
    },
    /// The proxy sends no response in time.
    #[error("proxy \"{proxy}\": no response to CONNECT within {limit:?}, see connect_timeout")]
    ProxyTimeout {
        /// The proxy.
        proxy: Address,
        /// The time limit.
        limit: Duration,
    },

    /// The TLS handshake does not end in time.
    #[error("no TLS handshake with \"{server}\" within {limit:?}, see connect_timeout")]
    HandshakeTimeout {
        /// The server.
        server: String,
        /// The time limit.
        limit: Duration,
    },
    /// The server closes the connection in the TLS handshake.
    #[error("connection closed by \"{server}\" in the TLS handshake")]
    HandshakeClosed {
        /// The server.
        server: String,
    },
    /// The server refuses the TLS handshake, or the connection right after it.
    #[error("TLS refused by the server: {reason}{}", alert_advice(.reason))]
    TlsRefused {
        /// OpenSSL's name of the alert.
        reason: String,
    },
    /// The server breaks the TLS protocol, or speaks another one.
    #[error("TLS failed: {reason}{}", tls_advice(.reason))]
    Tls {
        /// OpenSSL's text.
        reason: String,
    },
    /// A certificate has expired.
    #[error("certificate of {subject} expired at {not_after}: it has to be renewed")]
    CertificateExpired {
        /// Whose certificate.
        subject: Quoted,
        /// The end of its validity.
        not_after: String,
    },
    /// A certificate is not valid yet.
    #[error(
        "certificate of {subject} is not valid before {not_before}: check this machine's clock"
    )]
    CertificateNotYetValid {
        /// Whose certificate.
        subject: Quoted,
        /// The begin of its validity.
        not_before: String,
    },
    /// The certificate is for another name.
    #[error("certificate is for {names}, not for \"{wanted}\", see ssl_name")]
    CertificateName {
        /// The name that was asked for.
        wanted: String,
        /// The names in the certificate, quoted.
        names: String,
    },
    /// The certificate is signed by a CA that is not trusted.
    #[error(
        "certificate of {subject} is signed by {issuer}, which is not trusted: \
         ssl_trusted_certificate has to name the certificate of that CA (or the server does not \
         send the certificates in between)"
    )]
    UnknownCa {
        /// Whose certificate.
        subject: Quoted,
        /// Who signed it.
        issuer: Quoted,
    },
    /// The certificate, or the last one of its chain, is signed by itself and not trusted.
    #[error(
        "certificate of {subject} is self-signed and not trusted: ssl_trusted_certificate has to \
         name it"
    )]
    SelfSigned {
        /// Whose certificate.
        subject: Quoted,
    },
    /// A certificate is not acceptable for another reason.
    #[error("certificate of {subject} is not acceptable: {reason}")]
    Certificate {
        /// Whose certificate.
        subject: Quoted,
        /// OpenSSL's text.
        reason: String,
    },

    /// The server sends no header in time.
    #[error("no response header within {limit:?}, see read_timeout")]
    HeaderTimeout {
        /// The time limit.
        limit: Duration,
    },
    /// The server stops in the body.
    #[error("response body stopped after {received} bytes for {limit:?}, see read_timeout")]
    BodyTimeout {
        /// How much of the body there is.
        received: usize,
        /// The time limit.
        limit: Duration,
    },
    /// All of it takes too long.
    #[error("not complete within {limit:?}")]
    Timeout {
        /// The time limit.
        limit: Duration,
    },

    /// The server closes the connection without a response.
    #[error("connection closed by the server before the response")]
    Closed,
    /// The connection breaks before there is a response.
    #[error("connection broke before the response: {0}")]
    Broken(String),
    /// The response is not HTTP/1.
    #[error("no valid HTTP response: {0}")]
    InvalidResponse(String),
    /// The header is larger than it may be.
    #[error("response header is larger than {limit} bytes, or has more than {lines} lines")]
    HeaderTooLarge {
        /// How many bytes it may have.
        limit: usize,
        /// How many lines it may have.
        lines: usize,
    },
    /// The response has another status than 200.
    #[error("HTTP status {status}{advice}", status = .0, advice = status_advice(*.0))]
    Status(u16),
    /// The body has an encoding, which the request does not accept.
    #[error("response has the encoding {0}, though the request does not accept any")]
    Encoding(Quoted),
    /// The body is larger than it may be.
    #[error("response is larger than {limit} bytes")]
    TooLarge {
        /// How many bytes it may have.
        limit: usize,
    },
    /// The connection ends before the body is complete.
    #[error("response was truncated after {received} bytes")]
    Truncated {
        /// How much of the body there is.
        received: usize,
    },
    /// The end of the body cannot be told.
    #[error("response body is invalid after {received} bytes: {reason}")]
    InvalidBody {
        /// How much of the body there is.
        received: usize,
        /// What is wrong with it.
        reason: String,
    },

    /// A redirect without a target.
    #[error("HTTP status {0} without a \"Location\"")]
    RedirectNowhere(u16),
    /// A redirect to something that is no URL.
    #[error("redirect to {location}, which {error}")]
    RedirectInvalid {
        /// The value of `Location`.
        location: Quoted,
        /// What is wrong with it.
        error: UrlError,
    },
    /// A redirect to another server, which is not followed: that server may not say which keys
    /// count.
    #[error(
        "redirect to \"{0}\", another server, is not followed: configure that URL if it is the \
         right one"
    )]
    RedirectElsewhere(HttpUrl),
    /// Redirects that lead back.
    #[error("redirect to \"{0}\", which was asked before")]
    RedirectLoop(HttpUrl),
    /// Too many redirects.
    #[error("more than {limit} redirects, the last one to \"{last}\"")]
    TooManyRedirects {
        /// How many are followed.
        limit: usize,
        /// The target of the last one.
        last: HttpUrl,
    },
}

/// What the status of a proxy often means.
fn proxy_advice(status: u16) -> &'static str {
    match status {
        401 | 407 => "; it wants other credentials, write them as http://user:password@host:port",
        403 => "; it does not allow connections to this host and port",
        400 | 404 | 405 | 501 => "; it may not be a proxy, or has no CONNECT",
        502..=504 => "; it cannot reach the server",
        _ => "",
    }
}

/// What an alert of the server often means.
fn alert_advice(reason: &str) -> &'static str {
    if reason.contains("certificate required") || reason.contains("handshake failure") {
        "; it may want a client certificate, see ssl_certificate"
    } else if reason.contains("certificate") || reason.contains("unknown ca") {
        "; it does not accept the client certificate of ssl_certificate"
    } else if reason.contains("unrecognized name") {
        "; it does not have that name, see ssl_name"
    } else {
        ""
    }
}

/// What a TLS error often means.
fn tls_advice(reason: &str) -> &'static str {
    match reason {
        "wrong version number" | "packet length too long" | "http request" => {
            "; there may be no TLS at this port"
        }
        "unsupported protocol" => "; the server has neither TLS 1.2 nor TLS 1.3",
        _ => "",
    }
}

/// What a status often means.
fn status_advice(status: u16) -> &'static str {
    match status {
        401 | 403 => "; the server refuses the request",
        404 => "; nothing is at this URL",
        429 => "; the server is asked too often",
        _ => "",
    }
}
