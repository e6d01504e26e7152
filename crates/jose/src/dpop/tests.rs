use super::*;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use test_tokens::JwkObject;

const CLAIMS: &str = r#"{"jti":"a","htm":"GET","htu":"https://a/","iat":1}"#;

fn proof_with(key: &JwkObject, alg: &str, header: &str) -> String {
    test_tokens::sign(alg, key, header, CLAIMS.as_bytes()).unwrap()
}

fn jwk(alg: &str) -> JwkObject {
    let mut key = test_tokens::key(alg, None).unwrap();
    if key["kty"] != "AKP" {
        key.remove("alg");
    }
    key
}

fn header(alg: &str, jwk: &str) -> String {
    format!(r#"{{"typ":"dpop+jwt","alg":"{alg}","jwk":{jwk}}}"#)
}

fn public(key: &JwkObject) -> String {
    serde_json::to_string(&test_tokens::public(key)).unwrap()
}

fn judge(text: &str) -> String {
    match DpopProof::parse(text.as_bytes()).and_then(|proof| proof.verify()) {
        Ok(()) => "ok".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_proof_of_each_asymmetric_algorithm_is_accepted() {
    for alg in DpopProof::algorithms() {
        let kind = if alg.contains('S') && (alg.starts_with("RS") || alg.starts_with("PS")) {
            "RS256"
        } else {
            alg
        };
        let key = jwk(kind);
        let proof = proof_with(&key, alg, &header(alg, &public(&key)));
        assert_eq!(judge(&proof), "ok", "{alg}");
    }
}

#[test]
fn no_symmetric_algorithm_is_offered() {
    assert!(DpopProof::algorithms().all(|name| !name.starts_with("HS") && name != "none"));
    assert!(DpopProof::algorithms().any(|name| name == "ES256"));
}

#[test]
fn thumbprints_are_those_of_the_rfcs() {
    // RFC 7638 section 3.1, RFC 9449 section 6.1, RFC 8037 appendix A.3.
    let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    let ec = r#"{"kty":"EC","crv":"P-256","x":"l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs","y":"9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA"}"#;
    let okp = r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    for (alg, jwk, thumbprint) in [
        ("RS256", rsa, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"),
        ("ES256", ec, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"),
        ("EdDSA", okp, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"),
    ] {
        let parts = [header(alg, jwk), CLAIMS.to_owned(), String::new()];
        let proof = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let proof = DpopProof::parse(proof.as_bytes()).unwrap();
        assert_eq!(URL_SAFE_NO_PAD.encode(proof.thumbprint()), thumbprint);
        assert_eq!(proof.verify(), Err(DpopError::BadSignature));
    }
}

#[test]
fn the_header_says_that_it_is_a_proof() {
    let key = jwk("ES256");
    let public = public(&key);
    let wrong_type = "header parameter \"typ\" is not \"dpop+jwt\"";
    for (header, reason) in [
        (format!(r#"{{"alg":"ES256","jwk":{public}}}"#), wrong_type),
        (
            format!(r#"{{"typ":"JWT","alg":"ES256","jwk":{public}}}"#),
            wrong_type,
        ),
        (
            format!(r#"{{"typ":"DPOP+JWT","alg":"ES256","jwk":{public}}}"#),
            wrong_type,
        ),
        (
            r#"{"typ":"dpop+jwt","alg":"ES256"}"#.to_owned(),
            "header parameter \"jwk\" is not a JSON object",
        ),
        (
            header("ES256", "null"),
            "header parameter \"jwk\" is not a JSON object",
        ),
        (
            header("ES256", "\"x\""),
            "header parameter \"jwk\" is not a JSON object",
        ),
        (
            header("ES256", "[]"),
            "header parameter \"jwk\" is not a JSON object",
        ),
    ] {
        assert_eq!(
            judge(&proof_with(&key, "ES256", &header)),
            reason,
            "{header}"
        );
    }
}

#[test]
fn a_key_that_is_no_secret_makes_no_proof() {
    let key = jwk("ES256");
    let private = serde_json::to_string(&key).unwrap();
    assert_eq!(
        judge(&proof_with(&key, "ES256", &header("ES256", &private))),
        "header parameter \"jwk\" has \"d\", a member of a private or symmetric key"
    );
    let secret = jwk("HS256");
    let text = serde_json::to_string(&secret).unwrap();
    assert_eq!(
        judge(&proof_with(&secret, "HS256", &header("HS256", &text))),
        "header parameter \"jwk\" has \"k\", a member of a private or symmetric key"
    );
    for member in SECRET_MEMBERS {
        let mut key = test_tokens::public(&key);
        key.insert(member.to_owned(), serde_json::Value::Null);
        let text = serde_json::to_string(&key).unwrap();
        let proof = [header("ES256", &text), CLAIMS.to_owned(), String::new()];
        let proof = proof.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let reason = format!(
            "header parameter \"jwk\" has \"{member}\", a member of a private or symmetric key"
        );
        assert_eq!(judge(&proof), reason);
    }
}

#[test]
fn the_algorithm_has_to_be_one_of_the_key() {
    let (key, other) = (jwk("ES256"), jwk("ES256"));
    let public = public(&key);
    let sign = |alg: &str| {
        let proof = [header(alg, &public), CLAIMS.to_owned(), "x".repeat(64)];
        proof.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".")
    };
    assert_eq!(
        judge(&sign("ES384")),
        "header parameter \"jwk\" is no key for algorithm \"ES384\""
    );
    assert_eq!(
        judge(&sign("HS256")),
        "header parameter \"jwk\" is no key for algorithm \"HS256\""
    );
    assert_eq!(
        judge(&sign("RS256")),
        "header parameter \"jwk\" is no key for algorithm \"RS256\""
    );
    assert!(
        judge(&sign("none")).contains("\"none\""),
        "{}",
        judge(&sign("none"))
    );
    assert_eq!(judge(&sign("ES256")), "bad signature");
    // The key of the thief signs, that of the client is shown.
    assert_eq!(
        judge(&proof_with(&other, "ES256", &header("ES256", &public))),
        "bad signature"
    );
    let proof = proof_with(&key, "ES256", &header("ES256", &public));
    assert_eq!(judge(&proof), "ok");
    let (start, _) = proof.rsplit_once('.').unwrap();
    assert_eq!(judge(&format!("{start}.")), "bad signature");
}

#[test]
fn a_key_that_is_written_sloppily_makes_no_proof() {
    let key = test_tokens::public(&jwk("ES256"));
    for x in [
        format!("{}=", key["x"].as_str().unwrap()),
        format!("AA{}", key["x"].as_str().unwrap()),
    ] {
        let mut key = key.clone();
        key.insert("x".to_owned(), x.into());
        let text = serde_json::to_string(&key).unwrap();
        let proof = [header("ES256", &text), CLAIMS.to_owned(), "x".repeat(64)];
        let outcome = judge(&proof.map(|part| URL_SAFE_NO_PAD.encode(part)).join("."));
        assert!(
            outcome.starts_with("header parameter \"jwk\": "),
            "{outcome}"
        );
    }
}

/// A proof whose key and signature nobody made.
fn made_up(alg: &str, jwk: &str) -> Result<DpopProof, DpopError> {
    let parts = [header(alg, jwk), CLAIMS.to_owned(), String::new()];
    let proof = parts.map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
    DpopProof::parse(proof.as_bytes())
}

#[test]
fn row_58_a_client_does_not_choose_a_key_that_takes_long() {
    let rsa = |bytes: usize| {
        let n = URL_SAFE_NO_PAD.encode(vec![0xff; bytes]);
        let jwk = format!(r#"{{"kty":"RSA","n":"{n}","e":"AQAB"}}"#);
        made_up("RS256", &jwk).err()
    };
    assert_eq!(rsa(513), Some(DpopError::LongKey { bits: 4104 }));
    assert_eq!(rsa(512), None);
}

#[test]
fn a_proof_has_a_bounded_length() {
    for (length, is_too_large) in [(16384, false), (16385, true), (16386, true)] {
        let limit = 16384;
        let error = Error::TokenTooLarge { length, limit };
        let parsed = DpopProof::parse(&vec![b'a'; length]).err();
        assert_eq!(parsed == Some(error.into()), is_too_large, "{length}");
    }
}

#[test]
fn an_algorithm_has_the_name_of_its_curve() {
    let ed25519 = public(&jwk("Ed25519"));
    let es256 = public(&jwk("ES256"));
    for (alg, jwk, precise) in [
        ("EdDSA", &ed25519, "Ed25519"),
        ("Ed25519", &ed25519, "Ed25519"),
        ("ES256", &es256, "ES256"),
    ] {
        let proof = made_up(alg, jwk).unwrap();
        assert_eq!(
            (proof.algorithm(), proof.precise_algorithm()),
            (alg, precise)
        );
        assert_eq!(proof.claims().json(), CLAIMS);
    }
}
