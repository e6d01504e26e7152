//! What error.log says of a refusal.

use std::fmt;

use super::super::bearer::{NoToken, Presented, in_front_of, instead_of_token};
use super::super::issuer::{IssuerRejection, UnmetTerm, UntrustedIssuer};
use super::super::revocation::{RevocationError, RevocationSubject};
use super::Rejection;
use jose::{InputPart, Summary};
use text::Quoted;

/// Times from here on (the year 5138) are more likely milliseconds than seconds.
const MILLISECONDS: i64 = 100_000_000_000;

/// What error.log says of a refusal: why, and of which token.
pub struct LogLine<'a, S, N> {
    /// Why the request is refused.
    pub rejection: &'a Rejection,
    /// What the request presents.
    pub presented: Presented<'a>,
    /// Summarizes the token. It is called only if the line is written.
    pub summarize: S,
    /// Says what there is instead of a token. It is called only if the line is written.
    pub no_token: N,
}

impl<S: Fn() -> Summary, N: Fn() -> NoToken> fmt::Display for LogLine<'_, S, N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.rejection)?;
        self.fmt_hint(f)?;
        let summary = match self.rejection {
            Rejection::Token(error) => without_repetition((self.summarize)(), error),
            Rejection::Algorithm { alg } => {
                let mut summary = (self.summarize)();
                summary.alg.take_if(|summarized| summarized == alg);
                summary
            }
            Rejection::Issuer(error) => without_named((self.summarize)(), error),
            Rejection::Revocation(RevocationError::Revoked {
                subject: RevocationSubject::Kid,
                value,
            }) => {
                let mut summary = (self.summarize)();
                summary.kid.take_if(|summarized| summarized == value);
                summary
            }
            Rejection::Age(_)
            | Rejection::Binding(_)
            | Rejection::Revocation(_)
            | Rejection::Compressed
            | Rejection::Rule { .. }
            | Rejection::Scope { .. }
            | Rejection::Requirement { .. } => (self.summarize)(),
            // There is no token, or the reason is not the token.
            Rejection::Missing
            | Rejection::SeveralTokens
            | Rejection::RevocationList { .. }
            | Rejection::Mode(_)
            | Rejection::NoKeySource
            | Rejection::KeyFile { .. }
            | Rejection::KeyFileName(_)
            | Rejection::KeyRequest { .. }
            | Rejection::IssuerKeys { .. }
            | Rejection::KeyRequestUri { .. }
            | Rejection::Nginx(_) => return Ok(()),
        };
        match summary == Summary::default() {
            true => Ok(()),
            false => write!(f, "; {summary}"),
        }
    }
}

impl<S, N: Fn() -> NoToken> LogLine<'_, S, N> {
    /// Writes what helps to find the mistake.
    fn fmt_hint(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use jose::Error::{Base64, Base64Padding, Content, Expired, NotYetValid, TokenParts};
        match (self.rejection, self.presented) {
            (Rejection::Missing, _) => write!(f, ": {}", (self.no_token)()),
            (
                Rejection::Token(
                    Content { .. }
                    | TokenParts {
                        found: 3 | 5,
                        expected: 3 | 5,
                    },
                ),
                _,
            ) => f.write_str(", see auth_jwt_type"),
            (
                Rejection::Token(Base64 { part } | Base64Padding { part }),
                Presented::Token(token),
            ) if *part == InputPart::Header => match in_front_of(token) {
                Some(hint) => write!(f, ": {hint}"),
                None => Ok(()),
            },
            (Rejection::Token(TokenParts { found: 1 | 2, .. }), Presented::Token(text)) => {
                match instead_of_token(text) {
                    Some(hint) => write!(f, ": {hint}"),
                    None => Ok(()),
                }
            }
            (Rejection::Token(Expired { exp, now, .. }), _) => fmt_clocks(f, *now, *exp, "ago"),
            (Rejection::Token(NotYetValid { nbf, .. }), _) if *nbf >= MILLISECONDS => {
                f.write_str(", which may be milliseconds where seconds are needed")
            }
            (Rejection::Token(NotYetValid { nbf, now, .. }), _) => {
                fmt_clocks(f, *nbf, *now, "ahead")
            }
            _ => Ok(()),
        }
    }
}

/// Says how far two times are apart, and what helps if clocks are the reason: clocks that nobody
/// sets are wrong by minutes.
fn fmt_clocks(f: &mut fmt::Formatter<'_>, later: i64, earlier: i64, side: &str) -> fmt::Result {
    match later.saturating_sub(earlier) {
        seconds @ 0..=600 => write!(
            f,
            ", {seconds} s {side}: if the clocks of issuer and nginx differ, see auth_jwt_leeway"
        ),
        _ => Ok(()),
    }
}

/// The summary without the `alg` and `kid` that the error names. Those of a nested token's error
/// may be of the token inside, while the summary is of the token outside.
fn without_repetition(mut summary: Summary, error: &jose::Error) -> Summary {
    use jose::Error::{BadSignature, DecryptionFailed, UnknownKey, UnsupportedAlgorithm};
    let (alg, kid) = match error {
        UnsupportedAlgorithm { alg } => (alg.clone(), None),
        UnknownKey { alg, kid, .. }
        | BadSignature { alg, kid, .. }
        | DecryptionFailed { alg, kid, .. } => (Quoted::new(alg), kid.as_ref()),
        _ => return summary,
    };
    summary.alg.take_if(|summarized| *summarized == alg);
    summary.kid.take_if(|summarized| Some(&*summarized) == kid);
    summary
}

/// The summary without the `alg` or `iss` that the error names.
fn without_named(mut summary: Summary, error: &IssuerRejection) -> Summary {
    match error {
        IssuerRejection::Untrusted(UntrustedIssuer::Unknown { iss, .. }) => {
            summary.iss.take_if(|summarized| summarized == iss);
        }
        IssuerRejection::Unmet(_, UnmetTerm::Algorithm { alg }) => {
            summary.alg.take_if(|summarized| summarized == alg);
        }
        IssuerRejection::Untrusted(_) | IssuerRejection::Unmet(..) => {}
    }
    summary
}

#[cfg(test)]
mod tests;
