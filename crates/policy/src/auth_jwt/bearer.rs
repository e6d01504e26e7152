//! Where in a request the token is.

/// What a request presents as its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presented<'a> {
    /// No token: no credentials of the scheme Bearer, or an empty variable.
    Nothing,
    /// What follows the scheme, or the value of the variable: anything but an empty text.
    Token(&'a [u8]),
    /// More than one `Authorization` header line. Another server on the way may read a different
    /// one than we do.
    Several,
}

/// Finds the bearer token (RFC 6750 section 2.1) among the values of all `Authorization` header
/// lines. The scheme is case-insensitive, and one or more spaces follow it (RFC 9110 section 11.4).
pub fn find_bearer_token<'a>(authorization: impl Iterator<Item = &'a [u8]>) -> Presented<'a> {
    let mut credentials: &[u8] = b"";
    for (number, value) in authorization.enumerate() {
        if number > 0 {
            return Presented::Several;
        }
        credentials = value;
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
mod tests;
