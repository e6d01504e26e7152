use super::*;
use crate::auth_jwt::has_kid;
use crate::auth_jwt::test_disk::{self, Disk};

const ONE: &str = r#"{"kty":"oct","kid":"1","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
const TWO: &str = r#"{"kty":"oct","kid":"2","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

fn file(disk: &Disk) -> CachedKeyFile<Disk> {
    CachedKeyFile::new(disk.clone())
}

fn has(file: &CachedKeyFile<Disk>, kid: &str) -> bool {
    has_kid(&file.current_keys(None, |_| ()).unwrap(), kid)
}

#[test]
fn requests_of_one_iteration_share_a_stat() {
    let disk = Disk::default();
    let file = file(&disk);
    let has = |iteration, kid| {
        let keys = file.current_keys(iteration, |_| ());
        keys.is_ok_and(|keys| has_kid(&keys, kid))
    };
    // There is no file yet.
    assert!(!has(Some(1), "1"));
    disk.write_old(ONE, 1000);
    assert!(has(Some(1), "1"));
    disk.write_old(TWO, 1001);
    assert!(has(Some(1), "1"));
    // A request that may have arrived later checks the file itself, and so does the next iteration.
    assert!(has(None, "2"));
    assert!(has(Some(1), "2"));
    disk.write_old(ONE, 1002);
    assert!(has(Some(2), "1"));
    disk.remove();
    assert!(!has(Some(3), "1"));
    assert!(!has(Some(3), "1"));
}

#[test]
fn a_missing_file_is_an_error_until_it_is_there() {
    let disk = Disk::default();
    let file = file(&disk);
    assert_eq!(
        file.current_keys(None, |_| ()).unwrap_err(),
        KeyError::File(test_disk::missing())
    );
    disk.write_now(ONE);
    assert!(has(&file, "1"));
}

#[test]
fn a_removed_file_is_an_error_at_once() {
    let disk = Disk::default();
    disk.write_old(ONE, 1000);
    let file = file(&disk);
    assert!(has(&file, "1"));
    disk.remove();
    assert_eq!(
        file.current_keys(None, |_| ()).unwrap_err(),
        KeyError::File(test_disk::missing())
    );
}

#[test]
fn a_changed_file_takes_effect_at_once() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_old(ONE, 1000);
    assert!(has(&file, "1"));
    // In place, with the same size and time.
    disk.write_old(TWO, 1000);
    assert!(has(&file, "2") && !has(&file, "1"));
    // By rename.
    disk.write(ONE, 1000, 2);
    assert!(has(&file, "1") && !has(&file, "2"));
}

#[test]
fn an_invalid_file_takes_the_keys_away() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_old(ONE, 1000);
    assert!(has(&file, "1"));
    disk.write_old("{\"keys\":[", 1000);
    assert!(matches!(
        file.current_keys(None, |_| ()),
        Err(KeyError::Invalid(jose::Error::JsonSyntax { .. }))
    ));
}

#[test]
fn row_3_and_39_names_do_not_lead_out_of_their_folder() {
    for name in [
        "/keys/../a",
        "..",
        "../a",
        "a/..",
        "/keys/x/../../etc/y",
        "",
        "a\0b",
    ] {
        assert!(unsafe_name_reason(name.as_bytes()).is_some(), "{name:?}");
    }
    for name in ["/keys/a.jwk", "keys/..a", "keys/a..", "a...b"] {
        assert_eq!(unsafe_name_reason(name.as_bytes()), None, "{name:?}");
    }
}

#[test]
fn a_file_is_not_checked_while_its_keys_are_fresh() {
    let disk = Disk::default();
    let file = file(&disk);
    let second = Duration::from_secs(1);
    let cache = KeyCache {
        time: 60 * second,
        ..KeyCache::NONE
    };
    let kid = |now, need| {
        let loaded = file.load(now, &cache, need, None, |_| ());
        let kid = if has_kid(&loaded.keys.unwrap(), "1") {
            1
        } else {
            2
        };
        (kid, loaded.is_first_hand)
    };
    disk.write_old(ONE, 1000);
    assert_eq!(kid(second, Need::Keys), (1, true));
    disk.write_old(TWO, 2000);
    assert_eq!(kid(60 * second, Need::Keys), (1, false));
    assert!(!file.may_refresh(10 * second, &cache) && file.may_refresh(11 * second, &cache));
    assert_eq!(kid(11 * second, Need::NewerKeys), (2, true));
    disk.write_old(ONE, 3000);
    assert_eq!(kid(71 * second, Need::Keys), (1, true));
}

#[test]
fn a_refresh_that_fails_may_be_repeated_at_once() {
    let disk = Disk::default();
    let file = file(&disk);
    let second = Duration::from_secs(1);
    let cache = KeyCache {
        time: 60 * second,
        ..KeyCache::NONE
    };
    disk.write_old(ONE, 1000);
    assert!(
        file.load(second, &cache, Need::Keys, None, |_| ())
            .keys
            .is_ok()
    );
    disk.write_old("{", 2000);
    let loaded = file.load(11 * second, &cache, Need::NewerKeys, None, |_| ());
    assert!(has_kid(&loaded.keys.unwrap(), "1") && loaded.stale_because.is_some());
    assert!(loaded.is_first_hand);
    assert!(file.may_refresh(11 * second, &cache));
    disk.write_old(TWO, 3000);
    let loaded = file.load(11 * second, &cache, Need::NewerKeys, None, |_| ());
    assert!(has_kid(&loaded.keys.unwrap(), "2"));
    assert!(!file.may_refresh(20 * second, &cache));
}

