use proptest::prelude::*;

use super::*;

fn url(text: &str) -> HttpUrl {
    HttpUrl::parse(text).unwrap_or_else(|error| panic!("{text} {error}"))
}

#[test]
fn what_is_no_url_is_refused_with_the_reason() {
    use UrlError as E;
    for (text, expected) in [
        ("", E::Scheme),
        ("example.com", E::Scheme),
        ("//example.com/", E::Scheme),
        ("ftp://example.com/", E::Scheme),
        (" https://example.com/", E::Scheme),
        ("https:/example.com/", E::Scheme),
        ("file:///etc/passwd", E::Scheme),
        ("https://", E::NoHost),
        ("https:///keys", E::NoHost),
        ("https://:8443/keys", E::NoHost),
        ("https://?a", E::NoHost),
        ("https://user@example.com/", E::Credentials),
        ("https://example.com@evil.test/", E::Credentials),
        ("https://example.com:443@evil.test", E::Credentials),
        ("https://example.com/#keys", E::Fragment),
        ("https://example.com#@evil.test/", E::Fragment),
        ("https://example.com/a b", E::Character),
        ("https://example.com/a\r\nHost: b", E::Character),
        ("https://example.com/\u{e9}", E::Character),
        ("https://example.com/\\evil", E::Character),
        ("https://example.com/\0", E::Character),
        ("https://exa mple.com/", E::Host),
        ("https://ex\u{e4}mple.com/", E::Host),
        ("https://example..com/", E::Host),
        ("https://.example.com/", E::Host),
        ("https://./", E::Host),
        ("https://example.com\\evil/", E::Host),
        ("https://example.com%2fevil/", E::Host),
        ("https://[::1/", E::Host),
        ("https://[::1]x/", E::Host),
        ("https://::1/", E::Host),
        ("https://[127.0.0.1]/", E::Host),
        ("https://[fe80::1%25eth0]/", E::Host),
        ("https://example.com:0/", E::Port),
        ("https://example.com:65536/", E::Port),
        ("https://example.com:+443/", E::Port),
        ("https://example.com:x/", E::Port),
        ("https://example.com:443:443/", E::Host),
        ("http://unix:", E::Socket),
        ("http://unix:run/a.sock:/keys", E::Socket),
        ("http://unix:/run/a.sock:keys", E::Socket),
        // Such a URL may come from outside, and log lines show it in double quotes.
        ("http://unix:/run/a\n[crit] b:/", E::Socket),
        ("http://unix:/run/a\x1b[31m:/", E::Socket),
        ("http://unix:/run/a\u{202e}:/", E::Socket),
        ("http://unix:/run/a\"; \"b:/", E::Socket),
        ("http://unix:/run/a\\b:/", E::Socket),
    ] {
        assert_eq!(HttpUrl::parse(text), Err(expected), "{text:?}");
    }
    let long = format!("https://{}.com/", "a".repeat(64));
    assert_eq!(HttpUrl::parse(&long), Err(E::Host));
    let long = format!("https://{}com/", "a.".repeat(126));
    assert_eq!(HttpUrl::parse(&long), Err(E::Host));
}

#[test]
fn a_url_says_whom_to_connect_to_and_what_to_ask_for() {
    let name = |name: &str| UrlHost::Name(name.to_owned());
    let ip = |ip: &str| UrlHost::Ip(ip.parse().unwrap());
    let unix = |path: &str| UrlHost::Unix(path.into());
    for (text, host, port, authority, target) in [
        (
            "https://example.com",
            name("example.com"),
            443,
            "example.com",
            "/",
        ),
        (
            "HTTPS://Example.COM/A?B=c",
            name("example.com"),
            443,
            "example.com",
            "/A?B=c",
        ),
        (
            "http://example.com:80/",
            name("example.com"),
            80,
            "example.com",
            "/",
        ),
        (
            "http://example.com:443/",
            name("example.com"),
            443,
            "example.com:443",
            "/",
        ),
        (
            "https://example.com:/",
            name("example.com"),
            443,
            "example.com",
            "/",
        ),
        (
            "https://a_b-c.example.:8443?x",
            name("a_b-c.example."),
            8443,
            "a_b-c.example.:8443",
            "/?x",
        ),
        (
            "http://127.0.0.1:8080/",
            ip("127.0.0.1"),
            8080,
            "127.0.0.1:8080",
            "/",
        ),
        ("https://[::1]/keys", ip("::1"), 443, "[::1]", "/keys"),
        (
            "https://[2001:DB8::1]:8443/",
            ip("2001:db8::1"),
            8443,
            "[2001:db8::1]:8443",
            "/",
        ),
        (
            "http://unix:/run/a.sock:/keys",
            unix("/run/a.sock"),
            80,
            "localhost",
            "/keys",
        ),
        (
            "https://unix:/run/a.sock",
            unix("/run/a.sock"),
            443,
            "localhost",
            "/",
        ),
    ] {
        let url = url(text);
        assert_eq!(url.host(), &host, "{text}");
        assert_eq!(url.port(), port, "{text}");
        assert_eq!(url.authority(), authority, "{text}");
        assert_eq!(url.target(), target, "{text}");
        assert_eq!(
            url.is_https(),
            text.to_lowercase().starts_with("https"),
            "{text}"
        );
        assert_eq!(HttpUrl::parse(&url.to_string()), Ok(url), "{text}");
    }
}

