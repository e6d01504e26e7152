//! The address that a DPoP proof is for (`htu`, RFC 9449 section 4.2), compared as RFC 3986 sections
//! 6.2.2 and 6.2.3 say: scheme, host, port and path, without query and fragment.

use http_url::{HttpUrl, UrlError, UrlHost};

/// What has to be equal in two addresses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpopUrl {
    is_https: bool,
    host: UrlHost,
    port: u16,
    path: String,
}

impl DpopUrl {
    /// Reads and normalizes an address.
    ///
    /// # Errors
    /// [`UrlError`]
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let end = text.find(['?', '#']).unwrap_or(text.len());
        let url = HttpUrl::parse(text.get(..end).unwrap_or_default())?;
        if url.host().unix_path().is_some() {
            return Err(UrlError::Host);
        }
        Ok(Self {
            is_https: url.is_https(),
            host: url.host().clone(),
            port: url.port(),
            path: without_dot_segments(&decode_unreserved(url.path()).ok_or(UrlError::Character)?),
        })
    }
}

/// The path with percent-encoded letters, digits, `-`, `.`, `_` and `~` as they are, and with upper
/// case in the other encodings. `None` if a `%` has no two digits behind it.
fn decode_unreserved(path: &str) -> Option<String> {
    let mut decoded = String::with_capacity(path.len());
    let mut characters = path.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            decoded.push(character);
            continue;
        }
        let (high, low) = (characters.next()?, characters.next()?);
        let byte = high
            .to_digit(16)?
            .checked_mul(16)?
            .checked_add(low.to_digit(16)?)?;
        match char::from(u8::try_from(byte).ok()?) {
            plain if plain.is_ascii_alphanumeric() || "-._~".contains(plain) => decoded.push(plain),
            _ => decoded.extend(['%', high.to_ascii_uppercase(), low.to_ascii_uppercase()]),
        }
    }
    Some(decoded)
}

/// RFC 3986 section 5.2.4. The path begins with `/`.
fn without_dot_segments(path: &str) -> String {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => _ = kept.pop(),
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    format!("/{}", kept.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> DpopUrl {
        DpopUrl::parse(text).unwrap()
    }

    #[test]
    fn addresses_are_the_same_after_normalization() {
        let url = parse("https://api.example/a/b~c");
        for same in [
            "HTTPS://API.Example:443/a/b~c",
            "https://api.example:/a/b~c",
            "https://api.example/a/b~c?x=1",
            "https://api.example/a/b~c#x",
            "https://api.example/a/b~c?x#y?z",
            "https://api.example/%61/b%7Ec",
            "https://api.example/a/b%7ec",
            "https://api.example/a/./b~c",
            "https://api.example/x/../a/b~c",
            "https://api.example/../a/b~c",
            "https://api.example/x/%2e%2E/a/b~c",
        ] {
            assert_eq!(parse(same), url, "{same}");
        }
        assert_eq!(parse("https://a"), parse("https://a/"));
        assert_eq!(parse("https://a?x"), parse("https://a/"));
        assert_eq!(parse("http://a:80/"), parse("http://a/"));
        assert_eq!(parse("https://a/%c3%a9"), parse("https://a/%C3%A9"));
        assert_eq!(parse("https://a/b/."), parse("https://a/b/"));
        assert_eq!(parse("https://a/b/c/.."), parse("https://a/b/"));
        assert_eq!(parse("https://a/.."), parse("https://a/"));
        assert_eq!(
            parse("https://[::1]:8443/"),
            parse("https://[0:0::1]:8443/")
        );
    }

    #[test]
    fn other_addresses_differ() {
        let url = parse("https://api.example/a/b");
        for other in [
            "http://api.example/a/b",
            "http://api.example:443/a/b",
            "https://api.example:8443/a/b",
            "https://api.example.evil/a/b",
            "https://api.example./a/b",
            "https://api.example/a/b/",
            "https://api.example/a//b",
            "https://api.example/A/b",
            "https://api.example/a%2Fb",
            "https://api.example/a",
            "https://api.example/",
            "https://evil/?https://api.example/a/b",
        ] {
            assert_ne!(parse(other), url, "{other}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "/a/b",
            "api.example/a",
            "https://",
            "https:///a",
            "https://a@b/",
            "ftp://a/",
            "https://a/%",
            "https://a/%2",
            "https://a/%zz",
            "https://a/ b",
            "https://a/\u{e9}",
            "https://a/\\",
            "http://unix:/a:/b",
        ] {
            assert!(DpopUrl::parse(text).is_err(), "{text}");
        }
    }
}
