use super::*;
use jose::{Document, Limits};
use proptest::prelude::*;

const CORP: &str = "https://login.example.com/realms/main";

fn json(text: &str) -> Document {
    Document::parse_value(text.as_bytes(), &Limits::default()).unwrap()
}

fn terms(name: &str, issuer: &str, audience: &[&str]) -> IssuerTerms {
    IssuerTerms {
        name: name.into(),
        issuer: issuer.into(),
        audience: audience.iter().map(|&audience| audience.into()).collect(),
        ..IssuerTerms::default()
    }
}

fn names() -> Rc<str> {
    "\"corp\", \"partner\"".into()
}

/// The name of the issuer that is chosen.
fn chosen(trusted: &[IssuerTerms], claims: &str) -> Result<String, IssuerRejection> {
    let claims = json(claims);
    let trusted = trusted.iter().map(|terms| (&*terms.name, terms));
    choose(trusted, &names(), claims.root()).map(str::to_owned)
}

fn unknown(iss: &str) -> Result<String, IssuerRejection> {
    Err(IssuerRejection::Untrusted(UntrustedIssuer::Unknown {
        iss: Quoted::new(iss),
        trusted: names(),
    }))
}

fn unmet(name: &str, term: UnmetTerm) -> IssuerRejection {
    IssuerRejection::Unmet(name.into(), term)
}

/// That a block does not accept this `aud`, as it is in the token; `own` is what it accepts, quoted.
fn audience(aud: &str, own: &str) -> UnmetTerm {
    UnmetTerm::Audience {
        aud: Quoted::new(aud.trim_matches('"')),
        audience: own.into(),
    }
}

