use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::support::{Conn, Fetch, SOON, Server};

fn hang(stream: &mut dyn Conn) {
    // Until the client has gone.
    let _ = stream.read(&mut [0]);
}

#[test]
fn no_connection_ends_by_the_limit_for_it() {
    let mut fetch = Fetch::default();
    fetch.limits.connect = SOON;
    assert_eq!(
        fetch.error("https://slow.test/"),
        "no connection to \"slow.test:443\" within 50ms, see connect_timeout"
    );
}

#[test]
fn a_name_that_nobody_resolves_ends_by_the_limit_for_connections() {
    let mut fetch = Fetch::default();
    fetch.limits.connect = SOON;
    assert_eq!(
        fetch.error("https://unanswered.test/"),
        "no name server has answered about \"unanswered.test\" within 50ms, see resolver"
    );
    // It is the proxy's name then.
    fetch.proxy = Some("http://unanswered.test:3128");
    assert_eq!(
        fetch.error("https://login.test/"),
        "no name server has answered about \"unanswered.test\" within 50ms, see resolver"
    );
}

#[test]
fn a_handshake_that_hangs_ends_by_its_limit() {
    let server = Server::raw(|mut stream, _| hang_after(&mut stream, 5));
    let mut fetch = Fetch::default();
    fetch.limits.handshake = SOON;
    let port = server.port;
    assert_eq!(
        fetch.error(&format!("https://login.test:{port}/")),
        format!("no TLS handshake with \"login.test:{port}\" within 50ms, see connect_timeout")
    );
}

/// Reads a little and then only waits for the end.
fn hang_after(stream: &mut dyn Conn, read: usize) {
    let _ = stream.read_exact(&mut vec![0; read]);
    while stream.read(&mut [0; 1024]).is_ok_and(|read| read > 0) {}
}

#[test]
fn a_response_that_does_not_come_ends_by_the_limit_for_reading() {
    let mut fetch = Fetch::default();
    fetch.limits.read = SOON;
    let expected = "no response header within 50ms, see read_timeout";
    let server = Server::scripted(hang);
    assert_eq!(fetch.error(&server.url("/")), expected);
    let server = Server::scripted(|stream| {
        stream.write_all(b"HTTP/1.1 200 OK\r\nA: ").unwrap();
        hang(stream);
    });
    assert_eq!(fetch.error(&server.url("/")), expected);
}

#[test]
fn a_body_that_stops_ends_by_the_limit_for_reading() {
    let mut fetch = Fetch::default();
    fetch.limits.read = SOON;
    let is_quiet = Arc::new(AtomicBool::new(false));
    fetch.is_quiet = Some(Arc::clone(&is_quiet));
    let server = Server::scripted(move |stream| {
        stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}")
            .unwrap();
        is_quiet.store(true, Ordering::SeqCst);
        hang(stream);
    });
    let expected = "response body stopped after 2 bytes for 50ms, see read_timeout";
    assert_eq!(fetch.error(&server.url("/")), expected);
}

#[test]
fn a_server_that_trickles_ends_by_the_limit_for_all() {
    let mut fetch = Fetch::default();
    fetch.limits.whole = SOON;
    let body = |stream: &mut dyn Conn| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        trickle(stream, b" ");
    };
    let header = |stream: &mut dyn Conn| trickle(stream, b"HTTP/1.1 100 Continue\r\n\r\n");
    for server in [Server::scripted(body), Server::scripted(header)] {
        assert_eq!(fetch.error(&server.url("/")), "not complete within 50ms");
    }
    // So does one that leads to itself, over and over.
    fetch.limits.redirects = usize::MAX;
    let server = Server::raw(|mut stream, number| {
        super::support::read_header(&mut stream);
        let _ = write!(stream, "HTTP/1.1 302 Found\r\nLocation: /{number}\r\n\r\n");
    });
    assert_eq!(fetch.error(&server.url("/")), "not complete within 50ms");
}

fn trickle(stream: &mut dyn Conn, data: &[u8]) {
    while stream.write_all(data).is_ok() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_slow_server_is_waited_for() {
    let server = Server::scripted(|stream| {
        for part in [
            "HTTP/1.1 ",
            "200 OK\r\nContent-",
            "Length: 2\r\n\r\n",
            "{",
            "}",
        ] {
            std::thread::sleep(Duration::from_millis(5));
            stream.write_all(part.as_bytes()).unwrap();
        }
    });
    assert_eq!(Fetch::default().text(&server.url("/")).as_deref(), Ok("{}"));
}
