//! The time to verify a token: all checks ("ours"), only the cryptography of the same library on
//! the same bytes ("raw"), and josekit and jsonwebtoken with the same token. docs/performance.md
//! has the results. Run `cargo bench -p jose [-- FILTER]`. The groups are verify, json, key_set and
//! decrypt.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects
)]

use std::hint::black_box;
use std::time::{Duration, SystemTime};

use aws_lc_rs::{hmac, signature};
use criterion::{
    BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime,
};
use jose::{KeySet, Limits, TokenType, UnverifiedToken};
use josekit::jwk::Jwk;
use openssl::bn::{BigNum, BigNumContext};
use openssl::cipher_ctx::{CipherCtx, CipherCtxFlags};
use openssl::derive::Deriver;
use openssl::ec::{EcGroup, EcPoint};
use openssl::md::{Md, MdRef};
use openssl::nid::Nid;
use openssl::pkey::{Id, PKey, Private};
use openssl::pkey_ctx::PkeyCtx;
use openssl::rsa::{Padding, RsaPrivateKeyBuilder};
use openssl::symm;
use serde_json::Value;
use test_tokens::JwkObject;

type Group<'a> = BenchmarkGroup<'a, WallTime>;

const NOW: i64 = 1_700_000_000;

const SIGNED: [&str; 18] = [
    "HS256",
    "HS384",
    "HS512",
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "ES256K",
    "Ed25519",
    "Ed448",
    "ML-DSA-44",
    "ML-DSA-65",
    "ML-DSA-87",
];

/// The `alg` of a token that is signed by such a key.
fn alg(kind: &str) -> &str {
    match kind {
        "Ed25519" | "Ed448" => "EdDSA",
        other => other,
    }
}

