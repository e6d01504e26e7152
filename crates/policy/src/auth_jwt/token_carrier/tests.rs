use super::TokenCarrier;

fn of(variable: &str) -> TokenCarrier {
    TokenCarrier::of_variable(variable.as_bytes()).unwrap()
}

fn text(bytes: Option<Vec<u8>>) -> String {
    bytes.map_or("-".into(), |bytes| String::from_utf8(bytes).unwrap())
}

#[test]
fn what_a_variable_shows() {
    let header = |name: &str| Some(TokenCarrier::Header(name.as_bytes().into()));
    let table = [
        ("http_authorization", header("authorization")),
        ("HTTP_X_Token", header("x-token")),
        ("http_cookie", header("cookie")),
        (
            "cookie_token",
            Some(TokenCarrier::Cookie((*b"token").into())),
        ),
        (
            "arg_token",
            Some(TokenCarrier::Argument((*b"token").into())),
        ),
        ("http_", None),
        ("cookie_", None),
        ("arg_", None),
        ("http_host", None),
        ("http_content_type", None),
        ("http_transfer_encoding", None),
        ("token", None),
        ("args", None),
        ("upstream_http_x_token", None),
        ("request_uri", None),
        ("", None),
    ];
    for (name, expected) in table {
        assert_eq!(
            TokenCarrier::of_variable(name.as_bytes()),
            expected,
            "{name}"
        );
    }
}

#[test]
fn spellings_of_a_line() {
    let carrier = of("http_x_token");
    for name in ["X-Token", "x_token", "X.TOKEN"] {
        assert!(carrier.is_line(name.as_bytes()), "{name}");
    }
    for name in ["X-Token-2", "Token", "XToken", ""] {
        assert!(!carrier.is_line(name.as_bytes()), "{name}");
    }
    assert!(TokenCarrier::authorization().is_line(b"AUTHORIZATION"));
    assert!(!of("cookie_authorization").is_line(b"Authorization"));
}

#[test]
fn cookies_go_and_others_stay() {
    let table = [
        ("t=1", ""),
        ("t=1; a=2", "a=2"),
        ("a=2; t=1", "a=2"),
        ("a=2; t=1; b=3", "a=2; b=3"),
        ("a=2;t=1;b=3", "a=2;b=3"),
        ("t=1; t=2", ""),
        ("T=1; a=2; t=3; b", "a=2; b"),
        ("t=1=2; a=x=y", "a=x=y"),
        (" t = 1 ; a=2", "a=2"),
        ("a=2;\tt=1", "a=2"),
        ("t; a=2", "a=2"),
        ("t=; a=2", "a=2"),
        // nginx looks behind a comma, too, and a value goes on to the next semicolon.
        ("a=2,t=1; b=3", "a=2; b=3"),
        ("a=2, t=1,c=4; b=3", "a=2; b=3"),
        ("t=1,a=2; b=3", "b=3"),
        ("a=\"x\"; t=1; b=\"y;z\"", "a=\"x\"; b=\"y;z\""),
        ("a=2; ; t=1;", "a=2; ;"),
        // None of them.
        ("a=2; b=3", "-"),
        ("tt=1; at=2; a=t", "-"),
        ("a=2,b=t=1", "-"),
        ("", "-"),
        (";", "-"),
        ("a=1;;b=2", "-"),
    ];
    for (line, expected) in table {
        assert_eq!(
            text(of("cookie_t").without_cookies(line.as_bytes())),
            expected,
            "{line}"
        );
    }
    assert_eq!(of("arg_t").without_cookies(b"t=1"), None);
    assert_eq!(of("http_cookie").without_cookies(b"t=1"), None);
}

#[test]
fn arguments_go_and_others_stay() {
    let table = [
        ("t=1", ""),
        ("t=1&a=2", "a=2"),
        ("a=2&t=1", "a=2"),
        ("a=2&t=1&b=3", "a=2&b=3"),
        ("t=1&T=2&a=%20", "a=%20"),
        ("t=1=2&a=b=c", "a=b=c"),
        ("t&a=2", "a=2"),
        ("t=&a=2", "a=2"),
        ("%74=1&a=2", "a=2"),
        ("%54=1&a=2&b=%3d", "a=2&b=%3d"),
        ("a=2&&t=1&", "a=2&&"),
        ("a=2&b=3", "-"),
        ("tt=1&at=2&a=t", "-"),
        ("%7=1&%=2&%zz=3", "-"),
        ("", "-"),
        ("&", "-"),
    ];
    for (args, expected) in table {
        assert_eq!(
            text(of("arg_t").without_arguments(args.as_bytes())),
            expected,
            "{args}"
        );
    }
    // What is no percent-encoding stands for itself.
    for args in ["%7z=1", "%z0p=1", "%7=1"] {
        assert_eq!(of("arg_p").without_arguments(args.as_bytes()), None);
    }
    assert_eq!(of("cookie_t").without_arguments(b"t=1"), None);
}

#[test]
fn uris_keep_their_path() {
    let table = [
        ("/?t=1", "/"),
        ("/a%2F/../b?t=1&x=2", "/a%2F/../b?x=2"),
        ("/a?x=2&t=1", "/a?x=2"),
        ("/a?x=2&t=1#f?t=3", "/a?x=2#f?t=3"),
        ("/a?t=1#f", "/a#f"),
        ("/a?x=?&t=1", "/a?x=?"),
        ("/a?x=2", "-"),
        ("/t=1", "-"),
        ("/a#?t=1", "-"),
        ("/a?", "-"),
        ("", "-"),
    ];
    for (uri, expected) in table {
        assert_eq!(
            text(of("arg_t").uri_without_arguments(uri.as_bytes())),
            expected,
            "{uri}"
        );
    }
}

#[test]
fn the_value_is_that_of_nginx() {
    let table: [(&str, Option<&str>); 9] = [
        ("t=1", Some("1")),
        ("a=2&t=1&t=3", Some("1")),
        ("T=1", Some("1")),
        ("t&t=2", Some("2")),
        ("t=", Some("")),
        ("t=a=b", Some("a=b")),
        ("%74=1", None),
        ("at=1&tt=2", None),
        ("", None),
    ];
    for (args, expected) in table {
        let value = of("arg_t")
            .value_in_arguments(args.as_bytes())
            .map(<[u8]>::to_vec);
        assert_eq!(value.as_deref(), expected.map(str::as_bytes), "{args}");
    }
    assert_eq!(of("cookie_t").value_in_arguments(b"t=1"), None);
}
