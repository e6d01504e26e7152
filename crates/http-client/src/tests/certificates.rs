use std::io::Write as _;
use std::net::TcpStream;

use openssl::ssl::{Ssl, SslAcceptor, SslVersion};

use super::support::{Ca, Conn, Fetch, Folder, Identity, Leaf, Server};

fn ok(stream: &mut dyn Conn) {
    let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
}

/// What a client that trusts the CA gets from a server with this certificate.
fn fetch(ca: &Ca, acceptor: SslAcceptor, host: &str) -> Result<String, String> {
    let folder = Folder::new();
    let server = Server::tls(acceptor, ok);
    let mut fetch = Fetch::default();
    fetch.tls.trusted_certificate = Some(ca.file(&folder));
    let url = server.https_url(host);
    fetch.text(&url).map_err(|error| error.to_string())
}

#[test]
fn each_defect_of_a_certificate_is_named() {
    let ca = Ca::new("Test CA");
    let expired = Leaf {
        common_name: "old",
        not_after: 1_000_000_000,
        ..Leaf::default()
    };
    let future = Leaf {
        common_name: "new",
        not_before: 4_000_000_000,
        ..Leaf::default()
    };
    let many = Leaf {
        names: &[
            "a.test", "b.test", "c.test", "d.test", "e.test", "f.test", "g.test",
        ],
        ..Leaf::default()
    };
    let address = Leaf {
        names: &["a\"b.test"],
        addresses: &["10.0.0.1", "2001:db8::1"],
        ..Leaf::default()
    };
    let nameless = Leaf {
        common_name: "other.test",
        names: &[],
        ..Leaf::default()
    };
    for (leaf, host, expected) in [
        (
            &expired,
            "login.test",
            "certificate of \"old\" expired at Sep  9 01:46:40 2001 GMT: it has to be renewed",
        ),
        (
            &future,
            "login.test",
            "certificate of \"new\" is not valid before Oct  2 07:06:40 2096 GMT: check this \
             machine's clock",
        ),
        (
            &Leaf::default(),
            "evil.test",
            "certificate is for \"login.test\", not for \"evil.test\", see ssl_name",
        ),
        (
            &Leaf::default(),
            "a.login.test",
            "certificate is for \"login.test\", not for \"a.login.test\", see ssl_name",
        ),
        (
            &many,
            "login.test",
            "certificate is for \"a.test\", \"b.test\", \"c.test\", \"d.test\", \"e.test\" and 2 \
             more, not for \"login.test\", see ssl_name",
        ),
        (
            &address,
            "127.0.0.1",
            "certificate is for \"a\\\"b.test\", \"10.0.0.1\", \"2001:db8::1\", not for \
             \"127.0.0.1\", see ssl_name",
        ),
        (
            &nameless,
            "login.test",
            "certificate is for \"other.test\", not for \"login.test\", see ssl_name",
        ),
    ] {
        let acceptor = ca.issue(leaf).acceptor(&[], None);
        assert_eq!(fetch(&ca, acceptor, host), Err(expected.to_owned()));
    }
}

#[test]
fn a_name_is_not_matched_by_an_address_nor_by_part_of_a_label() {
    let ca = Ca::new("Test CA");
    for (names, host) in [
        (&["127.0.0.1"][..], "127.0.0.1"),
        (&["*.test"][..], "a.login.test"),
        (&["log*.test"][..], "login.test"),
        (&["*"][..], "login.test"),
        (&["login.test.evil.test"][..], "login.test"),
        (&["*.login.test"][..], "login.test"),
    ] {
        let leaf = Leaf {
            names,
            ..Leaf::default()
        };
        let acceptor = ca.issue(&leaf).acceptor(&[], None);
        let expected = format!(
            "certificate is for \"{}\", not for \"{host}\", see ssl_name",
            names[0]
        );
        assert_eq!(fetch(&ca, acceptor, host), Err(expected));
    }
}

#[test]
fn names_wildcards_and_addresses_are_accepted() {
    let ca = Ca::new("Test CA");
    let leaf = Leaf {
        names: &["login.test", "*.wild.test"],
        addresses: &["127.0.0.1"],
        ..Leaf::default()
    };
    for host in [
        "login.test",
        "LOGIN.test",
        "login.test.",
        "a.wild.test",
        "127.0.0.1",
    ] {
        let acceptor = ca.issue(&leaf).acceptor(&[], None);
        assert_eq!(fetch(&ca, acceptor, host), Ok("{}".to_owned()), "{host}");
    }
}

