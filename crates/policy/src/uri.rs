//! What variables may put into the URI of a subrequest: a client may have chosen their values.

#[cfg(test)]
mod tests;

/// Why no subrequest is made to this path, in words that follow the path, or `None` if the path is
/// safe. `is_fixed` says that the path contains no variables.
pub fn unsafe_path_reason(path: &[u8], is_fixed: bool) -> Option<&'static str> {
    if !path.starts_with(b"/") {
        Some("does not begin with \"/\"")
    } else if !is_fixed && has_dot_dot_segment(path) {
        Some("contains \"..\"")
    } else if !is_fixed && path.iter().any(|&byte| ends_request_target(byte)) {
        Some("contains a control character or a space")
    } else {
        None
    }
}

/// Whether some server would take a segment of the path for `..`. Some servers ignore the rest of a
/// segment after a `;`.
fn has_dot_dot_segment(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/')
        .any(|segment| segment.split(|&byte| byte == b';').next() == Some(b".."))
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
