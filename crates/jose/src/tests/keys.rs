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

/// Why this entry is left out. A good key beside it is used.
fn fault(entry: &str) -> Option<KeyFault> {
    let good = text(&key("HS256", 0));
    let keys = parse_set(&format!(r#"{{"keys":[{entry},{good}]}}"#)).unwrap();
    let token = sign("HS256", &key("HS256", 0), r#"{"alg":"HS256"}"#, "{}");
    assert!(verify(&token, &keys).is_ok(), "{entry}");
    let warnings: Vec<_> = keys.warnings().collect();
    match &warnings[..] {
        [
            Warning {
                index: 0,
                problem: KeyProblem::LeftOut(fault),
                ..
            },
        ] => {
            assert_eq!(keys.usable_keys(), 1, "{entry}");
            Some(fault.clone())
        }
        _ => None,
    }
}

fn refused(key: &JwkObject) -> Option<KeyFault> {
    fault(&text(key))
}

fn invalid(kty: &'static str) -> Option<KeyFault> {
    Some(KeyFault::Invalid { kty })
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
    let part = InputPart::KeySet;
    assert_eq!(parse_set("[]").err(), Some(Error::NotObject { part }));
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
    let mut largest = br#"{"keys":[]}"#.to_vec();
    largest.resize(KeySet::MAX_BYTES, b' ');
    assert!(KeySet::parse(&largest).is_ok());
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
fn row_50_unsupported_keys_are_left_out() {
    let left_out = |entry: &str| fault(entry).unwrap().to_string();
    assert_eq!(
        left_out(r#"{"kty":"AKPX","kid":"p\nq"}"#),
        r#"unsupported kty "AKPX""#
    );
    assert_eq!(
        left_out(r#"{"kty":"EC","crv":"P-256K"}"#),
        r#"unsupported crv "P-256K""#
    );
    assert_eq!(
        left_out(r#"{"kty":"OKP","crv":"X2551","x":"AA"}"#),
        r#"unsupported crv "X2551""#
    );
    assert_eq!(
        left_out(r#"{"kty":"RSA","alg":"RSA1_5"}"#),
        r#"unsupported alg "RSA1_5""#
    );
    assert_eq!(
        left_out(r#"{"kty":"RSA","use":"tls"}"#),
        r#"unsupported use "tls""#
    );
    assert_eq!(
        left_out(r#"{"kty":"RSA","oth":[]}"#),
        r#"unsupported oth "[...]""#
    );
    let keys = parse_set(r#"{"keys":[null,{"kty":"AKPX","kid":"p\nq"}]}"#).unwrap();
    assert_eq!(
        warnings(&keys),
        [
            "key 0: left out, not a JSON object",
            r#"key 1, kid "p\x0aq": left out, unsupported kty "AKPX""#
        ]
    );
}

#[test]
fn row_60_keys_for_ml_dsa_name_their_algorithm() {
    for (alg, length) in [
        ("ML-DSA-44", 1312),
        ("ML-DSA-65", 1952),
        ("ML-DSA-87", 2592),
    ] {
        let own = key(alg, 0);
        let unsupported = |alg| {
            let (member, value) = ("alg", quoted(alg));
            Some(KeyFault::Unsupported { member, value })
        };
        if !crypto::HAS_ML_DSA {
            assert_eq!(fault(&text(&own)), unsupported(alg));
            continue;
        }
        assert_eq!(parse_set(&text(&own)).unwrap().usable_keys(), 1);
        let nameless = with(&own, r#"{"alg":null}"#);
        let missing = Some(KeyFault::Missing { member: "alg" });
        assert_eq!(fault(&text(&nameless)), missing, "{alg}");
        for other in ["ES256", "ML-DSA-4", "ML-DSA"] {
            let other_alg = with(&own, &format!(r#"{{"alg":"{other}"}}"#));
            assert_eq!(fault(&text(&other_alg)), unsupported(other), "{alg}");
        }
        let wrong_length = |bytes, expected| {
            let member = "pub";
            Some(KeyFault::Length {
                member,
                bytes,
                expected,
            })
        };
        for (other, expected) in [
            ("ML-DSA-44", 1312),
            ("ML-DSA-65", 1952),
            ("ML-DSA-87", 2592),
        ] {
            if other != alg {
                let other = with(&own, &format!(r#"{{"alg":"{other}"}}"#));
                assert_eq!(fault(&text(&other)), wrong_length(length, expected));
            }
        }
        // Unlike numbers, the octets of a key do not lack zeros or have too many.
        for (wrong, byte) in [(1, 7), (length - 1, 7), (length + 1, 7), (length + 1, 0)] {
            let public = test_tokens::base64url(&vec![byte; wrong]);
            let key = with(&own, &format!(r#"{{"pub":"{public}"}}"#));
            assert_eq!(fault(&text(&key)), wrong_length(wrong, length));
        }
        // The private member is of no use here.
        let private = with(&own, r#"{"priv":1}"#);
        assert_eq!(parse_set(&text(&private)).unwrap().usable_keys(), 1);
    }
}

#[test]
fn row_50_malformed_entries_are_left_out() {
    for entry in ["null", "1", "[]", "\"text\"", "true"] {
        assert_eq!(fault(entry), Some(KeyFault::NotObject), "{entry}");
    }
    let name = quoted("k");
    let twice = r#"{"kty":"oct","k":"AAAA","\u006b":"AAAA"}"#;
    assert_eq!(fault(twice), Some(KeyFault::RepeatedName { name }));
    let kty = Some(KeyFault::Missing { member: "kty" });
    assert_eq!(fault("{}"), kty);
    assert_eq!(fault(r#"{"n":"AAAA","e":"AQAB","x5c":["AAAA"]}"#), kty);
    for (alg, kty, members) in [
        ("HS256", "oct", &["k"][..]),
        ("RSA", "RSA", &["n", "e", "p", "qi"]),
        ("ES384", "EC", &["x", "y"]),
        ("Ed448", "OKP", &["x"]),
        ("P-384", "EC", &["x", "y", "d"]),
        ("X25519", "OKP", &["x", "d"]),
    ] {
        for &member in members {
            let fault_of = |value: &str| {
                let changed = with(&key(alg, 0), &format!(r#"{{"{member}":{value}}}"#));
                refused(&changed)
            };
            for wrong in ["1", "[]", "true"] {
                let expected = "a string";
                let fault = Some(KeyFault::WrongType { member, expected });
                assert_eq!(fault_of(wrong), fault, "{kty} {member} {wrong}");
            }
            for wrong in ["=", "A", "AAAA=", "AAA==", "AA=", "AB", "AA A", "A.AA", "é"] {
                let fault = Some(KeyFault::NotBase64 { member });
                let value = format!("\"{wrong}\"");
                assert_eq!(fault_of(&value), fault, "{kty} {member} {wrong}");
            }
            assert_eq!(
                fault_of("\"\""),
                Some(KeyFault::Empty { member }),
                "{kty} {member}"
            );
        }
    }
    for (alg, member) in [
        ("HS256", "k"),
        ("RSA", "n"),
        ("RSA", "e"),
        ("ES256", "x"),
        ("ES256", "y"),
        ("ES256", "crv"),
        ("Ed25519", "x"),
        ("Ed25519", "crv"),
    ] {
        let missing = Some(KeyFault::Missing { member });
        let mut null = key(alg, 0);
        null.insert(member.into(), Value::Null);
        assert_eq!(refused(&null), missing, "{member}");
        null.remove(member);
        assert_eq!(refused(&null), missing, "{member}");
    }
}

#[test]
fn row_50_optional_members_of_another_type_leave_a_key_out() {
    for member in ["kid", "alg", "use"] {
        for value in [
            Value::from(1),
            Value::from(true),
            serde_json::json!(["sig"]),
        ] {
            let mut key = key("HS256", 0);
            key.insert(member.into(), value);
            let expected = "a string";
            let fault = KeyFault::WrongType { member, expected };
            assert_eq!(refused(&key), Some(fault), "{member}");
        }
    }
    for value in [r#""verify""#, r#"["verify",1]"#, "{}", "1"] {
        let key = with(&key("HS256", 0), &format!(r#"{{"key_ops":{value}}}"#));
        let fault = KeyFault::WrongType {
            member: "key_ops",
            expected: "an array of strings",
        };
        assert_eq!(refused(&key), Some(fault), "{value}");
    }
    let nothing = with(&key("HS256", 0), r#"{"key_ops":[]}"#);
    assert_eq!(refused(&nothing), Some(KeyFault::NoOperation));
    for (kind, alg) in [
        ("HS256", "ES256"),
        ("RSA", "ES256"),
        ("RSA", "A128KW"),
        ("ES256", "ES384"),
        ("Ed25519", "Ed448"),
        ("ES256", "RSA-OAEP"),
        ("HS256", "A128KW"),
    ] {
        let mismatched = with(&key(kind, 0), &format!(r#"{{"alg":"{alg}"}}"#));
        let fault = KeyFault::AlgorithmMismatch { alg: quoted(alg) };
        assert_eq!(refused(&mismatched), Some(fault), "{kind} {alg}");
    }
}

#[test]
fn an_optional_member_that_is_null_counts_as_absent() {
    for alg in ["HS256", "RSA", "ES256", "Ed25519"] {
        let mut key = test_tokens::public(&key(alg, 0));
        for member in ["kid", "alg", "use", "key_ops", "x5c", "oth", "d", "p", "qi"] {
            key.insert(member.into(), Value::Null);
        }
        let keys = parse_set(&text(&key)).unwrap();
        assert_eq!(keys.usable_keys(), 1, "{alg}");
        assert_eq!(warnings(&keys), [""; 0], "{alg}");
    }
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
    let even = |member| KeyFault::Even { member };
    for (e, fault) in [
        ("AQ", KeyFault::ExponentOne),
        ("AAE", KeyFault::ExponentOne),
        ("Ag", even("e")),
        ("AQAA", even("e")),
        ("AQAAAAE", KeyFault::ExponentLength { bits: 33 }),
        ("AQAAAAAAAAAB", KeyFault::ExponentLength { bits: 65 }),
    ] {
        let changed = with(&public, &format!(r#"{{"e":"{e}"}}"#));
        let keys = parse_set(&text(&changed)).unwrap();
        let warning = Warning {
            index: 0,
            kid: None,
            problem: KeyProblem::LeftOut(fault),
        };
        assert_eq!(keys.warnings().collect::<Vec<_>>(), [&warning], "{e}");
    }
    let largest = with(&public, r#"{"e":"_____w"}"#);
    assert_eq!(parse_set(&text(&largest)).unwrap().usable_keys(), 1);
    let modulus = |first: u8, length: usize, last: u8| {
        let n = [&[first][..], &vec![0xff; length - 2], &[last]].concat();
        with(
            &public,
            &format!(r#"{{"n":"{}"}}"#, test_tokens::base64url(&n)),
        )
    };
    assert_eq!(refused(&modulus(0x80, 256, 0xfe)), Some(even("n")));
    for (key, fault) in [
        (modulus(0x80, 64, 0xff), KeyFault::Weak { bits: 512 }),
        (modulus(0x7f, 256, 0xff), KeyFault::Weak { bits: 2047 }),
        (modulus(1, 2049, 0xff), KeyFault::TooLarge { bits: 16385 }),
    ] {
        assert_eq!(refused(&key), Some(fault));
    }
    assert_eq!(
        parse_set(&text(&modulus(0x80, 256, 0xff)))
            .unwrap()
            .usable_keys(),
        1
    );
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
            fitting: 1,
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
        "key 0: used, but secret of 1 bytes is shorter than 32 bytes"
    );
    assert_eq!(short(32, "{}"), "");
    assert_eq!(
        short(32, r#"{"alg":"HS512","kid":"k"}"#),
        r#"key 0, kid "k": used, but secret of 32 bytes is shorter than 64 bytes"#
    );
    assert_eq!(
        short(47, r#"{"alg":"HS384"}"#),
        "key 0: used, but secret of 47 bytes is shorter than 48 bytes"
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
            tried: 1,
            fitting: 1,
        })
    );
}
