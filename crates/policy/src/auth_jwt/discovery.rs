//! Discovery documents: where they are, and what they say of an issuer's keys (OpenID Connect
//! Discovery section 4, RFC 8414 section 3).

mod document;

use http_url::{HttpUrl, UrlError, UrlHost, without_credentials};
use text::Quoted;

use super::key_route::{KeyRoute, RouteError};
use document::Members;

/// The largest document that is read. Real ones have a few kilobytes.
pub const MAX_BYTES: usize = 256 * 1024;

const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// The search for the `jwks_uri` of one issuer: which URL is asked next, and what its response
/// means.
#[derive(Debug, Clone)]
pub struct Discovery {
    issuer: String,
    route: KeyRoute,
    /// The URL that is asked now, and those that may be asked after it.
    url: HttpUrl,
    others: std::vec::IntoIter<HttpUrl>,
    /// What was wrong with the first document that there was.
    first_error: Option<DiscoveryError>,
}

/// What a response leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DiscoveryStep {
    /// The next URL is to be asked, see [`Discovery::url`].
    AskNext,
    /// The keys are there.
    Found(HttpUrl),
    /// The search has ended without keys.
    Failed(DiscoveryError),
}

/// Why there is no `jwks_uri`. The texts follow the issuer or the URL of a document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The issuer is no URL.
    #[error(
        "{0}, so it has no discovery document: jwks_uri or key_file has to say where the keys are"
    )]
    NotUrl(UrlError),
    /// The issuer has a query, which no issuer with a discovery document has.
    #[error(
        "has a \"?\", so it has no discovery document: jwks_uri or key_file has to say where the \
         keys are"
    )]
    Query,
    /// Somebody on the way could change the document.
    #[error("{0}")]
    Route(#[from] RouteError),
    /// No URL has a document.
    #[error("has no discovery document, HTTP status {0}: jwks_uri has to say where the keys are")]
    Status(u16),
    /// The server fails, so that nobody knows what the document says.
    #[error("does not come: HTTP status {0}")]
    ServerFails(u16),
    /// The document is larger than it may be.
    #[error("is larger than {MAX_BYTES} bytes")]
    TooLarge,
    /// The document is a page for browsers.
    #[error("is an HTML page and no discovery document")]
    Html,
    /// The document is no JSON object.
    #[error("is no discovery document: not a JSON object")]
    NotObject,
    /// The document is malformed JSON, or has a member twice.
    #[error("is no discovery document: {0}")]
    Json(String),
    /// The document is a key set.
    #[error("is a key set and no discovery document: its URL belongs to jwks_uri")]
    KeySet,
    /// The document has no issuer.
    #[error("is no discovery document: \"issuer\" is missing or no string")]
    NoIssuer,
    /// The document is another issuer's.
    #[error("is of the issuer {found} and not of {expected}{}", advice(.found, .expected))]
    OtherIssuer {
        /// The issuer of the document.
        found: Quoted,
        /// The issuer of the configuration.
        expected: Quoted,
    },
    /// The document does not say where the keys are.
    #[error("says nothing of keys: \"jwks_uri\" is missing or no string")]
    NoJwksUri,
    /// The document says where the keys are, but not by a URL.
    #[error("has the jwks_uri {uri}, which {error}")]
    JwksUri {
        /// The value.
        uri: Quoted,
        /// What is wrong with it.
        error: UrlError,
    },
    /// Somebody on the way could change the keys.
    #[error("has the jwks_uri \"{url}\", which {error}")]
    JwksUriRoute {
        /// The value.
        url: HttpUrl,
        /// What is wrong with it.
        error: RouteError,
    },
}

impl Discovery {
    /// The search for the keys of an issuer, in all places where its document may be.
    ///
    /// # Errors
    /// [`DiscoveryError::NotUrl`], [`DiscoveryError::Query`], [`DiscoveryError::Route`]
    pub fn of_issuer(issuer: &str, route: KeyRoute) -> Result<Self, DiscoveryError> {
        let url = HttpUrl::parse(issuer).map_err(DiscoveryError::NotUrl)?;
        if url.has_query() {
            return Err(DiscoveryError::Query);
        }
        let mut urls = well_known(&url).into_iter();
        let first = urls.next().ok_or(DiscoveryError::NoIssuer)?;
        Ok(Self::new(issuer, first, urls, route)?)
    }

    /// The search in the one document that the configuration names.
    ///
    /// # Errors
    /// [`RouteError`]
    pub fn at(issuer: &str, url: HttpUrl, route: KeyRoute) -> Result<Self, RouteError> {
        Self::new(issuer, url, Vec::new().into_iter(), route)
    }