#[test]
fn row_16_a_token_of_nobody_who_is_trusted_has_no_issuer() {
    let trusted = [terms("corp", CORP, &["api"]), terms("partner", "p", &[])];
    let trusted_names = names();
    let missing = IssuerRejection::Untrusted(UntrustedIssuer::Missing {
        trusted: trusted_names.clone(),
    });
    assert_eq!(chosen(&trusted, r#"{"aud":"api"}"#), Err(missing));
    for value in ["null", "true", "1", r#"["p"]"#, r#"{"p":"p"}"#, "[]"] {
        let not_string = IssuerRejection::Untrusted(UntrustedIssuer::NotString {
            trusted: trusted_names.clone(),
        });
        let claims = format!(r#"{{"iss":{value}}}"#);
        assert_eq!(chosen(&trusted, &claims), Err(not_string), "{value}");
    }
    let slash = format!("{CORP}/");
    let upper = CORP.to_uppercase();
    let behind = format!("{CORP} ");
    for iss in [
        "",
        "P",
        "pp",
        "https://login.example.com",
        &slash,
        &upper,
        &behind,
    ] {
        let claims = format!(r#"{{"iss":"{iss}"}}"#);
        assert_eq!(chosen(&trusted, &claims), unknown(iss), "{iss}");
    }
    assert_eq!(chosen(&[], r#"{"iss":"p"}"#), unknown("p"));
}

#[test]
fn iss_chooses_and_escape_sequences_do_not_matter() {
    let trusted = [terms("corp", CORP, &["api"]), terms("partner", "p", &[])];
    let claims = format!(r#"{{"iss":"{CORP}","aud":"other"}}"#);
    assert_eq!(chosen(&trusted, &claims).unwrap(), "corp");
    assert_eq!(chosen(&trusted, r#"{"iss":"\u0070"}"#).unwrap(), "partner");
}

#[test]
fn where_issuers_share_an_iss_the_audience_chooses() {
    let trusted = [
        terms("other", "x", &["api"]),
        terms("api", CORP, &["api", "api2"]),
        terms("web", CORP, &["web"]),
        terms("admin", CORP, &["admin"]),
    ];
    let chosen = |aud: &str| chosen(&trusted, &format!(r#"{{"iss":"{CORP}"{aud}}}"#));
    assert_eq!(chosen(r#","aud":"api2""#).unwrap(), "api");
    assert_eq!(chosen(r#","aud":["x","web"]"#).unwrap(), "web");
    assert_eq!(chosen(r#","aud":"admin""#).unwrap(), "admin");
    assert_eq!(chosen(r#","aud":["web","api"]"#).unwrap(), "api");
    assert_eq!(chosen(""), Err(unmet("api", UnmetTerm::NoAudience)));
    for aud in [r#""ap""#, r#"["webs"]"#, "null", "[]"] {
        let claims = format!(r#","aud":{aud}"#);
        assert_eq!(
            chosen(&claims),
            Err(unmet("api", audience(aud, r#""api", "api2""#)))
        );
    }
}

#[test]
fn issuers_overlap_if_nobody_can_tell_whose_a_token_is() {
    let api = terms("a", CORP, &["api", "web"]);
    for (other, overlaps) in [
        (terms("b", CORP, &["admin"]), false),
        (terms("b", "x", &["api"]), false),
        (terms("b", "x", &[]), false),
        (terms("b", CORP, &["x", "web"]), true),
        (terms("b", CORP, &[]), true),
    ] {
        assert_eq!(api.overlaps(&other), overlaps, "{other:?}");
        assert_eq!(other.overlaps(&api), overlaps, "{other:?}");
    }
}

fn checked(terms: &IssuerTerms, header: &str, claims: &str) -> Result<(), IssuerRejection> {
    terms.check(json(header).root(), json(claims).root())
}

#[test]
fn iss_is_compared_again_when_the_token_is_verified() {
    let terms = terms("corp", CORP, &[]);
    for (claims, iss) in [
        ("{}", ""),
        (r#"{"iss":["x"]}"#, ""),
        (r#"{"iss":"x"}"#, "x"),
    ] {
        let error = IssuerRejection::Untrusted(UntrustedIssuer::Unknown {
            iss: Quoted::new(iss),
            trusted: terms.describe().into(),
        });
        assert_eq!(checked(&terms, "{}", claims), Err(error));
    }
    let claims = format!(r#"{{"iss":"{CORP}"}}"#);
    assert_eq!(checked(&terms, "{}", &claims), Ok(()));
}

#[test]
fn row_16_the_audience_must_have_a_whole_element() {
    let terms = terms("corp", "i", &["api", "web"]);
    let check = |aud: &str| checked(&terms, "{}", &format!(r#"{{"iss":"i"{aud}}}"#));
    assert_eq!(check(""), Err(unmet("corp", UnmetTerm::NoAudience)));
    let wrong = [
        "null",
        "true",
        "1",
        r#""""#,
        r#""ap""#,
        r#""apis""#,
        r#""API""#,
        r#""api web""#,
        r#""api,web""#,
        "[]",
        "[1,true,null]",
        r#"["apis","x"]"#,
        r#"[["api"]]"#,
        r#"{"api":"api"}"#,
    ];
    for aud in wrong {
        let claims = format!(r#","aud":{aud}"#);
        assert_eq!(
            check(&claims),
            Err(unmet("corp", audience(aud, r#""api", "web""#))),
            "{aud}"
        );
    }
    for aud in [
        r#""api""#,
        r#""w\u0065b""#,
        r#"["api"]"#,
        r#"["x",1,"web"]"#,
    ] {
        assert_eq!(check(&format!(r#","aud":{aud}"#)), Ok(()), "{aud}");
    }
}

#[test]
fn a_signature_has_one_of_the_algorithms() {
    let mut allowed = AllowedAlgorithms::default();
    allowed.add(b"ES256").unwrap();
    let terms = IssuerTerms {
        algorithms: Some(allowed),
        ..terms("corp", "i", &[])
    };
    for alg in ["RS256", "es256", ""] {
        let error = UnmetTerm::Algorithm {
            alg: Quoted::new(alg),
        };
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        let checked = checked(&terms, &header, r#"{"iss":"i"}"#);
        assert_eq!(checked, Err(unmet("corp", error)));
    }
    let good = checked(&terms, r#"{"alg":"ES256"}"#, r#"{"iss":"i"}"#);
    assert_eq!(good, Ok(()));
}

#[test]
fn row_45_a_token_has_one_of_the_types() {
    let types = [&b"at+jwt"[..], b"application/secevent+jwt", b"x/y"];
    let terms = IssuerTerms {
        types: types.map(|typ| MediaType::parse(typ).unwrap()).into(),
        ..terms("corp", "i", &[])
    };
    let check = |header: &str| checked(&terms, header, r#"{"iss":"i"}"#);
    assert_eq!(check("{}"), Err(unmet("corp", UnmetTerm::NoType)));
    for typ in [
        "",
        "JWT",
        "at+jwt ",
        "at",
        "application/",
        "text/at+jwt",
        "application/application/at+jwt",
        "application/x/y",
        "y",
        "applications/at+jwt",
    ] {
        let error = UnmetTerm::Type {
            typ: Quoted::new(typ),
            wanted: "\"at+jwt\", \"secevent+jwt\", \"x/y\"".into(),
        };
        let header = format!(r#"{{"typ":"{typ}"}}"#);
        assert_eq!(check(&header), Err(unmet("corp", error)), "{typ}");
    }
    for typ in [
        "at+jwt",
        "AT+JWT",
        "application/at+jwt",
        "Application/At+Jwt",
        "secevent+jwt",
        "x/y",
        "X/Y",
    ] {
        assert_eq!(check(&format!(r#"{{"typ":"{typ}"}}"#)), Ok(()), "{typ}");
    }
}

#[test]
fn a_media_type_is_one_word() {
    for text in [&b""[..], b"a b", b"a\"", b"$type", b"a\\b", b"\xff", b"a\n"] {
        assert!(MediaType::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn row_45_an_access_token_has_all_its_claims() {
    const CLAIMS: [(&str, &str); 7] = [
        ("iss", r#""i""#),
        ("exp", "1700000000"),
        ("aud", r#"["api"]"#),
        ("sub", r#""s""#),
        ("client_id", r#""c""#),
        ("iat", "1.5"),
        ("jti", r#""j""#),
    ];
    let terms = IssuerTerms {
        requires_access_token: true,
        ..terms("corp", "i", &[])
    };
    let check = |typ: &str, name: &str, value: Option<&str>| {
        let claims = CLAIMS.iter().filter_map(|(known, good)| {
            let value = if *known == name { value? } else { good };
            Some(format!(r#""{known}":{value}"#))
        });
        let claims = claims.collect::<Vec<_>>().join(",");
        checked(
            &terms,
            &format!(r#"{{"typ":"{typ}"}}"#),
            &format!("{{{claims}}}"),
        )
    };
    let not = |reason| Err(unmet("corp", UnmetTerm::AccessToken(reason)));
    for (name, _) in CLAIMS.iter().filter(|(name, _)| *name != "iss") {
        let missing = not(NotAccessToken::Missing(name));
        assert_eq!(check("at+jwt", name, None), missing, "{name}");
    }
    for name in ["sub", "client_id", "jti"] {
        for value in ["null", "1", r#"["s"]"#, "{}"] {
            let wrong = not(NotAccessToken::NotString(name));
            assert_eq!(check("at+jwt", name, Some(value)), wrong, "{name} {value}");
        }
    }
    for name in ["exp", "iat"] {
        for value in ["null", r#""1""#, "[1]", "true"] {
            let wrong = not(NotAccessToken::NotNumber(name));
            assert_eq!(check("at+jwt", name, Some(value)), wrong, "{name} {value}");
        }
    }
    for value in ["null", "1", "[]", r#"["api",1]"#, "{}"] {
        let wrong = not(NotAccessToken::Audience);
        assert_eq!(check("at+jwt", "aud", Some(value)), wrong, "{value}");
    }
    let typ = UnmetTerm::Type {
        typ: Quoted::new("JWT"),
        wanted: "\"at+jwt\", which profile rfc9068 requires; an ID token is no access token".into(),
    };
    assert_eq!(check("JWT", "", None), Err(unmet("corp", typ)));
    assert_eq!(check("at+jwt", "", None), Ok(()));
    assert_eq!(check("application/AT+JWT", "aud", Some(r#""api""#)), Ok(()));
}

#[test]
fn a_token_is_at_most_so_old() {
    let terms = IssuerTerms {
        max_age: Some(Duration::from_secs(60)),
        ..terms("corp", "i", &[])
    };
    let check = |claims: &str| terms.check_age(json(claims).root(), 1000, Duration::from_secs(5));
    let text = |claims: &str| check(claims).unwrap_err().to_string();
    assert_eq!(
        text("{}"),
        "claim \"iat\" is missing, which max_age requires"
    );
    assert_eq!(
        text(r#"{"iat":939}"#),
        "too old: iat \"939\", now 1000, max_age 60"
    );
    assert_eq!(
        text(r#"{"iat":1006}"#),
        "issued in the future: iat \"1006\", now 1000, leeway 5: if the clocks of issuer and nginx \
         differ, see auth_jwt_leeway"
    );
    assert_eq!(check(r#"{"iat":940}"#), Ok(()));
    assert_eq!(check(r#"{"iat":1005}"#), Ok(()));
}

#[test]
fn the_reason_names_the_issuers() {
    let trusted = [terms("corp", CORP, &["api"]), terms("web", CORP, &["web"])];
    for (claims, text) in [
        (
            "{}",
            "claim \"iss\" is missing, trusted issuers: \"corp\", \"partner\"",
        ),
        (
            r#"{"iss":1}"#,
            "claim \"iss\" is not a string, trusted issuers: \"corp\", \"partner\"",
        ),
        (
            r#"{"iss":"a\nb\""}"#,
            "iss \"a\\x0ab\\\"\" is not that of a trusted issuer: \"corp\", \"partner\"",
        ),
        (
            r#"{"iss":"https://login.example.com/realms/main","aud":["x"]}"#,
            "issuer \"corp\": aud \"[\\\"x\\\"]\" is not one of its audience: \"api\"",
        ),
        (
            r#"{"iss":"https://login.example.com/realms/main","aud":"\u0078"}"#,
            "issuer \"corp\": aud \"x\" is not one of its audience: \"api\"",
        ),
    ] {
        assert_eq!(chosen(&trusted, claims).unwrap_err().to_string(), text);
    }
}

#[test]
fn the_reason_names_the_first_few_of_what_is_configured() {
    let many: Vec<String> = (0..9).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(|name| &**name).collect();
    let check = |audience| {
        let terms = terms("corp", "i", audience);
        checked(&terms, "{}", r#"{"iss":"i","aud":"x"}"#)
            .unwrap_err()
            .to_string()
    };
    let shown = r#""0", "1", "2", "3", "4", "5", "6", "7""#;
    let about = "issuer \"corp\": aud \"x\" is not one of its audience:";
    assert_eq!(check(&many[..8]), format!("{about} {shown}"));
    assert_eq!(check(&many), format!("{about} {shown} ..."));
}

#[test]
fn a_block_is_described_by_its_name_and_its_issuer() {
    assert_eq!(
        terms("corp", CORP, &[]).describe(),
        "\"corp\" (\"https://login.example.com/realms/main\")"
    );
}

const NAMES: [&str; 3] = ["a", "b", "c"];

fn name() -> impl Strategy<Value = &'static str> {
    prop::sample::select(&NAMES[..])
}

proptest! {
    #[test]
    fn row_47_whatever_is_chosen_is_what_the_token_says(
        blocks in prop::collection::vec((name(), prop::collection::vec(name(), 0..3)), 0..5),
        iss in name(),
        aud in prop::collection::vec(name(), 0..3),
    ) {
        let mut trusted: Vec<IssuerTerms> = Vec::new();
        for (issuer, audience) in &blocks {
            let new = terms(&trusted.len().to_string(), issuer, audience);
            // The configuration is refused.
            if !trusted.iter().any(|known| known.overlaps(&new)) {
                trusted.push(new);
            }
        }
        let claims = format!(r#"{{"iss":"{iss}","aud":{}}}"#, serde_json::json!(aud));
        let has_aud = |audience: &[Box<str>]| {
            audience.is_empty() || audience.iter().any(|own| aud.contains(&&**own))
        };
        let is_for =
            |terms: &IssuerTerms| *terms.issuer == *iss && has_aud(&terms.audience);
        let first = trusted.iter().position(is_for).map(|at| at.to_string());
        match chosen(&trusted, &claims) {
            Ok(name) => {
                let terms = &trusted[name.parse::<usize>().unwrap()];
                prop_assert_eq!(&*terms.issuer, iss);
                // What is not for the only candidate is refused by the next check.
                let accepted = checked(terms, "{}", &claims).is_ok().then_some(name);
                prop_assert_eq!(accepted, first);
            }
            Err(_) => prop_assert_eq!(first, None),
        }
    }
}

#[test]
fn only_application_may_be_left_out_of_a_media_type() {
    let own = MediaType::parse(b"at+jwt").unwrap();
    assert!(own.matches("application/at+jwt"));
    for typ in [
        "xpplication/at+jwt",
        "text/xyzabc+at+jwt",
        "application/x/at+jwt",
        "application/",
        "",
    ] {
        assert!(!own.matches(typ), "{typ}");
    }
}
