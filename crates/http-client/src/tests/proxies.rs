use std::io::Write as _;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use super::support::{Ca, Fetch, Folder, Leaf, SOON, Server, read_header};
use crate::proxy::{Proxy, ProxyError};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}";
const ESTABLISHED: &str = "HTTP/1.1 200 Connection established\r\n\r\n";

/// A proxy that connects to one port, whatever it is asked for, and its requests.
fn proxy_to(port: u16, response: &'static str) -> (String, std::sync::mpsc::Receiver<String>) {
    let (sender, requests) = std::sync::mpsc::channel();
    let server = Server::raw(move |mut client, _| {
        let _ = sender.send(read_header(&mut client));
        client.write_all(response.as_bytes()).unwrap();
        let mut server = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (mut from_client, mut to_server) =
            (client.try_clone().unwrap(), server.try_clone().unwrap());
        thread::spawn(move || std::io::copy(&mut from_client, &mut to_server));
        let _ = std::io::copy(&mut server, &mut client);
    });
    (format!("http://127.0.0.1:{}", server.port), requests)
}

#[test]
fn the_server_is_reached_through_a_proxy() {
    let server = Server::responses(vec![OK]);
    let (proxy, requests) = proxy_to(server.port, ESTABLISHED);
    let fetch = Fetch {
        proxy: Some(&proxy),
        ..Fetch::default()
    };
    assert_eq!(fetch.text("http://login.test/keys").as_deref(), Ok("{}"));
    let version = env!("CARGO_PKG_VERSION");
    let expected = format!(
        "CONNECT login.test:80 HTTP/1.1\r\nhost: login.test:80\r\nuser-agent: nginx-auth/{version}\
         \r\n\r\n"
    );
    assert_eq!(requests.recv().unwrap(), expected);
    assert!(server.requests()[0].starts_with("GET /keys HTTP/1.1\r\nhost: login.test\r\n"));
}

#[test]
fn tls_is_between_the_client_and_the_server() {
    let (folder, ca) = (Folder::new(), Ca::new("Test CA"));
    let server = Server::tls(ca.issue(&Leaf::default()).acceptor(&[], None), |stream| {
        let _ = stream.write_all(OK.as_bytes());
    });
    let (proxy, requests) = proxy_to(server.port, ESTABLISHED);
    let with_credentials = proxy.replace("//", "//us%65r:p%40%3Ass@");
    let mut fetch = Fetch {
        proxy: Some(&with_credentials),
        ..Fetch::default()
    };
    fetch.tls.trusted_certificate = Some(ca.file(&folder));
    assert_eq!(fetch.text("https://login.test/").as_deref(), Ok("{}"));
    let request = requests.recv().unwrap();
    assert!(
        request.starts_with("CONNECT login.test:443 HTTP/1.1\r\n"),
        "{request}"
    );
    // "user:p@:ss"
    let authorization = "\r\nproxy-authorization: Basic dXNlcjpwQDpzcw==\r\n";
    assert!(request.contains(authorization), "{request}");
    assert!(!server.requests()[0].contains("authorization"));
    let error = fetch.error("https://evil.test/");
    let expected = "certificate is for \"login.test\", not for \"evil.test\", see ssl_name";
    assert_eq!(error, expected);
    assert_eq!(
        fetch.error("https://[::1]:8443/").split(',').next(),
        Some("certificate is for \"login.test\"")
    );
    requests.recv().unwrap();
    assert!(
        requests
            .recv()
            .unwrap()
            .starts_with("CONNECT [::1]:8443 HTTP/1.1\r\nhost: [::1]:8443\r\n")
    );
}

