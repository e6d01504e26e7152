//! DPoP proofs: any bytes are refused, or are a proof that one of the seeds' keys has made.
#![no_main]

use jose::{DpopNonceKey, DpopProof};
use policy::auth_jwt::dpop::{ProofTerms, ProvedRequest, check_accepted_proof, check_proof};
use policy::auth_jwt::proof_algorithms::ProofAlgorithms;

/// With ES256, Ed25519 and a nonce, and with RSA.
const SEEDS: [&[u8]; 4] = [
    include_bytes!("../seeds/dpop_proof/1bfaa148ce75"),
    include_bytes!("../seeds/dpop_proof/f69893b08c5e"),
    include_bytes!("../seeds/dpop_proof/586f61709cc3"),
    include_bytes!("../seeds/dpop_proof/f5cc135345dc"),
];

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let Ok(proof) = DpopProof::parse(bytes) else {
        return;
    };
    let is_seed = SEEDS.contains(&bytes);
    assert!(!proof.algorithm().starts_with("HS"));
    assert!(ProofAlgorithms::default().allow(&proof));
    assert!(proof.verify().is_err() || is_seed);
    let jkt = proof.thumbprint();
    let nonces = DpopNonceKey::new(&[1; 32]);
    for nonces in [None, Some(&nonces)] {
        let request = ProvedRequest {
            terms: ProofTerms {
                token: b"token",
                algorithms: None,
                nonces,
                now: 1_700_000_000,
            },
            method: b"GET",
            url: b"https://api.example/a?b=1",
        };
        let outcome = check_proof(&proof, &jkt, &request);
        assert!(outcome.is_err() || is_seed);
        // Another key is refused whatever the proof says, and what is accepted is accepted again.
        assert_eq!(check_proof(&proof, &[0; 32], &request), Err(None));
        let again = check_accepted_proof(&proof, &jkt, &request.terms);
        assert!(outcome.is_err() || again.is_ok());
    }
}
