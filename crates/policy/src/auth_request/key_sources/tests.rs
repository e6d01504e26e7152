use super::*;

fn sources(key: &[&str]) -> KeySources {
    KeySources::of_key(key.iter().map(|text| text.as_bytes()))
}

/// The sources of all variables in a configuration with `$cookie_session`, `$arg_used` and
/// `$http_x_used`.
fn used() -> KeySources {
    let names = ["cookie_session", "arg_used", "http_x_used", "http_cookie"];
    KeySources::of_variables(names.iter().map(|name| name.as_bytes().to_vec()))
}

fn with_cookies(key: &str, cookies: &[&str]) -> bool {
    let lines: Vec<_> = cookies.iter().map(|value| ("Cookie", *value)).collect();
    with_lines(key, &lines)
}

fn with_args(key: &str, args: &str) -> bool {
    with_uri(key, args, &format!("/p?{args}"))
}

fn with_uri(key: &str, args: &str, original_uri: &str) -> bool {
    sources(&[key]).are_ambiguous(
        &used(),
        &RequestTexts {
            lines: iter::empty(),
            args: args.as_bytes(),
            original_uri: original_uri.as_bytes(),
        },
    )
}

fn with_lines(key: &str, lines: &[(&str, &str)]) -> bool {
    let lines = lines
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    sources(&[key]).are_ambiguous(
        &used(),
        &RequestTexts {
            lines,
            args: b"",
            original_uri: b"/p",
        },
    )
}

#[test]
fn a_cookie_of_the_key_must_be_there_once_and_plain() {
    for cookies in [
        &["session=; session=VALID"][..],
        &["session=VALID; session="],
        &["session=a; x=1; Session=b"],
        &["session=a", "session=a"],
        &["x=1, session=a; session=b"],
        &["x=\"a; session=a; b\"; session=b"],
        &["x=1;\tsession=VALID"],
        &["\u{b}session=VALID"],
        &["session\t=VALID"],
        &["\"session\"=VALID"],
        &["%73ession=VALID"],
        &["session"],
        &["session[]=VALID"],
        &["+session=VALID"],
        // nginx ends a cookie there before 1.29.6.
        &["x=1, session=VALID"],
        &["x=1,session=VALID; y=2"],
        // Python's http.cookies, and others, end a cookie at white space.
        &["a=1 session=VALID"],
        &["a=1\tsession=VALID; b=2"],
        &["a=1 b=2 %73ession=VALID"],
        &["a=1 session =VALID"],
        &["a= session=VALID"],
        &["$x session=VALID"],
        &["session=a session=b"],
        // Quotes are an end, too.
        &["a=\"1\"session=VALID"],
        &["a=\"1; session=VALID\"; b=\" session=VALID"],
    ] {
        assert!(with_cookies("$host$cookie_session", cookies), "{cookies:?}");
    }
    for cookies in [
        &[][..],
        &[""],
        &["session="],
        &["session=VALID"],
        &["a=1;session=VALID; b=2"],
        &["  SESSION = VALID"],
        &["x=1; x=2; session=a; __Host-session=b; sessions=c; xsession=d"],
        &["session=a; session.sig=b"],
        &["x=session; session=a=b"],
        &["x=a session; y=session=a; z={\"session\":1}; \"a\"=\"b\""],
        &["x=1,2, b=3; session=a,b"],
        &["x=a ssession=1; x=a session.sig=1"],
    ] {
        assert!(
            !with_cookies("$host$cookie_session", cookies),
            "{cookies:?}"
        );
    }
    assert!(with_cookies("${cookie_user_id}", &["user.id=1; user_id=2"]));
    assert!(!with_cookies("$cookie_user_id", &["user_id=2; user=1"]));
    assert!(!with_cookies("$http_cookie", &["session=a; session=b"]));
    assert!(!with_cookies(
        "$host$request_uri",
        &["session=a; session=b"]
    ));
}

#[test]
fn an_argument_of_the_key_must_be_there_once_and_plain() {
    for args in [
        "token=&token=VALID",
        "token=a&Token=b",
        "%74oken=VALID",
        "token",
        "token[]=VALID",
        "x=1;token=VALID",
        "x=1;token=VALID&token=b",
        "x=1;token=VALID;token=b",
        "+token=VALID",
        "token%00=VALID",
        "token=a&token.x=VALID",
        // Unicode escapes are read by ASP.NET, a second "?" belongs to the first name.
        "%u0074oken=VALID",
        "?token=VALID",
    ] {
        assert!(with_args("$arg_token", args), "{args}");
    }
    for args in [
        "",
        "x=1&x=2",
        "token=a",
        "TOKEN=a&x=token",
        "a_token=1&token=2",
    ] {
        assert!(!with_args("$arg_token", args), "{args}");
    }
    assert!(!with_args("$args", "token=&token=a"));
}

