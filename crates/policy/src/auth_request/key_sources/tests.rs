use super::*;

fn sources(key: &[&str]) -> KeySources {
    KeySources::of_key(key.iter().map(|text| text.as_bytes()))
}

fn with_cookies(key: &str, cookies: &[&str]) -> bool {
    let lines = cookies
        .iter()
        .map(|value| (&b"Cookie"[..], value.as_bytes()));
    sources(&[key]).are_ambiguous(&[], lines, b"")
}

fn with_args(key: &str, args: &str) -> bool {
    let used = [FieldName::new(b"used")];
    sources(&[key]).are_ambiguous(&used, [].into_iter(), args.as_bytes())
}

fn with_lines(key: &str, lines: &[(&str, &str)]) -> bool {
    let lines = lines
        .iter()
        .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    sources(&[key]).are_ambiguous(&[], lines, b"")
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
fn a_variable_of_a_map_may_be_made_of_any_cookie_and_of_arguments_in_use() {
    for key in ["$session", "$1", "$upstream_http_x", "$host$tenant"] {
        assert!(with_cookies(key, &["a=1; b=2", "A=3"]), "{key}");
        assert!(!with_cookies(key, &["a=1; a.b=2; c; c"]), "{key}");
        assert!(with_args(key, "used=1&b=2&used[]=3"), "{key}");
        assert!(!with_args(key, "used=1&b=2&b=3"), "{key}");
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
