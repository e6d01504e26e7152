//! The paths that locations are compared with.

use crate::uri::path;

fn shown(uri: &str) -> Result<String, &'static str> {
    path(uri.as_bytes(), true).map(|path| path.escape_ascii().to_string())
}

#[test]
fn what_is_no_uri() {
    let hex = "it has \"%\" without two hexadecimal digits";
    let out = "it has \"..\" that leads out of \"/\"";
    let space = "it has a space or a control character, which must be percent-encoded";
    for (uri, error) in [
        ("", "it must begin with \"/\""),
        ("a", "it must begin with \"/\""),
        ("@a", "it must begin with \"/\""),
        ("/a b", space),
        ("/a\n", space),
        ("/%", hex),
        ("/%4", hex),
        ("/%4g", hex),
        ("/%+1", hex),
        ("/%00", "it has \"%00\""),
        ("/..", out),
        ("/../a", out),
        ("/a/../../b", out),
        ("/%2e%2e/a", out),
    ] {
        assert_eq!(shown(uri), Err(error), "{uri}");
    }
}

#[test]
fn paths() {
    for (uri, path) in [
        ("/", "/"),
        ("/a?b/../c#d", "/a"),
        ("/a#b", "/a"),
        ("/%61%2Fb", "/a/b"),
        ("/a//b%2f/c", "/a/b/c"),
        ("/a/./b/.", "/a/b/"),
        ("/a/../b", "/b"),
        ("/a/b/..", "/a/"),
        ("/a/b/../", "/a/"),
        ("/a/%2e%2E/b", "/b"),
        ("/a/..b/.c/...", "/a/..b/.c/..."),
        ("/a/%3f%23%25", "/a/?#%"),
        ("/%252e%252e/", "/%2e%2e/"),
        ("/%ff%20", "/\\xff "),
        ("/a+b", "/a+b"),
    ] {
        assert_eq!(shown(uri), Ok(path.into()), "{uri}");
    }
}

#[test]
fn slashes_stay_where_merge_slashes_is_off() {
    let shown = |uri: &str| String::from_utf8(path(uri.as_bytes(), false).unwrap()).unwrap();
    assert_eq!(shown("/a//b%2f/c"), "/a//b//c");
    assert_eq!(shown("/a//../b"), "/a/b");
}
