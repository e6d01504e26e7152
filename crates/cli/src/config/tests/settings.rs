//! What the directives mean.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use jose::{SignatureCheck, TokenType};
use policy::auth_jwt::mode::Mode;
use policy::auth_jwt::revocation::RevocationSubject;
use policy::auth_jwt::saved_keys;

use super::{Folder, NOW, TokenCheck, demands};
use crate::demands::WhereToken;

#[test]
fn a_location_without_any_other_directive() {
    let found = demands("plain", "auth_jwt_key_file /k;");
    assert_eq!(found.mode, Some(Mode::Required));
    assert!(found.unread_keys.is_empty());
    let demands = found.demands;
    assert_eq!(demands.key_files, [Path::new("/k")]);
    assert_eq!(demands.token_type, TokenType::Signed);
    assert_eq!(demands.signature_check, SignatureCheck::Verify);
    assert_eq!(demands.source, WhereToken::Authorization);
    assert_eq!(demands.leeway, Duration::ZERO);
    assert!(
        demands.accepts_compression && demands.trusted.is_none() && demands.algorithms.is_none()
    );
    assert!(demands.not_judged.is_empty() && demands.unmet_requirement.is_none());
}

#[test]
fn each_directive() {
    let found = demands(
        "each",
        "auth_jwt_mode report; auth_jwt_type nested; auth_jwt_compression off; auth_jwt_leeway 1m;
         auth_jwt_max_age 1M; auth_jwt_algorithms ES256 ECDH-ES; auth_jwt_key_file /k; auth_jwt_key_file l;
         auth_jwt_revocation_list_sub /s; auth_jwt_revocation_list_jti /j;
         auth_jwt_require_claim a eq b; auth_jwt_require_claim c gt 1;
         auth_jwt_require_header typ eq x; auth_jwt_require_scope r; auth_jwt_require_scope w;
         auth_jwt_binding tls; auth_jwt_require $http_x;",
    );
    assert_eq!(found.mode, Some(Mode::Report));
    let demands = found.demands;
    assert_eq!(demands.token_type, TokenType::Nested);
    assert!(!demands.accepts_compression);
    assert_eq!(demands.leeway, Duration::from_secs(60));
    assert_eq!(demands.max_age, Some(Duration::from_secs(30 * 86_400)));
    assert!(demands.algorithms.unwrap().allow("ECDH-ES"));
    assert!(demands.key_files[1].is_absolute() && demands.key_files[1].ends_with("l"));
    let lists: Vec<_> = demands
        .revocation_lists
        .iter()
        .map(|(subject, path)| (*subject, &**path))
        .collect();
    assert_eq!(
        lists,
        [
            (RevocationSubject::Sub, Path::new("/s")),
            (RevocationSubject::Jti, Path::new("/j"))
        ]
    );
    let rules: Vec<_> = demands
        .claim_rules
        .iter()
        .map(|rule| rule.text().to_string())
        .collect();
    assert_eq!(rules, [r#""a" eq "b""#, r#""c" gt "1""#]);
    assert_eq!(demands.header_rules.len(), 1);
    assert_eq!(&**demands.scopes.unwrap().joined(), "r w");
    assert_eq!(
        demands.not_judged,
        [
            "auth_jwt_binding tls, nginx.conf:7: the client's certificate or proof is part of the request",
            "auth_jwt_require $http_x, nginx.conf:7: $http_x depends on the request",
        ]
    );
}

#[test]
fn where_the_token_is() {
    let text = "http { server { auth_jwt a token=$cookie_a; auth_jwt_key_file k;
        location /b { auth_jwt b; } location /c { auth_jwt_mode off; } } }";
    let folder = Folder::new("source", &[("nginx.conf", text)]);
    let source = |uri: &str| match folder.ask(&folder.question(uri)).unwrap().check {
        TokenCheck::Demands(found) => Ok(found.demands.source),
        TokenCheck::None(reason) => Err(reason),
    };
    assert_eq!(source("/a"), Ok(WhereToken::Variable("cookie_a".into())));
    assert_eq!(source("/b"), Ok(WhereToken::Authorization));
    assert_eq!(
        source("/c"),
        Err("\"auth_jwt_mode\" is off here, so that no token is asked for".into())
    );
}

