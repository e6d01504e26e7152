//! Access tokens as RFC 9068 has them: what tells them from other tokens of the same issuer, such as
//! ID tokens.

use jose::{JsonKind, JsonValue};

/// Why a token is no access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotAccessToken {
    /// There is no such claim.
    #[error("claim \"{0}\" is missing")]
    Missing(&'static str),
    /// The claim is of another type.
    #[error("claim \"{0}\" is not a string")]
    NotString(&'static str),
    /// The claim is of another type.
    #[error("claim \"{0}\" is not a number")]
    NotNumber(&'static str),
    /// `aud` is neither a string nor an array of strings.
    #[error("claim \"aud\" is neither a string nor an array of strings")]
    Audience,
}

/// Checks that all claims are there that an access token must have (RFC 9068 section 2.2).
pub(super) fn check_claims(claims: JsonValue<'_>) -> Result<(), NotAccessToken> {
    let find = |name: &'static str| {
        let value = claims.get(name.as_bytes());
        value.ok_or(NotAccessToken::Missing(name))
    };
    for name in ["iss", "sub", "client_id", "jti"] {
        if find(name)?.as_str().is_none() {
            return Err(NotAccessToken::NotString(name));
        }
    }
    for name in ["exp", "iat"] {
        if find(name)?.as_number().is_none() {
            return Err(NotAccessToken::NotNumber(name));
        }
    }
    let aud = find("aud")?;
    let is_string = |value: JsonValue<'_>| value.as_str().is_some();
    let is_list = aud.kind() == JsonKind::Array
        && aud.elements().next().is_some()
        && aud.elements().all(is_string);
    match is_string(aud) || is_list {
        true => Ok(()),
        false => Err(NotAccessToken::Audience),
    }
}
