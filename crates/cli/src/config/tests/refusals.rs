//! Questions that have no answer.

use super::{Folder, in_http, in_server};

#[test]
fn a_configuration_that_cannot_be_read() {
    let folder = Folder::new("no-file", &[("other", "")]);
    assert_eq!(
        folder.ask(&folder.question("/")).unwrap_err(),
        "open() \"/DIR/nginx.conf\" failed (2: No such file or directory)"
    );
    for (name, text, error) in [
        (
            "syntax",
            "server {\nlisten 80\n}",
            "unexpected \"}\" in /DIR/nginx.conf:4",
        ),
        (
            "include",
            "include none.conf;",
            "open() \"/DIR/none.conf\" failed (2: No such file or directory) in /DIR/nginx.conf:2",
        ),
        (
            "loop",
            "include nginx.conf;",
            "\"/DIR/nginx.conf\" includes itself in /DIR/nginx.conf:2",
        ),
        ("no-server", "", "the configuration has no server"),
    ] {
        assert_eq!(in_http(name, text), Err(error.into()), "{name}");
    }
}

#[test]
fn a_request_that_there_cannot_be() {
    let text = "http { server { listen 127.0.0.1:81; } }";
    let folder = Folder::new("request", &[("nginx.conf", text)]);
    let question = folder.question("/");
    let asks = |host: Option<&str>, address: Option<&str>, uri: &str| {
        let mut question = question.clone();
        question.host = host.map(Into::into);
        question.address = address.map(Into::into);
        question.uri = uri.into();
        folder.ask(&question).map(|_| ()).unwrap_err()
    };
    assert_eq!(
        asks(None, None, "api"),
        "\"api\" is not the URI of a request: it must begin with \"/\""
    );
    assert_eq!(
        asks(None, None, "@api"),
        "\"@api\" is not the URI of a request: it must begin with \"/\""
    );
    assert_eq!(
        asks(Some("a:82"), None, "/"),
        "no server listens on port 82; there are 127.0.0.1:81"
    );
    assert_eq!(
        asks(Some("a"), Some("[::1]:81"), "/"),
        "no server listens on \"[::1]:81\"; there are 127.0.0.1:81"
    );
    for host in ["", "a:", "a:b", "a:0", "a b", "a/b"] {
        let error = format!("\"{host}\" is not a host, or a host and a port");
        assert_eq!(asks(Some(host), None, "/"), error);
    }
    assert_eq!(
        asks(None, Some("a:b"), "/"),
        "\"a:b\" is not a port, or an address and a port"
    );
}

