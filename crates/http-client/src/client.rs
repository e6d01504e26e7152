//! A GET: connection, proxy, TLS, request, redirects, response.

use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONNECTION, HOST, LOCATION, USER_AGENT};
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Empty;
use http_url::{HttpUrl, without_credentials};
use hyper::body::Incoming;
use text::Quoted;

use crate::error::FetchError;
use crate::exchange::{AGENT, HttpConnection, is_redirect};
use crate::limits::{FetchLimits, before, within};
use crate::network::{Address, Network, ResolvedAddress};
use crate::proxy::{self, Proxy};
use crate::tls::{self, TlsConfig};
use crate::turns::TakingTurns;

/// What to get.
#[derive(Debug, Clone)]
pub struct GetRequest<'a> {
    /// The URL.
    pub url: &'a HttpUrl,
    /// The value of `Accept`.
    pub accept: &'static str,
    /// The proxy to reach the server by.
    pub proxy: Option<&'a Proxy>,
}

/// A document: a response with the status 200 and a complete body.
#[derive(Debug, Clone)]
pub struct FetchedDocument {
    /// The header of the response.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
}

/// Gets a document. Redirects are followed on the same server only. The connection is closed when
/// the future is dropped, and at the end.
///
/// # Errors
/// [`FetchError`]
pub async fn get<N: Network>(
    network: &N,
    request: &GetRequest<'_>,
    limits: &FetchLimits,
    tls: &TlsConfig,
) -> Result<FetchedDocument, FetchError> {
    let limit = limits.whole;
    let document = follow(network, request, limits, tls);
    let document = within(network, limit, document).await;
    document.unwrap_or(Err(FetchError::Timeout { limit }))
}

/// What one request of perhaps several leads to.
enum GetStep {
    Document(FetchedDocument),
    Redirect(HttpUrl),
}

async fn follow<N: Network>(
    network: &N,
    request: &GetRequest<'_>,
    limits: &FetchLimits,
    tls: &TlsConfig,
) -> Result<FetchedDocument, FetchError> {
    let mut asked = vec![request.url.clone()];
    let mut url = request.url.clone();
    loop {
        let to = GetRequest {
            url: &url,
            ..*request
        };
        match get_once(network, &to, limits, tls).await? {
            GetStep::Document(document) => return Ok(document),
            GetStep::Redirect(target) if asked.contains(&target) => {
                return Err(FetchError::RedirectLoop(target));
            }
            GetStep::Redirect(last) if asked.len() > limits.redirects => {
                let limit = limits.redirects;
                return Err(FetchError::TooManyRedirects { limit, last });
            }
            GetStep::Redirect(target) => {
                asked.push(target.clone());
                url = target;
            }
        }
    }
}

async fn get_once<N: Network>(
    network: &N,
    request: &GetRequest<'_>,
    limits: &FetchLimits,
    tls: &TlsConfig,
) -> Result<GetStep, FetchError> {
    let url = request.url;
    let stream = connect(network, request, limits).await?;
    if !url.is_https() {
        return exchange(network, stream, request, limits).await;
    }
    let limit = limits.handshake;
    let stream = within(network, limit, tls::handshake(tls, url, stream)).await;
    let stream = stream.ok_or_else(|| FetchError::HandshakeTimeout {
        server: url.authority(),
        limit,
    })?;
    exchange(network, stream?, request, limits).await
}

/// A stream to the server, directly or by a proxy.
async fn connect<N: Network>(
    network: &N,
    request: &GetRequest<'_>,
    limits: &FetchLimits,
) -> Result<TakingTurns<N::Stream>, FetchError> {
    let address = match request.proxy {
        Some(proxy) => proxy.address().clone(),
        None => Address::from(request.url),
    };
    let stream = connect_to(network, address, limits.connect).await?;
    let stream = TakingTurns::new(stream);
    match request.proxy {
        Some(proxy) => proxy::tunnel(network, stream, proxy, request.url, limits).await,
        None => Ok(stream),
    }
}

async fn connect_to<N: Network>(
    network: &N,
    address: Address,
    limit: Duration,
) -> Result<N::Stream, FetchError> {
    let mut end = pin!(network.sleep(limit));
    let resolved = match &address {
        Address::Unix(path) => Ok(ResolvedAddress::Unix(path)),
        Address::Ip(address) => Ok(ResolvedAddress::Ip(vec![*address])),
        Address::Name { host, port } => match before(end.as_mut(), network.resolve(host)).await {
            Some(Ok(ips)) => {
                let addresses = ips.into_iter().map(|ip| SocketAddr::new(ip, *port));
                Ok(ResolvedAddress::Ip(addresses.collect()))
            }
            Some(Err(error)) => Err(error),
            None => {
                let host = host.clone();
                return Err(FetchError::ResolveTimeout { host, limit });
            }
        },
    };
    let connection = match resolved {
        Ok(resolved) => before(end, network.connect(&resolved)).await,
        Err(error) => Some(Err(error)),
    };
    match connection {
        Some(Ok(stream)) => Ok(stream),
        Some(Err(error)) => Err(FetchError::Connect { address, error }),
        None => Err(FetchError::ConnectTimeout { address, limit }),
    }
}

async fn exchange<N, S>(
    network: &N,
    stream: S,
    request: &GetRequest<'_>,
    limits: &FetchLimits,
) -> Result<GetStep, FetchError>
where
    N: Network,
    S: hyper::rt::Read + hyper::rt::Write + Unpin,
{
    let limit = limits.read;
    let sent = get_request(request).map_err(|error| FetchError::Broken(error.to_string()))?;
    let sent = HttpConnection::send(network, stream, sent, limits, limit).await?;
    let (mut connection, response) = sent.ok_or(FetchError::HeaderTimeout { limit })?;
    if is_redirect(response.status()) {
        return redirect_target(request.url, &response).map(GetStep::Redirect);
    }
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status().as_u16()));
    }
    let (headers, body) = connection.read_body(network, response, limits).await?;
    Ok(GetStep::Document(FetchedDocument { headers, body }))
}

fn get_request(request: &GetRequest<'_>) -> Result<Request<Empty<Bytes>>, http::Error> {
    Request::get(request.url.target())
        .header(HOST, request.url.authority())
        .header(USER_AGENT, AGENT)
        .header(ACCEPT, HeaderValue::from_static(request.accept))
        .header(ACCEPT_ENCODING, HeaderValue::from_static("identity"))
        .header(CONNECTION, HeaderValue::from_static("close"))
        .body(Empty::new())
}

/// Where a redirect leads to, if that is the same server.
fn redirect_target(url: &HttpUrl, response: &Response<Incoming>) -> Result<HttpUrl, FetchError> {
    let location = response.headers().get(LOCATION);
    let location = location.ok_or(FetchError::RedirectNowhere(response.status().as_u16()))?;
    let text = String::from_utf8_lossy(location.as_bytes());
    let target = url
        .join(&text)
        .map_err(|error| FetchError::RedirectInvalid {
            location: Quoted::new(&*without_credentials(&text)),
            error,
        })?;
    match target.is_same_server(url) {
        true => Ok(target),
        false => Err(FetchError::RedirectElsewhere(target)),
    }
}
