use super::*;

#[test]
fn vary_names_are_sorted_without_duplicates_unless_a_proxy_may_make_such_a_header() {
    let names = |lines: &[&'static str]| vary_names(lines.iter().map(|line| line.as_bytes()));
    assert_eq!(names(&["*"]), None);
    assert_eq!(names(&["Origin", "accept, *"]), None);
    for name in [
        "Host",
        "Forwarded",
        "X-Real-IP",
        "X-Forwarded-For",
        "X-Original-URI",
        "X-Tenant",
        "Accept-Charset",
        "Accept_Language",
        "Proxy-Authorization",
        "Cookie2",
        "Coo kie",
    ] {
        assert_eq!(names(&["Origin", name]), None, "{name}");
    }
    assert_eq!(names(&[]), Some(vec![]));
    assert_eq!(names(&["", " , "]), Some(vec![]));
    assert_eq!(
        names(&["Origin,  cookie", "ORIGIN"]),
        Some(vec![b"cookie".to_vec(), b"origin".to_vec()])
    );
    let all = "accept,accept-encoding,accept-language,authorization,cookie,origin,user-agent";
    let sorted = all
        .split(',')
        .map(|name| name.as_bytes().to_vec())
        .collect();
    assert_eq!(names(&["User-Agent, Accept", all]), Some(sorted));
}

#[test]
fn a_service_has_seen_the_values_of_the_client_or_others() {
    let sent = b"GET /a HTTP/1.0\r\nHost: a\r\nCOOKIE: a=1; b=2\r\nAccept: \r\nOrigin:b\r\nX: 1\r\nX: 2\r\n\r\nY: 3\r\n";
    let saw = |name: &str, values: &[&str]| {
        let values = values.iter().map(|value| value.as_bytes());
        has_seen(sent, name.as_bytes(), values)
    };
    for (name, values) in [
        ("cookie", &["a=1; b=2"][..]),
        ("Cookie", &["a=1", "b=2"]),
        ("accept", &[""]),
        ("origin", &["b"]),
        ("x", &["1", "2"]),
        // not sent
        ("y", &["1"]),
        ("z", &[]),
        ("cook", &["1"]),
        ("get /a http/1.0", &["1"]),
    ] {
        assert!(saw(name, values), "{name}");
    }
    for (name, values) in [
        ("cookie", &["a=1"][..]),
        ("cookie", &[]),
        ("accept", &[]),
        ("accept", &["a"]),
        ("origin", &["b", ""]),
        ("x", &["2", "1"]),
        ("x", &["1, 2"]),
    ] {
        assert!(!saw(name, values), "{name}");
    }
    assert!(!has_seen(b"GET / HTTP/1.1\nA: 1", b"a", [].into_iter()));
}

#[test]
fn what_a_service_has_seen_by_another_protocol_is_not_certain() {
    for sent in [
        &b""[..],
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0",
        b"PRI * HTTP/2.0\r\norigin: a\r\n\r\n",
        b"\x01\x01\0\x01\0\x08\0\0",
    ] {
        assert!(!has_seen(sent, b"origin", [].into_iter()), "{sent:?}");
        let values = [&b"a"[..]].into_iter();
        assert!(!has_seen(sent, b"origin", values), "{sent:?}");
    }
}

#[test]
fn a_header_of_another_protocol_is_not_one_of_http_1() {
    for sent in [
        &b"GET / HTTP/1.0\r\n"[..],
        b"POST /a?b HTTP/1.1\r\nA: b\r\n\r\n",
    ] {
        assert!(is_http_header(sent));
    }
    for sent in [
        &b""[..],
        b"GET / HTTP/1.1",
        b"GET / HTTP/2\r\n",
        b"PRI * HTTP/2.0\r\n",
        b"\x01\x01\0\x01\0\x08\0\0",
        b"get key\r\n",
        b"HTTP/1.1\r\n",
    ] {
        assert!(!is_http_header(sent), "{sent:?}");
    }
}