#[test]
fn row_39b_the_last_good_keys_are_used_while_the_file_is_invalid() {
    let disk = Disk::default();
    let file = file(&disk);
    let second = Duration::from_secs(1);
    let cache = KeyCache {
        stale: 60 * second,
        ..KeyCache::NONE
    };
    disk.write_old(ONE, 1000);
    assert!(
        file.load(second, &cache, Need::Keys, None, |_| ())
            .keys
            .is_ok()
    );
    disk.write_old("{", 2000);
    let found = file.load(60 * second, &cache, Need::Keys, None, |_| ());
    assert!(has_kid(&found.keys.unwrap(), "1"));
    assert!(matches!(found.stale_because, Some(KeyError::Invalid(_))));
    assert!(
        file.load(61 * second, &cache, Need::Keys, None, |_| ())
            .keys
            .is_err()
    );
    let none = KeyCache::NONE;
    assert!(
        file.load(2 * second, &none, Need::Keys, None, |_| ())
            .keys
            .is_err()
    );
}

#[test]
fn keys_are_cached_while_the_file_is_unchanged_and_valid() {
    let disk = Disk::default();
    let file = file(&disk);
    let second = Duration::from_secs(1);
    let cache = KeyCache {
        stale: 60 * second,
        ..KeyCache::NONE
    };
    let cached = |now, iteration| {
        let keys = file.cached(now, &cache, || iteration);
        keys.map(|keys| has_kid(&keys, "1"))
    };
    let load = |now, iteration| file.load(now, &cache, Need::Keys, iteration, |_| ());
    disk.write_old(ONE, 1000);
    assert_eq!(cached(second, Some(1)), None, "nobody has read the file");
    assert!(load(second, Some(1)).keys.is_ok());
    assert_eq!(cached(30 * second, Some(1)), Some(true));
    disk.write_old("{", 2000);
    assert_eq!(
        cached(31 * second, Some(2)),
        None,
        "another iteration checks the file"
    );
    assert_eq!(cached(31 * second, Some(1)), None, "the file has changed");
    // The keys of 30 s count as good until 90 s.
    assert!(load(89 * second, Some(2)).stale_because.is_some());
    assert_eq!(cached(89 * second, Some(2)), None, "the file is invalid");
    assert!(load(90 * second, Some(3)).keys.is_err());
    disk.remove();
    assert_eq!(cached(90 * second, Some(3)), None, "the file is gone");
}

#[test]
fn fresh_keys_need_no_stat() {
    let disk = Disk::default();
    let file = file(&disk);
    let second = Duration::from_secs(1);
    let cache = KeyCache {
        time: 60 * second,
        ..KeyCache::NONE
    };
    disk.write_old(ONE, 1000);
    assert!(
        file.load(second, &cache, Need::Keys, None, |_| ())
            .keys
            .is_ok()
    );
    disk.remove();
    let unused = || panic!("the keys are fresh");
    assert!(file.cached(60 * second, &cache, unused).is_some());
    assert!(file.cached(61 * second, &cache, || None).is_none());
}

#[test]
fn weak_keys_are_reported_when_the_file_is_read() {
    let disk = Disk::default();
    disk.write_now(r#"{"kty":"oct","k":"AAAA"}"#);
    let mut reported = Vec::new();
    let file = file(&disk);
    file.current_keys(None, |warning| reported.push(warning.to_string()))
        .unwrap();
    assert_eq!(
        reported,
        ["key 0: used, but secret of 3 bytes is shorter than 32 bytes"]
    );
    // The file is read again, since it is not settled, but its warnings are the same.
    file.current_keys(None, |warning| panic!("{warning}"))
        .unwrap();
}

#[test]
fn a_forgotten_file_is_read_again_whatever_its_identity_says() {
    let disk = Disk::default();
    disk.write_old(ONE, 1000);
    let file = file(&disk);
    assert!(has(&file, "1"));
    disk.write_unnoticed(TWO);
    assert!(has(&file, "1"));
    file.forget();
    assert!(has(&file, "2"));
}

#[test]
fn keys_of_a_file_that_has_changed_are_not_those_of_the_file() {
    let disk = Disk::default();
    let file = file(&disk);
    let kid = || {
        let keys = file.unchanged_keys()?;
        Some(if has_kid(&keys, "1") { 1 } else { 2 })
    };
    disk.write_now(ONE);
    assert_eq!(kid(), None, "it is not read yet");
    assert!(has(&file, "1"));
    assert_eq!(kid(), Some(1));
    disk.write_old(TWO, 2000);
    assert_eq!(kid(), None);
    assert!(has(&file, "2"), "nothing is forgotten or kept");
    assert_eq!(kid(), Some(2));
    disk.remove();
    assert_eq!(kid(), None);
    disk.write_old("{", 3000);
    assert!(file.current_keys(None, |_| ()).is_err());
    assert_eq!(kid(), None);
}

#[test]
fn what_was_read_last_has_a_number_and_a_size() {
    let disk = Disk::default();
    let file = file(&disk);
    let read = || {
        let _ = file.current_keys(None, |_| ());
        (file.identity_digest(), file.memory())
    };
    assert_eq!(read(), (0, None));
    let digest = || disk.identity().unwrap().digest();
    // A file that may still change keeps the text and the parser besides the keys.
    disk.write_now(ONE);
    let keys = jose::KeySet::parse(ONE.as_bytes()).unwrap().memory();
    assert_eq!(read(), (digest(), Some(ONE.len() + keys + 1024)));
    disk.write_old(ONE, 1000);
    assert_eq!(read(), (digest(), Some(keys + 1024)));
    disk.write_now("{");
    assert_eq!(read(), (digest(), Some(1 + 1024)));
    disk.write_old("{", 1000);
    assert_eq!(read(), (digest(), Some(1024)));
}
