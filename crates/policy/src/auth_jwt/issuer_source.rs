//! Where the keys of an issuer are fetched from.

use http_url::HttpUrl;

/// Where the keys of an issuer are fetched from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum IssuerSource {
    /// `discovery [url]`: from where a discovery document leads to. Without a URL, it is looked for
    /// below the issuer.
    Discovery {
        /// The URL of the document.
        url: Option<HttpUrl>,
        /// Whether the document may lead to keys that somebody on the way can change.
        insecure: bool,
    },
    /// `jwks_uri url`
    JwksUri(HttpUrl),
}

impl IssuerSource {
    /// What tells the keys of this issuer and source from all others, in shared memory and in
    /// files: where another configuration says something else, it does not get these keys.
    pub fn id(&self, issuer: &str) -> String {
        match self {
            Self::Discovery { url, insecure } => {
                let url = url
                    .as_ref()
                    .map(|url| format!(" {url}"))
                    .unwrap_or_default();
                let insecure = if *insecure { " insecure" } else { "" };
                format!("{issuer} discovery{url}{insecure}")
            }
            Self::JwksUri(url) => format!("{issuer} jwks_uri {url}"),
        }
    }
}
