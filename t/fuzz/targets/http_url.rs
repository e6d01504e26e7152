//! The URLs of issuers: a URL and a reference in a response of it, apart by a zero byte.
#![no_main]

use http_url::HttpUrl;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (url, reference) = text.split_once('\0').unwrap_or((text, ""));
    let Ok(url) = HttpUrl::parse(url) else {
        return;
    };
    check_url(&url);
    if let Ok(target) = url.join(reference) {
        check_url(&target);
        // A path stays on its server.
        if reference.starts_with('/') && !reference.starts_with("//") {
            assert!(target.is_same_server(&url));
        }
    }
}

fn check_url(url: &HttpUrl) {
    let shown = url.to_string();
    assert_eq!(HttpUrl::parse(&shown).as_ref(), Ok(url), "{shown}");
    assert!(url.target().starts_with('/'));
    // What goes into a request must not be more than one line, or more than one word of it.
    for part in [url.target(), &url.authority()] {
        assert!(
            part.bytes()
                .all(|byte| byte.is_ascii_graphic() && byte != b'#')
        );
    }
    assert!(!url.authority().contains(['@', '/', '?']));
}
