//! What a text is that is not a key set.

use super::*;

fn error(text: impl AsRef<[u8]>) -> String {
    KeySet::parse(text.as_ref()).err().unwrap().to_string()
}

fn found(text: impl AsRef<[u8]>) -> NotKeySet {
    match KeySet::parse(text.as_ref()) {
        Err(Error::NotKeySet { found }) => found,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_byte_order_mark_is_skipped() {
    let set = format!("\u{feff}{}", r#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#);
    assert_eq!(KeySet::parse(set.as_bytes()).unwrap().usable_keys(), 1);
    assert_eq!(found("\u{feff}"), NotKeySet::Empty);
}

#[test]
fn what_people_take_for_a_key_set_is_recognized() {
    let pem = |label: &str| format!("-----BEGIN {label}-----\nAAAA\n-----END {label}-----\n");
    for (text, expected) in [
        (String::new(), NotKeySet::Empty),
        (" \r\n\t".to_owned(), NotKeySet::Empty),
        (pem("CERTIFICATE"), NotKeySet::Pem(PemLabel::Certificate)),
        (
            format!("Bag Attributes\n{}", pem("CERTIFICATE")),
            NotKeySet::Pem(PemLabel::Certificate),
        ),
        (pem("PUBLIC KEY"), NotKeySet::Pem(PemLabel::PublicKey)),
        (pem("RSA PUBLIC KEY"), NotKeySet::Pem(PemLabel::PublicKey)),
        (pem("PRIVATE KEY"), NotKeySet::Pem(PemLabel::PrivateKey)),
        (pem("EC PRIVATE KEY"), NotKeySet::Pem(PemLabel::PrivateKey)),
        (
            pem("ENCRYPTED PRIVATE KEY"),
            NotKeySet::Pem(PemLabel::PrivateKey),
        ),
        (pem("DH PARAMETERS"), NotKeySet::Pem(PemLabel::Other)),
        (
            format!("\u{feff}{}", pem("PUBLIC KEY")),
            NotKeySet::Pem(PemLabel::PublicKey),
        ),
        ("ssh-rsa AAAA user@host\n".to_owned(), NotKeySet::SshKey),
        ("<!DOCTYPE html><html></html>".to_owned(), NotKeySet::Html),
        ("\n<?xml version=\"1.0\"?>".to_owned(), NotKeySet::Html),
        (
            "eyJhbGciOiJIUzI1NiJ9.e30.AAAA\n".to_owned(),
            NotKeySet::Token,
        ),
        ("123456".to_owned(), NotKeySet::PlainText),
        (
            "correct-horse-battery-staple\n".to_owned(),
            NotKeySet::PlainText,
        ),
        (r#"[{"kty":"oct","k":"AAAA"}]"#.to_owned(), NotKeySet::Array),
        (
            r#"{"issuer":"https://i","jwks_uri":"https://i/keys"}"#.to_owned(),
            NotKeySet::OpenIdConfiguration {
                jwks_uri: quoted("https://i/keys"),
            },
        ),
        (
            format!(r#"{{"a":{0},"b":{0}}}"#, Value::from(pem("CERTIFICATE"))),
            NotKeySet::CertificatesByKid,
        ),
        (r#"{"keys":{}}"#.to_owned(), NotKeySet::KeysNotArray),
        (
            r#"{"keys":null,"kty":"oct","k":"AAAA"}"#.to_owned(),
            NotKeySet::KeysNotArray,
        ),
        (r#"{"keys":"AAAA"}"#.to_owned(), NotKeySet::KeysNotArray),
        ("{}".to_owned(), NotKeySet::Object),
        (r#"{"error":"not found"}"#.to_owned(), NotKeySet::Object),
    ] {
        assert_eq!(found(&text), expected, "{text}");
    }
    assert_eq!(found(b"\xff\xfe{\0}\0"), NotKeySet::Utf16);
    assert_eq!(found(b"\x30\x82\x03\x21\x30\x82\x02\x09"), NotKeySet::Der);
}

#[test]
fn other_texts_keep_their_error() {
    for (text, expected) in [
        ("{\"keys\":[", "key set is not JSON at byte 9"),
        ("two words", "key set is not JSON at byte 1"),
        ("[]", "key set is not a JSON object"),
        ("null", "key set is not a JSON object"),
        ("\"text\"", "key set is not a JSON object"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
}

#[test]
fn a_secret_is_not_in_the_error() {
    let secret = "correct-horse-battery-staple";
    let debug = format!("{:?}", KeySet::parse(secret.as_bytes()));
    assert!(!debug.contains(secret) && !error(secret).contains(secret));
}
