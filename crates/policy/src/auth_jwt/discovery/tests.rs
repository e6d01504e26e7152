use super::super::key_route::ProxyPlace;
use super::*;

const ISSUER: &str = "https://login.test/realms/main";

const SECURE: KeyRoute = KeyRoute {
    insecure: false,
    proxy: None,
};

fn route(insecure: bool) -> KeyRoute {
    KeyRoute { insecure, ..SECURE }
}

fn url(text: &str) -> HttpUrl {
    HttpUrl::parse(text).unwrap()
}

fn document(issuer: &str, jwks_uri: &str) -> Vec<u8> {
    format!(r#"{{"issuer":"{issuer}","jwks_uri":"{jwks_uri}","x":[{{}}]}}"#).into_bytes()
}

/// The text of the error of a document that is the only one.
#[track_caller]
fn error(body: &[u8]) -> String {
    let mut discovery = Discovery::at(ISSUER, url("https://login.test/discovery"), SECURE).unwrap();
    match discovery.take_document(body) {
        DiscoveryStep::Failed(error) => error.to_string(),
        step => panic!("{step:?}"),
    }
}

/// All URLs that are asked for an issuer.
fn asked(issuer: &str) -> Vec<String> {
    let mut discovery = Discovery::of_issuer(issuer, SECURE).unwrap();
    let mut asked = vec![discovery.url().to_string()];
    while discovery.take_status(404) == DiscoveryStep::AskNext {
        asked.push(discovery.url().to_string());
    }
    asked
}

#[test]
fn documents_are_looked_for_behind_and_in_front_of_the_path() {
    assert_eq!(
        asked(ISSUER),
        [
            "https://login.test/realms/main/.well-known/openid-configuration",
            "https://login.test/.well-known/oauth-authorization-server/realms/main",
            "https://login.test/.well-known/openid-configuration/realms/main",
        ]
    );
    assert_eq!(asked(&format!("{ISSUER}/")), asked(ISSUER));
    for issuer in ["https://login.test:8443", "https://login.test:8443/"] {
        assert_eq!(
            asked(issuer),
            [
                "https://login.test:8443/.well-known/openid-configuration",
                "https://login.test:8443/.well-known/oauth-authorization-server",
            ]
        );
    }
}

#[test]
fn an_issuer_that_is_no_url_has_no_document() {
    for (issuer, expected) in [
        (
            "accounts.google.com",
            "does not begin with \"https://\" or \"http://\", so it has no discovery document: \
             jwks_uri or key_file has to say where the keys are",
        ),
        (
            "https://login.test/?a",
            "has a \"?\", so it has no discovery document: jwks_uri or key_file has to say where \
             the keys are",
        ),
        (
            "http://login.test/",
            "is not https: what comes over http may be anybody's keys, see insecure",
        ),
        (
            "http://localhost/",
            "is not https: what comes over http may be anybody's keys, see insecure",
        ),
    ] {
        let error = Discovery::of_issuer(issuer, SECURE).unwrap_err();
        assert_eq!(error.to_string(), expected, "{issuer}");
    }
    for (issuer, insecure) in [
        ("http://login.test/", true),
        ("http://127.0.0.1:8080/", false),
        ("http://[::1]/", false),
    ] {
        assert!(
            Discovery::of_issuer(issuer, route(insecure)).is_ok(),
            "{issuer}"
        );
    }
    assert_eq!(
        Discovery::at("any", url("http://login.test/"), SECURE).unwrap_err(),
        RouteError::Insecure
    );
}

#[test]
fn a_good_document_says_where_the_keys_are() {
    for (issuer, document_url, jwks_uri) in [
        (ISSUER, None, "https://login.test/realms/main/certs"),
        (
            "https://accounts.google.com",
            None,
            "https://www.googleapis.com/oauth2/v3/certs",
        ),
        (
            "urn:anything",
            Some("https://login.test/discovery"),
            "https://login.test/certs",
        ),
    ] {
        let mut discovery = match document_url {
            Some(document_url) => Discovery::at(issuer, url(document_url), SECURE).unwrap(),
            None => Discovery::of_issuer(issuer, SECURE).unwrap(),
        };
        let step = discovery.take_document(&document(issuer, jwks_uri));
        assert_eq!(step, DiscoveryStep::Found(url(jwks_uri)));
    }
    let with_mark = [b"\xef\xbb\xbf ".to_vec(), document(ISSUER, "https://a/")].concat();
    let mut discovery = Discovery::of_issuer(ISSUER, SECURE).unwrap();
    assert_eq!(
        discovery.take_document(&with_mark),
        DiscoveryStep::Found(url("https://a/"))
    );
    // Escapes are those of JSON.
    let escaped =
        br#"{"issuer":"https:\/\/login.test\/realms\/m\u0061in","jwks_uri":"https://a/"}"#;
    assert_eq!(
        discovery.take_document(escaped),
        DiscoveryStep::Found(url("https://a/"))
    );
}

#[test]
fn a_document_of_another_issuer_is_refused() {
    let cure = "issuer has to be the one of the tokens, and of the document";
    for (issuer, advice) in [
        ("https://evil.test/realms/main", cure),
        ("https://login.test/realms/MAIN", cure),
        ("https://LOGIN.test/realms/main", cure),
        ("https://login.test:443/realms/main", cure),
        ("https://login.test/realms/main ", cure),
        ("https://login.test/realms", cure),
        ("", cure),
        (
            "https://login.test/realms/main/",
            "they differ by the \"/\" at the end",
        ),
        (
            "https://login.microsoftonline.com/{tenantid}/v2.0",
            "issuer has to name one tenant",
        ),
    ] {
        let expected = format!("is of the issuer \"{issuer}\" and not of \"{ISSUER}\": {advice}");
        assert_eq!(error(&document(issuer, "https://a/")), expected);
    }
    assert_eq!(
        error(br#"{"issuer":"https://\u0007\"","jwks_uri":"https://a/"}"#),
        format!("is of the issuer \"https://\\x07\\\"\" and not of \"{ISSUER}\": {cure}")
    );
}

#[test]
fn what_is_no_discovery_document_is_named() {
    let no_issuer = "is no discovery document: \"issuer\" is missing or no string";
    let no_uri = "says nothing of keys: \"jwks_uri\" is missing or no string";
    for (body, expected) in [
        (
            "<!DOCTYPE html>",
            "is an HTML page and no discovery document",
        ),
        (" \n<?xml?>", "is an HTML page and no discovery document"),
        ("", "is no discovery document: not a JSON object"),
        ("[]", "is no discovery document: not a JSON object"),
        ("\"text\"", "is no discovery document: not a JSON object"),
        (
            "{",
            "is no discovery document: EOF while parsing an object at line 1 column 1",
        ),
        (
            "{1:2}",
            "is no discovery document: key must be a string at line 1 column 2",
        ),
        (
            "{} {}",
            "is no discovery document: trailing characters at line 1 column 4",
        ),
        (
            r#"{"keys":[]}"#,
            "is a key set and no discovery document: its URL belongs to jwks_uri",
        ),
        ("{}", no_issuer),
        (r#"{"issuer":null}"#, no_issuer),
        (
            r#"{"issuer":["https://login.test/realms/main"]}"#,
            no_issuer,
        ),
        (r#"{"issuer":"https://login.test/realms/main"}"#, no_uri),
        (
            r#"{"issuer":"https://login.test/realms/main","jwks_uri":1}"#,
            no_uri,
        ),
        (
            r#"{"issuer":"https://a","issuer":"https://login.test/realms/main","jwks_uri":"b"}"#,
            "is no discovery document: \"issuer\" or \"jwks_uri\" is there twice at line 1 \
             column 79",
        ),
        (
            r#"{"issuer":"https://login.test/realms/main","jwks_uri":"a","jwks_uri":"https://b"}"#,
            "is no discovery document: \"issuer\" or \"jwks_uri\" is there twice at line 1 \
             column 81",
        ),
        (
            r#"{"issuer":"https://login.test/realms/main","jwks_uri":"/certs"}"#,
            "has the jwks_uri \"/certs\", which does not begin with \"https://\" or \"http://\"",
        ),
        (
            r#"{"issuer":"https://login.test/realms/main","jwks_uri":"https://a/\r\nb"}"#,
            "has the jwks_uri \"https://a/\\x0d\\x0ab\", which has a character that a URL must not \
             have: write it as \"%\" and two digits",
        ),
    ] {
        assert_eq!(error(body.as_bytes()), expected, "{body}");
    }
    assert_eq!(
        error(b"{\"issuer\":\"\xff\"}").split(": ").nth(1),
        Some("invalid unicode code point at line 1 column 12")
    );
    let deep = |name: &str| error(format!("{{\"{name}\":{}", "[".repeat(10_000)).as_bytes());
    let expected = "is no discovery document: recursion limit exceeded at line 1 column 137";
    assert_eq!(deep("issuer"), expected);
    let expected = "is no discovery document: EOF while parsing a list at line 1 column 10005";
    assert_eq!(deep("a"), expected);
    let large = vec![b' '; MAX_BYTES + 1];
    assert_eq!(error(&large), "is larger than 262144 bytes");
    let (_, largest) = large.split_first().unwrap();
    assert_eq!(error(largest), error(b" "));
}

#[test]
fn row_39_keys_over_http_are_refused_unless_they_come_from_this_machine() {
    let insecure = |uri: &str| {
        Err(format!(
            "has the jwks_uri \"{uri}\", which is not https: what comes over http may be anybody's \
             keys, see insecure"
        ))
    };
    let lead = |from: &str, to: &str, is_insecure: bool| {
        let mut discovery = Discovery::at(ISSUER, url(from), route(is_insecure)).unwrap();
        match discovery.take_document(&document(ISSUER, to)) {
            DiscoveryStep::Found(found) => Ok(found.to_string()),
            DiscoveryStep::Failed(error) => Err(error.to_string()),
            step => panic!("{step:?}"),
        }
    };
    let there = "https://login.test/";
    for to in [
        "http://login.test/",
        "http://127.0.0.1/",
        "http://localhost/",
        "http://unix:/run/a.sock:/",
        "https://unix:/run/a.sock:/",
    ] {
        assert_eq!(lead(there, to, false), insecure(to));
    }
    assert_eq!(
        lead(there, "http://login.test/", true),
        Ok("http://login.test/".to_owned())
    );
    let socket = "http://unix:/run/a.sock:/";
    assert_eq!(lead(there, socket, true), insecure(socket));
    let here = "http://127.0.0.1:8080/";
    for to in [
        "http://127.0.0.1/",
        "https://login.test/",
        "http://[::1]/",
        socket,
    ] {
        assert_eq!(lead(here, to, false), Ok(to.to_owned()));
    }
    let to = "http://login.test/";
    assert_eq!(lead(here, to, false), insecure(to));
}

#[test]
fn row_39_by_a_proxy_elsewhere_nothing_comes_from_this_machine() {
    let lead = |from: &str, to: &str, insecure, place| {
        let proxy = Some(place);
        let mut discovery = Discovery::at(ISSUER, url(from), KeyRoute { insecure, proxy }).unwrap();
        match discovery.take_document(&document(ISSUER, to)) {
            DiscoveryStep::Found(_) => Ok(()),
            DiscoveryStep::Failed(DiscoveryError::JwksUriRoute { error, .. }) => Err(error),
            step => panic!("{step:?}"),
        }
    };
    use ProxyPlace::{Elsewhere, ThisMachine};
    use RouteError::{Insecure, InsecureByProxy, SocketByProxy};
    let (here, there) = ("http://127.0.0.1/", "https://login.test/");
    let socket = "https://unix:/run/a.sock:/";
    assert_eq!(lead(here, here, false, ThisMachine), Ok(()));
    assert_eq!(lead(here, there, false, ThisMachine), Ok(()));
    assert_eq!(lead(here, socket, false, ThisMachine), Err(SocketByProxy));
    assert_eq!(lead(there, here, false, ThisMachine), Err(Insecure));
    assert_eq!(lead(there, here, false, Elsewhere), Err(InsecureByProxy));
    assert_eq!(lead(there, there, false, Elsewhere), Ok(()));
    assert_eq!(lead(there, here, true, Elsewhere), Ok(()));
    assert_eq!(lead(here, here, true, Elsewhere), Ok(()));
    assert_eq!(lead(here, socket, true, Elsewhere), Err(SocketByProxy));
    // An address of this machine does not make a document of it.
    let local = "https://127.0.0.1/";
    assert_eq!(lead(local, here, false, ThisMachine), Ok(()));
    assert_eq!(lead(local, here, false, Elsewhere), Err(InsecureByProxy));
}

#[test]
fn row_37_a_jwks_uri_is_shown_without_its_password() {
    let body = document(ISSUER, "https://user:secret@login.test/keys");
    assert_eq!(
        error(&body),
        "has the jwks_uri \"https://login.test/keys\", which has a user name in front of the host"
    );
}

#[test]
fn the_search_goes_on_where_there_is_no_document_and_ends_where_the_server_fails() {
    for status in [400, 401, 403, 404, 405, 410] {
        let mut discovery = Discovery::of_issuer(ISSUER, SECURE).unwrap();
        assert_eq!(
            discovery.take_status(status),
            DiscoveryStep::AskNext,
            "{status}"
        );
        let found = discovery.take_document(&document(ISSUER, "https://a/"));
        assert_eq!(found, DiscoveryStep::Found(url("https://a/")));
    }
    for status in [201, 204, 304, 408, 429, 500, 503] {
        let mut discovery = Discovery::of_issuer(ISSUER, SECURE).unwrap();
        let failed = DiscoveryStep::Failed(DiscoveryError::ServerFails(status));
        assert_eq!(discovery.take_status(status), failed);
    }
    let text = DiscoveryError::ServerFails(503).to_string();
    assert_eq!(text, "does not come: HTTP status 503");
}

#[test]
fn the_error_is_that_of_the_first_document() {
    let fail = |first: &dyn Fn(&mut Discovery) -> DiscoveryStep, second: &[u8]| {
        let mut discovery = Discovery::of_issuer("https://login.test", SECURE).unwrap();
        assert_eq!(first(&mut discovery), DiscoveryStep::AskNext);
        discovery.take_document(second)
    };
    // An application may have a page for every URL.
    let step = fail(&|discovery| discovery.take_document(b"<html>"), b"{}");
    assert_eq!(step, DiscoveryStep::Failed(DiscoveryError::Html));
    let step = fail(&|discovery| discovery.take_status(403), b"{}");
    assert_eq!(step, DiscoveryStep::Failed(DiscoveryError::NoIssuer));
    let good = document("https://login.test", "https://a/");
    let step = fail(&|discovery| discovery.take_document(b"<html>"), &good);
    assert_eq!(step, DiscoveryStep::Found(url("https://a/")));

    let mut discovery = Discovery::of_issuer("https://login.test", SECURE).unwrap();
    discovery.take_status(404);
    let DiscoveryStep::Failed(error) = discovery.take_status(403) else {
        panic!("there is no other URL");
    };
    assert_eq!(
        error.to_string(),
        "has no discovery document, HTTP status 403: jwks_uri has to say where the keys are"
    );
}

#[test]
fn row_35_no_error_has_a_line_of_the_provider() {
    for uri in [
        r"http://unix:/run/a\n2026/01/01 [crit] b:/",
        r"https://unix:/run/a\u001b[2J:/",
        r"https://a\n/",
        r"https://login.test/\nb",
        r"ftp://a\n",
    ] {
        let mut discovery = Discovery::of_issuer(ISSUER, SECURE).unwrap();
        let document = document(ISSUER, uri);
        let mut step = discovery.take_document(&document);
        while step == DiscoveryStep::AskNext {
            step = discovery.take_document(&document);
        }
        let DiscoveryStep::Failed(error) = step else {
            panic!("{uri}");
        };
        let text = error.to_string();
        assert!(!text.chars().any(char::is_control), "{text:?}");
        assert!(matches!(error, DiscoveryError::JwksUri { .. }), "{text}");
    }
}
