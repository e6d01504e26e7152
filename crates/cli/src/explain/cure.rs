//! What cures a refusal: the directive, or what somebody else has to do.

use jose::{Error, NoKeyReason};
use policy::auth_jwt::binding::BindingError;
use policy::auth_jwt::issuer::{IssuerRejection, UnmetTerm};
use policy::auth_jwt::max_age::AgeError;
use policy::auth_jwt::rejection::{Rejection, RuleSubject};
use policy::auth_jwt::revocation::RevocationError;

/// The cure. `None` where the reason says it already.
pub fn cure(rejection: &Rejection) -> Option<&'static str> {
    Some(match rejection {
        Rejection::Missing => {
            "the client sends \"Authorization: Bearer TOKEN\", or token= of auth_jwt names the \
             variable that has the token"
        }
        Rejection::SeveralTokens => "the client sends one line \"Authorization\"",
        Rejection::Token(error) => return of_token(error),
        Rejection::Compressed => "auth_jwt_compression on",
        Rejection::Algorithm { .. } => "auth_jwt_algorithms with that algorithm as well",
        Rejection::Issuer(error) => of_issuer(error),
        Rejection::Age(error) => of_age(error),
        Rejection::Binding(error) => of_binding(error),
        Rejection::Revocation(error) => match error {
            RevocationError::Missing(_) | RevocationError::NotString(_) => {
                "the issuer has to put it into its tokens, or no auth_jwt_revocation_list_ of that \
                 name"
            }
            RevocationError::Revoked { .. } => {
                "the client needs another token, or the file of auth_jwt_revocation_list_ without \
                 that name"
            }
        },
        Rejection::RevocationList { .. } => "the file of auth_jwt_revocation_list_",
        Rejection::Rule {
            subject: RuleSubject::Claim,
            ..
        } => "a token with that claim, or another auth_jwt_require_claim",
        Rejection::Rule {
            subject: RuleSubject::Header,
            ..
        } => "a token with that header parameter, or another auth_jwt_require_header",
        Rejection::Scope { .. } => {
            "the client has to ask its issuer for that scope; auth_jwt_require_scope demands it"
        }
        Rejection::Requirement { .. } => "auth_jwt_require",
        Rejection::Mode(_) => "the variable in auth_jwt_mode",
        Rejection::NoKeySource => {
            "auth_jwt_key_file or auth_jwt_key_request, or auth_jwt_trust with an issuer"
        }
        Rejection::KeyFile { .. } => {
            "auth_jwt_key_file with a JWK Set; nginx-auth jwk makes one of a secret, a PEM key or \
             a certificate"
        }
        Rejection::KeyFileName(_) => "the value of the variable in auth_jwt_key_file",
        Rejection::KeyRequest { .. } | Rejection::KeyRequestUri { .. } => {
            "the location of auth_jwt_key_request"
        }
        Rejection::IssuerKeys { .. } => "the keys of auth_jwt_issuer",
        Rejection::Nginx(_) => return None,
    })
}