#[test]
fn a_header_of_the_key_must_be_there_once_and_plain() {
    for lines in [
        &[("X-Token", ""), ("x-token", "VALID")][..],
        &[("X-Token", "a"), ("X_Token", "b")],
        &[("X.Token", "VALID")],
    ] {
        assert!(with_lines("$http_x_token", lines), "{lines:?}");
    }
    for lines in [
        &[][..],
        &[("X-Token", "a")],
        &[
            ("x_token", "a"),
            ("X-Tokens", "b"),
            ("Token", "c"),
            ("Token", "d"),
        ],
        &[("Y-Token", "a"), ("Z-Token", "b")],
    ] {
        assert!(!with_lines("$http_x_token", lines), "{lines:?}");
    }
}

#[test]
fn a_uri_must_end_where_nginx_ends_it() {
    let uris = ["/p?x=1#&token=VALID", "/p#?token=VALID", "/p#", "/p?x=1#"];
    for key in [
        "$arg_token",
        "$host$cookie_session",
        "$args",
        "$uri",
        "$map",
    ] {
        for uri in uris {
            assert!(with_uri(key, "x=1", uri), "{key} {uri}");
        }
    }
}

#[test]
fn arguments_must_not_begin_inside_the_path() {
    for key in ["$arg_token", "$args", "$query_string", "${is_args}", "$map"] {
        for uri in ["/p%3Ftoken=VALID", "/p%3ftoken=VALID?x=1", "/p%23"] {
            assert!(with_uri(key, "x=1", uri), "{key} {uri}");
        }
        for uri in ["/p%20%3E?x=1", "/p?x=%3F", "/p?x=1%23%26", "/p%2", "/"] {
            assert!(!with_uri(key, "x=1", uri), "{key} {uri}");
        }
    }
    for key in ["$cookie_session", "$uri", "$request_uri", "$http_x_token"] {
        assert!(!with_uri(key, "", "/p%3Ftoken=VALID"), "{key}");
    }
}

#[test]
fn arguments_must_be_plain_as_they_were_sent_as_well() {
    for uri in [
        "/p?token=&token=VALID",
        "/p?a=1;token=VALID",
        "/p?a?b&token[]=VALID",
    ] {
        assert!(with_uri("$arg_token", "token=", uri), "{uri}");
        assert!(with_uri("$arg_token", "", uri), "{uri}");
    }
    for uri in ["/p?token=b", "/p?x=1", "/p", "/p?"] {
        assert!(!with_uri("$arg_token", "token=a", uri), "{uri}");
    }
    assert!(with_uri("$arg_token", "token=&token=VALID", "/p"));
    assert!(with_uri("$arg_token", " token=a", "/p"));
}

#[test]
fn a_variable_of_a_map_may_be_made_of_whatever_the_configuration_uses() {
    for key in ["$session", "$1", "$upstream_http_x", "$host$tenant"] {
        assert!(with_cookies(key, &["a=1; b=2", "A=3"]), "{key}");
        assert!(with_cookies(key, &["a=1;\tsession=VALID"]), "{key}");
        assert!(with_cookies(key, &["a=1 session=VALID"]), "{key}");
        assert!(!with_cookies(key, &["a=1; a.b=2; c; c"]), "{key}");
        assert!(!with_cookies(key, &["session=1;\tother=2"]), "{key}");
        assert!(with_args(key, "used=1&b=2&used[]=3"), "{key}");
        assert!(!with_args(key, "used=1&b=2&b=3"), "{key}");
        assert!(
            with_lines(key, &[("X-Used", ""), ("X_Used", "VALID")]),
            "{key}"
        );
        assert!(
            !with_lines(key, &[("X-Other", "a"), ("X-Other", "b")]),
            "{key}"
        );
    }
    for key in [
        "$host",
        "$request_id",
        "$jwt_claim_sub",
        "$ssl_client_s_dn",
        "$remote_addr",
        "text",
    ] {
        assert_eq!(sources(&[key]), KeySources::default(), "{key}");
    }
}
