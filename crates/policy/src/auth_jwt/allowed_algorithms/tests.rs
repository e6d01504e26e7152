use super::*;

fn allowed(names: &[&str]) -> AllowedAlgorithms {
    let mut allowed = AllowedAlgorithms::default();
    for name in names {
        allowed.add(name.as_bytes()).unwrap();
    }
    allowed
}

#[test]
fn every_supported_algorithm_can_be_allowed_and_no_other() {
    let all: Vec<_> = signature_algorithms()
        .chain(key_management_algorithms())
        .collect();
    assert!(all.contains(&"RS256") && all.contains(&"RSA-OAEP"));
    for name in &all {
        let allowed = allowed(&[name]);
        for other in &all {
            assert_eq!(allowed.allow(other), name == other, "{name} {other}");
        }
    }
    for name in [
        "none", "None", "rs256", "RS256 ", "", "A128GCM", "RSA1_5", "$alg",
    ] {
        let must = AllowedAlgorithms::default()
            .add(name.as_bytes())
            .unwrap_err();
        assert!(
            must.starts_with("it must be one of HS256, HS384, "),
            "{must}"
        );
        assert!(must.contains(", or of A128KW, "), "{must}");
        assert!(must.ends_with(" for encrypted tokens"), "{must}");
    }
}

#[test]
fn a_type_of_token_needs_algorithms_of_its_kind() {
    use TokenType::{Encrypted, Nested, Signed};
    for (names, kinds) in [
        (&["RS256"][..], &[Signed][..]),
        (&["dir"], &[Encrypted]),
        (&["dir", "RS256"], &[Signed, Encrypted, Nested]),
    ] {
        for kind in [Signed, Encrypted, Nested] {
            let expected = kinds.contains(&kind);
            assert_eq!(
                allowed(names).allow_type(kind),
                expected,
                "{names:?} {kind:?}"
            );
        }
    }
}

#[test]
fn only_algorithms_for_signatures_are_added_as_such() {
    let mut allowed = AllowedAlgorithms::default();
    for name in [&b"none"[..], b"dir", b"RSA-OAEP", b"es256", b""] {
        let must = allowed.add_signature(name).unwrap_err();
        assert!(must.starts_with("it must be one of HS256, "), "{must}");
        assert!(!must.contains("RSA-OAEP"), "{must}");
    }
    assert_eq!(allowed, AllowedAlgorithms::default());
    allowed.add_signature(b"ES256").unwrap();
    assert!(allowed.allow("ES256"));
    assert!(!allowed.allow("ES384"));
}
