//! A list of revoked names, against the object that serde_json reads.
#![no_main]

use policy::auth_jwt::revocation_list::RevocationList;
use serde_json::{Map, Value};

libfuzzer_sys::fuzz_target!(|text: &[u8]| nginx_auth_fuzz::in_time(|| check(text)));

fn check(text: &[u8]) {
    let json = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let Ok(list) = RevocationList::parse(text) else {
        // Nobody else reads an object there either.
        assert!(serde_json::from_slice::<Map<String, Value>>(json).is_err());
        return;
    };
    // Values are skipped here and read there: some are refused there only, such as 1e999.
    let Ok(object) = serde_json::from_slice::<Map<String, Value>>(json) else {
        return;
    };
    assert_eq!(list.len(), object.len());
    assert!(object.keys().all(|name| list.contains(name.as_bytes())));
    // The text around a name is no name, unless the object has that, too.
    for length in [0, 1, text.len() / 2, text.len()] {
        let part = &text[..length.min(text.len())];
        let is_name = str::from_utf8(part).is_ok_and(|name| object.contains_key(name));
        assert_eq!(list.contains(part), is_name);
    }
}
