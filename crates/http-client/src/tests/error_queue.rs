//! OpenSSL has one queue of errors for all users in a thread. nginx logs an [alert] for what it
//! finds there, and what nginx leaves must not be taken for an error of ours.

use std::time::Duration;

use openssl::error::ErrorStack;
use openssl::x509::X509;

use super::support::{Ca, Fetch, Folder, Leaf, Server};

const OK: &[u8] = b"HTTP/1.0 200 OK\r\n\r\n{}";

/// Leaves an error in the queue.
fn leave_error() {
    X509::from_der(b"no certificate").unwrap_err().put();
}

#[track_caller]
fn assert_nothing_left() {
    let left = ErrorStack::get();
    assert!(left.errors().is_empty(), "{left}");
}

#[test]
fn errors_of_others_do_not_count_and_none_are_left() {
    let (folder, ca, other) = (Folder::new(), Ca::new("Test CA"), Ca::new("Other CA"));
    let good = ca.issue(&Leaf::default()).acceptor(&[], None);
    // Each piece is another step.
    let good = Server::tls(good, |stream| {
        for piece in OK.chunks(8) {
            std::thread::sleep(Duration::from_millis(2));
            let _ = stream.write_all(piece);
        }
    });
    let bad = other.issue(&Leaf::default()).acceptor(&[], None);
    let bad = Server::tls(bad, |stream| _ = stream.write_all(OK));
    let not_tls = Server::raw(|mut stream, _| {
        let _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
    });
    let mut trusting = Fetch::default();
    trusting.tls.trusted_certificate = Some(ca.file(&folder));
    for mut fetch in [trusting, Fetch::default()] {
        for server in [&good, &bad, &not_tls] {
            let url = server.https_url("login.test");
            assert_nothing_left();
            let expected = fetch.text(&url);
            assert_nothing_left();
            leave_error();
            assert_eq!(fetch.text(&url), expected);
            assert_nothing_left();
            fetch.meanwhile = leave_error;
            assert_eq!(fetch.text(&url), expected);
            fetch.meanwhile = || ();
            let _ = ErrorStack::get();
        }
    }
    assert_eq!(trusting_text(&ca, &good), Ok("{}".to_owned()));
}

fn trusting_text(ca: &Ca, server: &Server) -> Result<String, crate::error::FetchError> {
    let folder = Folder::new();
    let mut fetch = Fetch::default();
    fetch.tls.trusted_certificate = Some(ca.file(&folder));
    fetch.text(&server.https_url("login.test"))
}

#[test]
fn reading_files_leaves_no_errors() {
    use crate::tls::{TlsConfigs, TlsOptions};

    let (folder, ca) = (Folder::new(), Ca::new("Test CA"));
    let (certificate, key) = ca.issue(&Leaf::default()).files(&folder);
    let other = folder.write("other", &ca.0.key.private_key_to_pem_pkcs8().unwrap());
    for (certificate, key) in [(&certificate, &key), (&certificate, &other), (&key, &key)] {
        let options = TlsOptions {
            trusted_certificate: Some(certificate.clone()),
            client_certificate: Some((certificate.clone(), key.clone())),
            ..TlsOptions::default()
        };
        leave_error();
        let _ = TlsConfigs::default().config(&options);
        assert_nothing_left();
    }
}
