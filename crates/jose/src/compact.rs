//! The compact serialization (RFC 7515 section 7.1, RFC 7516 section 7.1): parts of strict base64url between dots.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::Simd;
use base64::engine::general_purpose::NO_PAD;

use super::error::{Error, Part};
use super::work;

/// Bounds on what a token may make us do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Length of a token.
    pub token_bytes: usize,
    /// Length of a header, and of the claims.
    pub json_bytes: usize,
    /// How deep arrays and objects may be nested in a header or in claims.
    pub json_depth: usize,
    /// Length of compressed content (`zip`) after it is inflated.
    pub inflated_bytes: usize,
}

impl Default for Limits {
    /// 512 KiB tokens, JSON of 256 KiB and 32 levels, 256 KiB inflated.
    fn default() -> Self {
        Self {
            token_bytes: 512 << 10,
            json_bytes: 256 << 10,
            json_depth: 32,
            inflated_bytes: 256 << 10,
        }
    }
}

/// Splits a token into its `N` parts. Looks at no more than the first `N` dots.
pub(super) fn split<const N: usize>(token: &[u8]) -> Result<[&[u8]; N], Error> {
    let mut parts = [&[][..]; N];
    let mut rest = Some(token);
    let mut found = 0usize;
    for part in &mut parts {
        let Some(text) = rest else { break };
        work::count(1);
        let dot = memchr::memchr(b'.', text);
        (*part, rest) = match dot.and_then(|dot| text.split_at_checked(dot)) {
            Some((part, behind)) => (part, behind.get(1..)),
            None => (text, None),
        };
        found = found.saturating_add(1);
    }
    found = found.saturating_add(usize::from(rest.is_some()));
    match found == N {
        true => Ok(parts),
        false => Err(Error::TokenParts { found, expected: N }),
    }
}

/// Decodes base64url: no padding, no other characters, no bits left over (RFC 7515 section 2, RFC 4648 section 3.5).
pub(super) fn decode(text: &[u8], part: Part) -> Result<Vec<u8>, Error> {
    let mut decoded = Vec::new();
    append(&mut decoded, text, part)?;
    Ok(decoded)
}

/// Likewise, behind what is already in `bytes`.
pub(super) fn append(bytes: &mut Vec<u8>, text: &[u8], part: Part) -> Result<(), Error> {
    work::count(text.len());
    let decoded = BASE64URL.decode_vec(text, bytes);
    decoded.map_err(|_| Error::Base64 { part })
}

/// Refuses padding and bits left over.
static BASE64URL: LazyLock<Simd> = LazyLock::new(|| Simd::url_safe(NO_PAD));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn split_counts_to_one_more_than_expected() {
        assert_eq!(split::<3>(b"a.b.c"), Ok([&b"a"[..], b"b", b"c"]));
        assert_eq!(split::<3>(b".."), Ok([&b""[..]; 3]));
        let parts = |found, expected| Some(Error::TokenParts { found, expected });
        assert_eq!(split::<3>(b"").err(), parts(1, 3));
        assert_eq!(split::<3>(b"a.b").err(), parts(2, 3));
        assert_eq!(split::<3>(b"a.b.c.d.e").err(), parts(4, 3));
        assert_eq!(split::<5>(b"a.b.c").err(), parts(3, 5));
        assert_eq!(split::<5>(&[b'.'; 1 << 20]).err(), parts(6, 5));
    }

    #[test]
    fn base64url_is_strict() {
        let bad = Err(Error::Base64 { part: Part::Tag });
        assert_eq!(decode(b"", Part::Tag), Ok(vec![]));
        assert_eq!(decode(b"-_8", Part::Tag), Ok(vec![0xfb, 0xff]));
        for text in [
            "-_8=", "-_9", "+/8", "-_8 ", "\n-_8", "-", "A", "-_\u{e9}", "AA==", "A.A",
        ] {
            assert_eq!(decode(text.as_bytes(), Part::Tag), bad, "{text}");
        }
    }
}