    fn new(
        issuer: &str,
        url: HttpUrl,
        others: std::vec::IntoIter<HttpUrl>,
        route: KeyRoute,
    ) -> Result<Self, RouteError> {
        route.check(&url)?;
        Ok(Self {
            issuer: issuer.to_owned(),
            route,
            url,
            others,
            first_error: None,
        })
    }

    /// The URL to ask now.
    pub fn url(&self) -> &HttpUrl {
        &self.url
    }

    /// The URL has a document.
    pub fn take_document(&mut self, body: &[u8]) -> DiscoveryStep {
        match self.jwks_uri(body) {
            Ok(uri) => DiscoveryStep::Found(uri),
            Err(error) => self.go_on(error),
        }
    }

    /// The URL has a response with another status than 200. What a client may have done wrong says
    /// that the document is elsewhere: some servers refuse what is not there. A server that is
    /// overloaded or does not work says nothing, and the search ends.
    pub fn take_status(&mut self, status: u16) -> DiscoveryStep {
        match status {
            400..=499 if !matches!(status, 408 | 429) => self.go_on(DiscoveryError::Status(status)),
            _ => DiscoveryStep::Failed(DiscoveryError::ServerFails(status)),
        }
    }

    /// Goes on with the next URL. A document with an error says more than one that is missing, and
    /// what comes first is what users have in mind.
    fn go_on(&mut self, error: DiscoveryError) -> DiscoveryStep {
        let is_status = |error: &DiscoveryError| matches!(error, DiscoveryError::Status(_));
        if self.first_error.as_ref().is_none_or(is_status) {
            self.first_error = Some(error.clone());
        }
        match self.others.next() {
            Some(url) => {
                self.url = url;
                DiscoveryStep::AskNext
            }
            None => DiscoveryStep::Failed(self.first_error.take().unwrap_or(error)),
        }
    }

    fn jwks_uri(&self, body: &[u8]) -> Result<HttpUrl, DiscoveryError> {
        let members = Members::parse(body)?;
        let issuer = members.issuer.ok_or(DiscoveryError::NoIssuer)?;
        if issuer != self.issuer {
            return Err(DiscoveryError::OtherIssuer {
                found: Quoted::new(issuer),
                expected: Quoted::new(&self.issuer),
            });
        }
        let uri = members.jwks_uri.ok_or(DiscoveryError::NoJwksUri)?;
        let url = HttpUrl::parse(&uri).map_err(|error| DiscoveryError::JwksUri {
            uri: Quoted::new(&*without_credentials(&uri)),
            error,
        })?;
        match self.may_lead_to(&url) {
            Ok(()) => Ok(url),
            Err(error) => Err(DiscoveryError::JwksUriRoute { url, error }),
        }
    }

    /// A server somewhere else may not lead to whatever listens on this machine: without TLS, only
    /// a document of this machine may.
    fn may_lead_to(&self, jwks_uri: &HttpUrl) -> Result<(), RouteError> {
        let secure = KeyRoute {
            insecure: false,
            ..self.route
        };
        let checked = secure.check(jwks_uri);
        let is_socket = matches!(jwks_uri.host(), UrlHost::Unix(_));
        let may_be_from_anywhere = !is_socket && (jwks_uri.is_https() || self.route.insecure);
        match may_be_from_anywhere || (self.route.is_local(&self.url) && checked.is_ok()) {
            true => Ok(()),
            false => checked.and(Err(RouteError::Insecure)),
        }
    }
}

/// Where the document of an issuer may be, most likely first: nearly all have the first one. OpenID
/// puts the name behind the path of the issuer, and RFC 8414 in front of it.
fn well_known(issuer: &HttpUrl) -> Vec<HttpUrl> {
    let path = issuer.path().strip_suffix('/').unwrap_or(issuer.path());
    let mut targets = vec![
        format!("{path}{OPENID}"),
        format!("{OAUTH}{path}"),
        format!("{OPENID}{path}"),
    ];
    if path.is_empty() {
        targets.truncate(2);
    }
    let urls = targets.iter().map(|target| issuer.with_target(target));
    // The parts are those of a URL.
    urls.filter_map(Result::ok).collect()
}

/// What makes two issuers different that look alike.
fn advice(found: &Quoted, expected: &Quoted) -> &'static str {
    let (found, expected) = (found.to_string(), expected.to_string());
    let trimmed = |text: &str| text.trim_matches('"').trim_end_matches('/').to_owned();
    if found.contains("{tenant") {
        ": issuer has to name one tenant"
    } else if trimmed(&found) == trimmed(&expected) {
        ": they differ by the \"/\" at the end"
    } else {
        ": issuer has to be the one of the tokens, and of the document"
    }
}

#[cfg(test)]
mod tests;
