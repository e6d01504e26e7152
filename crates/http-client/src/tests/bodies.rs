use super::support::{Server, error, text};

fn response(header: &str, body: &str) -> Server {
    Server::responses(vec![format!("HTTP/1.1 200 OK\r\n{header}\r\n{body}")])
}

#[test]
fn a_body_ends_by_its_length_by_chunks_or_by_the_connection() {
    for (header, body, expected) in [
        ("Content-Length: 11\r\n", "{\"keys\":[]}", "{\"keys\":[]}"),
        ("Content-Length: 0\r\n", "", ""),
        ("Content-Length: 2\r\nContent-Length: 2\r\n", "{}", "{}"),
        ("Content-Length: 2\r\n", "{} and more", "{}"),
        (
            "Transfer-Encoding: chunked\r\n",
            "1\r\n{\r\n1;a=b\r\n}\r\n0\r\n\r\n",
            "{}",
        ),
        (
            "Transfer-Encoding: Chunked\r\n",
            "2\r\n{}\r\n0\r\nX-Trailer: a\r\n\r\n",
            "{}",
        ),
        (
            "Transfer-Encoding: chunked\r\nContent-Length: 9\r\n",
            "2\r\n{}\r\n0\r\n\r\n",
            "{}",
        ),
        ("", "{}", "{}"),
        (
            "Content-Encoding: identity\r\nContent-Length: 2\r\n",
            "{}",
            "{}",
        ),
        ("Content-Encoding:\r\nContent-Length: 2\r\n", "{}", "{}"),
    ] {
        let server = response(header, body);
        assert_eq!(
            text(&server.url("/")).as_deref(),
            Ok(expected),
            "{header:?} {body:?}"
        );
    }
    let server = Server::responses(vec!["HTTP/1.0 200 OK\r\n\r\n{}"]);
    assert_eq!(text(&server.url("/")).as_deref(), Ok("{}"));
    let server = Server::responses(vec!["HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\n{}"]);
    assert_eq!(text(&server.url("/")).as_deref(), Ok("{}"));
}

#[test]
fn row_36_a_body_over_the_limit_is_refused_by_its_length_or_when_it_comes() {
    let expected = "response is larger than 1024 bytes";
    // Nothing of the body is sent: the length alone decides.
    let server = Server::scripted(|stream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1025\r\n\r\n");
        let _ = stream.read(&mut [0]);
    });
    assert_eq!(error(&server.url("/")), expected);
    let server = response("Content-Length: 18446744073709551613\r\n", "");
    assert_eq!(error(&server.url("/")), expected);

    for header in ["Transfer-Encoding: chunked\r\n", ""] {
        let server = Server::scripted(move |stream| {
            let _ = write!(stream, "HTTP/1.1 200 OK\r\n{header}\r\n");
            while stream.write_all(b"8\r\naaaaaaaa\r\n").is_ok() {}
        });
        assert_eq!(error(&server.url("/")), expected, "{header:?}");
    }
    let server = response("", &"a".repeat(1024));
    assert_eq!(text(&server.url("/")).unwrap().len(), 1024);
    let server = response("Content-Length: 1024\r\n", &"a".repeat(1024));
    assert_eq!(text(&server.url("/")).unwrap().len(), 1024);
    let server = response("", &"a".repeat(1025));
    assert_eq!(error(&server.url("/")), expected);
}

#[test]
fn half_a_body_is_an_error() {
    for (header, body, expected) in [
        (
            "Content-Length: 11\r\n",
            "{\"keys",
            "response was truncated after 6 bytes",
        ),
        (
            "Content-Length: 1\r\n",
            "",
            "response was truncated after 0 bytes",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "2\r\n{}\r\n",
            "response was truncated after 2 bytes",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "2\r\n{",
            "response was truncated after 1 bytes",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "",
            "response was truncated after 0 bytes",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "2\r\n{}\r\n0\r\n",
            "response was truncated after 2 bytes",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "2\r\n{}\r\n0\r\nX-Trailer: a\r\n",
            "response was truncated after 2 bytes",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "2\r\n{}\r\nzz\r\n",
            "response body is invalid after 2 bytes: Invalid chunk size line: missing size digit",
        ),
        (
            "Transfer-Encoding: chunked\r\n",
            "11111111111111111\r\n{}",
            "response body is invalid after 0 bytes: invalid chunk size: overflow",
        ),
    ] {
        let server = response(header, body);
        assert_eq!(error(&server.url("/")), expected, "{header:?} {body:?}");
    }
}

#[test]
fn encodings_are_refused_before_the_body_is_read() {
    for (header, expected) in [
        ("Content-Encoding: gzip\r\n", "gzip"),
        ("Content-Encoding: GZIP\r\n", "GZIP"),
        ("Content-Encoding: identity, br\r\n", "identity, br"),
        (
            "Content-Encoding: identity\r\nContent-Encoding: zstd\r\n",
            "zstd",
        ),
        ("Transfer-Encoding: gzip, chunked\r\n", "gzip, chunked"),
    ] {
        let server = response(header, "");
        let expected = format!(
            "response has the encoding \"{expected}\", though the request does not accept any"
        );
        assert_eq!(error(&server.url("/")), expected, "{header:?}");
    }
}

#[test]
fn a_reset_connection_is_an_error() {
    let server = Server::raw(|stream, _| {
        // The kernel resets a connection that is closed with data that nobody has read.
        stream.peek(&mut [0]).unwrap();
    });
    let expected = "connection broke before the response: Connection reset by peer (os error 104)";
    assert_eq!(error(&server.url("/")), expected);
}
