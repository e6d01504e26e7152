//! What variables may put into the URI of a subrequest: they hold what the client chose.

/// Why a subrequest with this path is not made, if it is not. `fixed`: it is as the configuration says it.
pub fn unsafe_path_reason(path: &[u8], fixed: bool) -> Option<&'static str> {
    if !path.starts_with(b"/") {
        Some("does not begin with \"/\"")
    } else if !fixed && has_dot_dot_segment(path) {
        Some("holds \"..\"")
    } else {
        None
    }
}

/// Whether a segment of the path is `..`, as servers see it: what is behind a `;` does not count for some.
fn has_dot_dot_segment(path: &[u8]) -> bool {
    path.split(|&byte| byte == b'/')
        .any(|segment| segment.split(|&byte| byte == b';').next() == Some(b".."))
}

/// The arguments with all encoded that may not stand in a request line, where there is such a thing: nginx sends
/// arguments as they are, and `$uri` may hold a decoded space, line end or `#`.
pub fn encode_args(args: &[u8]) -> Option<Vec<u8>> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    if args.iter().copied().all(is_query_safe) {
        return None;
    }
    let mut encoded = Vec::with_capacity(args.len() + 16);
    for &byte in args {
        if is_query_safe(byte) {
            encoded.push(byte);
        } else {
            let digit = |value: u8| HEX[usize::from(value)];
            encoded.extend([b'%', digit(byte >> 4), digit(byte & 0xf)]);
        }
    }
    Some(encoded)
}

fn is_query_safe(byte: u8) -> bool {
    byte.is_ascii_graphic() && byte != b'#'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dot_dot_segments() {
        for path in [
            "/..",
            "/../a",
            "/a/..",
            "/a/../b",
            "/a//../b",
            "/a/..;b/c",
            "/..;",
        ] {
            assert!(has_dot_dot_segment(path.as_bytes()), "{path}");
        }
        for path in [
            "/", "/a", "/a..", "/..a", "/a/...", "/./a", "/a;..", "/%2e%2e", "//",
        ] {
            assert!(!has_dot_dot_segment(path.as_bytes()), "{path}");
        }
    }

    #[test]
    fn encoding() {
        for args in [&b""[..], b"a=b&c=%20%3F?/[]{}|\\^`\"<>~"] {
            assert_eq!(encode_args(args), None);
        }
        assert_eq!(
            encode_args(b"u=/a b\r\nX: \0#\x7f\xff&c=%20").as_deref(),
            Some(&b"u=/a%20b%0D%0AX:%20%00%23%7F%FF&c=%20"[..])
        );
    }
}
