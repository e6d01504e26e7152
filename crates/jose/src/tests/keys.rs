//! Key sets: what is refused, skipped or used with a warning.

use super::*;

fn parse_set(text: &str) -> Result<KeySet, Error> {
    KeySet::parse(text.as_bytes())
}

fn warnings(keys: &KeySet) -> Vec<String> {
    keys.warnings().map(Warning::to_string).collect()
}

fn text(key: &JwkObject) -> String {
    serde_json::to_string(key).unwrap()
}

fn refused(key: &JwkObject) -> Option<Error> {
    parse_set(&text(key)).err()
}

fn member(member: &'static str) -> Option<Error> {
    Some(Error::KeyMember {
        index: 0,
        kid: None,
        member,
    })
}

fn invalid(kty: &'static str) -> Option<Error> {
    Some(Error::KeyInvalid {
        index: 0,
        kid: None,
        kty,
    })
}

#[test]
fn a_set_is_a_jwk_set_or_a_jwk() {
    let good = text(&key("HS256", 0));
    assert_eq!(parse_set(&good).unwrap().usable_keys(), 1);
    assert_eq!(
        parse_set(&format!(r#" {{"keys":[{good},{good}],"x":1}} "#))
            .unwrap()
            .usable_keys(),
        2
    );
    assert_eq!(parse_set(r#"{"keys":[]}"#).unwrap().usable_keys(), 0);
    for neither in ["{}", r#"{"keys":{}}"#, r#"{"keys":null}"#, r#"{"x":[]}"#] {
        assert_eq!(
            parse_set(neither).err(),
            Some(Error::NotKeySet),
            "{neither}"
        );
    }
    let part = InputPart::KeySet;
    assert_eq!(parse_set("[]").err(), Some(Error::NotObject { part }));
    assert_eq!(
        parse_set(r#"{"keys":[1]}"#).err(),
        Some(Error::KeyNotObject { index: 0 })
    );
    assert_eq!(
        parse_set("").err(),
        Some(Error::JsonSyntax { part, offset: 0 })
    );
    assert_eq!(
        parse_set("<html>").err(),
        Some(Error::JsonSyntax { part, offset: 0 })
    );
    assert_eq!(
        KeySet::parse(b"{\"a\":\"\xff\"}").err(),
        Some(Error::NotUtf8 { part })
    );
    let twice = format!(r#"{{"keys":[],"keys":[{good}]}}"#);
    assert_eq!(
        parse_set(&twice).err(),
        Some(Error::DuplicateName {
            part,
            name: quoted("keys")
        })
    );
    let large = KeySet::parse(&vec![b' '; KeySet::MAX_BYTES + 1]);
    assert_eq!(
        large.err(),
        Some(Error::TooLarge {
            part,
            limit: 8 << 20
        })
    );
    let deep = format!(r#"{{"keys":{}"#, "[".repeat(1 << 20));
    assert_eq!(
        parse_set(&deep).err(),
        Some(Error::TooDeep { part, limit: 32 })
    );
}

#[test]
fn unsupported_keys_are_skipped_with_a_warning() {
    let used = text(&key("HS256", 0));
    let skipped = |key: &str| {
        let keys = parse_set(&format!(r#"{{"keys":[{used},{key}]}}"#)).unwrap();
        assert_eq!(keys.usable_keys(), 1);
        warnings(&keys).join("\n")
    };
    assert_eq!(
        skipped(r#"{"kty":"AKPX","kid":"p\nq"}"#),
        r#"key 1, kid "p\x0aq": skipped, unsupported kty "AKPX""#
    );
    assert_eq!(
        skipped(r#"{"kty":"EC","crv":"P-256K"}"#),
        r#"key 1: skipped, unsupported crv "P-256K""#
    );
    assert_eq!(
        skipped(r#"{"kty":"OKP","crv":"X2551","x":"AA"}"#),
        r#"key 1: skipped, unsupported crv "X2551""#
    );
    assert_eq!(
        skipped(r#"{"kty":"RSA","alg":"RSA1_5"}"#),
        r#"key 1: skipped, unsupported alg "RSA1_5""#
    );
    assert_eq!(
        skipped(r#"{"kty":"RSA","use":"tls"}"#),
        r#"key 1: skipped, unsupported use "tls""#
    );
    assert_eq!(
        skipped(r#"{"kty":"RSA","oth":[]}"#),
        r#"key 1: skipped, unsupported oth "[...]""#
    );
}

#[test]
fn row_60_keys_for_ml_dsa_name_their_algorithm() {
    let used = text(&key("HS256", 0));
    for (alg, length) in [
        ("ML-DSA-44", 1312),
        ("ML-DSA-65", 1952),
        ("ML-DSA-87", 2592),
    ] {
        let own = key(alg, 0);
        if !crypto::HAS_ML_DSA {
            let keys = parse_set(&format!(r#"{{"keys":[{used},{}]}}"#, text(&own))).unwrap();
            assert_eq!(keys.usable_keys(), 1);
            let warning = format!(r#"key 1: skipped, unsupported alg "{alg}""#);
            assert_eq!(warnings(&keys), [warning]);
            continue;
        }
        assert_eq!(parse_set(&text(&own)).unwrap().usable_keys(), 1);
        assert_eq!(
            refused(&with(&own, r#"{"alg":null}"#)),
            member("alg"),
            "{alg}"
        );
        for other in ["ES256", "ML-DSA-4", "ML-DSA"] {
            let other = with(&own, &format!(r#"{{"alg":"{other}"}}"#));
            let keys = parse_set(&text(&other)).unwrap();
            assert_eq!((keys.usable_keys(), warnings(&keys).len()), (0, 1), "{alg}");
        }
        for other in ["ML-DSA-44", "ML-DSA-65", "ML-DSA-87"] {
            if other != alg {
                let other = with(&own, &format!(r#"{{"alg":"{other}"}}"#));
                assert_eq!(refused(&other), member("pub"), "{alg}");
            }
        }
        for wrong in [0, 1, length - 1, length + 1] {
            let public = test_tokens::base64url(&vec![7; wrong]);
            let wrong = with(&own, &format!(r#"{{"pub":"{public}"}}"#));
            assert_eq!(refused(&wrong), member("pub"), "{alg}");
        }
        // The private member is of no use here.
        let private = with(&own, r#"{"priv":1}"#);
        assert_eq!(parse_set(&text(&private)).unwrap().usable_keys(), 1);
    }
}

#[test]
fn malformed_members_are_errors() {
    for (alg, kty, members) in [
        ("HS256", "oct", &["k"][..]),
        ("RSA", "RSA", &["n", "e", "d", "p", "qi"]),
        ("ES384", "EC", &["x", "y"]),
        ("Ed448", "OKP", &["x"]),
        ("P-384", "EC", &["x", "y", "d"]),
        ("X25519", "OKP", &["x", "d"]),
    ] {
        for &name in members {
            for bad in ["1", "\"\"", "\"=\"", "\"A\"", "[]"] {
                let key = with(&key(alg, 0), &format!(r#"{{"{name}":{bad}}}"#));
                assert_eq!(refused(&key), member(name), "{kty} {name} {bad}");
            }
        }
    }
    for (alg, name) in [
        ("HS256", "k"),
        ("RSA", "n"),
        ("RSA", "p"),
        ("ES256", "y"),
        ("ES256", "crv"),
        ("Ed25519", "x"),
    ] {
        let key = with(&key(alg, 0), &format!(r#"{{"{name}":null}}"#));
        assert_eq!(refused(&key), member(name), "{name}");
    }
    assert_eq!(
        refused(&with(&key("HS256", 0), r#"{"kty":1}"#)),
        member("kty")
    );
    for name in ["kid", "alg", "use", "key_ops"] {
        let mut key = key("HS256", 0);
        key.insert(name.into(), 1.into());
        assert_eq!(refused(&key), member(name));
    }
    assert_eq!(
        refused(&with(&key("HS256", 0), r#"{"key_ops":["verify",1]}"#)),
        member("key_ops")
    );
    // Coordinates must be exactly as long as the field.
    assert_eq!(
        refused(&with(&key("ES256", 0), r#"{"x":"AAAA"}"#)),
        member("x")
    );
    let mut named = with(&key("HS256", 0), r#"{"kid":"k1","k":""}"#);
    named.remove("alg");
    let set = format!(
        r#"{{"keys":[{},{}]}}"#,
        text(&key("HS256", 0)),
        text(&named)
    );
    let expected = Error::KeyMember {
        index: 1,
        kid: Some(quoted("k1")),
        member: "k",
    };
    assert_eq!(parse_set(&set).err(), Some(expected));
}

#[test]
fn row_8_points_off_their_curves_are_refused() {
    for (alg, length) in [("ES256", 32), ("ES384", 48), ("ES512", 66), ("ES256K", 32)] {
        let zeros = test_tokens::base64url(&vec![0; length]);
        let off = with(&key(alg, 0), &format!(r#"{{"x":"{zeros}"}}"#));
        assert_eq!(refused(&off), invalid("EC"), "{alg}");
        let origin = with(&off, &format!(r#"{{"y":"{zeros}"}}"#));
        assert_eq!(refused(&origin), invalid("EC"), "{alg}");
    }
}

#[test]
fn row_9_points_of_small_order_are_refused() {
    let p_25519 = [&[0xed][..], &[0xff; 30], &[0x7f]].concat();
    let p_448 = [&[0xff; 28][..], &[0xfe], &[0xff; 27], &[0]].concat();
    for (alg, p) in [("Ed25519", p_25519), ("Ed448", p_448)] {
        let zero = vec![0; p.len()];
        let change = |number: &[u8], by: i8| {
            let mut number = number.to_vec();
            // p + 1 has a carry for Ed448.
            let mut carry = i16::from(by);
            for byte in &mut number {
                let sum = i16::from(*byte) + carry;
                *byte = u8::try_from(sum.rem_euclid(256)).unwrap();
                carry = sum.div_euclid(256);
            }
            number
        };
        for y in [
            zero.clone(),
            change(&zero, 1),
            p.clone(),
            change(&p, -1),
            change(&p, 1),
        ] {
            for sign in [0, 0x80] {
                let mut point = y.clone();
                *point.last_mut().unwrap() |= sign;
                let x = test_tokens::base64url(&point);
                let key = with(&key(alg, 0), &format!(r#"{{"x":"{x}"}}"#));
                assert_eq!(refused(&key), invalid("OKP"), "{alg} {point:02x?}");
            }
        }
    }
    for x in [
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    ] {
        let bytes: Vec<_> = (0..64)
            .step_by(2)
            .map(|n| u8::from_str_radix(&x[n..n + 2], 16).unwrap())
            .collect();
        let key = with(
            &key("Ed25519", 0),
            &format!(r#"{{"x":"{}"}}"#, test_tokens::base64url(&bytes)),
        );
        assert_eq!(refused(&key), invalid("OKP"));
    }
}

#[test]
fn row_11_weak_rsa_keys_are_refused() {
    let rsa = key("RSA", 0);
    let public = test_tokens::public(&rsa);
    for e in ["AQ", "Ag", "AQAA", "AQAAAAAAAAAB"] {
        assert_eq!(
            refused(&with(&public, &format!(r#"{{"e":"{e}"}}"#))),
            invalid("RSA"),
            "{e}"
        );
    }
    let modulus = |first: u8, length: usize, last: u8| {
        let n = [&[first][..], &vec![0xff; length - 2], &[last]].concat();
        with(
            &public,
            &format!(r#"{{"n":"{}"}}"#, test_tokens::base64url(&n)),
        )
    };
    assert_eq!(refused(&modulus(0x80, 256, 0xfe)), invalid("RSA"));
    for (key, bits) in [
        (modulus(0x80, 64, 0xff), 512),
        (modulus(0x7f, 256, 0xff), 2047),
        (modulus(1, 2049, 0xff), 16385),
    ] {
        let keys = parse_set(&text(&key)).unwrap();
        assert_eq!(keys.usable_keys(), 0);
        let expected = Warning::ModulusLength {
            index: 0,
            kid: None,
            bits,
        };
        assert_eq!(keys.warnings().collect::<Vec<_>>(), [&expected]);
    }
    assert_eq!(
        parse_set(&text(&modulus(0x80, 256, 0xff)))
            .unwrap()
            .usable_keys(),
        1
    );
    // Leading zeros are ignored.
    let zero = with(
        &public,
        &format!(r#"{{"e":"{}"}}"#, test_tokens::base64url(&[0, 0, 1, 0, 1])),
    );
    assert_eq!(parse_set(&text(&zero)).unwrap().usable_keys(), 1);
    // Private members of another key.
    let other = key("RSA", 1);
    let mixed = with(
        &rsa,
        &format!(
            r#"{{"d":{},"p":null,"q":null,"dp":null,"dq":null,"qi":null}}"#,
            other["d"]
        ),
    );
    assert_eq!(refused(&mixed), invalid("RSA"));
    for member in ["d", "p", "q", "dp", "dq", "qi"] {
        let mixed = with(&rsa, &format!(r#"{{"{member}":{}}}"#, other[member]));
        assert_eq!(refused(&mixed), invalid("RSA"), "{member}");
    }
}

#[test]
fn rsa_keys_of_16384_bits_verify() {
    let large: JwkObject =
        serde_json::from_str(include_str!("../../../../t/data/rsa-16384.jwk")).unwrap();
    let keys = set(std::slice::from_ref(&large));
    assert_eq!(warnings(&keys), [""; 0]);
    for alg in ["RS256", "PS256", "PS512"] {
        let token = sign(alg, &large, &format!(r#"{{"alg":"{alg}"}}"#), "{}");
        assert!(verify(&token, &keys).is_ok(), "{alg}");
        let alg = jws::find(alg).unwrap().name;
        let bad = Error::BadSignature {
            alg,
            kid: None,
            tried: 1,
        };
        let (message, signature) = token.rsplit_once('.').unwrap();
        let changed = format!("{message}.{}", signature.replacen('A', "B", 1));
        assert_eq!(verify(&changed, &keys).err(), Some(bad.clone()));
        let (header, _) = token.split_once('.').unwrap();
        let changed = format!("{header}.{}.{signature}", test_tokens::base64url(b"{} "));
        assert_eq!(verify(&changed, &keys).err(), Some(bad));
    }
}

#[test]
fn short_secrets_are_used_with_a_warning() {
    let short = |length: usize, members: &str| {
        let mut key = JwkObject::new();
        key.insert("kty".into(), "oct".into());
        key.insert("k".into(), test_tokens::base64url(&vec![7; length]).into());
        let key = with(&key, members);
        let keys = parse_set(&text(&key)).unwrap();
        assert_eq!(keys.usable_keys(), 1);
        warnings(&keys).join("\n")
    };
    assert_eq!(
        short(1, "{}"),
        "key 0: secret of 1 bytes is shorter than 32 bytes"
    );
    assert_eq!(short(32, "{}"), "");
    assert_eq!(
        short(32, r#"{"alg":"HS512","kid":"k"}"#),
        r#"key 0, kid "k": secret of 32 bytes is shorter than 64 bytes"#
    );
    assert_eq!(
        short(47, r#"{"alg":"HS384"}"#),
        "key 0: secret of 47 bytes is shorter than 48 bytes"
    );
    assert_eq!(short(16, r#"{"alg":"A128KW"}"#), "");
    assert_eq!(short(16, r#"{"use":"enc"}"#), "");
    let mut key = JwkObject::new();
    key.insert("kty".into(), "oct".into());
    key.insert("k".into(), "AA".into());
    let token = sign("HS256", &key, r#"{"alg":"HS256"}"#, "{}");
    assert!(verify(&token, &set(&[key])).is_ok());
}

#[test]
fn private_keys_verify_like_their_public_halves() {
    for alg in ["RS256", "ES256", "Ed25519"] {
        let key = key(alg, 0);
        let keys = parse_set(&text(&key)).unwrap();
        let token = sign(alg, &key, &format!(r#"{{"alg":"{alg}"}}"#), "{}");
        assert!(verify(&token, &keys).is_ok());
    }
}

#[test]
fn a_key_among_a_thousand_is_found_by_kid() {
    let named = |n: usize| with(&key("HS256", n % 2), &format!(r#"{{"kid":"{n}"}}"#));
    let keys = set(&(0..1000).map(named).collect::<Vec<_>>());
    assert_eq!(keys.usable_keys(), 1000);
    let token = sign(
        "HS256",
        &key("HS256", 1),
        r#"{"alg":"HS256","kid":"999"}"#,
        "{}",
    );
    assert!(verify(&token, &keys).is_ok());
    let token = sign(
        "HS256",
        &key("HS256", 1),
        r#"{"alg":"HS256","kid":"998"}"#,
        "{}",
    );
    let kid = Some(quoted("998"));
    assert_eq!(
        verify(&token, &keys).err(),
        Some(Error::BadSignature {
            alg: "HS256",
            kid,
            tried: 1
        })
    );
}
