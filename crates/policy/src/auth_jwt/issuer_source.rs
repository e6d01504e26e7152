//! Where the keys of an issuer are fetched from.

use http_url::HttpUrl;

/// Where the keys of an issuer are fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerSource {
    /// `discovery [url]`: from where a discovery document leads to. Without a URL, it is looked for
    /// below the issuer.
    Discovery(Option<HttpUrl>),
    /// `jwks_uri url`
    JwksUri(HttpUrl),
}

impl IssuerSource {
    /// What tells the keys of this issuer and source from all others, in shared memory and in
    /// files: where another configuration says something else, it does not get these keys.
    pub fn id(&self, issuer: &str) -> String {
        match self {
            Self::Discovery(None) => format!("{issuer} discovery"),
            Self::Discovery(Some(url)) => format!("{issuer} discovery {url}"),
            Self::JwksUri(url) => format!("{issuer} jwks_uri {url}"),
        }
    }
}
