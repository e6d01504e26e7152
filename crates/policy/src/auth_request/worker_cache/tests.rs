use super::*;

fn key(text: &[u8]) -> WorkerKey<'_> {
    WorkerKey { location: 1, text }
}

fn finds(cache: &WorkerCache, key: WorkerKey<'_>, changes: u64, now: i64) -> Option<Vec<u8>> {
    cache.find(key, changes, now).map(|record| record.to_vec())
}

#[test]
fn only_a_valid_record_of_the_same_key_is_found() {
    let cache = WorkerCache::default();
    assert_eq!(finds(&cache, key(b"ab"), 7, 0), None);
    cache.insert(key(b"ab"), 7, 100, Rc::from(*b"record"));
    assert_eq!(finds(&cache, key(b"ab"), 7, 99), Some(b"record".to_vec()));
    assert_eq!(finds(&cache, key(b"ab"), 7, 100), None);
    assert_eq!(finds(&cache, key(b"ab"), 8, 99), None);
    let elsewhere = WorkerKey {
        location: 2,
        text: b"ab",
    };
    assert_eq!(finds(&cache, elsewhere, 7, 99), None);
    for other in [&b""[..], b"a", b"b", b"ac", b"abc", b"AB"] {
        assert_eq!(finds(&cache, key(other), 7, 99), None, "{other:?}");
    }
}

#[test]
fn a_newer_record_replaces_the_one_that_the_key_had() {
    let cache = WorkerCache::default();
    cache.insert(key(b"a"), 7, 100, Rc::from(*b"old"));
    cache.insert(key(b"b"), 7, 100, Rc::from(*b"other"));
    cache.insert(key(b"a"), 8, 200, Rc::from(*b"new"));
    assert_eq!(finds(&cache, key(b"a"), 7, 0), None);
    assert_eq!(finds(&cache, key(b"a"), 8, 150), Some(b"new".to_vec()));
    assert_eq!(finds(&cache, key(b"b"), 7, 0), Some(b"other".to_vec()));
}

#[test]
fn a_cleared_cache_has_no_record_and_takes_new_ones() {
    let cache = WorkerCache::default();
    cache.insert(key(b"a"), 7, 100, Rc::from(*b"old"));
    cache.clear();
    assert_eq!(finds(&cache, key(b"a"), 7, 0), None);
    cache.insert(key(b"a"), 7, 100, Rc::from(*b"new"));
    assert_eq!(finds(&cache, key(b"a"), 7, 0), Some(b"new".to_vec()));
}

#[test]
fn a_record_with_the_same_hash_is_told_apart_by_its_location_and_its_text() {
    let cached = CachedRecord {
        location: 1,
        text: (*b"ab").into(),
        changes: 7,
        expires: 100,
        record: Rc::from(*b"record"),
    };
    assert!(cached.has_key(key(b"ab")));
    for other in [&b""[..], b"a", b"AB", b"abc"] {
        assert!(!cached.has_key(key(other)), "{other:?}");
    }
    let text = b"ab";
    assert!(!cached.has_key(WorkerKey { location: 2, text }));
}

#[test]
fn the_copies_take_no_more_than_their_bound() {
    let cache = WorkerCache::default();
    let record = Rc::from([0; 64 << 10]);
    let at = |location| WorkerKey {
        location,
        text: b"",
    };
    for location in 0..200 {
        cache.insert(at(location), 7, 100, Rc::clone(&record));
    }
    let kept = |location: &usize| cache.find(at(*location), 7, 0).is_some();
    // The table and the fields of each copy take the rest.
    let count = (0..200).filter(kept).count();
    assert!((120..128).contains(&count), "{count}");
    assert!(kept(&199) && !kept(&0));
}
