//! Bytes that come from outside: how a log line quotes them, and which of them may stand in a
//! header field, in a quoted string or in JSON outside of strings. Every layer needs these, so
//! they depend on none.

use std::fmt::{self, Write};

/// Bytes from outside in a log line: in double quotes, with `"` and `\` escaped, and everything that
/// is not printable ASCII written as `\xHH`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quoted(String);

impl Quoted {
    /// How many bytes [`new`](Self::new) shows.
    pub const LIMIT: usize = 128;

    /// Quotes what a client or a service has sent. After [`LIMIT`](Self::LIMIT) bytes it is cut,
    /// which `...` behind the quotes shows.
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

    /// Quotes all of a text, such as a file name.
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

/// Whether the value of a header field may hold these bytes: no NUL, CR or LF (RFC 9110 section
/// 5.5).
pub fn is_field_value(bytes: &[u8]) -> bool {
    !bytes
        .iter()
        .any(|byte| matches!(byte, b'\0' | b'\r' | b'\n'))
}

/// Whether a quoted string may hold these bytes: no control characters (RFC 9110 section 5.6.4).
pub fn is_quotable(bytes: &[u8]) -> bool {
    !bytes.iter().any(u8::is_ascii_control)
}

/// JSON without the white space between its tokens. Strings and numbers stay as they are written.
pub fn compact_json(json: &str) -> String {
    let mut compact = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    compact.extend(json.chars().filter(|&c| {
        let keep = in_string || !matches!(c, ' ' | '\t' | '\r' | '\n');
        in_string ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        keep
    }));
    compact
}

#[cfg(test)]
mod tests;
