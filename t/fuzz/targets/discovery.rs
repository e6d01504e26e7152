//! A discovery document: the issuer of the configuration and the document, apart by a zero byte.
#![no_main]

use policy::auth_jwt::discovery::{Discovery, DiscoveryStep};
use policy::auth_jwt::key_route::KeyRoute;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

fn check(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |&byte| byte == 0);
    let issuer = std::str::from_utf8(parts.next().unwrap_or_default());
    let (Ok(issuer), Some(document)) = (issuer, parts.next()) else {
        return;
    };
    let Ok(mut discovery) = Discovery::of_issuer(issuer, KeyRoute::default()) else {
        return;
    };
    let is_https = discovery.url().is_https();
    let mut asked = 1;
    let step = loop {
        match discovery.take_document(document) {
            DiscoveryStep::AskNext => asked += 1,
            step => break step,
        }
        assert!(asked <= 3 && discovery.url().is_https() == is_https);
    };
    match step {
        DiscoveryStep::Found(url) => {
            assert!(url.is_https() || !is_https);
            let json: serde_json::Value =
                serde_json::from_slice(document.strip_prefix(b"\xef\xbb\xbf").unwrap_or(document))
                    .unwrap();
            assert_eq!(json["issuer"], issuer);
        }
        DiscoveryStep::Failed(error) => {
            // Nothing of the document gets into the log as it is, or at any length.
            let text = error.to_string();
            assert!(text.len() < 2000 && text.bytes().all(|byte| !byte.is_ascii_control()));
        }
        DiscoveryStep::AskNext => unreachable!(),
    }
}
