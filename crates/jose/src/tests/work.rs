//! Bad input costs no more than its length: the steps that it takes are counted, not the time.

use super::*;
use crate::work::counted;

const KIB: usize = 1024;

/// `before`, then as many pieces as there is room for, apart by commas, then `after`.
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

/// JSON objects that are bad for one algorithm or another.
fn objects(size: usize) -> Vec<(&'static str, String)> {
    let long = "p".repeat(size / 40);
    let half = "p".repeat(size / 2 - 10);
    let deep = (size - 10) / 66;
    vec![
        (
            "names of one length and with equal ends",
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
            "names with escapes",
            filled(size, "{", "}", |n| format!(r#""\u0061{n:06}":0"#)),
        ),
        (
            "objects of some members",
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
            "nested beyond it",
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
            "escapes",
            format!(r#"{{"a":"{}"}}"#, r"\u0061".repeat((size - 10) / 6)),
        ),
        (
            "no end",
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
    let [header, claims] = [header, claims].map(|part| maker::base64url(part.as_bytes()));
    format!("{header}.{claims}.{signature}")
}

fn judge(token: &str, keys: &KeySet) {
    for kind in [TokenType::Signed, TokenType::Encrypted, TokenType::Nested] {
        let parsed = UnverifiedToken::parse(token.as_bytes(), kind, &Limits::default());
        let _ = parsed.and_then(|token| {
            if let Some(claims) = token.claims() {
                for (_, value) in claims.object().members() {
                    let _ = value.text();
                }
                let _ = claims.path(&["a", "a", "a"]);
            }
            token.verify(keys, NOW, Duration::ZERO)
        });
    }
    let _ = Summary::of(token.as_bytes(), &Limits::default());
}

/// Secrets that all have the same kid, or none, as many as fit.
fn secrets(size: usize, kid: &str) -> String {
    filled(size, r#"{"keys":["#, "]}", |_| {
        format!(r#"{{"kty":"oct",{kid}"k":"AAAA"}}"#)
    })
}

/// Steps for each kind of bad input of a size.
fn steps(size: usize) -> Vec<(String, usize)> {
    let hs256 = |header: &str| token(header, "{}", "AAAA");
    let keys = KeySet::parse(secrets(size, r#""kid":"k","#).as_bytes()).unwrap();
    let mut steps = Vec::new();
    let mut add = |what: String, run: &dyn Fn()| steps.push((what, counted(run)));
    for (what, object) in objects(size) {
        let claims = token(r#"{"alg":"HS256","kid":"k"}"#, &object, "AAAA");
        add(format!("claims: {what}"), &|| judge(&claims, &keys));
        add(format!("header: {what}"), &|| judge(&hs256(&object), &keys));
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
        add(format!("judged by keys {kid}"), &|| judge(&token, &keys));
        let long = token_of(size);
        add(format!("long, judged by keys {kid}"), &|| {
            judge(&long, &keys)
        });
    }
    for bytes in [".", "A", "=", "{", "A."] {
        let text = bytes.repeat(size / bytes.len());
        add(format!("{bytes:?} all over"), &|| judge(&text, &keys));
        add(format!("a key set of {bytes:?}"), &|| {
            drop(KeySet::parse(text.as_bytes()))
        });
    }
    steps
}

/// A signed token whose claims are as long as that.
fn token_of(size: usize) -> String {
    let claims = format!(r#"{{"a":"{}"}}"#, "a".repeat(size));
    token(r#"{"alg":"HS256","kid":"k"}"#, &claims, "AAAA")
}

#[test]
fn work_is_in_proportion_to_the_input() {
    let [small, middle, large] = [16, 32, 64].map(|size| steps(size * KIB));
    for ((what, small), ((_, middle), (_, large))) in small.iter().zip(middle.iter().zip(&large)) {
        // Twice, but for the logarithm in sorting, and what does not depend on the length.
        let doubles = |less: usize, more: usize| more <= less * 23 / 10 + 1000;
        assert!(
            doubles(*small, *middle) && doubles(*middle, *large),
            "{what}: {small}, {middle}, {large}"
        );
        // A step is a few nanoseconds: this is well within 100 ms.
        assert!(*large <= 64 * 64 * KIB, "{what}: {large}");
    }
    assert_eq!(small.len(), 16 * 5 + 6 + 10);
}
