//! What comes back from a file with saved keys, and from shared memory.
#![no_main]

use policy::auth_jwt::issuer_record::IssuerRecord;
use policy::auth_jwt::key_text_id::KeyTextId;
use policy::auth_jwt::saved_keys::{self, SavedKeysError};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| nginx_auth_fuzz::in_time(|| check(bytes)));

const SOURCE: &str = "https://login.test discovery";
const NOW: i64 = 1_800_000_000;

fn check(bytes: &[u8]) {
    check_file(bytes);
    // The digest stops nearly all; here it is right.
    let file = format!(
        "nginx-auth issuer keys 1\nsha-256 {}\n",
        KeyTextId::of(bytes)
    );
    check_file(&[file.as_bytes(), bytes].concat());

    if let Some(record) = IssuerRecord::decode(bytes) {
        let encoded = record.encode();
        assert_eq!(IssuerRecord::decode(&encoded), Some(record));
    }
}

fn check_file(file: &[u8]) {
    match saved_keys::decode(file, SOURCE, NOW) {
        Ok(saved) => {
            let fetched_at = NOW - i64::try_from(saved.age.as_secs()).unwrap();
            let again = saved_keys::encode(SOURCE, fetched_at, saved.text);
            assert_eq!(saved_keys::decode(&again, SOURCE, NOW), Ok(saved));
        }
        Err(SavedKeysError::OtherSource(source)) => {
            assert_ne!(source.to_string(), format!("{SOURCE:?}"))
        }
        Err(_) => (),
    }
}