#[test]
fn a_certificate_of_another_ca_is_refused() {
    let (trusted, other) = (Ca::new("Trusted CA"), Ca::new("Other CA"));
    let leaf = other.issue(&Leaf::default());
    assert_eq!(
        fetch(&trusted, leaf.acceptor(&[], None), "login.test"),
        Err(
            "certificate of \"leaf\" is signed by \"Other CA\", which is not trusted: \
             ssl_trusted_certificate has to name the certificate of that CA (or the server does \
             not send the certificates in between)"
                .to_owned()
        )
    );
    let self_signed = |name: &str| {
        let cure = "is self-signed and not trusted: ssl_trusted_certificate has to name it";
        Err(format!("certificate of \"{name}\" {cure}"))
    };
    assert_eq!(
        fetch(&trusted, leaf.acceptor(&[&other.0], None), "login.test"),
        self_signed("Other CA")
    );
    let alone = Identity::make(&Leaf::default(), None);
    assert_eq!(
        fetch(&trusted, alone.acceptor(&[], None), "login.test"),
        self_signed("leaf")
    );
    // One that is named is trusted.
    let alone = Ca(alone);
    let acceptor = alone.0.acceptor(&[], None);
    assert_eq!(fetch(&alone, acceptor, "login.test"), Ok("{}".to_owned()));
}

#[test]
fn a_leaf_is_no_ca() {
    let ca = Ca::new("Test CA");
    let not_a_ca = ca.issue(&Leaf::default());
    let leaf = Identity::make(
        &Leaf {
            common_name: "below",
            ..Leaf::default()
        },
        Some(&not_a_ca),
    );
    let error = fetch(&ca, leaf.acceptor(&[&not_a_ca], None), "login.test").unwrap_err();
    let is_named = error == "certificate of \"leaf\" is not acceptable: invalid CA certificate";
    assert!(is_named, "{error}");
}

#[test]
fn an_intermediate_ca_is_used_and_may_be_all_that_is_trusted() {
    let root = Ca::new("Root CA");
    let intermediate = Ca(root.issue(&Leaf {
        common_name: "Intermediate CA",
        names: &[],
        is_ca: true,
        ..Leaf::default()
    }));
    let leaf = intermediate.issue(&Leaf::default());
    let with_chain = || leaf.acceptor(&[&intermediate.0], None);
    assert_eq!(
        fetch(&root, with_chain(), "login.test"),
        Ok("{}".to_owned())
    );
    let without = leaf.acceptor(&[], None);
    assert_eq!(
        fetch(&intermediate, without, "login.test"),
        Ok("{}".to_owned())
    );
    let missing = fetch(&root, leaf.acceptor(&[], None), "login.test").unwrap_err();
    assert!(
        missing.contains("signed by \"Intermediate CA\", which is not trusted"),
        "{missing}"
    );
}

#[test]
fn the_system_s_certificates_do_not_know_a_ca_of_tests() {
    let ca = Ca::new("Test CA");
    let server = Server::tls(ca.issue(&Leaf::default()).acceptor(&[], None), ok);
    let error = Fetch::default().error(&server.https_url("login.test"));
    assert!(
        error.contains("is signed by \"Test CA\", which is not trusted"),
        "{error}"
    );
}

#[test]
fn verification_can_be_switched_off_and_the_name_changed() {
    let (folder, ca) = (Folder::new(), Ca::new("Test CA"));
    let server = Server::tls(ca.issue(&Leaf::default()).acceptor(&[], None), ok);
    let mut fetch = Fetch::default();
    fetch.tls.verify = false;
    assert_eq!(
        fetch.text(&server.https_url("evil.test")).as_deref(),
        Ok("{}")
    );

    let mut fetch = Fetch::default();
    fetch.tls.trusted_certificate = Some(ca.file(&folder));
    for name in ["login.test", "LOGIN.test."] {
        fetch.tls.name = Some(name.to_owned());
        let url = server.https_url("127.0.0.1");
        assert_eq!(fetch.text(&url).as_deref(), Ok("{}"), "{name}");
    }
    fetch.tls.name = Some("evil.test".to_owned());
    assert_eq!(
        fetch.error(&server.https_url("login.test")),
        "certificate is for \"login.test\", not for \"evil.test\", see ssl_name"
    );
}

#[test]
fn a_client_certificate_is_shown_where_it_is_wanted() {
    let (folder, ca, other) = (Folder::new(), Ca::new("Test CA"), Ca::new("Other CA"));
    let leaf = ca.issue(&Leaf::default());
    let server = Server::tls(leaf.acceptor(&[], Some(&ca)), ok);
    let url = server.https_url("login.test");
    let mut fetch = Fetch::default();
    fetch.tls.trusted_certificate = Some(ca.file(&folder));
    assert_eq!(
        fetch.error(&url),
        "TLS refused by the server: tlsv13 alert certificate required; it may want a client \
         certificate, see ssl_certificate"
    );
    fetch.tls.client_certificate = Some(other.issue(&Leaf::default()).files(&folder));
    assert_eq!(
        fetch.error(&url),
        "TLS refused by the server: tlsv1 alert unknown ca; it does not accept the client \
         certificate of ssl_certificate"
    );
    let folder = Folder::new();
    fetch.tls.client_certificate = Some(ca.issue(&Leaf::default()).files(&folder));
    assert_eq!(fetch.text(&url).as_deref(), Ok("{}"));
}