#[test]
fn only_what_no_resolver_can_move_is_local() {
    for text in [
        "http://127.0.0.1/",
        "http://127.9.9.9/",
        "http://[::1]/",
        "http://unix:/a:/",
    ] {
        assert!(url(text).is_local(), "{text}");
    }
    assert!(url("http://[::ffff:127.0.0.1]/").is_local());
    for text in [
        "http://localhost/",
        "http://128.0.0.1/",
        "http://0x7f.1/",
        "http://2130706433/",
    ] {
        assert!(!url(text).is_local(), "{text}");
    }
}

#[test]
fn scheme_host_and_port_make_the_server() {
    let base = url("https://example.com/a");
    assert!(base.is_same_server(&url("HTTPS://EXAMPLE.com:443/b?c")));
    for other in [
        "http://example.com:443/a",
        "https://example.com:8443/a",
        "https://www.example.com/a",
        "https://example.com./a",
    ] {
        assert!(!base.is_same_server(&url(other)), "{other}");
    }
}

#[test]
fn references_are_resolved_as_rfc_3986_says() {
    let base = url("http://a/b/c/d;p?q");
    for (reference, expected) in [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("#s", "http://a/b/c/d;p?q"),
        ("g#s", "http://a/b/c/g"),
        ("g?y#s", "http://a/b/c/g?y"),
        (";x", "http://a/b/c/;x"),
        ("", "http://a/b/c/d;p?q"),
        (".", "http://a/b/c/"),
        ("./", "http://a/b/c/"),
        ("..", "http://a/b/"),
        ("../g", "http://a/b/g"),
        ("../..", "http://a/"),
        ("../../../g", "http://a/g"),
        ("/../g", "http://a/g"),
        ("g/../h", "http://a/b/c/h"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        ("http://g", "http://g/"),
        ("https://a/b", "https://a/b"),
    ] {
        let joined = base.join(reference).map(|url| url.to_string());
        assert_eq!(joined.as_deref(), Ok(expected), "{reference:?}");
    }
    for (reference, expected) in [
        ("javascript:alert(1)", UrlError::Scheme),
        ("http:g", UrlError::Scheme),
        ("//user@evil.test/", UrlError::Credentials),
        ("/a b", UrlError::Character),
        ("/\\evil.test", UrlError::Character),
    ] {
        assert_eq!(base.join(reference), Err(expected), "{reference:?}");
    }
}

#[test]
fn the_path_is_what_is_in_front_of_the_query() {
    let with_query = url("https://example.com/a?b?c");
    assert_eq!((with_query.path(), with_query.has_query()), ("/a", true));
    let without = with_query.with_target("/d").unwrap();
    assert_eq!((without.path(), without.has_query()), ("/d", false));
    assert_eq!(without.to_string(), "https://example.com/d");
    assert_eq!(without.with_target("/d#e"), Err(UrlError::Fragment));
    assert_eq!(without.with_target("/d e"), Err(UrlError::Character));
}

#[test]
fn row_37_a_url_in_a_message_has_no_password() {
    for (text, expected) in [
        ("http://user:secret@proxy.test/", "http://proxy.test/"),
        ("http://user:sec@ret@proxy.test/", "http://proxy.test/"),
        ("http://user:sec/ret@proxy.test/", "http://proxy.test/"),
        ("https://user:secret@login.test/#a", "https://login.test/#a"),
        ("user:secret@proxy.test", "proxy.test"),
        ("//user:secret@proxy.test/a", "//proxy.test/a"),
        ("http://proxy.test", "http://proxy.test"),
        ("https:/user:secret@proxy.test", "proxy.test"),
        ("user:secret@proxy.test//a", "proxy.test//a"),
        ("user:secret@http://proxy.test", "http://proxy.test"),
        ("/a b@c", "/a b@c"),
        ("/a//b@c", "/a//b@c"),
        ("", ""),
    ] {
        assert_eq!(without_credentials(text), expected, "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics_and_what_is_accepted_is_shown_as_itself(text in "(https?://)?[ -~]{0,40}") {
        if let Ok(parsed) = HttpUrl::parse(&text) {
            prop_assert_eq!(HttpUrl::parse(&parsed.to_string()), Ok(parsed));
        }
    }

    #[test]
    fn a_reference_without_host_stays_on_the_server(reference in "[!-.0-9;-~][ -~]{0,40}") {
        let base = url("https://example.com/a/b");
        if !reference::has_scheme(&reference)
            && let Ok(joined) = base.join(&reference)
        {
            prop_assert!(joined.is_same_server(&base));
            prop_assert!(joined.path().starts_with('/'));
        }
    }
}
