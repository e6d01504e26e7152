//! Why a request is refused, and what that means for the client and for the log.

use std::fmt;
use std::path::PathBuf;
use std::rc::Rc;

use super::key_cache::KeyError;
use jose::{ErrorKind, Summary};
use text::{Quoted, is_quotable};

/// Why a request is refused. A [`LogLine`] says more about the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("no token")]
    Missing,
    #[error("more than one header line Authorization")]
    SeveralTokens,
    #[error("{0}")]
    Token(#[from] jose::Error),
    /// A value of `auth_jwt_require`, as it is written in the configuration.
    #[error("required {value} is empty or 0")]
    Requirement { value: Rc<str>, status: u16 },
    #[error(
        "no keys: auth_jwt needs auth_jwt_key_file or auth_jwt_key_request in the same location or around it"
    )]
    NoKeySource,
    // Debug escapes: a name may hold values from a request.
    #[error("key file {path:?}: {error}")]
    KeyFile { path: PathBuf, error: KeyError },
    #[error("key file: the name has variables, and with their values it is not one to open: {0}")]
    KeyFileName(&'static str),
    /// `uri` is quoted.
    #[error("key request {uri}: {error}")]
    KeyRequest { uri: String, error: KeyError },
    #[error("key request: the URI {uri} {reason}")]
    KeyRequestUri { uri: String, reason: &'static str },
    /// nginx could not do what was asked, for this reason.
    #[error("{0}")]
    Nginx(String),
}

/// How a refusal shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Consequence {
    pub status: u16,
    pub challenge: Challenge,
    pub fault: Fault,
}

/// The header line `WWW-Authenticate` (RFC 6750 section 3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Challenge {
    /// None: to ask again with another token would not help.
    None,
    /// The realm alone: the request had no token.
    Realm,
    /// The realm, and that the token is not accepted.
    InvalidToken,
}

/// Whose fault it is, which decides how loudly it is logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `[info]`: a refusal as configured.
    Client,
    /// `[error]`: somebody has to mend something.
    Server,
}

impl Rejection {
    /// What follows from it.
    pub fn consequence(&self) -> Consequence {
        let (status, challenge, fault) = match self {
            Self::Missing => (401, Challenge::Realm, Fault::Client),
            Self::SeveralTokens | Self::Token(_) => (401, Challenge::InvalidToken, Fault::Client),
            Self::Requirement { status: 401, .. } => (401, Challenge::InvalidToken, Fault::Client),
            Self::Requirement { status, .. } => (*status, Challenge::None, Fault::Client),
            Self::NoKeySource
            | Self::KeyFile { .. }
            | Self::KeyFileName(_)
            | Self::KeyRequest { .. }
            | Self::KeyRequestUri { .. }
            | Self::Nginx(_) => (500, Challenge::None, Fault::Server),
        };
        Consequence {
            status,
            challenge,
            fault,
        }
    }
}

impl Rejection {
    /// The text of `$jwt_status`.
    pub fn status_text(&self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::SeveralTokens => "malformed",
            Self::Token(error) => match error.kind() {
                ErrorKind::Malformed => "malformed",
                ErrorKind::Unsupported => "unsupported_algorithm",
                ErrorKind::UnknownKey => "unknown_key",
                ErrorKind::BadSignature => "bad_signature",
                ErrorKind::DecryptionFailed => "decryption_failed",
                ErrorKind::Expired => "expired",
                ErrorKind::NotYetValid => "not_yet_valid",
                ErrorKind::KeySet => "keys_unavailable",
            },
            Self::Requirement { .. } => "requirement",
            Self::NoKeySource
            | Self::KeyFile { .. }
            | Self::KeyFileName(_)
            | Self::KeyRequest { .. }
            | Self::KeyRequestUri { .. }
            | Self::Nginx(_) => "keys_unavailable",
        }
    }
}

impl Challenge {
    /// The value of the header line, unless there is none to be. Of a realm with control characters nothing is left.
    pub fn value(self, realm: &[u8]) -> Option<Vec<u8>> {
        let error: &[u8] = match self {
            Self::None => return None,
            Self::Realm => b"",
            Self::InvalidToken => b", error=\"invalid_token\"",
        };
        let mut value = Vec::with_capacity(64 + realm.len());
        value.extend_from_slice(b"Bearer realm=\"");
        if is_quotable(realm) {
            for &byte in realm {
                if matches!(byte, b'"' | b'\\') {
                    value.push(b'\\');
                }
                value.push(byte);
            }
        }
        value.push(b'"');
        value.extend_from_slice(error);
        Some(value)
    }
}