#[test]
fn keys_that_are_not_used_are_not_read() {
    assert!(
        demands(
            "believe",
            "auth_jwt_verify_signature off; auth_jwt_key_file /k;"
        )
        .demands
        .key_files
        .is_empty()
    );
    let encrypted = "auth_jwt_verify_signature off; auth_jwt_type encrypted; auth_jwt_key_file /k;";
    assert_eq!(demands("decrypt", encrypted).demands.key_files.len(), 1);
}

#[test]
fn issuers() {
    let text = "http {
    auth_jwt_issuer corp {
        issuer https://corp.example;
        audience api web;
        key_file corp.jwks;
        algorithms ES256;
        leeway 5s;
        require_claim tenant eq a;
    }
    auth_jwt_issuer partner { proxy http://a:b@c:1; issuer https://partner.example; profile rfc9068; audience api; }
    server { auth_jwt a; auth_jwt_trust corp partner; auth_jwt_key_request /x; auth_jwt_type nested;
        location /off { auth_jwt_trust off; auth_jwt_key_file k; auth_jwt_type signed; } } }";
    let folder = Folder::new("issuers", &[("nginx.conf", text)]);
    let answer = folder.ask(&folder.question("/a")).unwrap();
    assert_eq!(
        folder.lines(&answer)[2..],
        [
            "auth_jwt a, nginx.conf:11",
            "auth_jwt_type nested, nginx.conf:11",
            "auth_jwt_trust corp partner, nginx.conf:11",
            "auth_jwt_issuer corp, nginx.conf:2",
            "    issuer https://corp.example, nginx.conf:3",
            "    audience api web, nginx.conf:4",
            "    key_file corp.jwks, nginx.conf:5",
            "    algorithms ES256, nginx.conf:6",
            "    leeway 5s, nginx.conf:7",
            "    require_claim tenant eq a, nginx.conf:8",
            "auth_jwt_issuer partner, nginx.conf:10",
            "    issuer https://partner.example, nginx.conf:10",
            "    profile rfc9068, nginx.conf:10",
            "    audience api, nginx.conf:10",
            "auth_jwt_key_request /x, nginx.conf:11",
            "unread: auth_jwt_issuer partner, nginx.conf:10: the workers fetch the issuer's keys",
            "unread: auth_jwt_key_request /x, nginx.conf:11: the keys come from this URI",
        ]
    );
    let TokenCheck::Demands(found) = answer.check else {
        panic!("no check");
    };
    let trusted = found.demands.trusted.unwrap();
    assert_eq!(&*trusted[0].terms.issuer, "https://corp.example");
    assert_eq!(trusted[0].terms.leeway, Some(Duration::from_secs(5)));
    assert_eq!(trusted[0].terms.audience, ["api".into(), "web".into()]);
    assert_eq!(trusted[0].key_files, [folder.0.join("corp.jwks")]);
    assert_eq!(trusted[0].rules.len(), 1);
    assert!(trusted[1].terms.requires_access_token && trusted[1].key_files.is_empty());
    let TokenCheck::Demands(off) = folder.ask(&folder.question("/off")).unwrap().check else {
        panic!("no check");
    };
    assert!(off.demands.trusted.is_none());
    assert_eq!(off.demands.key_files, [folder.0.join("k")]);
}

