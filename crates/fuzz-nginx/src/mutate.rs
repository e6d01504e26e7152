//! Changes of bytes, of JSON and of tokens.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::random::Random;

/// What parsers of HTTP, JSON, URLs and tokens treat in ways of their own.
const SPECIAL: [&[u8]; 44] = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b" ",
    b"\t",
    b",",
    b";",
    b":",
    b"\"",
    b"\\",
    b"'",
    b".",
    b"..",
    b"/",
    b"//",
    b"?",
    b"#",
    b"=",
    b"==",
    b"&",
    b"%",
    b"%00",
    b"%2e",
    b"%2f",
    b"%25",
    b"+",
    b"-",
    b"_",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\xff",
    b"\xc3\x28",
    b"\xef\xbb\xbf",
    b"\x7f",
    b"null",
    b"-0",
    b"1e400",
    b"18446744073709551616",
    b"Bearer ",
    b"\\u0000",
];

/// Names of members in JOSE headers, claims, keys and discovery documents.
const NAMES: [&str; 34] = [
    "alg", "typ", "kid", "crit", "b64", "jwk", "jku", "x5u", "x5c", "zip", "enc", "epk", "iv",
    "tag", "apu", "p2c", "exp", "nbf", "iat", "sub", "iss", "aud", "cnf", "jti", "use", "key_ops",
    "kty", "crv", "k", "n", "x", "issuer", "jwks_uri", "active",
];

/// Values that such members have, or that nobody expects there.
const VALUES: [&str; 40] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "-1",
    "1e400",
    "4102444800",
    "9007199254740993",
    "0.5",
    "\"\"",
    "\"none\"",
    "\"None\"",
    "\"HS256\"",
    "\"HS512\"",
    "\"RS256\"",
    "\"ES256\"",
    "\"EdDSA\"",
    "\"dir\"",
    "\"A256GCM\"",
    "\"RSA1_5\"",
    "\"PBES2-HS256+A128KW\"",
    "\"DEF\"",
    "\"user\"",
    "\"enc\"",
    "\"sig\"",
    "\"../../etc/passwd\"",
    "\"\\u0000\"",
    "\"\\ud800\"",
    "[]",
    "{}",
    "[\"exp\"]",
    "[[[[[[[[]]]]]]]]",
    "\"oct\"",
    "\"P-384\"",
    "\"AAAA\"",
    "[\"verify\"]",
    "{\"jkt\":\"AAAA\"}",
    "\"http://127.0.0.1:1/\"",
];

/// One change of some bytes, anywhere.
pub fn bytes(random: &mut Random, text: &mut Vec<u8>) {
    let at = random.below(text.len() + 1);
    let end = (at + 1 + random.below(12)).min(text.len());
    match random.below(9) {
        0 if at < text.len() => text[at] ^= 1 << random.below(8),
        1 if at < text.len() => text[at] = random.byte(),
        2 => drop(text.splice(at..at, random.pick(&SPECIAL).iter().copied())),
        3 if at < text.len() => drop(text.splice(at..end, random.pick(&SPECIAL).iter().copied())),
        4 => drop(text.drain(at..end)),
        5 => {
            let copy = text[at..end].repeat(1 + random.below(3));
            drop(text.splice(at..at, copy));
        }
        6 if random.once_in(4) => text.truncate(at),
        7 if at < text.len() => {
            let other = random.below(text.len());
            text.swap(at, other);
        }
        8 if at < text.len() => text[at] ^= 0x20,
        _ => text.insert(at, random.byte()),
    }
}

/// One to four changes.
pub fn bytes_some(random: &mut Random, text: &mut Vec<u8>) {
    for _ in 0..=random.below(4) {
        bytes(random, text);
    }
}