/// Claims as identity providers write them. With a short signature the token has 1 KB.
fn claims() -> String {
    let head = r#"{"iss":"https://issuer.example/realms/main","sub":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","#;
    let middle = r#""aud":["api","account"],"exp":4102444800,"nbf":1600000000,"iat":1600000000,"azp":"web","#;
    let tail = r#""realm_access":{"roles":["reader","writer","offline_access"]},"scope":"openid profile email","#;
    let end = r#""email_verified":true,"name":"Jane Doe","preferred_username":"jane","#;
    let claims = format!("{head}{middle}{tail}{end}");
    let pad = "x".repeat(690 - claims.len());
    format!(r#"{claims}"session_state":"{pad}"}}"#)
}

fn token(kind: &str, key: &JwkObject, kid: &str) -> String {
    let header = format!(r#"{{"alg":"{}","kid":"{kid}","typ":"JWT"}}"#, alg(kind));
    test_tokens::sign(alg(kind), key, &header, claims().as_bytes()).unwrap()
}

fn key(alg: &str, kid: &str) -> JwkObject {
    let mut key = test_tokens::key(alg, None).unwrap();
    key.insert("kid".into(), kid.into());
    key
}

fn key_set(keys: &[JwkObject]) -> String {
    let keys: Vec<_> = keys.iter().map(test_tokens::public).collect();
    serde_json::json!({ "keys": keys }).to_string()
}

fn verify_token(token: &str, kind: TokenType, keys: &KeySet) {
    let token = UnverifiedToken::parse(token.as_bytes(), kind, &Limits::default());
    let verified = token.and_then(|token| token.verify(keys, NOW, Duration::ZERO));
    black_box(verified.unwrap());
}

fn verify(criterion: &mut Criterion) {
    for alg in SIGNED {
        let mut group = criterion.benchmark_group(format!("verify/{alg}"));
        let key = key(alg, "k1");
        let token = token(alg, &key, "k1");
        let keys = KeySet::parse(key_set(std::slice::from_ref(&key)).as_bytes()).unwrap();
        group.bench_function("ours", |b| {
            b.iter(|| verify_token(&token, TokenType::Signed, &keys))
        });
        raw(&mut group, alg, &key, &token);
        if !alg.starts_with("ML-DSA") {
            josekit_verify(&mut group, alg, &key, &token);
        }
        jsonwebtoken_verify(&mut group, alg, &key, &token);
    }
}

/// The library that the crate uses, with a parsed key, on the bytes that are signed.
fn raw(group: &mut Group, alg: &str, key: &JwkObject, token: &str) {
    let (message, mac) = token.rsplit_once('.').unwrap();
    let (message, mac) = (message.as_bytes(), decode(mac));
    let member = |name: &str| decode(key[name].as_str().unwrap());
    let secret = match alg {
        "HS256" => Some(hmac::HMAC_SHA256),
        "HS384" => Some(hmac::HMAC_SHA384),
        "HS512" => Some(hmac::HMAC_SHA512),
        _ => None,
    };
    if let Some(algorithm) = secret {
        let key = hmac::Key::new(algorithm, &member("k"));
        group.bench_function("raw", |b| {
            b.iter(|| hmac::verify(&key, message, &mac).unwrap())
        });
        return;
    }
    if alg == "Ed448" {
        let key =
            openssl::pkey::PKey::public_key_from_raw_bytes(&member("x"), openssl::pkey::Id::ED448)
                .unwrap();
        group.bench_function("raw", |b| {
            b.iter(|| {
                let mut verifier = openssl::sign::Verifier::new_without_digest(&key).unwrap();
                assert!(verifier.verify_oneshot(&mac, message).unwrap());
            })
        });
        return;
    }
    let parsed =
        |algorithm, bytes: &[u8]| signature::ParsedPublicKey::new(algorithm, bytes).unwrap();
    let point = || [vec![4], member("x"), member("y")].concat();
    let rsa = |parameters| {
        let components = signature::RsaPublicKeyComponents {
            n: member("n"),
            e: member("e"),
        };
        components.to_parsed_public_key(parameters).unwrap()
    };
    let key = match alg {
        "RS256" => rsa(&signature::RSA_PKCS1_2048_8192_SHA256),
        "RS384" => rsa(&signature::RSA_PKCS1_2048_8192_SHA384),
        "RS512" => rsa(&signature::RSA_PKCS1_2048_8192_SHA512),
        "PS256" => rsa(&signature::RSA_PSS_2048_8192_SHA256),
        "PS384" => rsa(&signature::RSA_PSS_2048_8192_SHA384),
        "PS512" => rsa(&signature::RSA_PSS_2048_8192_SHA512),
        "ES256" => parsed(&signature::ECDSA_P256_SHA256_FIXED, &point()),
        "ES384" => parsed(&signature::ECDSA_P384_SHA384_FIXED, &point()),
        "ES512" => parsed(&signature::ECDSA_P521_SHA512_FIXED, &point()),
        "ES256K" => parsed(&signature::ECDSA_P256K1_SHA256_FIXED, &point()),
        "ML-DSA-44" => parsed(&signature::ML_DSA_44, &member("pub")),
        "ML-DSA-65" => parsed(&signature::ML_DSA_65, &member("pub")),
        "ML-DSA-87" => parsed(&signature::ML_DSA_87, &member("pub")),
        _ => parsed(&signature::ED25519, &member("x")),
    };
    group.bench_function("raw", |b| b.iter(|| key.verify_sig(message, &mac).unwrap()));
}

fn josekit_verify(group: &mut Group, alg: &str, key: &JwkObject, token: &str) {
    use josekit::jws::{self, JwsVerifier};
    let mut key = test_tokens::public(key);
    key.remove("alg");
    key.remove("kid");
    let key = Jwk::from_map(key).unwrap();
    let verifier: Box<dyn JwsVerifier> = match alg {
        "HS256" => Box::new(jws::HS256.verifier_from_jwk(&key).unwrap()),
        "HS384" => Box::new(jws::HS384.verifier_from_jwk(&key).unwrap()),
        "HS512" => Box::new(jws::HS512.verifier_from_jwk(&key).unwrap()),
        "RS256" => Box::new(jws::RS256.verifier_from_jwk(&key).unwrap()),
        "RS384" => Box::new(jws::RS384.verifier_from_jwk(&key).unwrap()),
        "RS512" => Box::new(jws::RS512.verifier_from_jwk(&key).unwrap()),
        "PS256" => Box::new(jws::PS256.verifier_from_jwk(&key).unwrap()),
        "PS384" => Box::new(jws::PS384.verifier_from_jwk(&key).unwrap()),
        "PS512" => Box::new(jws::PS512.verifier_from_jwk(&key).unwrap()),
        "ES256" => Box::new(jws::ES256.verifier_from_jwk(&key).unwrap()),
        "ES384" => Box::new(jws::ES384.verifier_from_jwk(&key).unwrap()),
        "ES512" => Box::new(jws::ES512.verifier_from_jwk(&key).unwrap()),
        "ES256K" => Box::new(jws::ES256K.verifier_from_jwk(&key).unwrap()),
        _ => Box::new(jws::EdDSA.verifier_from_jwk(&key).unwrap()),
    };
    group.bench_function("josekit", |b| b.iter(|| josekit_decode(token, &*verifier)));
}

fn josekit_decode(token: &str, verifier: &dyn josekit::jws::JwsVerifier) {
    let (payload, header) = josekit::jwt::decode_with_verifier(token, verifier).unwrap();
    let mut validator = josekit::jwt::JwtPayloadValidator::new();
    validator.set_base_time(SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    validator.validate(&payload).unwrap();
    black_box((payload, header));
}

/// jsonwebtoken has neither ES512, ES256K, Ed448 nor ML-DSA.
fn jsonwebtoken_verify(group: &mut Group, kind: &str, key: &JwkObject, token: &str) {
    use jsonwebtoken::{Algorithm, DecodingKey, Validation};
    let algorithm = serde_json::from_value::<Algorithm>(alg(kind).into());
    let (Ok(algorithm), false) = (algorithm, kind == "Ed448") else {
        return;
    };
    let member = |name: &str| key[name].as_str().unwrap();
    let key = match &kind[..2] {
        "HS" => DecodingKey::from_secret(&decode(member("k"))),
        "ES" => DecodingKey::from_ec_components(member("x"), member("y")).unwrap(),
        "Ed" => DecodingKey::from_ed_components(member("x")).unwrap(),
        _ => DecodingKey::from_rsa_components(member("n"), member("e")).unwrap(),
    };
    let mut validation = Validation::new(algorithm);
    validation.validate_aud = false;
    validation.validate_nbf = true;
    group.bench_function("jsonwebtoken", |b| {
        b.iter(|| black_box(jsonwebtoken::decode::<Value>(token, &key, &validation).unwrap()))
    });
}

/// Curves for ECDH-ES besides P-256, which is the one of the others.
const CURVES: [&str; 4] = ["P-384", "P-521", "X25519", "X448"];

fn decrypt(criterion: &mut Criterion) {
    for alg in jose::key_management_algorithms() {
        for enc in jose::content_encryption_algorithms() {
            let mut group = criterion.benchmark_group(format!("decrypt/{alg}/{enc}"));
            let key = key(if alg == "dir" { enc } else { alg }, "k1");
            decrypt_with(&mut group, alg, enc, &key);
        }
    }
    for curve in CURVES {
        let mut group = criterion.benchmark_group(format!("decrypt/ECDH-ES on {curve}/A256GCM"));
        decrypt_with(&mut group, "ECDH-ES", "A256GCM", &key(curve, "k1"));
    }
}

fn decrypt_with(group: &mut Group, alg: &str, enc: &str, key: &JwkObject) {
    let header = JwkObject::from_iter([("kid".to_owned(), "k1".into())]);
    let token = test_tokens::encrypt(alg, enc, key, &header, claims().as_bytes()).unwrap();
    let keys = KeySet::parse(serde_json::to_string(key).unwrap().as_bytes()).unwrap();
    group.bench_function("ours", |b| {
        b.iter(|| verify_token(&token, TokenType::Encrypted, &keys))
    });
    raw_decrypt(group, alg, enc, key, &token);
    let decrypter = josekit_decrypter(alg, key);
    group.bench_function("josekit", |b| {
        b.iter(|| black_box(josekit::jwt::decode_with_decrypter(&token, &*decrypter).unwrap()))
    });
}

/// OpenSSL unwraps the content key with a parsed key, and decrypts the content. HMAC is computed by
/// the library that the crate uses.
fn raw_decrypt(group: &mut Group, alg: &str, enc: &str, key: &JwkObject, token: &str) {
    let parts: Vec<_> = token.split('.').collect();
    let [header, encrypted_key, iv, ciphertext, tag] = [0, 1, 2, 3, 4].map(|n| decode(parts[n]));
    let unwrap = raw_unwrap(alg, enc, key, serde_json::from_slice(&header).unwrap());
    let open = raw_open(enc);
    let aad = parts[0].as_bytes();
    group.bench_function("raw", |b| {
        b.iter(|| black_box(open(&unwrap(&encrypted_key), &iv, aad, &ciphertext, &tag)))
    });
}

type Unwrap = Box<dyn Fn(&[u8]) -> Vec<u8>>;

fn raw_unwrap(alg: &str, enc: &str, key: &JwkObject, header: JwkObject) -> Unwrap {
    if alg.starts_with("ECDH-ES") {
        return raw_agreement(alg, enc, key, header["epk"].as_object().unwrap());
    }
    let member = move |name: &str| decode(header[name].as_str().unwrap());
    let secret = key.get("k").map(|k| decode(k.as_str().unwrap()));
    if let Some(md) = alg.strip_prefix("RSA-OAEP") {
        let (key, md) = (rsa_private_key(key), oaep_digest(md));
        return Box::new(move |encrypted| {
            let mut context = PkeyCtx::new(&key).unwrap();
            context.decrypt_init().unwrap();
            context.set_rsa_padding(Padding::PKCS1_OAEP).unwrap();
            context.set_rsa_oaep_md(md).unwrap();
            context.set_rsa_mgf1_md(md).unwrap();
            let mut cek = Vec::new();
            context.decrypt_to_vec(encrypted, &mut cek).unwrap();
            cek
        });
    }
    let secret = secret.unwrap();
    match (alg, alg.ends_with("GCMKW")) {
        ("dir", _) => Box::new(move |_| secret.clone()),
        (_, true) => {
            let (cipher, iv, tag) = (gcm(secret.len()), member("iv"), member("tag"));
            Box::new(move |encrypted| {
                symm::decrypt_aead(cipher, &secret, Some(&iv), &[], encrypted, &tag).unwrap()
            })
        }
        _ => Box::new(move |encrypted| raw_key_unwrap(&secret, encrypted)),
    }
}

fn raw_key_unwrap(secret: &[u8], encrypted: &[u8]) -> Vec<u8> {
    let cipher = match secret.len() {
        16 => openssl::cipher::Cipher::aes_128_wrap(),
        24 => openssl::cipher::Cipher::aes_192_wrap(),
        _ => openssl::cipher::Cipher::aes_256_wrap(),
    };
    let mut context = CipherCtx::new().unwrap();
    context.set_flags(CipherCtxFlags::FLAG_WRAP_ALLOW);
    let secret = Some(secret);
    context.decrypt_init(Some(cipher), secret, None).unwrap();
    let mut cek = Vec::new();
    context.cipher_update_vec(encrypted, &mut cek).unwrap();
    cek
}

/// Multiplies the sender's point, hashes the result, and unwraps.
fn raw_agreement(alg: &str, enc: &str, key: &JwkObject, epk: &JwkObject) -> Unwrap {
    let (purpose, length) = match alg.strip_prefix("ECDH-ES+A") {
        Some(wrapping) => (alg, wrapping[..3].parse::<usize>().unwrap() / 8),
        None => (enc, content_key_length(enc)),
    };
    let number = |number: usize| (number as u32).to_be_bytes().to_vec();
    let info = [
        number(purpose.len()),
        purpose.as_bytes().to_vec(),
        vec![0; 8],
        number(8 * length),
    ];
    let info = info.concat();
    let is_wrapped = purpose == alg;
    let secret = raw_secret(key, epk);
    Box::new(move |encrypted| {
        let secret = secret();
        let mut agreed = Vec::new();
        for round in 1..=length.div_ceil(32) {
            let text = [number(round), secret.clone(), info.clone()].concat();
            agreed.extend_from_slice(&openssl::sha::sha256(&text));
        }
        agreed.truncate(length);
        match is_wrapped {
            true => raw_key_unwrap(&agreed, encrypted),
            false => agreed,
        }
    })
}

fn content_key_length(enc: &str) -> usize {
    let key = test_tokens::key(enc, None).unwrap();
    decode(key["k"].as_str().unwrap()).len()
}

fn raw_secret(key: &JwkObject, epk: &JwkObject) -> Box<dyn Fn() -> Vec<u8>> {
    let member = |key: &JwkObject, name: &str| decode(key[name].as_str().unwrap());
    let (d, x) = (member(key, "d"), member(epk, "x"));
    let curve = match key["crv"].as_str().unwrap() {
        "P-256" => Nid::X9_62_PRIME256V1,
        "P-384" => Nid::SECP384R1,
        "P-521" => Nid::SECP521R1,
        crv => {
            let id = if crv == "X25519" {
                Id::X25519
            } else {
                Id::X448
            };
            let key = PKey::private_key_from_raw_bytes(&d, id).unwrap();
            return Box::new(move || {
                let sender = PKey::public_key_from_raw_bytes(&x, id).unwrap();
                let mut deriver = Deriver::new(&key).unwrap();
                deriver.set_peer(&sender).unwrap();
                deriver.derive_to_vec().unwrap()
            });
        }
    };
    let group = EcGroup::from_curve_name(curve).unwrap();
    let d = BigNum::from_slice(&d).unwrap();
    let length = i32::try_from(x.len()).unwrap();
    let point = [vec![4], x, member(epk, "y")].concat();
    Box::new(move || {
        let mut context = BigNumContext::new().unwrap();
        let sender = EcPoint::from_bytes(&group, &point, &mut context).unwrap();
        let mut product = EcPoint::new(&group).unwrap();
        product.mul2(&group, &sender, &d, &mut context).unwrap();
        let (mut x, mut y) = (BigNum::new().unwrap(), BigNum::new().unwrap());
        product
            .affine_coordinates(&group, &mut x, &mut y, &mut context)
            .unwrap();
        x.to_vec_padded(length).unwrap()
    })
}

fn rsa_private_key(key: &JwkObject) -> PKey<Private> {
    let member = |name: &str| BigNum::from_slice(&decode(key[name].as_str().unwrap())).unwrap();
    let key = RsaPrivateKeyBuilder::new(member("n"), member("e"), member("d")).unwrap();
    let key = key.set_factors(member("p"), member("q")).unwrap();
    let key = key.set_crt_params(member("dp"), member("dq"), member("qi"));
    PKey::from_rsa(key.unwrap().build()).unwrap()
}

fn oaep_digest(suffix: &str) -> &'static MdRef {
    match suffix {
        "-256" => Md::sha256(),
        "-384" => Md::sha384(),
        "-512" => Md::sha512(),
        _ => Md::sha1(),
    }
}

fn gcm(key_length: usize) -> symm::Cipher {
    match key_length {
        16 => symm::Cipher::aes_128_gcm(),
        24 => symm::Cipher::aes_192_gcm(),
        _ => symm::Cipher::aes_256_gcm(),
    }
}

type Open = Box<dyn Fn(&[u8], &[u8], &[u8], &[u8], &[u8]) -> Vec<u8>>;

fn raw_open(enc: &str) -> Open {
    let (cipher, mac) = match enc {
        "A128CBC-HS256" => (symm::Cipher::aes_128_cbc(), hmac::HMAC_SHA256),
        "A192CBC-HS384" => (symm::Cipher::aes_192_cbc(), hmac::HMAC_SHA384),
        "A256CBC-HS512" => (symm::Cipher::aes_256_cbc(), hmac::HMAC_SHA512),
        _ => {
            return Box::new(|cek, iv, aad, ciphertext, tag| {
                let cipher = gcm(cek.len());
                symm::decrypt_aead(cipher, cek, Some(iv), aad, ciphertext, tag).unwrap()
            });
        }
    };
    Box::new(move |cek, iv, aad, ciphertext, tag| {
        let (mac_key, key) = cek.split_at(cek.len() / 2);
        let mut context = hmac::Context::with_key(&hmac::Key::new(mac, mac_key));
        let aad_bits = (aad.len() as u64 * 8).to_be_bytes();
        for part in [aad, iv, ciphertext, &aad_bits] {
            context.update(part);
        }
        assert!(context.sign().as_ref().starts_with(tag));
        symm::decrypt(cipher, key, Some(iv), ciphertext).unwrap()
    })
}

fn josekit_decrypter(alg: &str, key: &JwkObject) -> Box<dyn josekit::jwe::JweDecrypter> {
    use josekit::jwe;
    let mut key = key.clone();
    key.remove("alg");
    let key = Jwk::from_map(key).unwrap();
    match alg {
        "dir" => Box::new(jwe::Dir.decrypter_from_jwk(&key).unwrap()),
        "A128KW" => Box::new(jwe::A128KW.decrypter_from_jwk(&key).unwrap()),
        "A192KW" => Box::new(jwe::A192KW.decrypter_from_jwk(&key).unwrap()),
        "A256KW" => Box::new(jwe::A256KW.decrypter_from_jwk(&key).unwrap()),
        "A128GCMKW" => Box::new(jwe::A128GCMKW.decrypter_from_jwk(&key).unwrap()),
        "A192GCMKW" => Box::new(jwe::A192GCMKW.decrypter_from_jwk(&key).unwrap()),
        "A256GCMKW" => Box::new(jwe::A256GCMKW.decrypter_from_jwk(&key).unwrap()),
        "ECDH-ES" => Box::new(jwe::ECDH_ES.decrypter_from_jwk(&key).unwrap()),
        "ECDH-ES+A128KW" => Box::new(jwe::ECDH_ES_A128KW.decrypter_from_jwk(&key).unwrap()),
        "ECDH-ES+A192KW" => Box::new(jwe::ECDH_ES_A192KW.decrypter_from_jwk(&key).unwrap()),
        "ECDH-ES+A256KW" => Box::new(jwe::ECDH_ES_A256KW.decrypter_from_jwk(&key).unwrap()),
        "RSA-OAEP" => Box::new(jwe::RSA_OAEP.decrypter_from_jwk(&key).unwrap()),
        "RSA-OAEP-256" => Box::new(jwe::RSA_OAEP_256.decrypter_from_jwk(&key).unwrap()),
        "RSA-OAEP-384" => Box::new(jwe::RSA_OAEP_384.decrypter_from_jwk(&key).unwrap()),
        _ => Box::new(jwe::RSA_OAEP_512.decrypter_from_jwk(&key).unwrap()),
    }
}

/// Only parsing, and the same with serde_json's `Value`, which checks less.
fn json(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("json");
    let token = token("HS256", &key("HS256", "k1"), "k1");
    group.bench_function("ours", |b| {
        b.iter(|| {
            UnverifiedToken::parse(token.as_bytes(), TokenType::Signed, &Limits::default()).unwrap()
        })
    });
    group.bench_function("serde_json", |b| {
        b.iter(|| {
            let parts: Vec<_> = token.split('.').map(decode).collect();
            let value = |n: usize| serde_json::from_slice::<Value>(&parts[n]).unwrap();
            black_box((value(0), value(1), token.as_bytes().to_vec()))
        })
    });
}

fn numbered_key(kind: &str, n: usize, template: &JwkObject) -> JwkObject {
    // Generating RSA keys takes long, so that all have the same modulus.
    let kid = format!("k{n}");
    match kind {
        "RS256" => {
            let mut key = template.clone();
            key.insert("kid".into(), kid.into());
            key
        }
        _ => key(kind, &kid),
    }
}

/// Loading key sets, and verifying tokens with them.
fn key_sets(criterion: &mut Criterion) {
    for kind in ["HS256", "ES256", "RS256"] {
        let template = key(kind, "k0");
        let keys: Vec<_> = (0..1000)
            .map(|n| numbered_key(kind, n, &template))
            .collect();
        for size in [1, 10, 1000] {
            let text = key_set(&keys[..size]);
            let mut group = criterion.benchmark_group(format!("key_set/{kind}"));
            group.bench_function(format!("load {size}"), |b| {
                b.iter(|| KeySet::parse(text.as_bytes()).unwrap())
            });
            let set = KeySet::parse(text.as_bytes()).unwrap();
            let last = &keys[size - 1];
            let token = token(kind, last, last["kid"].as_str().unwrap());
            group.bench_function(format!("verify with {size}"), |b| {
                b.iter(|| verify_token(&token, TokenType::Signed, &set))
            });
        }
    }
}

/// What one attempt with a key costs, for the table in src/cost.rs: RSA keys by the size of the
/// modulus, with the usual exponent and with the largest one. The other kinds are in "verify".
fn cost(criterion: &mut Criterion) {
    let largest: JwkObject =
        serde_json::from_str(include_str!("../../../t/data/rsa-16384.jwk")).unwrap();
    for size in [2048, 3072, 4096, 8192, 16384] {
        let mut group = criterion.benchmark_group(format!("cost/RSA-{size}"));
        let rsa = match size {
            16384 => largest.clone(),
            _ => test_tokens::key("RSA", Some(size)).unwrap(),
        };
        let token = test_tokens::sign("RS256", &rsa, r#"{"alg":"RS256"}"#, b"{}").unwrap();
        for (name, e) in [("65537", "AQAB"), ("4294967295", "_____w")] {
            let mut key = test_tokens::public(&rsa);
            key.remove("alg");
            key.insert("e".into(), e.into());
            let keys = KeySet::parse(key_set(&[key]).as_bytes()).unwrap();
            group.bench_function(format!("verify, e {name}"), |b| {
                b.iter(|| try_token(&token, TokenType::Signed, &keys))
            });
        }
        let header = JwkObject::new();
        let token = test_tokens::encrypt("RSA-OAEP", "A128GCM", &rsa, &header, b"{}").unwrap();
        let mut key = rsa.clone();
        key.remove("alg");
        let keys = KeySet::parse(serde_json::to_string(&key).unwrap().as_bytes()).unwrap();
        group.sample_size(10);
        group.bench_function("decrypt", |b| {
            b.iter(|| try_token(&token, TokenType::Encrypted, &keys))
        });
        for member in ["p", "q", "dp", "dq", "qi"] {
            key.remove(member);
        }
        let text = serde_json::to_string(&key).unwrap();
        group.bench_function("load without primes", |b| {
            b.iter(|| black_box(KeySet::parse(text.as_bytes()).unwrap()))
        });
    }
}

/// A wrong signature takes as long as a right one.
fn try_token(token: &str, kind: TokenType, keys: &KeySet) {
    let token = UnverifiedToken::parse(token.as_bytes(), kind, &Limits::default());
    let _ = black_box(token.and_then(|token| token.verify(keys, NOW, Duration::ZERO)));
}

fn decode(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::URL_SAFE_NO_PAD
        .decode(text)
        .unwrap()
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
    targets = verify, json, key_sets, decrypt, cost
}
criterion_main!(benches);
