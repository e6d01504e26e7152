use http_url::HttpUrl;
use proptest::prelude::*;

use super::*;
use crate::auth_jwt::issuer_source::IssuerSource;

const SOURCE_ID: &str = "https://login.test discovery";
const TEXT: &[u8] = b"{\"keys\":[]}\n";
const NOW: i64 = 1_800_000_000;

fn file() -> Vec<u8> {
    encode(SOURCE_ID, NOW, TEXT)
}

#[test]
fn a_file_has_whose_keys_they_are_and_since_when() {
    let expected = "nginx-auth issuer keys 1\n\
         sha-256 0000000000000000000000000000000000000000000000000000000000000000\n\
         fetched 1800000000\n\
         source \"https://login.test discovery\"\n\
         \n\
         {\"keys\":[]}\n";
    let written = String::from_utf8(file()).unwrap();
    let digest = &written[33..97];
    assert_eq!(written.replace(digest, &"0".repeat(64)), expected);
    for (later, age) in [(0, 0), (1, 1), (86_400, 86_400), (-300, 0)] {
        let saved = SavedKeys {
            age: Duration::from_secs(age),
            text: TEXT,
        };
        assert_eq!(decode(&file(), SOURCE_ID, NOW + later), Ok(saved));
    }
}

#[test]
fn a_file_from_the_future_is_not_used() {
    let file = file();
    let decoded = decode(&file, SOURCE_ID, NOW - 301);
    assert_eq!(decoded, Err(SavedKeysError::Future));
    let decoded = decode(&file, SOURCE_ID, i64::MIN);
    assert_eq!(decoded, Err(SavedKeysError::Future));
    let oldest = encode(SOURCE_ID, i64::MIN, TEXT);
    let age = decode(&oldest, SOURCE_ID, i64::MAX).unwrap().age;
    assert_eq!(age, Duration::from_secs(i64::MAX as u64));
}

#[test]
fn a_file_of_another_source_is_not_used() {
    let url = |text: &str| HttpUrl::parse(text).unwrap();
    let discovery = |url, insecure| IssuerSource::Discovery { url, insecure };
    let sources = [
        discovery(None, false).id("https://a"),
        discovery(None, false).id("https://a/"),
        discovery(Some(url("https://a/")), false).id("https://a"),
        // Keys that came over http do not outlive that it was allowed.
        discovery(None, true).id("https://a"),
        discovery(Some(url("https://a/")), true).id("https://a"),
        IssuerSource::JwksUri(url("https://a/")).id("https://a"),
        IssuerSource::JwksUri(url("https://a/?")).id("https://a"),
        "line\nfeed \"\\\u{e4}".to_owned(),
    ];
    for (index, source) in sources.iter().enumerate() {
        let file = encode(source, NOW, TEXT);
        assert_eq!(decode(&file, source, NOW).unwrap().text, TEXT, "{source}");
        for other in sources.iter().skip(index + 1) {
            let refused = Err(SavedKeysError::OtherSource(Quoted::new(source)));
            assert_eq!(decode(&file, other, NOW), refused);
            assert_ne!(file_name(source), file_name(other));
        }
    }
    assert_eq!(
        SavedKeysError::OtherSource(Quoted::new(SOURCE_ID)).to_string(),
        "has the keys of \"https://login.test discovery\", which is not configured so any more"
    );
    let name = file_name(SOURCE_ID);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-.".contains(&byte);
    assert!(name.len() == 44 && name.bytes().all(is_plain), "{name}");
}

#[test]
fn what_is_no_such_file_is_not_used() {
    for foreign in [
        "",
        "{\"keys\":[]}",
        "nginx-auth issuer keys 2\n",
        "nginx-auth issuer keys 1",
    ] {
        let decoded = decode(foreign.as_bytes(), SOURCE_ID, NOW);
        assert_eq!(decoded, Err(SavedKeysError::Foreign), "{foreign}");
    }
    // The digest is right, the rest is not.
    for rest in [
        "",
        "fetched 1800000000",
        "fetched\n",
        "fetched x\nsource \"a\"\n\n{}",
        "fetched 1\n\n{}",
        "fetched 1\nsource a\n\n{}",
        "fetched 1\nsource \"a\"\n",
        "fetched 1\nsource \"a\"\n{}",
    ] {
        let digest = KeyTextId::of(rest.as_bytes());
        let file = format!("nginx-auth issuer keys 1\nsha-256 {digest}\n{rest}");
        let decoded = decode(file.as_bytes(), SOURCE_ID, NOW);
        assert_eq!(decoded, Err(SavedKeysError::Damaged), "{rest}");
    }
}

#[test]
fn a_file_with_any_other_byte_or_length_is_not_used() {
    let file = file();
    for length in 0..file.len() {
        assert!(decode(&file[..length], SOURCE_ID, NOW).is_err(), "{length}");
    }
    for index in 0..file.len() {
        let mut damaged = file.clone();
        damaged[index] ^= 1;
        assert!(decode(&damaged, SOURCE_ID, NOW).is_err(), "{index}");
    }
    assert!(decode(&[&*file, b" "].concat(), SOURCE_ID, NOW).is_err());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        source in any::<String>(),
        text in prop::collection::vec(any::<u8>(), 0..50),
        age in 0..1_000_000_i64,
    ) {
        let file = encode(&source, NOW - age, &text);
        let decoded = decode(&file, &source, NOW).unwrap();
        prop_assert_eq!(decoded.age.as_secs(), age as u64);
        prop_assert_eq!(decoded.text, &*text);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let file = [FIRST_LINE.as_bytes(), &*bytes].concat();
        prop_assert!(decode(&file, SOURCE_ID, NOW).is_err());
    }
}

#[test]
fn a_file_tells_whose_keys_it_has() {
    let file = encode("https://a.example discovery", 100, b"{}");
    assert_eq!(source(&file), Ok("https://a.example discovery".into()));
    assert_eq!(key_set(&file), Ok(&b"{}"[..]));
    assert_eq!(source(b"{}"), Err(SavedKeysError::Foreign));
    assert_eq!(key_set(b"{}"), Err(SavedKeysError::Foreign));
    let damaged = file.get(..file.len() - 1).unwrap();
    assert_eq!(source(damaged), Err(SavedKeysError::Damaged));
    assert_eq!(key_set(damaged), Err(SavedKeysError::Damaged));
}
