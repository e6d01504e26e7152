use super::support::{Fetch, Server, error, text};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

fn redirect(location: &str) -> String {
    format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n")
}

fn paths(server: &Server) -> Vec<String> {
    let paths = server.requests().into_iter();
    let path = |request: String| request.split(' ').nth(1).unwrap().to_owned();
    paths.map(path).collect()
}

#[test]
fn row_39_redirects_to_another_server_are_not_followed() {
    for location in [
        "http://evil.test/keys",
        "http://127.0.0.2/keys",
        "https://127.0.0.1/keys",
        "//evil.test/keys",
        "http://127.0.0.1:1/keys",
        "http://[::ffff:127.0.0.1]/keys",
    ] {
        let server = Server::responses(vec![redirect(location)]);
        let target = location
            .strip_prefix("//")
            .map_or(location.to_owned(), |rest| format!("http://{rest}"));
        assert_eq!(
            error(&server.url("/keys")),
            format!(
                "redirect to \"{target}\", another server, is not followed: configure that URL if \
                 it is the right one"
            )
        );
        assert_eq!(paths(&server), ["/keys"], "{location}");
    }
}

#[test]
fn row_39_a_redirect_from_https_to_http_is_not_followed() {
    use super::support::{Ca, Folder, Leaf};
    let (folder, ca) = (Folder::new(), Ca::new("Test CA"));
    let acceptor = ca.issue(&Leaf::default()).acceptor(&[], None);
    let server = Server::tls(acceptor, |stream| {
        let _ = write!(stream, "{}", redirect("http://login.test/keys"));
    });
    let mut fetch = Fetch::default();
    fetch.tls.trusted_certificate = Some(ca.file(&folder));
    assert_eq!(
        fetch.error(&server.https_url("login.test")),
        "redirect to \"http://login.test/keys\", another server, is not followed: configure that \
         URL if it is the right one"
    );
}

#[test]
fn redirects_on_the_same_server_are_followed() {
    for (location, expected) in [
        ("/other?a=b", "/other?a=b"),
        ("other", "/keys/other"),
        ("../up/./here", "/up/here"),
        ("/other#fragment", "/other"),
        ("?page=2", "/keys/all?page=2"),
    ] {
        let server = Server::responses(vec![redirect(location), OK.to_owned()]);
        assert_eq!(
            text(&server.url("/keys/all")).as_deref(),
            Ok("{}"),
            "{location}"
        );
        assert_eq!(paths(&server), ["/keys/all", expected]);
    }
    for status in [301, 303, 307, 308] {
        let first = format!("HTTP/1.1 {status} Moved\r\nLocation: /b\r\n\r\n");
        let server = Server::responses(vec![first, OK.to_owned()]);
        assert_eq!(text(&server.url("/a")).as_deref(), Ok("{}"), "{status}");
    }
    let server = Server::responses(vec![
        redirect("/b"),
        redirect("/c"),
        redirect("/d"),
        OK.to_owned(),
    ]);
    assert_eq!(text(&server.url("/a")).as_deref(), Ok("{}"));
    assert_eq!(paths(&server), ["/a", "/b", "/c", "/d"]);
}

#[test]
fn loops_and_long_ways_end() {
    let server = Server::responses(vec![redirect("/a")]);
    let expected = format!(
        "redirect to \"{}\", which was asked before",
        server.url("/a")
    );
    assert_eq!(error(&server.url("/a")), expected);
    assert_eq!(paths(&server), ["/a"]);

    let server = Server::responses(vec![redirect("/b"), redirect("/a")]);
    let expected = format!(
        "redirect to \"{}\", which was asked before",
        server.url("/a")
    );
    assert_eq!(error(&server.url("/a")), expected);
    assert_eq!(paths(&server), ["/a", "/b"]);

    let server = Server::responses(vec![
        redirect("b"),
        redirect("c"),
        redirect("d"),
        redirect("e"),
    ]);
    let expected = format!(
        "more than 3 redirects, the last one to \"{}\"",
        server.url("/e")
    );
    assert_eq!(error(&server.url("/a")), expected);
    assert_eq!(paths(&server), ["/a", "/b", "/c", "/d"]);
}

#[test]
fn a_redirect_to_nowhere_is_an_error() {
    let server = Server::responses(vec!["HTTP/1.1 302 Found\r\n\r\n"]);
    assert_eq!(
        error(&server.url("/")),
        "HTTP status 302 without a \"Location\""
    );
    for (location, expected) in [
        (
            "ftp://a/",
            "redirect to \"ftp://a/\", which does not begin with \"https://\" or \"http://\"",
        ),
        (
            "http://a:secret@b/",
            "redirect to \"http://b/\", which has a user name in front of the host",
        ),
        (
            "/a b\"",
            "redirect to \"/a b\\\"\", which has a character that a URL must not have: write it as \
             \"%\" and two digits",
        ),
        (
            "/\u{e4}",
            "redirect to \"/\\xc3\\xa4\", which has a character that a URL must not have: write it \
             as \"%\" and two digits",
        ),
    ] {
        let server = Server::responses(vec![redirect(location)]);
        assert_eq!(error(&server.url("/")), expected);
    }
}
