use super::*;

fn parse(names: &str) -> ProofAlgorithms {
    ProofAlgorithms::parse(names.split(' ').map(str::as_bytes)).unwrap()
}

/// A proof with this algorithm and public key. Its signature is none.
fn proof(alg: &str, jwk: &str) -> DpopProof {
    use base64::Engine as _;
    let header = format!(r#"{{"typ":"dpop+jwt","alg":"{alg}","jwk":{jwk}}}"#);
    let parts = [header.as_str(), "{}", "x"];
    let parts = parts.map(|part| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(part));
    DpopProof::parse(parts.join(".").as_bytes()).unwrap()
}

// RFC 7517 appendix A.1, RFC 8037 appendix A.2, RFC 8032 section 7.4.
const P256: &str = r#"{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}"#;
const ED25519: &str =
    r#"{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
const ED448: &str = r#"{"kty":"OKP","crv":"Ed448","x":"X9dEm1m0Yf0s54fsYWrUah3hNCSFppvh2QHpV5sTYpOzSIIDMXHbOzJhtXVWYpyA1AB-HPd0IKmG"}"#;

#[test]
fn only_algorithms_that_are_named_are_allowed() {
    let cases: [(&str, &str, &[&str]); 6] = [
        ("ES256", P256, &["ES256", "PS256 ES256", "ES256 ES256"]),
        ("ES384", P256, &["ES384"]),
        ("EdDSA", ED25519, &["EdDSA", "Ed25519"]),
        ("Ed25519", ED25519, &["Ed25519"]),
        ("EdDSA", ED448, &["EdDSA", "Ed448"]),
        ("Ed448", ED448, &["Ed448"]),
    ];
    for (alg, jwk, allowing) in cases {
        let proof = proof(alg, jwk);
        for names in DpopProof::algorithms().chain(["PS256 ES256", "ES256 ES256"]) {
            let allowed = allowing.contains(&names);
            assert_eq!(parse(names).allow(&proof), allowed, "{alg} {jwk}: {names}");
        }
        assert!(ProofAlgorithms::default().allow(&proof), "{alg}");
    }
}

#[test]
fn other_names_are_refused() {
    let supported: Vec<_> = DpopProof::algorithms().collect();
    let must = format!("it must be one of {}", supported.join(", "));
    for name in ["HS256", "none", "es256", "", "RSA-OAEP", "ES256 "] {
        let names = [b"ES256".as_slice(), name.as_bytes()];
        let refused = ProofAlgorithms::parse(names.into_iter());
        assert_eq!(refused, Err((name.as_bytes(), must.clone())), "{name}");
    }
}

#[test]
fn a_challenge_has_the_names_in_one_order() {
    assert_eq!(parse("ES256 PS256").names(), "PS256 ES256");
    assert_eq!(parse("EdDSA").names(), "EdDSA");
    assert_eq!(parse("Ed25519 ES256").names(), "ES256 EdDSA Ed25519");
    assert_eq!(parse("Ed448").names(), "EdDSA Ed448");
    let all: Vec<_> = DpopProof::algorithms().collect();
    assert_eq!(ProofAlgorithms::default().names(), all.join(" "));
}