fn of_token(error: &Error) -> Option<&'static str> {
    Some(match error {
        Error::TokenParts {
            found: 5,
            expected: 3,
        } => "auth_jwt_type encrypted, or nested if a signed token is inside",
        Error::TokenParts {
            found: 3,
            expected: 5,
        } => "auth_jwt_type signed",
        Error::TokenParts { found: 1, .. } => {
            "the client has to send a JWT; opaque tokens are for auth_request, see \
             docs/introspection.md"
        }
        Error::TokenParts { .. } => "the client has to send the whole token",
        Error::Content { is_token: true } => "auth_jwt_type nested",
        Error::Content { is_token: false } => "auth_jwt_type encrypted",
        Error::TokenTooLarge { .. }
        | Error::Base64 { .. }
        | Error::TooLarge { .. }
        | Error::NotUtf8 { .. }
        | Error::JsonSyntax { .. }
        | Error::DuplicateName { .. }
        | Error::TooDeep { .. }
        | Error::NotObject { .. }
        | Error::HeaderParameter { .. }
        | Error::Inflate => "the client has to send the token as the issuer made it",
        Error::Base64Padding { .. } => "the client has to send the token without \"=\"",
        Error::CriticalMalformed
        | Error::CriticalUnsupported { .. }
        | Error::UnencodedPayload
        | Error::UnsupportedCompression { .. } => "the issuer has to make plain tokens",
        Error::UnsupportedAlgorithm { .. } | Error::UnsupportedEncryption { .. } => {
            "the issuer has to use one of the algorithms in docs/reference.md"
        }
        Error::UnknownKey { reason, .. } => of_keys(reason),
        Error::BadSignature { .. } => {
            "auth_jwt_key_file (or auth_jwt_key_request) with the key that signed the token; \
             otherwise the token was changed on its way"
        }
        Error::DecryptionFailed { .. } => {
            "auth_jwt_key_file (or auth_jwt_key_request) with the key that the token is encrypted \
             to; otherwise the token was changed on its way"
        }
        Error::NoRandomness => "the system has to have random bytes",
        Error::NotNumericDate { .. } => "the issuer has to write a number of seconds",
        Error::Expired { .. } => {
            "the client needs a new token; auth_jwt_leeway allows for clocks that differ"
        }
        Error::NotYetValid { .. } => "auth_jwt_leeway allows for clocks that differ",
        Error::NotKeySet { .. } => return None,
    })
}

fn of_keys(reason: &NoKeyReason) -> &'static str {
    match reason {
        NoKeyReason::EmptySet | NoKeyReason::NoSuchKid => {
            "auth_jwt_key_file (or auth_jwt_key_request) with the issuer's current keys"
        }
        NoKeyReason::OtherAlgorithms(_)
        | NoKeyReason::OtherEncryption
        | NoKeyReason::OtherCurve => {
            "auth_jwt_key_file (or auth_jwt_key_request) with a key for that algorithm, or \
             without an \"alg\" that excludes it"
        }
        NoKeyReason::OtherPurpose { .. } => {
            "auth_jwt_key_file (or auth_jwt_key_request) with a key whose \"use\" and \"key_ops\" \
             allow it"
        }
        NoKeyReason::PublicKey => {
            "auth_jwt_key_file (or auth_jwt_key_request) with the private key"
        }
        NoKeyReason::LeftOut(_) => "the key has to be mended; nginx-auth keys FILE says more",
    }
}

fn of_issuer(error: &IssuerRejection) -> &'static str {
    match error {
        IssuerRejection::Untrusted(_) => {
            "auth_jwt_trust with the issuer of the token, whose auth_jwt_issuer has exactly that \
             \"issuer\""
        }
        IssuerRejection::Unmet(_, UnmetTerm::Audience { .. } | UnmetTerm::NoAudience) => {
            "\"audience\" in auth_jwt_issuer, or a token for this audience"
        }
        IssuerRejection::Unmet(_, UnmetTerm::Algorithm { .. }) => {
            "\"algorithms\" in auth_jwt_issuer with that algorithm as well"
        }
        IssuerRejection::Unmet(_, UnmetTerm::Type { .. } | UnmetTerm::NoType) => {
            "\"typ\" in auth_jwt_issuer, or another kind of token"
        }
        IssuerRejection::Unmet(_, UnmetTerm::AccessToken(_)) => {
            "the client has to send an access token of RFC 9068"
        }
        IssuerRejection::Unmet(_, UnmetTerm::Age(error)) => of_age(error),
    }
}

fn of_age(error: &AgeError) -> &'static str {
    match error {
        AgeError::Missing | AgeError::NotNumber => {
            "the issuer has to put a number \"iat\" into its tokens, or no auth_jwt_max_age"
        }
        AgeError::TooOld { .. } => "the client needs a new token, or a longer auth_jwt_max_age",
        AgeError::InFuture { .. } => "auth_jwt_leeway allows for clocks that differ",
    }
}

fn of_binding(error: &BindingError) -> &'static str {
    match error {
        BindingError::Proof(_) => "the client has to send a right DPoP proof",
        _ => "auth_jwt_binding",
    }
}
