//! HTTP proxies, which connect to a server by the method CONNECT (RFC 9110 section 9.3.6).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION, USER_AGENT};
use http::{Method, Request};
use http_body_util::Empty;
use http_url::{HttpUrl, UrlError, split_credentials};

use crate::error::FetchError;
use crate::exchange::{AGENT, HttpConnection, reason};
use crate::limits::FetchLimits;
use crate::network::{Address, Network};

/// An HTTP proxy. Its credentials are never shown.
#[derive(Debug, Clone)]
pub struct Proxy {
    address: Address,
    authorization: Option<HeaderValue>,
}

/// What is wrong with the URL of a proxy. The texts follow the URL, which must not be logged as it
/// is: [`without_credentials`](http_url::without_credentials).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// It is no URL.
    #[error("{0}")]
    Url(#[from] UrlError),
    /// The connection to the proxy would be encrypted.
    #[error("has the scheme https: only proxies that are reached by http:// are supported")]
    Https,
    /// There is a path.
    #[error("has a path: a proxy is written as http://host:port")]
    Path,
    /// User name or password are malformed.
    #[error(
        "has invalid credentials: write them as user:password, and \":\", \"/\" and \"@\" in \
             them as %3A, %2F and %40"
    )]
    Credentials,
}

impl Proxy {
    /// Reads `http://[user:password@]host[:port]`, with user and password percent-encoded, or
    /// `http://unix:/path`.
    ///
    /// # Errors
    /// [`ProxyError`]
    pub fn parse(text: &str) -> Result<Self, ProxyError> {
        let (scheme, credentials, rest) = split_credentials(text);
        let url = HttpUrl::parse(&format!("{scheme}{rest}"))?;
        if url.is_https() {
            return Err(ProxyError::Https);
        }
        if url.target() != "/" {
            return Err(ProxyError::Path);
        }
        Ok(Self {
            address: Address::from(&url),
            authorization: credentials.map(basic).transpose()?,
        })
    }

    /// Where the proxy is.
    pub fn address(&self) -> &Address {
        &self.address
    }
}

/// The value of `Proxy-Authorization` (RFC 7617).
fn basic(credentials: &str) -> Result<HeaderValue, ProxyError> {
    let (user, password) = credentials.split_once(':').ok_or(ProxyError::Credentials)?;
    let decode = |text| percent_decoded(text).ok_or(ProxyError::Credentials);
    let (user, password) = (decode(user)?, decode(password)?);
    // A ":" ends the user name, and would do so at the proxy, too.
    if user.is_empty() || user.contains(&b':') {
        return Err(ProxyError::Credentials);
    }
    let value = format!(
        "Basic {}",
        STANDARD.encode([&*user, b":", &*password].concat())
    );
    let mut value = HeaderValue::try_from(value).map_err(|_| ProxyError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

/// `None`: there is a character that must be encoded, an invalid code, or one of a control
/// character.
fn percent_decoded(text: &str) -> Option<Vec<u8>> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        let byte = match byte {
            b'%' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                let code = digit()?.checked_mul(16)?.checked_add(digit()?)?;
                u8::try_from(code).ok()?
            }
            b':' | b'/' | b'@' => return None,
            byte => byte,
        };
        decoded.push(byte);
    }
    let is_fit = decoded.iter().all(|byte| !byte.is_ascii_control());
    is_fit.then_some(decoded)
}

/// Has a proxy connect to the server of a URL. What the stream then carries is between the client
/// and that server.
pub(crate) async fn tunnel<N, S>(
    network: &N,
    stream: S,
    proxy: &Proxy,
    url: &HttpUrl,
    limits: &FetchLimits,
) -> Result<S, FetchError>
where
    N: Network,
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let invalid = |reason| FetchError::ProxyResponse {
        proxy: proxy.address.clone(),
        reason,
    };
    let request = connect_request(proxy, url).map_err(|error| invalid(error.to_string()))?;
    let sent = HttpConnection::send(network, stream, request, limits, limits.connect).await;
    let sent = sent.map_err(|error| invalid(reason(&error)))?;
    let (connection, response) = sent.ok_or_else(|| FetchError::ProxyTimeout {
        proxy: proxy.address.clone(),
        limit: limits.connect,
    })?;
    if !response.status().is_success() {
        return Err(FetchError::ProxyStatus {
            proxy: proxy.address.clone(),
            status: response.status().as_u16(),
        });
    }
    drop(response);
    let (stream, early) = connection
        .into_tunnel()
        .await
        .map_err(|error| invalid(error.to_string()))?;
    // Servers of TLS and HTTP do not speak first: this is what another program sends.
    match early.is_empty() {
        true => Ok(stream),
        false => Err(invalid("data behind the header".to_owned())),
    }
}

fn connect_request(proxy: &Proxy, url: &HttpUrl) -> Result<Request<Empty<Bytes>>, http::Error> {
    let target = format!("{}:{}", url.host(), url.port());
    let mut request = Request::builder()
        .method(Method::CONNECT)
        .uri(&target)
        .header(HOST, &target)
        .header(USER_AGENT, AGENT);
    if let Some(authorization) = &proxy.authorization {
        request = request.header(PROXY_AUTHORIZATION, authorization);
    }
    request.body(Empty::new())
}
