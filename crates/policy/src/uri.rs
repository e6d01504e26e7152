//! What variables may put into the URI of a subrequest: a client may have chosen their values.

use std::fmt;

#[cfg(test)]
mod tests;

/// Why no subrequest is made to a path. As text, words that follow the URI as it is configured: its
/// value may be a secret. Bytes are counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnsafePath {
    /// It does not begin with a slash.
    Relative,
    /// A segment is `..`, and begins with this byte.
    DotDot(usize),
    /// This byte is a space.
    Space(usize),
    /// This byte is a control character.
    Control(usize),
}

impl fmt::Display for UnsafePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Relative => f.write_str("does not begin with \"/\""),
            Self::DotDot(at) => write!(f, "contains \"..\" at byte {at} of its value"),
            Self::Space(at) => write!(f, "contains a space at byte {at} of its value"),
            Self::Control(at) => {
                write!(f, "contains a control character at byte {at} of its value")
            }
        }
    }
}

/// Why no subrequest is made to this path, or `None` if the path is safe. `is_fixed` says that the
/// path contains no variables.
pub fn unsafe_path(path: &[u8], is_fixed: bool) -> Option<UnsafePath> {
    if !path.starts_with(b"/") {
        return Some(UnsafePath::Relative);
    }
    if is_fixed {
        return None;
    }
    if let Some(before) = before_dot_dot(path) {
        return Some(UnsafePath::DotDot(before + 1));
    }
    let before = path.iter().position(|&byte| ends_request_target(byte))?;
    Some(match path.get(before) {
        Some(b' ') => UnsafePath::Space(before + 1),
        _ => UnsafePath::Control(before + 1),
    })
}

/// How many bytes are before the first segment that some server would take for `..`. Some servers
/// ignore the rest of a segment after a `;`.
fn before_dot_dot(path: &[u8]) -> Option<usize> {
    let mut before = 0;
    for segment in path.split(|&byte| byte == b'/') {
        if segment.split(|&byte| byte == b';').next() == Some(b"..") {
            return Some(before);
        }
        before += segment.len() + 1;
    }
    None
}

/// Whether a request line that has this byte in its path is another request. nginx decodes `%0d%0a`
/// and `%20` in `$uri`, and `proxy_pass` with variables sends them decoded.
fn ends_request_target(byte: u8) -> bool {
    byte.is_ascii_control() || byte == b' '
}

/// Percent-encodes what must not stand in the query of a request line, or returns `None` if there
/// is no such byte. nginx sends arguments as they are, and a variable such as `$uri` may contain a
/// decoded space, line end or `#`.
pub fn encode_args(args: &[u8]) -> Option<Vec<u8>> {
    let is_safe = args.iter().copied().all(is_query_safe);
    (!is_safe).then(|| encode(args, is_query_safe))
}

/// Percent-encodes a text so that it can be one value in the query of a URI: everything but the
/// unreserved characters of RFC 3986 section 2.3.
pub fn encode_value(text: &[u8]) -> Vec<u8> {
    encode(text, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
    })
}

/// Percent-encodes all bytes that are not safe.
fn encode(text: &[u8], is_safe: fn(u8) -> bool) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Vec::with_capacity(text.len() + 64);
    for &byte in text {
        if is_safe(byte) {
            encoded.push(byte);
        } else {
            let digit = |value: u8| HEX[usize::from(value)];
            encoded.extend([b'%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    encoded
}

fn is_query_safe(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}
