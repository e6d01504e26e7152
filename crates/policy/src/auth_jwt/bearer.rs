//! Where in a request the token is.

/// What a request presents in its header line `Authorization`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No credentials of the scheme Bearer.
    Nothing,
    /// What follows the scheme. It may be anything but empty.
    Token(&'a [u8]),
    /// More than one line. Others on the way may read another one than we do.
    Several,
}

/// Finds the bearer token (RFC 6750 section 2.1) among the values of all header lines `Authorization`. The scheme is
/// in any case; one or more spaces follow it (RFC 9110 section 11.4).
pub fn bearer<'a>(authorization: impl Iterator<Item = &'a [u8]>) -> Presented<'a> {
    let mut credentials: &[u8] = b"";
    for (number, line) in authorization.enumerate() {
        if number > 0 {
            return Presented::Several;
        }
        credentials = line;
    }
    let mut token: &[u8] = match credentials.split_first_chunk::<7>() {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case(b"bearer ") => rest,
        _ => b"",
    };
    while let Some(rest) = token.strip_prefix(b" ") {
        token = rest;
    }
    match token {
        b"" => Presented::Nothing,
        token => Presented::Token(token),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(value: &str) -> Presented<'_> {
        bearer([value.as_bytes()].into_iter())
    }

    #[test]
    fn row_42_short_and_odd_values() {
        for value in [
            "",
            "B",
            "Bearer",
            "Bearer ",
            "Bearer   ",
            "bearer\tabc",
            "Bearerabc",
            "Basic abc",
            " Bearer abc",
        ] {
            assert_eq!(one(value), Presented::Nothing, "{value:?}");
        }
        assert_eq!(bearer([].into_iter()), Presented::Nothing);
    }

    #[test]
    fn row_42_two_lines() {
        let twice = [&b"Bearer abc"[..]; 2];
        assert_eq!(bearer(twice.into_iter()), Presented::Several);
        let other_scheme = [&b"Basic abc"[..], b"Bearer abc"];
        assert_eq!(bearer(other_scheme.into_iter()), Presented::Several);
    }

    #[test]
    fn row_43_any_case_and_any_number_of_spaces() {
        for value in ["Bearer abc", "bearer abc", "BEARER abc", "bEaReR    abc"] {
            assert_eq!(one(value), Presented::Token(&b"abc"[..]), "{value:?}");
        }
        assert_eq!(one("Bearer a b"), Presented::Token(&b"a b"[..]));
        assert_eq!(one("Bearer \tabc"), Presented::Token(&b"\tabc"[..]));
    }
}