#[test]
fn what_is_not_tls_is_named() {
    let server = Server::raw(|mut stream, _| {
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        drain(&mut stream);
    });
    let error = Fetch::default().error(&server.https_url("login.test"));
    let expected = "TLS failed: wrong version number; there may be no TLS at this port";
    assert_eq!(error, expected);
    let server = Server::raw(|mut stream, _| {
        let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
    });
    assert_eq!(
        Fetch::default().error(&server.https_url("login.test")),
        format!(
            "connection closed by \"login.test:{}\" in the TLS handshake",
            server.port
        )
    );
}

/// Lets the client end first.
fn drain(stream: &mut TcpStream) {
    let _ = std::io::copy(stream, &mut std::io::sink());
}

#[test]
fn tls_before_1_2_is_refused() {
    let (folder, ca) = (Folder::new(), Ca::new("Test CA"));
    let leaf = ca.issue(&Leaf::default());
    let mut acceptor =
        SslAcceptor::mozilla_intermediate(openssl::ssl::SslMethod::tls_server()).unwrap();
    acceptor.set_certificate(&leaf.certificate).unwrap();
    acceptor.set_private_key(&leaf.key).unwrap();
    acceptor.set_min_proto_version(None).unwrap();
    acceptor
        .set_max_proto_version(Some(SslVersion::TLS1_1))
        .unwrap();
    acceptor.set_cipher_list("ALL:@SECLEVEL=0").unwrap();
    let server = Server::tls(acceptor.build(), ok);
    let mut fetch = Fetch::default();
    fetch.tls.trusted_certificate = Some(ca.file(&folder));
    let error = fetch.error(&server.https_url("login.test"));
    assert_eq!(
        error,
        "TLS refused by the server: tlsv1 alert protocol version"
    );
}

#[test]
fn a_body_without_length_needs_the_end_of_tls() {
    let (folder, ca) = (Folder::new(), Ca::new("Test CA"));
    let mut fetch = Fetch::default();
    fetch.tls.trusted_certificate = Some(ca.file(&folder));
    let leaf = ca.issue(&Leaf::default());
    let whole = Server::tls(leaf.acceptor(&[], None), |stream| {
        let _ = stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{}");
    });
    assert_eq!(
        fetch.text(&whole.https_url("login.test")).as_deref(),
        Ok("{}")
    );
    // The connection ends, and TLS does not: anybody in between may have done that.
    let acceptor = leaf.acceptor(&[], None);
    let cut = Server::raw(move |stream, _| {
        let mut stream = acceptor.accept(stream).unwrap();
        super::support::read_header(&mut stream);
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\n{}").unwrap();
    });
    assert_eq!(
        fetch.error(&cut.https_url("login.test")),
        "response was truncated after 2 bytes"
    );
}

#[test]
fn the_server_is_told_the_name_but_no_address() {
    let (folder, ca) = (Folder::new(), Ca::new("Test CA"));
    let mut fetch = Fetch::default();
    fetch.tls.trusted_certificate = Some(ca.file(&folder));
    let leaf = Leaf {
        addresses: &["127.0.0.1"],
        ..Leaf::default()
    };
    let acceptor = ca.issue(&leaf).acceptor(&[], None);
    let (told, names) = std::sync::mpsc::channel();
    let server = Server::raw(move |stream, _| {
        let ssl = Ssl::new(acceptor.context()).unwrap();
        let mut stream = openssl::ssl::SslStream::new(ssl, stream).unwrap();
        stream.accept().unwrap();
        super::support::read_header(&mut stream);
        let ssl = stream.ssl();
        let name = ssl.servername(openssl::ssl::NameType::HOST_NAME);
        let alpn = ssl.selected_alpn_protocol().map(<[u8]>::to_vec);
        told.send((name.map(str::to_owned), alpn)).unwrap();
        ok(&mut stream);
    });
    assert_eq!(
        fetch.text(&server.https_url("login.test.")).as_deref(),
        Ok("{}")
    );
    assert_eq!(names.recv().unwrap(), (Some("login.test".to_owned()), None));
    assert_eq!(
        fetch.text(&server.https_url("127.0.0.1")).as_deref(),
        Ok("{}")
    );
    assert_eq!(names.recv().unwrap(), (None, None));
}