#[test]
fn keys_that_the_workers_have_saved() {
    let folder = Folder::new("saved", &[("state/other", "x")]);
    let state = folder.0.join("state");
    let text = format!(
        "http {{ auth_jwt_issuer a {{ issuer https://a; discovery https://b/c insecure; state_path {}; }}
         server {{ auth_jwt a; auth_jwt_trust a; }} }}",
        state.display()
    );
    fs::write(folder.0.join("nginx.conf"), text).unwrap();
    let read = || match folder.ask(&folder.question("/a")).unwrap().check {
        TokenCheck::Demands(mut found) => (
            found.demands.trusted.as_mut().unwrap().remove(0).key_files,
            found.unread_keys,
        ),
        TokenCheck::None(reason) => panic!("{reason}"),
    };
    assert_eq!(read().1.len(), 1);
    // Reading it would never end.
    let made = Command::new("mkfifo").arg(state.join("pipe")).status();
    assert!(made.unwrap().success());
    let save = |source: &str, at: i64| {
        let file = state.join(saved_keys::file_name(source));
        fs::write(&file, saved_keys::encode(source, at, b"{\"keys\":[]}")).unwrap();
        file
    };
    save("https://a discovery https://b/c TlsOptions", NOW);
    save("https://a discovery https://b/cd insecure TlsOptions", NOW);
    save(
        "https://a discovery https://b/c insecure TlsOptions of the future",
        NOW + 1000,
    );
    assert_eq!(read().0, [] as [&Path; 0]);
    let file = save(
        "https://a discovery https://b/c insecure TlsOptions",
        NOW - 60,
    );
    // The last word is about the proxy or a certificate that there was before.
    for (name, age) in [("1", 61), ("2", 100), ("3", 3600)] {
        let source = format!("https://a discovery https://b/c insecure TlsOptions {name}");
        save(&source, NOW - age);
    }
    assert_eq!(read(), (vec![file], vec![]));
    let answer = folder.ask(&folder.question("/a")).unwrap();
    let lines = folder.lines(&answer);
    assert!(
        lines.iter().any(|line| line.ends_with(" 60 seconds ago")),
        "{lines:?}"
    );
    fs::remove_dir_all(&state).unwrap();
    let answer = folder.ask(&folder.question("/a")).unwrap();
    let error = "        the folder cannot be read: No such file or directory (os error 2)";
    let lines = folder.lines(&answer);
    assert!(lines.iter().any(|line| line == error), "{lines:?}");
}

#[test]
fn keys_that_are_given() {
    let text = "http { auth_jwt_issuer a { issuer https://a; } auth_jwt_issuer b { issuer https://b; key_file b; }
        server { auth_jwt a; auth_jwt_key_file own; auth_jwt_key_request /x;
        location /files { auth_jwt_key_file own; }
        location /issuers { auth_jwt_trust a b; } } }";
    let folder = Folder::new("given", &[("nginx.conf", text)]);
    let with_keys = |uri: &str, files: &[&str]| {
        let TokenCheck::Demands(found) = folder.ask(&folder.question(uri)).unwrap().check else {
            panic!("no check");
        };
        let files: Vec<_> = files.iter().map(Into::into).collect();
        let demands = found.with_keys(&files)?;
        let issuers = demands.trusted.unwrap_or_default();
        let issuers = issuers.into_iter().flat_map(|issuer| issuer.key_files);
        let files = demands.key_files.into_iter().chain(issuers);
        let shown = files.map(|file| folder.shorten(&file.display().to_string()));
        Ok::<_, String>(shown.collect::<Vec<_>>())
    };
    let needed = |line: &str| Err(format!("keys have to be given by --keys: {line}"));
    assert_eq!(
        with_keys("/a", &[]),
        needed("auth_jwt_key_request /x, nginx.conf:2: the keys come from this URI")
    );
    assert_eq!(
        with_keys("/issuers", &[]),
        needed("auth_jwt_issuer a, nginx.conf:1: the workers fetch the issuer's keys")
    );
    assert_eq!(
        with_keys("/files", &["x"]),
        Err("--keys is of no use: the configuration names all files with keys".into())
    );
    assert_eq!(with_keys("/files", &[]), Ok(vec!["/DIR/own".into()]));
    assert_eq!(
        with_keys("/a", &["x", "y"]),
        Ok(vec!["/DIR/own".into(), "x".into(), "y".into()])
    );
    assert_eq!(
        with_keys("/issuers", &["x"]),
        Ok(vec!["x".into(), "/DIR/b".into()])
    );
}

/// A new directive has to be read here as well, or it has to be said that no token is judged by it.
#[test]
fn every_directive_of_the_module_is_known() {
    // Nothing about which tokens a location accepts.
    let others = ["auth_jwt_token_cache", "auth_jwt_dpop_zone"];
    let module = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../src/auth_jwt");
    let own = [
        include_str!("../settings.rs"),
        include_str!("../issuers.rs"),
        include_str!("../surroundings.rs"),
        include_str!("../token_variables.rs"),
    ]
    .concat();
    let mut count = 0;
    for file in ["directives.rs", "issuer_block.rs"] {
        let text = fs::read_to_string(module.join(file)).unwrap();
        let names = text.split("name: c\"").skip(1);
        for name in names.filter_map(|rest| rest.split('"').next()) {
            let is_known = others.contains(&name) || own.contains(&format!("\"{name}\""));
            assert!(is_known, "{file}: {name}");
            count += 1;
        }
    }
    assert!(count > 50, "{count}");
}
