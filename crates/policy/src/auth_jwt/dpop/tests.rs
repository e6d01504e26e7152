use super::*;

const NOW: i64 = 1_700_000_000;

const REQUEST: ProvedRequest<'static> = ProvedRequest {
    terms: ProofTerms {
        token: b"token",
        algorithms: None,
        nonces: None,
        now: NOW,
    },
    method: b"GET",
    url: b"https://api.example/a?b=1",
};

/// The `ath` of the token "token".
fn ath() -> String {
    token_digest(b"token")
}

/// The outcome for claims with these members added or replaced.
fn judge(members: &[(&str, &str)]) -> String {
    let mut all = vec![
        ("htm", "\"GET\"".to_owned()),
        ("htu", "\"https://api.example/a\"".to_owned()),
        ("iat", NOW.to_string()),
        ("jti", "\"x\"".to_owned()),
        ("ath", format!("\"{}\"", ath())),
    ];
    for (name, value) in members {
        all.retain(|(other, _)| other != name);
        if !value.is_empty() {
            all.push((name, (*value).to_owned()));
        }
    }
    let members: Vec<_> = all
        .iter()
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    let json = format!("{{{}}}", members.join(","));
    let document = jose::Document::parse_value(json.as_bytes(), &jose::Limits::default());
    match check_claims(document.unwrap().root(), &REQUEST) {
        Ok((jti, made_at)) => format!("jti {jti}, {} s", made_at - NOW),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_proof_that_fits_is_accepted() {
    assert_eq!(judge(&[]), "jti x, 0 s");
    for apart in [-60, 60] {
        let iat = (NOW + apart).to_string();
        assert_eq!(judge(&[("iat", &iat)]), format!("jti x, {apart} s"));
    }
    assert_eq!(judge(&[("iat", "1700000000.5")]), "jti x, 0 s");
    assert_eq!(
        judge(&[("htu", "\"HTTPS://API.example:443/./a?x#y\"")]),
        "jti x, 0 s"
    );
}

#[test]
fn row_61_a_proof_for_another_request_is_refused() {
    let other_method =
        |htm: &str| format!("DPoP proof: htm is \"{htm}\", which is not the method of the request");
    for htm in ["POST", "get", "GET ", "HEAD"] {
        assert_eq!(judge(&[("htm", &format!("\"{htm}\""))]), other_method(htm));
    }
    for htu in [
        "https://api.example/b",
        "http://api.example/a",
        "https://api.example:8443/a",
        "https://evil.example/a",
        "/a",
        "a",
    ] {
        let url = "https://api.example/a?b=1";
        assert_eq!(
            judge(&[("htu", &format!("\"{htu}\""))]),
            format!("DPoP proof: htu is \"{htu}\", and the request is for \"{url}\"")
        );
    }
    for iat in [
        "1699999939",
        "1700000061",
        "0",
        "-1",
        "1e99",
        "-1e99",
        "1700000000000",
    ] {
        assert_eq!(
            judge(&[("iat", iat)]),
            format!("DPoP proof: iat \"{iat}\", now {NOW}, more than 60 seconds apart")
        );
    }
    for ath in [
        token_digest(b"other"),
        format!("{}=", ath()),
        "x".to_owned(),
    ] {
        assert_eq!(
            judge(&[("ath", &format!("\"{ath}\""))]),
            "DPoP proof: ath is not the SHA-256 of the token"
        );
    }
}

#[test]
fn row_61_a_proof_has_all_claims() {
    for claim in ["htm", "htu", "ath", "jti"] {
        for value in ["", "null", "1", "[]", "\"\"", "[\"GET\"]"] {
            assert_eq!(
                judge(&[(claim, value)]),
                format!("DPoP proof: claim \"{claim}\" is not a string that is not empty"),
                "{value}"
            );
        }
    }
    for value in ["", "null", "\"1700000000\"", "[]", "true"] {
        assert_eq!(
            judge(&[("iat", value)]),
            "DPoP proof: claim \"iat\" is not a number",
            "{value}"
        );
    }
}

#[test]
fn row_61_a_request_names_one_host() {
    for (host, line) in [
        ("a.example", "a.example"),
        ("a.example", "A.Example:443"),
        ("a.example", "a.example:"),
        ("a.example", "a.example."),
        ("a.example", "a.example.:8443"),
        ("[::1]", "[::1]"),
        ("[::1]", "[::1]:443"),
        ("a.example", ""),
    ] {
        assert_eq!(
            check_host(host.as_bytes(), line.as_bytes()),
            Ok(()),
            "{line}"
        );
    }
    for (host, line) in [
        ("a.example", "evil.example"),
        ("a.example", "a.example:443?x"),
        ("a.example", "a.example:443#"),
        ("a.example", "a.example:443:"),
        ("a.example", "a.example:x"),
        ("a.example", "a.example:80@evil.example"),
        ("a.example", "a.example.."),
        ("a.example", "xa.example"),
        ("[::1]", "[::1]:80:80"),
        ("[::1]", "::1"),
    ] {
        let said = format!(
            "DPoP proof: the \"Host\" header line is \"{line}\", and the request is for the host \"{host}\""
        );
        let error = check_host(host.as_bytes(), line.as_bytes()).unwrap_err();
        assert_eq!(error.to_string(), said);
    }
}

/// A proof with this nonce, which the key with this thumbprint made.
fn proof(nonce: &str) -> (DpopProof, [u8; 32]) {
    let mut key = test_tokens::key("ES256", None).unwrap();
    key.remove("alg");
    let jwk = serde_json::to_string(&test_tokens::public(&key)).unwrap();
    let header = format!(r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{jwk}}}"#);
    let claims = format!(
        r#"{{"htm":"GET","htu":"https://api.example/a","iat":{NOW},"jti":"x","ath":"{}","nonce":"{nonce}"}}"#,
        ath()
    );
    let text = test_tokens::sign("ES256", &key, &header, claims.as_bytes()).unwrap();
    let proof = DpopProof::parse(text.as_bytes()).unwrap();
    let jkt = proof.thumbprint();
    (proof, jkt)
}

#[test]
fn row_61_a_proof_is_by_the_key_of_the_token_and_has_an_algorithm_that_is_allowed() {
    let (proof, jkt) = proof("");
    assert_eq!(check_proof(&proof, &[0; 32], &REQUEST), Err(None));
    assert_eq!(
        check_accepted_proof(&proof, &[0; 32], &REQUEST.terms),
        Err(None)
    );

    let other = ProofAlgorithms::parse([&b"ES384"[..]].into_iter()).unwrap();
    let mut request = REQUEST;
    request.terms.algorithms = Some(&other);
    let alg = Quoted::new("ES256");
    let error = ProofError::Algorithm { alg };
    assert_eq!(
        check_proof(&proof, &jkt, &request),
        Err(Some(error.clone()))
    );
    assert_eq!(
        check_accepted_proof(&proof, &jkt, &request.terms),
        Err(Some(error))
    );

    let own = ProofAlgorithms::parse([&b"ES256"[..]].into_iter()).unwrap();
    let id = openssl::sha::sha256(&[&jkt[..], b"x"].concat());
    let needs_nonce = false;
    for algorithms in [None, Some(&own)] {
        request.terms.algorithms = algorithms;
        let fitting = FittingProof {
            id,
            made_at: NOW,
            needs_nonce,
        };
        assert_eq!(check_proof(&proof, &jkt, &request), Ok(fitting));
        assert_eq!(
            check_accepted_proof(&proof, &jkt, &request.terms),
            Ok(needs_nonce)
        );
    }
}

#[test]
fn row_61_a_proof_that_was_accepted_is_for_one_token() {
    let (proof, jkt) = proof("");
    let mut terms = REQUEST.terms;
    terms.token = b"other";
    assert_eq!(
        check_accepted_proof(&proof, &jkt, &terms),
        Err(Some(ProofError::Token))
    );
}

#[test]
fn row_61_a_nonce_is_checked_where_it_is_required() {
    let nonces = DpopNonceKey::new(&[1; 32]);
    let judge = |made_at: i64| {
        let (proof, jkt) = proof(&nonces.nonce(made_at));
        let mut request = REQUEST;
        request.terms.nonces = Some(&nonces);
        let checked = check_proof(&proof, &jkt, &request).map(|fitting| fitting.needs_nonce);
        let again = check_accepted_proof(&proof, &jkt, &request.terms);
        assert_eq!(checked, again);
        checked
    };
    let old = NonceError::Old { age: 121 };
    assert_eq!(judge(NOW - 121), Err(Some(ProofError::Nonce(old))));
    assert_eq!(judge(NOW - 60), Ok(true));
    assert_eq!(judge(NOW), Ok(false));
}
