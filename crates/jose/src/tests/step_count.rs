//! Malicious input takes no more than a fixed number of steps per byte. The test counts steps
//! instead of measuring time.

use super::*;
use crate::step_counter::steps_of;

const KIB: usize = 1024;

/// `before`, then as many pieces as fit into `size`, separated by commas, then `after`.
fn filled(size: usize, before: &str, after: &str, piece: impl Fn(usize) -> String) -> String {
    let mut text = before.to_owned();
    for n in 0.. {
        let piece = piece(n);
        if text.len() + piece.len() + 1 + after.len() > size {
            break;
        }
        if n > 0 {
            text.push(',');
        }
        text.push_str(&piece);
    }
    text + after
}

/// JSON objects that are the worst case of one algorithm or another.
fn objects(size: usize) -> Vec<(&'static str, String)> {
    let long = "p".repeat(size / 40);
    let half = "p".repeat(size / 2 - 10);
    let deep = (size - 10) / 66;
    vec![
        (
            "names of one length with equal first and last bytes",
            filled(size, "{", "}", |n| format!(r#""a{n:06}z":0"#)),
        ),
        (
            "the same name",
            filled(size, "{", "}", |_| r#""a":0"#.to_owned()),
        ),
        ("two long names", format!(r#"{{"{half}":0,"{half}":0}}"#)),
        (
            "names with a long prefix",
            filled(size, "{", "}", |n| format!(r#""{long}{n:02}z":0"#)),
        ),
        (
            "names with escape sequences",
            filled(size, "{", "}", |n| format!(r#""\u0061{n:06}":0"#)),
        ),
        (
            "objects with a few members each",
            filled(size, r#"{"a":["#, "]}", |_| {
                filled(700, "{", "}", |n| format!(r#""aa{n:02}zz":0"#))
            }),
        ),
        (
            "empty objects",
            filled(size, r#"{"a":["#, "]}", |_| "{}".to_owned()),
        ),
        (
            "nested to the limit",
            filled(size, r#"{"a":["#, "]}", |_| {
                format!("{}{}", r#"{"a":"#.repeat(29), "0") + &"}".repeat(29)
            }),
        ),
        (
            "nested beyond the limit",
            format!(
                r#"{{"a":{}{}}}"#,
                "[".repeat(33 * deep),
                "]".repeat(33 * deep)
            ),
        ),
        (
            "a long number",
            format!(r#"{{"exp":{}}}"#, "9".repeat(size - 10)),
        ),
        (
            "a long fraction",
            format!(r#"{{"exp":0.{}}}"#, "9".repeat(size - 10)),
        ),
        (
            "a long string",
            format!(r#"{{"a":"{}"}}"#, "a".repeat(size - 10)),
        ),
        (
            "escape sequences",
            format!(r#"{{"a":"{}"}}"#, r"\u0061".repeat((size - 10) / 6)),
        ),
        (
            "a string without end",
            format!(r#"{{"a":"{}"#, r"\\".repeat((size - 10) / 2)),
        ),
        ("white space", format!("{{{}}}", " ".repeat(size - 2))),
        (
            "critical names",
            filled(size, r#"{"alg":"HS256","crit":["#, "]}", |n| {
                format!(r#""{n:06}""#)
            }),
        ),
    ]
}

fn token(header: &str, claims: &str, signature: &str) -> String {
    let [header, claims] = [header, claims].map(|part| test_tokens::base64url(part.as_bytes()));
    format!("{header}.{claims}.{signature}")
}

/// Parses and verifies a token as each type, and reads all claims.
fn use_token(token: &str, keys: &KeySet) {
    for kind in [TokenType::Signed, TokenType::Encrypted, TokenType::Nested] {
        let _ = parse(token, kind).and_then(|token| {
            if let Some(claims) = token.claims() {
                for (_, value) in claims.object().members() {
                    let _ = value.text();
                }
                let _ = claims.object().path(&["a", "a", "a"]);
            }
            token.verify(keys, NOW, Duration::ZERO)
        });
    }
    let _ = Summary::of(token.as_bytes(), &Limits::default());
}

/// A set of as many secrets as fit, with this member `kid`.
fn secrets(size: usize, kid: &str) -> String {
    filled(size, r#"{"keys":["#, "]}", |_| {
        format!(r#"{{"kty":"oct",{kid}"k":"AAAA"}}"#)
    })
}

/// The number of steps for each kind of input of this size.
fn steps(size: usize) -> Vec<(String, usize)> {
    let hs256 = |header: &str| token(header, "{}", "AAAA");
    let keys = KeySet::parse(secrets(size, r#""kid":"k","#).as_bytes()).unwrap();
    let mut steps = Vec::new();
    let mut add = |what: String, run: &dyn Fn()| steps.push((what, steps_of(run)));
    for (what, object) in objects(size) {
        let claims = token(r#"{"alg":"HS256","kid":"k"}"#, &object, "AAAA");
        add(format!("claims: {what}"), &|| use_token(&claims, &keys));
        add(format!("header: {what}"), &|| {
            use_token(&hs256(&object), &keys)
        });
        add(format!("key set: {what}"), &|| {
            drop(KeySet::parse(object.as_bytes()))
        });
        let set = format!(r#"{{"keys":[{object}]}}"#);
        add(format!("key: {what}"), &|| {
            drop(KeySet::parse(set.as_bytes()))
        });
        let key = format!(r#"{{"kty":"oct","k":"AAAA",{}"#, &object[1..]);
        add(format!("good key: {what}"), &|| {
            drop(KeySet::parse(key.as_bytes()))
        });
    }
    for kid in ["", r#""kid":"k","#] {
        let set = secrets(size, kid);
        add(format!("keys {kid}"), &|| {
            drop(KeySet::parse(set.as_bytes()))
        });
        let keys = KeySet::parse(set.as_bytes()).unwrap();
        let token = hs256(r#"{"alg":"HS256","kid":"k"}"#);
        add(format!("verified with keys {kid}"), &|| {
            use_token(&token, &keys)
        });
        let long = token_of(size);
        add(format!("a long token, verified with keys {kid}"), &|| {
            use_token(&long, &keys)
        });
    }
    for bytes in [".", "A", "=", "{", "A."] {
        let text = bytes.repeat(size / bytes.len());
        add(format!("a token of {bytes:?}"), &|| use_token(&text, &keys));
        add(format!("a key set of {bytes:?}"), &|| {
            drop(KeySet::parse(text.as_bytes()))
        });
    }
    steps
}

/// A signed token with claims of this length.
fn token_of(size: usize) -> String {
    let claims = format!(r#"{{"a":"{}"}}"#, "a".repeat(size));
    token(r#"{"alg":"HS256","kid":"k"}"#, &claims, "AAAA")
}

#[test]
fn steps_are_proportional_to_the_length_of_the_input() {
    let [small, middle, large] = [16, 32, 64].map(|size| steps(size * KIB));
    for ((what, small), ((_, middle), (_, large))) in small.iter().zip(middle.iter().zip(&large)) {
        // Twice the length takes twice the steps, apart from the logarithmic factor of sorting and
        // a number that does not depend on the length.
        let doubles = |less: usize, more: usize| more <= less * 23 / 10 + 1000;
        assert!(
            doubles(*small, *middle) && doubles(*middle, *large),
            "{what}: {small}, {middle}, {large}"
        );
        // A step takes a few nanoseconds, so that this takes less than 100 ms.
        assert!(*large <= 64 * 64 * KIB, "{what}: {large}");
    }
    assert_eq!(small.len(), 16 * 5 + 6 + 10);
}