/// The messages are those of the module.
#[test]
fn directives_that_the_module_refuses() {
    let twice = "\"auth_jwt\" directive is duplicate in /DIR/nginx.conf:4";
    assert_eq!(
        in_server("twice", "auth_jwt a;\nauth_jwt b;"),
        Err(twice.into())
    );
    for (n, (directive, error)) in [
        ("auth_jwt;", "invalid number of arguments in \"auth_jwt\" directive"),
        (
            "auth_jwt a x;",
            "invalid parameter \"x\" in \"auth_jwt\" directive, it must be token=$variable",
        ),
        (
            "auth_jwt a; auth_jwt_mode on;",
            "invalid value \"on\" in \"auth_jwt_mode\" directive, it must be \"required\", \
             \"optional\", \"report\", \"off\" or a variable",
        ),
        (
            "auth_jwt a; set $m on; auth_jwt_mode $m;",
            "every request gets 500: auth_jwt_mode is \"on\", it must be \"required\", \"optional\", \
             \"report\" or \"off\"",
        ),
        (
            "auth_jwt a; auth_jwt_type jws;",
            "invalid value \"jws\" in \"auth_jwt_type\" directive, it must be \"signed\", \
             \"encrypted\" or \"nested\"",
        ),
        (
            "auth_jwt a; auth_jwt_verify_signature no;",
            "invalid value \"no\" in \"auth_jwt_verify_signature\" directive, it must be \"on\" or \"off\"",
        ),
        (
            "auth_jwt a; auth_jwt_leeway 5ms;",
            "invalid value \"5ms\" in \"auth_jwt_leeway\" directive, it must be a time in whole \
             seconds, as in 30s or 1h",
        ),
        (
            "auth_jwt a; auth_jwt_max_age 0;",
            "invalid value \"0\" in \"auth_jwt_max_age\" directive, it must be more than 0",
        ),
        (
            "auth_jwt a; auth_jwt_require_claim a is b;",
            "invalid operator \"is\" in \"auth_jwt_require_claim\" directive, it must be eq, gt, ge, lt, le, in, any, all, match or exists, each with \"!\" in front for its contrary",
        ),
        (
            "auth_jwt a; auth_jwt_require $a error=400;",
            "invalid value \"error=400\" in \"auth_jwt_require\" directive, it must be error=401 or error=403",
        ),
        (
            "auth_jwt a; auth_jwt_trust b;",
            "\"auth_jwt_trust\" names the issuer \"b\", and there is no such auth_jwt_issuer",
        ),
    ]
    .iter()
    .enumerate()
    {
        let error = format!("{error} in /DIR/nginx.conf:3");
        assert_eq!(in_server(&format!("refused-{n}"), directive), Err(error), "{directive}");
    }
    let unknown = in_server("alg", "auth_jwt a; auth_jwt_algorithms none;").unwrap_err();
    assert!(
        unknown.starts_with(
            "invalid value \"none\" in \"auth_jwt_algorithms\" directive, it must be one of"
        ),
        "{unknown}"
    );
}

#[test]
fn keys_beside_issuers() {
    let issuer = "auth_jwt_issuer i { issuer https://a; key_file k; }\n";
    let with = |name: &str, rest: &str| in_http(name, &format!("{issuer}{rest}"));
    let location = "server {\nauth_jwt a; auth_jwt_trust i; location / {\nauth_jwt_key_file k; } }";
    assert_eq!(
        with("trust-keys", location),
        Err(
            "keys beside \"auth_jwt_trust\" are for \"auth_jwt_type nested\" in /DIR/nginx.conf:5"
                .into()
        )
    );
    assert!(
        with(
            "trust-outer",
            "server { auth_jwt_key_file k; location / { auth_jwt a; auth_jwt_trust i; } }"
        )
        .is_ok()
    );
    assert_eq!(
        with(
            "trust-off",
            "server { auth_jwt a; auth_jwt_trust i; auth_jwt_verify_signature off; }"
        ),
        Err(
            "\"auth_jwt_trust\" needs signatures, and \"auth_jwt_verify_signature\" is off in \
             /DIR/nginx.conf:3"
                .into()
        )
    );
    assert_eq!(
        with("trust-encrypted", "server { auth_jwt a; auth_jwt_trust i; auth_jwt_type encrypted; }"),
        Err("\"auth_jwt_trust\" needs a signature of the issuer, which tokens with \"auth_jwt_type \
             encrypted\" do not have in /DIR/nginx.conf:3"
            .into())
    );
    for (n, (block, error)) in [
        ("{}", "auth_jwt_issuer \"i\" has no \"issuer\""),
        (
            "{ issuer $a; }",
            "invalid value \"$a\" in \"issuer\" directive, it must not have variables",
        ),
        (
            "{ issuer a; key_file $b; }",
            "invalid value \"$b\" in \"key_file\" directive, it must not have variables",
        ),
        (
            "{ issuer a; secret b; }",
            "unknown directive \"secret\" in this block",
        ),
        (
            "{ issuer a; profile b; }",
            "invalid value \"b\" in \"profile\" directive, it must be \"rfc9068\"",
        ),
    ]
    .iter()
    .enumerate()
    {
        let text = format!("auth_jwt_issuer i {block}\nserver {{ auth_jwt a; auth_jwt_trust i; }}");
        let error = format!("{error} in /DIR/nginx.conf:2");
        assert_eq!(
            in_http(&format!("issuer-{n}"), &text),
            Err(error),
            "{block}"
        );
    }
}
