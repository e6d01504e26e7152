//! The texts and kinds of errors, which users and log lines see.

use super::*;

#[test]
fn what_a_token_is_instead() {
    let text = |found, expected| Error::TokenParts { found, expected }.to_string();
    let encrypted = "an encrypted token (5 parts) where a signed one is expected";
    let signed = "a signed token (3 parts) where an encrypted one is expected";
    assert_eq!(text(5, 3), encrypted);
    assert_eq!(text(3, 5), signed);
    assert_eq!(text(1, 3), "token has 1 part instead of 3");
    assert_eq!(text(2, 5), "token has 2 parts instead of 5");
    assert_eq!(text(6, 3), "token has more than 5 parts");

    let text = |is_token| Error::Content { is_token }.to_string();
    let nested = "a nested token where an encrypted one with claims is expected";
    let claims = "an encrypted token with claims where a nested one is expected";
    assert_eq!(text(true), nested);
    assert_eq!(text(false), claims);
}

#[test]
fn each_part_of_a_token_has_a_name() {
    for (part, name) in [
        (InputPart::Header, "JOSE header"),
        (InputPart::Claims, "claims set"),
        (InputPart::Signature, "signature"),
        (InputPart::EncryptedKey, "encrypted key"),
        (InputPart::Iv, "initialization vector"),
        (InputPart::Ciphertext, "ciphertext"),
        (InputPart::Tag, "authentication tag"),
        (InputPart::KeySet, "key set"),
        (InputPart::Value, "value"),
    ] {
        let text = Error::Base64 { part }.to_string();
        assert_eq!(text, format!("{name} is not base64url"));
    }
}

#[test]
fn the_same_fault_is_of_a_token_or_of_a_key_set() {
    let name = quoted("kid");
    let faults = |part| {
        [
            Error::TooLarge { part, limit: 1 },
            Error::NotUtf8 { part },
            Error::JsonSyntax { part, offset: 0 },
            Error::DuplicateName {
                part,
                name: name.clone(),
            },
            Error::TooDeep { part, limit: 1 },
            Error::NotObject { part },
            Error::Base64 { part },
            Error::Base64Padding { part },
        ]
    };
    for fault in faults(InputPart::KeySet) {
        assert_eq!(fault.kind(), ErrorKind::KeySet, "{fault}");
    }
    for fault in faults(InputPart::Claims) {
        assert_eq!(fault.kind(), ErrorKind::Malformed, "{fault}");
    }
}

#[test]
fn kinds_of_errors() {
    let (alg, kid) = ("RS256", None);
    let zip = quoted("LZ");
    let found = NotKeySet::Empty;
    for (error, kind) in [
        (
            Error::UnsupportedCompression { zip },
            ErrorKind::Unsupported,
        ),
        (Error::CriticalMalformed, ErrorKind::Malformed),
        (
            Error::BadSignature {
                alg,
                kid,
                tried: 1,
                fitting: 1,
            },
            ErrorKind::BadSignature,
        ),
        (Error::NoRandomness, ErrorKind::DecryptionFailed),
        (
            Error::Expired {
                exp: 1,
                now: 2,
                leeway: 0,
            },
            ErrorKind::Expired,
        ),
        (
            Error::NotYetValid {
                nbf: 2,
                now: 1,
                leeway: 0,
            },
            ErrorKind::NotYetValid,
        ),
        (Error::NotKeySet { found }, ErrorKind::KeySet),
    ] {
        assert_eq!(error.kind(), kind, "{error}");
    }
}

#[test]
fn what_is_no_key_set_says_what_to_do() {
    let make =
        "instead of a JWK Set; make one of it by \"nginx-auth jwk FILE\", or see docs/keys.md";
    let jwks_uri = quoted("https://a");
    for (found, text) in [
        (NotKeySet::Empty, "empty instead of a JWK Set".to_owned()),
        (
            NotKeySet::Pem(PemLabel::Certificate),
            format!("PEM certificate {make}"),
        ),
        (
            NotKeySet::Pem(PemLabel::PublicKey),
            format!("PEM public key {make}"),
        ),
        (
            NotKeySet::Pem(PemLabel::PrivateKey),
            format!("PEM private key {make}"),
        ),
        (NotKeySet::Pem(PemLabel::Other), format!("PEM text {make}")),
        (NotKeySet::SshKey, format!("OpenSSH key {make}")),
        (NotKeySet::Der, format!("DER key or certificate {make}")),
        (NotKeySet::Html, "HTML or XML instead of a JWK Set".into()),
        (
            NotKeySet::Utf16,
            "UTF-16 instead of a JWK Set; save it as UTF-8".into(),
        ),
        (
            NotKeySet::Token,
            "token instead of a JWK Set; the issuer's keys are needed".into(),
        ),
        (
            NotKeySet::Array,
            "array of keys instead of a JWK Set; put {\"keys\":...} around it".into(),
        ),
        (
            NotKeySet::OpenIdConfiguration { jwks_uri },
            "OpenID configuration instead of a JWK Set; the keys are at its jwks_uri \"https://a\""
                .into(),
        ),
        (
            NotKeySet::KeysNotArray,
            "neither a JWK Set nor a JWK: \"keys\" is no array".into(),
        ),
        (
            NotKeySet::Object,
            "neither a JWK Set nor a JWK: it has neither \"keys\" nor \"kty\"".into(),
        ),
    ] {
        assert_eq!(Error::NotKeySet { found }.to_string(), text);
    }
}

#[test]
fn why_a_key_cannot_be_used() {
    let needed = KeyPurpose::Decrypt;
    let member = "key_ops";
    for (reason, text) in [
        (NoKeyReason::NoSuchKid, "does not exist"),
        (
            NoKeyReason::OtherEncryption,
            "is for other values of \"enc\" only",
        ),
        (NoKeyReason::OtherCurve, "is on another curve than \"epk\""),
        (
            NoKeyReason::OtherPurpose { needed, member },
            "may not decrypt, by its \"key_ops\"",
        ),
    ] {
        assert_eq!(reason.about_key(), text);
    }
}
