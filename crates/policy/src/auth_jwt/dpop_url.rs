//! The address that a DPoP proof is for (`htu`, RFC 9449 section 4.2), compared as RFC 3986 sections
//! 6.2.2 and 6.2.3 say: scheme, host, port and path, without query and fragment.

use std::borrow::Cow;
use std::fmt;

use http_url::{HttpUrl, UrlError, UrlHost};

/// Characters of a path that are the same as their encodings.
const ENCODED: [char; 8] = ['"', '<', '>', '^', '`', '{', '|', '}'];

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
        let url = HttpUrl::parse(&encode_path(text.get(..end).unwrap_or_default()))?;
        if url.host().unix_path().is_some() {
            return Err(UrlError::Host);
        }
        Ok(Self {
            is_https: url.is_https(),
            host: url.host().clone(),
            port: url.port(),
            path: decode_unreserved(url.path())
                .and_then(|path| without_dot_segments(&path))
                .ok_or(UrlError::Character)?,
        })
    }

    /// Reads and normalizes the address of a request, which is made of what the client has sent: a
    /// `?` or `#` in its `Host` line, which nginx takes, would make a query of the path.
    ///
    /// # Errors
    /// [`UrlError`]
    pub fn parse_request(text: &str) -> Result<Self, UrlError> {
        let behind_scheme = text.split_once("://").map_or("", |(_, rest)| rest);
        match behind_scheme.find(['/', '?', '#']) {
            Some(end) if behind_scheme.as_bytes().get(end) != Some(&b'/') => Err(UrlError::Host),
            _ => Self::parse(text),
        }
    }
}

/// The address in its normalized form. Without the port of the scheme: with one, a host that is
/// called `unix` would look like nginx's name for a socket.
impl fmt::Display for DpopUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            is_https,
            host,
            port,
            path,
        } = self;
        let (scheme, default) = if *is_https {
            ("https", 443)
        } else {
            ("http", 80)
        };
        match *port == default {
            true => write!(f, "{scheme}://{host}{path}"),
            false => write!(f, "{scheme}://{host}:{port}{path}"),
        }
    }
}

/// The address with the characters of its path encoded that RFC 3986 does not allow there, and that
/// some clients send as they are: browsers leave `|`, and nginx takes all of them. Not `\`, which
/// browsers take for `/`.
fn encode_path(address: &str) -> Cow<'_, str> {
    let host = address.find("://").map_or(0, |end| end.saturating_add(3));
    let (origin, path) = match address.get(host..).and_then(|rest| rest.find('/')) {
        Some(length) => address.split_at(host.saturating_add(length)),
        None => return Cow::Borrowed(address),
    };
    if !path.contains(ENCODED) {
        return Cow::Borrowed(address);
    }
    let mut encoded = origin.to_owned();
    for character in path.chars() {
        match ENCODED.contains(&character) {
            true => encoded.push_str(&format!("%{:02X}", u32::from(character))),
            false => encoded.push(character),
        }
    }
    Cow::Owned(encoded)
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

/// RFC 3986 section 5.2.4. The path begins with `/`. `None` if `..` removes a segment that nginx
/// counts as none or as two: nginx takes `//` for `/`, and `%2F` for `/`, before it looks for dot
/// segments. It would serve `/b` for `/a//../b`, which is `/a/b` by the RFC.
fn without_dot_segments(path: &str) -> Option<String> {
    let mut kept: Vec<&str> = Vec::new();
    let mut segments = path.split('/').skip(1).peekable();
    while let Some(segment) = segments.next() {
        let is_last = segments.peek().is_none();
        match segment {
            "." => {}
            ".." => {
                if let Some(removed) = kept.pop()
                    && (removed.is_empty() || removed.contains("%2F"))
                {
                    return None;
                }
            }
            segment => {
                kept.push(segment);
                continue;
            }
        }
        if is_last {
            kept.push("");
        }
    }
    Some(format!("/{}", kept.join("/")))
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
        assert_eq!(
            parse("https://a/b|\"<>^`{}/../c|d"),
            parse("https://a/c%7cd?|")
        );
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
    fn a_normalized_address_stays_as_it_is() {
        for (text, normalized) in [
            ("HTTPS://A.example", "https://a.example/"),
            (
                "http://[::01]:080/%7e/./x/%2e%2e/%2f?q",
                "http://[::1]/~/%2F",
            ),
            (
                "https://127.0.0.1:8443/a//b/",
                "https://127.0.0.1:8443/a//b/",
            ),
            ("http://a:443", "http://a:443/"),
            ("https://unix/a", "https://unix/a"),
        ] {
            assert_eq!(parse(text).to_string(), normalized);
            assert_eq!(parse(normalized), parse(text));
        }
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
            "https://a|b/",
            "https://a|/b",
            "ht|tps://a/b",
            "http://unix:/a:/b",
        ] {
            assert!(DpopUrl::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn row_61_the_address_of_a_request_has_its_path() {
        let url = parse("https://a/b");
        for text in ["https://a/b", "https://a/b?c", "https://a:443/b#/c"] {
            assert_eq!(DpopUrl::parse_request(text).as_ref(), Ok(&url), "{text}");
        }
        assert_eq!(DpopUrl::parse_request("https://a"), Ok(parse("https://a/")));
        for text in [
            "https://a?/b",
            "https://a#/b",
            "https://a:443?/b",
            "https://a?",
            "a?://b/",
            "",
        ] {
            assert!(DpopUrl::parse_request(text).is_err(), "{text}");
        }
    }

    #[test]
    fn row_61_a_path_that_nginx_reads_in_another_way_is_refused() {
        for text in [
            "https://a/b//../c",
            "https://a//../c",
            "https://a/b//x/../../c",
            "https://a/b%2Fx/../c",
            "https://a/b%2fx/%2E%2e/c",
            "https://a/b%2F/..",
        ] {
            assert!(DpopUrl::parse(text).is_err(), "{text}");
        }
        // No segment of these is removed that nginx counts in another way.
        assert_eq!(parse("https://a/b//x/../c"), parse("https://a/b//c"));
        assert_eq!(parse("https://a/b%2Fx/./c"), parse("https://a/b%2fx/c"));
    }
}
