//! `auth_jwt_resource_metadata`: the metadata of a protected resource, by which a client finds out
//! who issues tokens for it (RFC 9728).

use http_url::{HttpUrl, UrlError, without_credentials};
use serde_json::{Map, Value};
use text::Quoted;

/// What the directive says of the resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceMetadata {
    resource: String,
    scopes: Vec<String>,
    name: Option<String>,
    documentation: Option<String>,
}

/// What is wrong with an argument.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceMetadataError {
    /// There is no such parameter.
    #[error("invalid parameter {0}")]
    Unknown(Quoted),
    /// The parameter is there twice.
    #[error("duplicate parameter {0}")]
    Duplicate(Quoted),
    /// The resource is not named.
    #[error("resource= is missing, the URL by which clients know the resource")]
    NoResource,
    /// The value is not a text that a client can read.
    #[error("value of {parameter}= is {problem}: {value}")]
    Text {
        /// The name of the parameter.
        parameter: &'static str,
        /// What is wrong.
        problem: &'static str,
        /// The value.
        value: Quoted,
    },
    /// The value is not a URL.
    #[error("value of {parameter}= {error}: {value}")]
    Url {
        /// The name of the parameter.
        parameter: &'static str,
        /// What is wrong.
        error: UrlError,
        /// The value.
        value: Quoted,
    },
    /// A scope has characters that no scope has.
    #[error("invalid scope {0}")]
    Scope(Quoted),
}

impl ResourceMetadata {
    /// Reads the arguments of the directive.
    ///
    /// # Errors
    /// [`ResourceMetadataError`]
    pub fn parse<'a>(
        arguments: impl IntoIterator<Item = &'a [u8]>,
    ) -> Result<Self, ResourceMetadataError> {
        let (mut resource, mut scopes, mut name, mut documentation) = (None, None, None, None);
        for argument in arguments {
            let unknown = || ResourceMetadataError::Unknown(Quoted::whole(argument));
            let at = argument.iter().position(|&byte| byte == b'=');
            let (parameter, value) = at
                .and_then(|at| argument.split_at_checked(at))
                .ok_or_else(unknown)?;
            let value = value.get(1..).unwrap_or_default();
            let is_duplicate = match parameter {
                b"resource" => resource.replace(url("resource", value)?).is_some(),
                b"scopes" => scopes.replace(parse_scopes(value)?).is_some(),
                b"name" => name.replace(readable("name", value)?.to_owned()).is_some(),
                b"documentation" => {
                    let url = url("documentation", value)?;
                    documentation.replace(url).is_some()
                }
                _ => return Err(unknown()),
            };
            if is_duplicate {
                return Err(ResourceMetadataError::Duplicate(Quoted::whole(argument)));
            }
        }
        Ok(Self {
            resource: resource.ok_or(ResourceMetadataError::NoResource)?,
            scopes: scopes.unwrap_or_default(),
            name,
            documentation,
        })
    }

    /// Whether the URL of the resource is one of https, as RFC 9728 requires (section 1.2).
    pub fn is_https(&self) -> bool {
        HttpUrl::parse(&self.resource).is_ok_and(|url| url.is_https())
    }

    /// Whether the resource is on this machine.
    pub fn is_local(&self) -> bool {
        HttpUrl::parse(&self.resource).is_ok_and(|url| url.is_local())
    }

    /// The document, as JSON (RFC 9728 section 3.2). An issuer that stands in the list twice is
    /// there once.
    pub fn document<'a>(&self, issuers: impl IntoIterator<Item = &'a str>) -> String {
        let mut servers: Vec<&str> = Vec::new();
        for issuer in issuers {
            if !servers.contains(&issuer) {
                servers.push(issuer);
            }
        }
        let mut document = Map::new();
        let mut add = |name: &str, value: Value| {
            // RFC 9728 section 3.2: what has no value is left out.
            if value != Value::Null && value != Value::Array(Vec::new()) {
                document.insert(name.to_owned(), value);
            }
        };
        // In the order of the names, which is that of the document whether or not another crate has
        // serde_json keep the order of insertion.
        add("authorization_servers", servers.into());
        add("bearer_methods_supported", ["header"].as_slice().into());
        add("resource", self.resource.as_str().into());
        add("resource_documentation", self.documentation.clone().into());
        add("resource_name", self.name.clone().into());
        add("scopes_supported", self.scopes.clone().into());
        Value::Object(document).to_string()
    }
}

/// A value that is a URL, as it is written: clients compare that of the resource.
fn url(parameter: &'static str, value: &[u8]) -> Result<String, ResourceMetadataError> {
    let shown = || Quoted::whole(&*without_credentials(&String::from_utf8_lossy(value)));
    let text = readable(parameter, value).map_err(|mut error| {
        if let ResourceMetadataError::Text { value, .. } = &mut error {
            *value = shown();
        }
        error
    })?;
    let url = HttpUrl::parse(text).map_err(|error| ResourceMetadataError::Url {
        parameter,
        error,
        value: shown(),
    })?;
    match url.host().unix_path() {
        None => Ok(text.to_owned()),
        // Nobody reaches it there.
        Some(_) => Err(ResourceMetadataError::Url {
            parameter,
            error: UrlError::Host,
            value: Quoted::whole(value),
        }),
    }
}

/// A value that a client can read. One with a variable would be taken for a constant.
fn readable<'a>(
    parameter: &'static str,
    value: &'a [u8],
) -> Result<&'a str, ResourceMetadataError> {
    let error = |problem| ResourceMetadataError::Text {
        parameter,
        problem,
        value: Quoted::whole(value),
    };
    let text = str::from_utf8(value).map_err(|_| error("not UTF-8"))?;
    if text.is_empty() {
        Err(error("empty"))
    } else if text.chars().any(char::is_control) {
        Err(error("not printable"))
    } else if text.contains('$') {
        Err(error("not constant, and variables are not allowed here"))
    } else {
        Ok(text)
    }
}

fn parse_scopes(value: &[u8]) -> Result<Vec<String>, ResourceMetadataError> {
    let mut scopes: Vec<String> = Vec::new();
    for scope in readable("scopes", value)?.split(' ') {
        // RFC 6749 section 3.3
        let is_known = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\');
        match !scope.is_empty() && scope.bytes().all(is_known) {
            true if scopes.iter().any(|known| known == scope) => {}
            true => scopes.push(scope.to_owned()),
            false => return Err(ResourceMetadataError::Scope(Quoted::whole(scope))),
        }
    }
    Ok(scopes)
}

#[cfg(test)]
mod tests;
