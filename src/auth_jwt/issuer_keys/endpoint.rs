//! Where the keys of an issuer are, and how they are got from there.

use std::pin::pin;
use std::time::Duration;

use super::shared_keys::SharedKeys;
use crate::nginx::net::{WorkerNetwork, sleep, unix_time};
use crate::nginx::parse_http_date;
use futures_util::future::{Either, select};
use http::HeaderMap;
use http::header::{AGE, CACHE_CONTROL, EXPIRES, HeaderName, PRAGMA};
use http_client::client::{FetchedDocument, GetRequest, get};
use http_client::error::FetchError;
use http_client::limits::FetchLimits;
use http_client::proxy::Proxy;
use http_client::tls::TlsConfig;
use http_url::HttpUrl;
use policy::auth_jwt::discovery::{self, Discovery, DiscoveryError, DiscoveryStep};
use policy::freshness::Freshness;
use text::Quoted;

/// The server that has the keys, and how it is reached.
pub(super) struct Endpoint {
    pub(super) place: KeyPlace,
    pub(super) network: WorkerNetwork,
    pub(super) tls: TlsConfig,
    pub(super) limits: FetchLimits,
    pub(super) proxy: Option<Proxy>,
}

/// Where the keys are.
#[derive(Debug)]
pub(super) enum KeyPlace {
    /// A discovery document says where.
    Discovered {
        /// The value of `iss`.
        issuer: Box<str>,
        /// The search, which has not begun.
        search: Discovery,
    },
    /// Behind this URL.
    At(HttpUrl),
}

/// What the server has responded.
pub(super) struct KeyDocument {
    /// A text, which should be a key set.
    pub(super) text: Vec<u8>,
    /// How long it may be kept.
    pub(super) freshness: Freshness,
    pub(super) url: HttpUrl,
}

impl Endpoint {
    /// How long [`fetch`](Self::fetch) may take, with all that is got.
    pub(super) const LIMIT: Duration = Duration::from_secs(30);

    /// Gets the keys.
    ///
    /// # Errors
    /// The URL and the reason, as a text for a log line.
    pub(super) async fn fetch(&self) -> Result<KeyDocument, String> {
        let fetched = pin!(self.fetch_without_limit());
        match select(fetched, sleep(Self::LIMIT)).await {
            Either::Left((fetched, _)) => fetched,
            Either::Right(_) => Err(format!("no keys within {} s", Self::LIMIT.as_secs())),
        }
    }

    async fn fetch_without_limit(&self) -> Result<KeyDocument, String> {
        let url = match &self.place {
            KeyPlace::At(url) => url.clone(),
            KeyPlace::Discovered { issuer, search } => self.discover(issuer, search).await?,
        };
        let accept = "application/jwk-set+json, application/json";
        let document = self.get(&url, accept, SharedKeys::MAX_TEXT).await;
        let document = document.map_err(|error| at_url(&url, &error))?;
        Ok(KeyDocument {
            freshness: freshness(&document.headers),
            text: document.body,
            url,
        })
    }

    /// The URL of the keys, out of a discovery document.
    async fn discover(&self, issuer: &str, search: &Discovery) -> Result<HttpUrl, String> {
        let mut search = search.clone();
        loop {
            let found = self.get(search.url(), "application/json", discovery::MAX_BYTES);
            let step = match found.await {
                Ok(document) => search.take_document(&document.body),
                Err(FetchError::Status(status)) => search.take_status(status),
                Err(error) => return Err(at_url(search.url(), &error)),
            };
            let issuer = Quoted::whole(issuer);
            match step {
                DiscoveryStep::AskNext => {}
                DiscoveryStep::Found(url) => return Ok(url),
                DiscoveryStep::Failed(error @ DiscoveryError::Status(_)) => {
                    return Err(format!("{issuer} {error}"));
                }
                DiscoveryStep::Failed(error) => {
                    return Err(format!("the discovery document of {issuer} {error}"));
                }
            }
        }
    }

    async fn get(
        &self,
        url: &HttpUrl,
        accept: &'static str,
        body_bytes: usize,
    ) -> Result<FetchedDocument, FetchError> {
        let request = GetRequest {
            url,
            accept,
            proxy: self.proxy.as_ref(),
        };
        let limits = FetchLimits {
            body_bytes,
            ..self.limits
        };
        get(&self.network, &request, &limits, &self.tls).await
    }
}

fn at_url(url: &HttpUrl, error: &FetchError) -> String {
    format!("\"{url}\": {error}")
}

/// How long a response may be kept, as far as its header says. The shortest limit counts.
fn freshness(headers: &HeaderMap) -> Freshness {
    let values = |name: HeaderName| headers.get_all(name).into_iter().map(|v| v.as_bytes());
    let expires = values(EXPIRES).map(parse_http_date);
    Freshness::from_cache_control(values(CACHE_CONTROL))
        .minus_age(values(AGE))
        .and(Freshness::from_pragma(values(PRAGMA)))
        .and(Freshness::from_expires(expires, unix_time()))
}
