use std::io::Write as _;

use super::support::{Fetch, Folder, PATIENT, Server, error, read_header, text};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";

#[test]
fn the_request_names_the_host_and_accepts_no_encoding() {
    let server = Server::responses(vec![OK]);
    assert_eq!(text(&server.url("/keys?a=b")).unwrap(), "{}");
    let port = server.port;
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "GET /keys?a=b HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\nuser-agent: nginx-auth/{version}\r\n\
         accept: application/json\r\naccept-encoding: identity\r\nconnection: close\r\n\r\n"
    );
    assert_eq!(server.requests(), [expected]);
}

#[test]
fn nobody_there_is_an_error_that_names_the_address() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    assert_eq!(
        error(&format!("http://login.test:{port}/")),
        format!("no connection to \"login.test:{port}\": connection refused")
    );
    assert_eq!(
        error("https://unknown.test/"),
        "no connection to \"unknown.test:443\": the host name does not exist"
    );
    let folder = Folder::new();
    let path = folder.path("none.sock");
    let path = path.display();
    assert_eq!(
        error(&format!("http://unix:{path}:/keys")),
        format!("no connection to \"unix:{path}\": no such socket")
    );
}

#[test]
fn unix_sockets_and_ipv6_are_reached() {
    let folder = Folder::new();
    let path = folder.path("server.sock");
    let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let request = read_header(&mut stream);
        stream.write_all(OK.as_bytes()).unwrap();
        request
    });
    let url = format!("http://unix:{}:/keys", path.display());
    assert_eq!(text(&url).unwrap(), "{}");
    let request = server.join().unwrap();
    assert!(
        request.starts_with("GET /keys HTTP/1.1\r\nhost: localhost\r\n"),
        "{request}"
    );

    let server = Server::responses_at("[::1]:0", vec![OK]);
    let port = server.port;
    assert_eq!(text(&format!("http://[::1]:{port}/")).unwrap(), "{}");
    assert!(server.requests()[0].contains(&format!("\r\nhost: [::1]:{port}\r\n")));
}

#[test]
fn what_is_not_http_is_refused() {
    for (response, expected) in [
        ("", "connection closed by the server before the response"),
        (
            "HTTP/1.1 200",
            "connection closed by the server before the response",
        ),
        (
            "HTTP/1.1 200 OK\r\nA: b\r\n",
            "connection closed by the server before the response",
        ),
        (
            "{\"keys\":[]}",
            "no valid HTTP response: invalid HTTP version parsed",
        ),
        (
            "<html></html>\r\n\r\n",
            "no valid HTTP response: invalid HTTP version parsed",
        ),
        (
            "SSH-2.0-OpenSSH_9.2p1\r\n",
            "no valid HTTP response: invalid HTTP version parsed",
        ),
        (
            "HTTP/1.1 2000 OK\r\n\r\n",
            "no valid HTTP response: invalid HTTP status-code parsed",
        ),
        (
            "HTTP/2 200 OK\r\n\r\n",
            "no valid HTTP response: invalid HTTP version parsed",
        ),
        (
            "HTTP/1.1 200 OK\r\nA b\r\n\r\n",
            "no valid HTTP response: invalid HTTP header parsed",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
            "no valid HTTP response: invalid content-length parsed",
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n{}",
            "no valid HTTP response: invalid content-length parsed",
        ),
    ] {
        let server = Server::responses(vec![response]);
        assert_eq!(error(&server.url("/")), expected, "{response:?}");
    }
}

#[test]
fn another_status_than_200_is_an_error() {
    for (status, expected) in [
        ("201 Created", "HTTP status 201"),
        ("204 No Content", "HTTP status 204"),
        ("206 Partial Content", "HTTP status 206"),
        ("300 Multiple Choices", "HTTP status 300"),
        ("304 Not Modified", "HTTP status 304"),
        (
            "401 Unauthorized",
            "HTTP status 401; the server refuses the request",
        ),
        ("404 Not Found", "HTTP status 404; nothing is at this URL"),
        (
            "429 Too Many Requests",
            "HTTP status 429; the server is asked too often",
        ),
        ("503 Service Unavailable", "HTTP status 503"),
        ("999 Odd", "HTTP status 999"),
    ] {
        let server = Server::responses(vec![format!("HTTP/1.1 {status}\r\n\r\n{{}}")]);
        assert_eq!(error(&server.url("/")), expected, "{status}");
    }
}

#[test]
fn informational_responses_are_skipped() {
    let early = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n";
    let server = Server::responses(vec![format!(
        "HTTP/1.1 100 Continue\r\n\r\n{early}{early}{OK}"
    )]);
    assert_eq!(text(&server.url("/")).unwrap(), "{}");
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n";
    let server = Server::responses(vec![switch]);
    assert_eq!(error(&server.url("/")), "HTTP status 101");
}

#[test]
fn row_36_an_endless_header_ends_at_the_limit() {
    let expected = "response header is larger than 8192 bytes, or has more than 20 lines";
    let server = Server::scripted(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream
            .write_all(b"X-Filler: aaaaaaaaaaaaaaaaaaaaaaaaa\r\n")
            .is_ok()
        {}
    });
    assert_eq!(error(&server.url("/")), expected);
    let server = Server::scripted(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nX-Filler: ");
        while stream.write_all(&[b'a'; 100]).is_ok() {}
    });
    assert_eq!(error(&server.url("/")), expected);
    let server = Server::responses(vec![format!(
        "HTTP/1.1 200 OK\r\nX: {}\r\n\r\n",
        "a".repeat(8200)
    )]);
    assert_eq!(error(&server.url("/")), expected);
    let server = Server::responses(vec![format!(
        "HTTP/1.1 200 OK\r\n{}\r\n",
        "X: a\r\n".repeat(21)
    )]);
    assert_eq!(error(&server.url("/")), expected);
    let server = Server::responses(vec![format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n{}\r\n{{}}",
        "X: a\r\n".repeat(19)
    )]);
    assert_eq!(text(&server.url("/")).unwrap(), "{}");
}

#[test]
fn a_larger_header_is_read_if_it_may_be() {
    let fill = "a".repeat(30_000);
    let server = Server::responses(vec![format!(
        "HTTP/1.1 200 OK\r\nX: {fill}\r\nContent-Length: 2\r\n\r\n{{}}"
    )]);
    let mut fetch = Fetch::default();
    fetch.limits.header_bytes = 64 * 1024;
    assert_eq!(fetch.text(&server.url("/")).unwrap(), "{}");
    fetch.limits = PATIENT;
    assert!(fetch.text(&server.url("/")).is_err());
}

#[test]
fn the_header_of_the_response_is_given_back() {
    let server = Server::responses(vec![
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nAge: 5\r\nContent-Length: 0\r\n\r\n",
    ]);
    let document = Fetch::default().document(&server.url("/")).unwrap();
    assert_eq!(document.headers["cache-control"], "max-age=60");
    assert_eq!(document.headers["age"], "5");
    assert_eq!(document.body, b"");
}
