//! Text that comes from outside: how a log line quotes it, and whether a header field or a quoted
//! string may contain it. The module, `policy` and `jose` use this crate, so it depends on none of
//! them.

use std::fmt::{self, Write};

/// Text from outside as a log line shows it: in double quotes, with a backslash before `"` and `\`,
/// and with `\xHH` for each byte that is not printable ASCII.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    /// How many bytes [`new`](Self::new) shows at most.
    pub const LIMIT: usize = 128;

    /// Quotes text that a client or a service has sent. Longer text is truncated to
    /// [`LIMIT`](Self::LIMIT) bytes, and the quotes are followed by `...`.
    pub fn new(text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        match text.get(..Self::LIMIT) {
            Some(shown) if shown.len() < text.len() => {
                let mut quoted = Self::whole(shown);
                quoted.0.push_str("...");
                quoted
            }
            _ => Self::whole(text),
        }
    }

    /// Quotes the whole text, such as a file name.
    pub fn whole(text: impl AsRef<[u8]>) -> Self {
        let text = text.as_ref();
        let mut quoted = String::with_capacity(text.len().saturating_add(2));
        quoted.push('"');
        for &byte in text {
            match byte {
                b'"' | b'\\' => quoted.extend(['\\', char::from(byte)]),
                0x20..=0x7e => quoted.push(char::from(byte)),
                // Writing to a String cannot fail.
                _ => _ = write!(quoted, "\\x{byte:02x}"),
            }
        }
        quoted.push('"');
        Self(quoted)
    }
}

impl fmt::Display for Quoted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

const CHARSET: &[u8] = b"charset=";

/// Whether these bytes can be the value of a header field: there is no NUL, CR or LF (RFC 9110
/// section 5.5).
// perf: inlined into other crates; with the refusal code of crates/policy, 70 instructions less for
// a refusal.
#[inline]
pub fn is_field_value(bytes: &[u8]) -> bool {
    !bytes
        .iter()
        .any(|byte| matches!(byte, b'\0' | b'\r' | b'\n'))
}

/// Whether a quoted string can contain these bytes: there are no control characters (RFC 9110
/// section 5.6.4).
// perf: inlined into other crates; with the refusal code of crates/policy, 70 instructions less for
// a refusal.
#[inline]
pub fn is_quotable(bytes: &[u8]) -> bool {
    !bytes.iter().any(u8::is_ascii_control)
}

/// Whether these bytes are a token of HTTP, such as the name of a header field (RFC 9110 section
/// 5.6.2).
pub fn is_token(bytes: &[u8]) -> bool {
    let is_tchar = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    !bytes.is_empty() && bytes.iter().all(is_tchar)
}

/// The charset of a `Content-Type`, and how many bytes of the type are before that parameter. None
/// if it names no charset.
pub fn charset(content_type: &[u8]) -> Option<(usize, &[u8])> {
    let mut type_length = 0_usize;
    for (index, part) in content_type.split(|&byte| byte == b';').enumerate() {
        if let Some((name, value)) = part.trim_ascii().split_at_checked(CHARSET.len())
            && index > 0
            && name.eq_ignore_ascii_case(CHARSET)
        {
            let value = value.strip_prefix(b"\"").unwrap_or(value);
            let value = value.strip_suffix(b"\"").unwrap_or(value);
            return Some((type_length, value));
        }
        let separator = usize::from(index > 0);
        type_length = type_length.saturating_add(part.len().saturating_add(separator));
    }
    None
}

/// JSON without the white space between its tokens. Strings and numbers stay as written.
pub fn compact_json(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut in_string, mut is_escaped) = (false, false);
    compact.extend(json.chars().filter(|&c| {
        let keep = in_string || !matches!(c, ' ' | '\t' | '\r' | '\n');
        in_string ^= c == '"' && !is_escaped;
        is_escaped = c == '\\' && !is_escaped;
        keep
    }));
    compact
}

#[cfg(test)]
mod tests;