#[test]
fn a_proxy_that_refuses_is_named() {
    for (response, expected) in [
        (
            "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n",
            "HTTP status 407; it wants other credentials, write them as \
             http://user:password@host:port",
        ),
        (
            "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno",
            "HTTP status 403; it does not allow connections to this host and port",
        ),
        (
            "HTTP/1.0 502 Bad Gateway\r\n\r\n<html>",
            "HTTP status 502; it cannot reach the server",
        ),
        (
            "HTTP/1.1 405 Method Not Allowed\r\n\r\n",
            "HTTP status 405; it may not be a proxy, or has no CONNECT",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://login.test/\r\n\r\n",
            "HTTP status 302",
        ),
        (
            "",
            "no valid response to CONNECT, connection closed; is this an HTTP proxy?",
        ),
        (
            "\x05\x01\r\n\r\n",
            "no valid response to CONNECT, invalid HTTP version parsed; is this an HTTP proxy?",
        ),
        (
            "HTTP/1.1 200 OK\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}",
            "no valid response to CONNECT, data behind the header; is this an HTTP proxy?",
        ),
    ] {
        let server = Server::responses(vec![response]);
        let proxy = format!("http://user:secret@127.0.0.1:{}", server.port);
        let fetch = Fetch {
            proxy: Some(&proxy),
            ..Fetch::default()
        };
        let expected = format!("proxy \"127.0.0.1:{}\": {expected}", server.port);
        assert_eq!(fetch.error("http://login.test/"), expected);
    }
}

#[test]
fn a_proxy_that_hangs_ends_by_the_limit_for_the_connection() {
    let is_quiet = Arc::new(AtomicBool::new(false));
    let was_asked = Arc::clone(&is_quiet);
    let server = Server::scripted(move |stream| {
        was_asked.store(true, Ordering::SeqCst);
        let _ = stream.read(&mut [0]);
    });
    let proxy = format!("http://127.0.0.1:{}", server.port);
    let mut fetch = Fetch {
        proxy: Some(&proxy),
        ..Fetch::default()
    };
    fetch.is_quiet = Some(is_quiet);
    fetch.limits.connect = SOON;
    assert_eq!(
        fetch.error("https://login.test/"),
        format!(
            "proxy \"127.0.0.1:{}\": no response to CONNECT within 50ms, see connect_timeout",
            server.port
        )
    );
    fetch.proxy = Some("http://slow.test:3128");
    assert_eq!(
        fetch.error("https://login.test/"),
        "no connection to \"slow.test:3128\" within 50ms, see connect_timeout"
    );
}

#[test]
fn a_proxy_is_read_and_its_password_is_not_shown() {
    for (text, expected) in [
        ("https://proxy.test:3128", ProxyError::Https),
        ("http://proxy.test/path", ProxyError::Path),
        ("http://proxy.test/?query", ProxyError::Path),
        ("http://user@proxy.test", ProxyError::Credentials),
        ("http://:password@proxy.test", ProxyError::Credentials),
        ("http://user:pass:word@proxy.test", ProxyError::Credentials),
        ("http://user:p@ss@proxy.test", ProxyError::Credentials),
        ("http://user:p/ss@proxy.test", ProxyError::Credentials),
        (
            "http://us%3aer:password@proxy.test",
            ProxyError::Credentials,
        ),
        ("http://user:%0d%0a@proxy.test", ProxyError::Credentials),
        ("http://user:%zz@proxy.test", ProxyError::Credentials),
        ("http://user:%4@proxy.test", ProxyError::Credentials),
        (
            "proxy.test:3128",
            ProxyError::Url(http_url::UrlError::Scheme),
        ),
        (
            "socks5://proxy.test",
            ProxyError::Url(http_url::UrlError::Scheme),
        ),
        ("http://", ProxyError::Url(http_url::UrlError::NoHost)),
    ] {
        assert_eq!(Proxy::parse(text).err(), Some(expected), "{text}");
    }
    let proxy = Proxy::parse("http://user:secret@Proxy.test:3128").unwrap();
    assert_eq!(proxy.address().to_string(), "proxy.test:3128");
    let shown = format!("{proxy:?}");
    assert!(
        !shown.contains("secret") && !shown.contains("c2VjcmV0"),
        "{shown}"
    );
    assert!(Proxy::parse("http://unix:/run/proxy.sock").is_ok());
}