/// Takes out what ends a header line.
pub fn one_line(mut text: Vec<u8>) -> Vec<u8> {
    for byte in &mut text {
        if matches!(byte, b'\0' | b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    text
}

/// A change of a JSON text: of a value anywhere in it, of a member, or of its bytes.
pub fn json(random: &mut Random, text: &[u8]) -> Vec<u8> {
    let mut changed = text.to_vec();
    match random.below(6) {
        0 => bytes_some(random, &mut changed),
        1 => member_in_front(random, &mut changed),
        2 if !changed.is_empty() => {
            let end = changed.len() - 1;
            let member = format!(",\"{}\":{}", random.pick(&NAMES), random.pick(&VALUES));
            drop(changed.splice(end..end, member.bytes()));
        }
        _ => match serde_json::from_slice(text) {
            Ok(mut value) => {
                json_value(random, &mut value);
                changed = value.to_string().into_bytes();
            }
            Err(_) => bytes_some(random, &mut changed),
        },
    }
    changed
}

/// A member behind one of the braces: often the second one of its name.
fn member_in_front(random: &mut Random, text: &mut Vec<u8>) {
    let braces: Vec<_> = (0..text.len()).filter(|&at| text[at] == b'{').collect();
    if !braces.is_empty() {
        let at = random.pick(&braces) + 1;
        let member = format!("\"{}\":{},", random.pick(&NAMES), random.pick(&VALUES));
        drop(text.splice(at..at, member.bytes()));
    }
}

fn json_value(random: &mut Random, value: &mut Value) {
    let goes_deeper = !random.once_in(4);
    match value {
        Value::Array(elements) if goes_deeper && !elements.is_empty() => {
            let at = random.below(elements.len());
            match random.below(5) {
                0 => drop(elements.remove(at)),
                1 => elements.insert(at, elements[at].clone()),
                2 => elements.insert(at, odd_value(random)),
                _ => json_value(random, &mut elements[at]),
            }
        }
        Value::Object(members) if goes_deeper && !members.is_empty() => {
            let names: Vec<_> = members.keys().cloned().collect();
            let name = random.pick(&names);
            match random.below(6) {
                0 => drop(members.remove(name)),
                1 => {
                    let moved = members.remove(name).unwrap_or_default();
                    drop(members.insert((*random.pick(&NAMES)).to_owned(), moved));
                }
                2 => drop(members.insert((*random.pick(&NAMES)).to_owned(), odd_value(random))),
                _ => json_value(random, &mut members[name]),
            }
        }
        Value::String(text) if goes_deeper => {
            let mut changed = text.clone().into_bytes();
            bytes(random, &mut changed);
            *text = String::from_utf8_lossy(&changed).into_owned();
        }
        other => *other = odd_value(random),
    }
}

fn odd_value(random: &mut Random) -> Value {
    match random.below(20) {
        0 => Value::String("A".repeat(random.below(5000))),
        _ => serde_json::from_str(random.pick::<&str>(&VALUES)).unwrap_or_default(),
    }
}

/// A change of one of these tokens.
pub fn token(random: &mut Random, tokens: &[String]) -> Vec<u8> {
    let mut token = random.pick(tokens).clone().into_bytes();
    let mut parts: Vec<Vec<u8>> = token
        .split(|&byte| byte == b'.')
        .map(<[u8]>::to_vec)
        .collect();
    let at = random.below(parts.len());
    match random.below(14) {
        0 | 1 => {
            bytes_some(random, &mut token);
            return token;
        }
        2 | 3 => decoded(random, &mut parts[at], |random, part| {
            bytes_some(random, part)
        }),
        // The header, and claims.
        4..=6 => decoded(random, &mut parts[at.min(1)], |random, part| {
            *part = json(random, part)
        }),
        7 => same_bits(random, &mut parts[at]),
        8 => parts[at]
            .extend_from_slice(random.pick::<&[u8]>(&[b"=", b"==", b"===", b"A", b"AA", b"\t"])),
        9 => {
            let other = random.pick(tokens).clone().into_bytes();
            if let Some(part) = other.split(|&byte| byte == b'.').nth(at) {
                parts[at] = part.to_vec();
            }
        }
        10 => match random.below(4) {
            0 => drop(parts.remove(at)),
            1 => parts.insert(at, Vec::new()),
            2 => parts[at].clear(),
            _ => parts.swap(0, at),
        },
        11 => {
            let header = random.pick(&["none", "None", "NONE", "", "nOnE", "HS256", "dir"]);
            parts[0] = URL_SAFE_NO_PAD
                .encode(format!("{{\"alg\":\"{header}\"}}"))
                .into_bytes();
            if random.once_in(2) {
                parts[2].clear();
            }
        }
        12 => {
            for byte in &mut parts[at] {
                match byte {
                    b'-' => *byte = b'+',
                    b'_' => *byte = b'/',
                    _ => {}
                }
            }
            if random.once_in(2) {
                bytes(random, &mut parts[at]);
            }
        }
        _ => {
            let times = 1 + random.below(20);
            let again = parts.clone().into_iter().cycle().take(parts.len() * times);
            parts.extend(again);
        }
    }
    parts.join(&b'.')
}

/// Changes what a part of a token encodes.
fn decoded(random: &mut Random, part: &mut Vec<u8>, change: impl Fn(&mut Random, &mut Vec<u8>)) {
    let mut content = URL_SAFE_NO_PAD.decode(&part).unwrap_or_default();
    change(random, &mut content);
    *part = URL_SAFE_NO_PAD.encode(content).into_bytes();
}

/// Another last character, which differs in bits that encode nothing, if there are such bits.
fn same_bits(random: &mut Random, part: &mut [u8]) {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let unused = match part.len() % 4 {
        2 => 16,
        3 => 4,
        _ => return,
    };
    if let Some(last) = part.last_mut()
        && let Some(index) = ALPHABET.iter().position(|byte| byte == last)
    {
        *last = ALPHABET[index ^ (1 + random.below(unused - 1))];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_changes() {
        let tokens = ["eyJhbGciOiJIUzI1NiJ9.e30.AAAA".to_owned()];
        let changes = |seed| -> Vec<_> {
            let mut random = Random::new(seed);
            (0..100).map(|_| token(&mut random, &tokens)).collect()
        };
        assert_eq!(changes(1), changes(1));
        assert_ne!(changes(1), changes(2));
    }

    #[test]
    fn bits_that_encode_nothing_are_changed() {
        let mut random = Random::new(1);
        for text in ["AA", "AAA"] {
            let mut part = text.as_bytes().to_vec();
            same_bits(&mut random, &mut part);
            assert_ne!(part, text.as_bytes());
            assert!(URL_SAFE_NO_PAD.decode(part).is_err());
        }
    }
}