/// What error.log says of a refusal: why, and of which token. That is found out only if somebody is to read it.
pub struct LogLine<'a, F> {
    pub rejection: &'a Rejection,
    /// What the request's token says of itself, if it has one.
    pub token: F,
}

impl<F: Fn() -> Summary> fmt::Display for LogLine<'_, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rejection)?;
        let about = match self.rejection {
            Rejection::Token(error) => without_what_is_said((self.token)(), error),
            Rejection::Requirement { .. } => (self.token)(),
            _ => return Ok(()),
        };
        match about == Summary::default() {
            true => Ok(()),
            false => write!(f, "; {about}"),
        }
    }
}

/// Leaves out `alg` and `kid` where the error says the same. Of a nested token it may speak of those inside.
fn without_what_is_said(mut token: Summary, error: &jose::Error) -> Summary {
    use jose::Error::{BadSignature, DecryptionFailed, UnknownKey, UnsupportedAlgorithm};
    let (alg, kid) = match error {
        UnsupportedAlgorithm { alg } => (alg.clone(), None),
        UnknownKey { alg, kid } => (alg.clone(), kid.as_ref()),
        BadSignature { alg, kid, .. } | DecryptionFailed { alg, kid, .. } => {
            (Quoted::new(alg), kid.as_ref())
        }
        _ => return token,
    };
    token.alg.take_if(|said| *said == alg);
    token.kid.take_if(|said| Some(&*said) == kid);
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(challenge: Challenge, realm: &str) -> String {
        String::from_utf8(challenge.value(realm.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn row_35_a_realm_stays_inside_its_quotes() {
        assert_eq!(text(Challenge::Realm, "site"), r#"Bearer realm="site""#);
        assert_eq!(
            text(Challenge::InvalidToken, r#"a", error="none\"#),
            r#"Bearer realm="a\", error=\"none\\", error="invalid_token""#
        );
        for control in ["a\r\nSet-Cookie: b", "a\nb", "a\0b", "a\tb", "a\u{7f}"] {
            assert_eq!(text(Challenge::Realm, control), r#"Bearer realm="""#);
        }
        assert_eq!(Challenge::None.value(b"site"), None);
    }

    #[test]
    fn row_35_a_file_name_stays_inside_its_quotes() {
        let refused = Rejection::KeyFile {
            path: "/keys/a\r\n[alert] \"\u{fc}".into(),
            error: KeyError::NotRegular,
        };
        assert_eq!(
            refused.to_string(),
            r#"key file "/keys/a\r\n[alert] \"ü": not a regular file"#
        );
    }

    #[test]
    fn only_a_token_is_answered_with_invalid_token() {
        let challenge = |rejection: Rejection| rejection.consequence().challenge;
        assert_eq!(challenge(Rejection::Missing), Challenge::Realm);
        assert_eq!(challenge(Rejection::SeveralTokens), Challenge::InvalidToken);
        let refused = Rejection::Token(jose::Error::UnencodedPayload);
        assert_eq!(refused.to_string(), "unencoded payload is not supported");
        assert_eq!(challenge(refused), Challenge::InvalidToken);
        let broken = Rejection::NoKeySource.consequence();
        assert_eq!((broken.status, broken.fault), (500, Fault::Server));
    }

    fn line(error: jose::Error, alg: &str, kid: &str) -> String {
        let rejection = &Rejection::Token(error);
        let token = || Summary {
            alg: Some(Quoted::new(alg)),
            kid: Some(Quoted::new(kid)),
            iss: None,
        };
        LogLine { rejection, token }.to_string()
    }

    #[test]
    fn a_log_line_says_alg_and_kid_once() {
        let unknown_key = || jose::Error::UnknownKey {
            alg: Quoted::new("HS256"),
            kid: Some(Quoted::new("a")),
        };
        let text = "no key for algorithm \"HS256\", kid \"a\"";
        assert_eq!(line(unknown_key(), "HS256", "a"), text);
        assert_eq!(
            line(unknown_key(), "dir", "b"),
            format!("{text}; alg \"dir\", kid \"b\"")
        );
        assert_eq!(
            line(unknown_key(), "dir", "a"),
            format!("{text}; alg \"dir\"")
        );
        assert_eq!(
            line(jose::Error::UnencodedPayload, "HS256", "a"),
            "unencoded payload is not supported; alg \"HS256\", kid \"a\""
        );
        let rejection = &Rejection::Missing;
        let token = || unreachable!("there is no token to look at");
        assert_eq!(LogLine { rejection, token }.to_string(), "no token");
    }
}
