//! The time to judge a DPoP proof: all checks ("ours"), all but the signature ("refused", for a
//! nonce that is too old), and only the signature, by the same library on the same bytes with a parsed
//! key ("raw"). docs/performance.md has the results. Run `cargo bench -p policy`.

#![allow(clippy::unwrap_used, clippy::arithmetic_side_effects)]

use std::hint::black_box;
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ED25519, ParsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use criterion::{Criterion, criterion_group, criterion_main};
use jose::{DpopNonceKey, DpopProof};
use policy::auth_jwt::dpop::{FittingProof, ProofError, ProofTerms, ProvedRequest, check_proof};

const NOW: i64 = 1_700_000_000;

/// As long as an access token of 1 KB.
const TOKEN: [u8; 1024] = [b'a'; 1024];

const URL: &str = "https://api.example.com/accounts/1?limit=10";

fn judge(criterion: &mut Criterion) {
    for alg in ["ES256", "Ed25519"] {
        let mut key = test_tokens::key(alg, None).unwrap();
        key.remove("alg");
        let nonces = DpopNonceKey::new(&[7; 32]);
        let (ath, nonce) = (encode(digest(&SHA256, &TOKEN).as_ref()), nonces.nonce(NOW));
        let claims = format!(
            r#"{{"jti":"f81d4fae-7dec-11d0-a765-00a0c91e6bf6","htm":"GET","htu":"https://api.example.com/accounts/1","iat":{NOW},"ath":"{ath}","nonce":"{nonce}"}}"#
        );
        let jwk = serde_json::to_string(&test_tokens::public(&key)).unwrap();
        let header = format!(r#"{{"typ":"dpop+jwt","alg":"{alg}","jwk":{jwk}}}"#);
        let proof = test_tokens::sign(alg, &key, &header, claims.as_bytes()).unwrap();
        let jkt = DpopProof::parse(proof.as_bytes()).unwrap().thumbprint();
        let at = |now| ProvedRequest {
            terms: ProofTerms {
                token: &TOKEN,
                algorithms: None,
                nonces: Some(&nonces),
                now,
            },
            method: b"GET",
            url: URL.as_bytes(),
        };
        let outcome = |request: &ProvedRequest<'_>| {
            check_proof(&DpopProof::parse(proof.as_bytes()).unwrap(), &jkt, request)
        };
        let mut group = criterion.benchmark_group(format!("dpop/{alg}"));
        let accepted = |outcome| {
            matches!(
                outcome,
                Ok(FittingProof {
                    needs_nonce: false,
                    ..
                })
            )
        };
        group.bench_function("ours", |b| {
            b.iter(|| assert!(accepted(black_box(outcome(&at(NOW))))))
        });
        let other = DpopNonceKey::new(&[8; 32]);
        let mut refused = at(NOW);
        refused.terms.nonces = Some(&other);
        let is_nonce = |outcome| matches!(outcome, Err(Some(ProofError::Nonce(_))));
        group.bench_function("refused", |b| {
            b.iter(|| assert!(is_nonce(black_box(outcome(&refused)))))
        });
        let (message, signature) = proof.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        let member = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
        let new_key = || match alg {
            "ES256" => {
                let point = [vec![4], member("x"), member("y")].concat();
                ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).unwrap()
            }
            _ => ParsedPublicKey::new(&ED25519, member("x")).unwrap(),
        };
        let parsed = new_key();
        group.bench_function("raw", |b| {
            b.iter(|| parsed.verify_sig(message.as_bytes(), &signature).unwrap())
        });
        group.bench_function("key", |b| b.iter(|| black_box(new_key())));
    }
}

fn encode(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500));
    targets = judge
}
criterion_main!(benches);
