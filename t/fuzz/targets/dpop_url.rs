//! The addresses that DPoP proofs are compared by: two of them, apart by a zero byte. Normalizing
//! what is normalized changes nothing.
#![no_main]

use policy::auth_jwt::dpop::check_host;
use policy::auth_jwt::dpop_url::DpopUrl;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let (first, second) = text.split_once('\0').unwrap_or((text, ""));
    for text in [first, second] {
        check_one(text);
    }
    _ = check_host(first.as_bytes(), second.as_bytes());
    let urls = (DpopUrl::parse(first), DpopUrl::parse(second));
    if let (Ok(first), Ok(second)) = urls {
        assert_eq!(first == second, first.to_string() == second.to_string());
    }
}

fn check_one(text: &str) {
    let url = DpopUrl::parse(text);
    // What counts for a request counts for a proof, and means the same.
    if let Ok(requested) = DpopUrl::parse_request(text) {
        assert_eq!(url.as_ref(), Ok(&requested), "{text}");
    }
    let Ok(url) = url else { return };
    let normalized = url.to_string();
    assert_eq!(DpopUrl::parse(&normalized).as_ref(), Ok(&url), "{text}");
    assert_eq!(
        DpopUrl::parse_request(&normalized).as_ref(),
        Ok(&url),
        "{text}"
    );
    let path = normalized.splitn(4, '/').nth(3).unwrap_or_default();
    assert!(
        path.split('/')
            .all(|segment| segment != "." && segment != ".."),
        "{text}"
    );
    // The query and the fragment do not count.
    for more in ["?x=/../y", "#x"] {
        assert_eq!(
            DpopUrl::parse(&format!("{normalized}{more}")).as_ref(),
            Ok(&url),
            "{text}"
        );
    }
}
