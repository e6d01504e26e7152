//! The listing of a set says of each entry what the set itself says.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::{Error, Limits, TokenType, UnverifiedToken};
use crate::{KeyProblem, KeyPurpose, KeySet, KeySize, NoKeyReason, SignatureCheck, list_keys};

/// The key of RFC 7638 section 3.1, without its kid and alg.
const RSA: &str = r#""kty":"RSA","e":"AQAB","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw""#;

fn set() -> String {
    let padded = RSA.replace("Kgw\"", "Kgw==\"");
    let entries = [
        format!(r#"{{{RSA},"kid":"a","alg":"RS256","use":"sig"}}"#),
        format!(r#"{{{padded},"kid":"b","key_ops":["encrypt"]}}"#),
        format!(r#"{{{RSA},"kid":7}}"#),
        r#"{"kty":"oct","k":"c2VjcmV0","kid":"d"}"#.to_owned(),
        r#"{"kty":"oct","k":"","kid":"e"}"#.to_owned(),
        r#"{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA"}"#.to_owned(),
        r#"{"kid":"g","kty":"x"}"#.to_owned(),
        r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
            .to_owned(),
        "null".to_owned(),
    ];
    format!("\u{feff}{{\"keys\":[{}]}}", entries.join(","))
}

#[test]
fn each_entry_has_the_problem_that_the_set_has() {
    let text = set();
    let whole = KeySet::parse(text.as_bytes()).unwrap();
    let listed = list_keys(text.as_bytes()).unwrap();
    assert_eq!(listed.len(), 9);
    for (index, key) in listed.iter().enumerate() {
        assert_eq!(key.index, index);
        let warning = whole.warnings().find(|warning| warning.index == index);
        let problem = match &key.key {
            Err(fault) => Some(KeyProblem::LeftOut(fault.clone())),
            Ok(_) if key.flaws.is_empty() => None,
            Ok(_) => Some(KeyProblem::Used(key.flaws.clone())),
        };
        assert_eq!(
            warning.map(|warning| warning.problem.clone()),
            problem,
            "{index}"
        );
    }
    let usable = listed.iter().filter(|key| key.key.is_ok()).count();
    assert_eq!(usable, 4);
}

#[test]
fn a_key_is_shown_with_its_size_thumbprint_and_uses() {
    let listed = list_keys(set().as_bytes()).unwrap();
    let material = |index: usize| listed[index].key.as_ref().unwrap();
    assert_eq!(listed[0].kid.as_deref(), Some("a"));
    assert_eq!(listed[0].usage.as_deref(), Some("sig"));
    assert_eq!(material(0).size, KeySize::Bits(2048));
    assert_eq!(material(0).verifies, Ok(vec!["RS256"]));
    let thumbprint = material(0)
        .thumbprint
        .map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    let expected = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
    assert_eq!(thumbprint.as_deref(), Some(expected));
    // Padding is another spelling of the same key.
    assert_eq!(material(1).thumbprint, material(0).thumbprint);
    assert_eq!(
        listed[1].operations.as_deref(),
        Some(&["encrypt".to_owned()][..])
    );
    let reason = NoKeyReason::OtherPurpose {
        needed: KeyPurpose::Verify,
        member: "key_ops",
    };
    assert_eq!(material(1).verifies, Err(reason));
    assert_eq!(material(3).size, KeySize::Bytes(6));
    assert_eq!(material(3).thumbprint, None);
    assert_eq!(material(7).size, KeySize::Named("Ed25519"));
    let thumbprint = material(7)
        .thumbprint
        .map(|bytes| URL_SAFE_NO_PAD.encode(bytes));
    let expected = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
    assert_eq!(thumbprint.as_deref(), Some(expected));
}

#[test]
fn a_set_of_one_key_says_why_that_one_is_not_tried() {
    let listed = list_keys(set().as_bytes()).unwrap();
    let token = |header: &str| {
        let text = format!("{}.e30.AAAA", URL_SAFE_NO_PAD.encode(header));
        UnverifiedToken::parse(text.as_bytes(), TokenType::Signed, &Limits::default()).unwrap()
    };
    let outcome = |index: usize, header| {
        let result = token(header).authenticate(&listed[index].alone, SignatureCheck::Verify);
        match result.unwrap_err() {
            Error::UnknownKey { reason, .. } => Some(reason),
            Error::BadSignature { tried: 1, .. } => None,
            error => panic!("{error}"),
        }
    };
    assert_eq!(outcome(0, r#"{"alg":"RS256","kid":"a"}"#), None);
    assert_eq!(outcome(7, r#"{"alg":"EdDSA","kid":"x"}"#), None);
    assert_eq!(
        outcome(3, r#"{"alg":"HS256","kid":"a"}"#),
        Some(NoKeyReason::NoSuchKid)
    );
    let only = Some(NoKeyReason::OtherAlgorithms(vec!["RS256"]));
    assert_eq!(outcome(0, r#"{"alg":"PS256","kid":"a"}"#), only);
}

#[test]
fn what_is_no_set_has_no_listing() {
    for text in ["", "{}", "[]", "{\"keys\":{}}"] {
        let error = KeySet::parse(text.as_bytes()).unwrap_err();
        assert_eq!(list_keys(text.as_bytes()).unwrap_err(), error, "{text}");
    }
    let single = format!("{{{RSA}}}");
    let listed = list_keys(single.as_bytes()).unwrap();
    assert_eq!(listed.len(), 1);
    assert!(listed[0].key.is_ok());
}
