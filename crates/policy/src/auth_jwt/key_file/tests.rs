use super::*;
use crate::auth_jwt::has_kid;
use std::rc::Rc;

const ONE: &str = r#"{"kty":"oct","kid":"1","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
const TWO: &str = r#"{"kty":"oct","kid":"2","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

const NOW: u64 = 1_000_000;

/// A file of a file system that is not there: what is in it, and which one it is.
#[derive(Clone, Default)]
struct Disk(Rc<RefCell<Option<(Vec<u8>, Identity)>>>, Rc<Cell<u64>>);

impl Disk {
    fn write(&self, text: &str, modified: u64, inode: u64) {
        // No two writes have the same time of change.
        self.1.set(self.1.get() + 1);
        let identity = Identity {
            device: 1,
            inode,
            size: text.len() as u64,
            modified: (modified as i64, 0),
            changed: (modified as i64, self.1.get() as i64),
        };
        self.0.replace(Some((text.into(), identity)));
    }

    /// Writes the file in place, so that it looks as if it had long been there.
    fn write_old(&self, text: &str, seconds: u64) {
        self.write(text, seconds, 1);
    }

    /// Writes the file in place, just now.
    fn write_now(&self, text: &str) {
        self.write(text, NOW, 1);
    }

    fn remove(&self) {
        self.0.replace(None);
    }

    fn file(&self) -> KeyFile<Self> {
        KeyFile::new(self.clone())
    }
}

impl FileAccess for Disk {
    fn identity(&self) -> Result<Identity, KeyError> {
        self.read().map(|read| read.identity)
    }

    fn read(&self) -> Result<FileRead, KeyError> {
        let file = self.0.borrow();
        let (text, identity) = file.as_ref().ok_or_else(missing)?;
        Ok(FileRead {
            identity: *identity,
            at: Duration::from_secs(NOW),
            text: Ok(text.clone()),
        })
    }
}

fn missing() -> KeyError {
    KeyError::Unreadable("No such file or directory (os error 2)".into())
}

fn has(file: &KeyFile<Disk>, kid: &str) -> bool {
    has_kid(&file.keys(None, |_| ()).unwrap(), kid)
}

#[test]
fn requests_of_one_turn_share_a_look() {
    let disk = Disk::default();
    let file = disk.file();
    let has = |turn, kid| {
        let keys = file.keys(turn, |_| ());
        keys.is_ok_and(|keys| has_kid(&keys, kid))
    };
    // No look has been of use yet.
    assert!(!has(Some(1), "1"));
    disk.write_old(ONE, 1000);
    assert!(has(Some(1), "1"));
    disk.write_old(TWO, 1001);
    assert!(has(Some(1), "1"));
    // One that is not known to be of the turn looks itself, and so does the next turn.
    assert!(has(None, "2"));
    assert!(has(Some(1), "2"));
    disk.write_old(ONE, 1002);
    assert!(has(Some(2), "1"));
    disk.remove();
    assert!(!has(Some(3), "1"));
    assert!(!has(Some(3), "1"));
}

#[test]
fn a_file_that_is_not_there_is_an_error_until_it_is() {
    let disk = Disk::default();
    let file = disk.file();
    assert_eq!(file.keys(None, |_| ()).unwrap_err(), missing());
    disk.write_now(ONE);
    assert!(has(&file, "1"));
}

#[test]
fn a_removed_file_is_an_error_at_once() {
    let disk = Disk::default();
    disk.write_old(ONE, 1000);
    let file = disk.file();
    assert!(has(&file, "1"));
    disk.remove();
    assert!(matches!(
        file.keys(None, |_| ()),
        Err(KeyError::Unreadable(_))
    ));
}

#[test]
fn a_file_replaced_or_rewritten_counts_at_once() {
    let disk = Disk::default();
    let file = disk.file();
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
fn a_broken_file_takes_the_keys_away() {
    let disk = Disk::default();
    let file = disk.file();
    disk.write_old(ONE, 1000);
    assert!(has(&file, "1"));
    disk.write_old("{\"keys\":[", 1000);
    assert!(matches!(
        file.keys(None, |_| ()),
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
        assert!(unfit_name(name.as_bytes()).is_some(), "{name:?}");
    }
    for name in ["/keys/a.jwk", "keys/..a", "keys/a..", "a...b"] {
        assert_eq!(unfit_name(name.as_bytes()), None, "{name:?}");
    }
}

#[test]
fn a_file_is_not_looked_at_while_its_keys_are_fresh() {
    let disk = Disk::default();
    let file = disk.file();
    let second = Duration::from_secs(1);
    let cache = KeyCache {
        time: 60 * second,
        ..KeyCache::NONE
    };
    let kid = |now, anew| {
        let keys = file.look(now, &cache, anew, None, |_| ()).keys.unwrap();
        if has_kid(&keys, "1") { 1 } else { 2 }
    };
    disk.write_old(ONE, 1000);
    assert_eq!(kid(second, false), 1);
    disk.write_old(TWO, 2000);
    assert_eq!(kid(60 * second, false), 1);
    assert!(!file.may_refresh(10 * second, &cache) && file.may_refresh(11 * second, &cache));
    assert_eq!(kid(11 * second, true), 2);
    disk.write_old(ONE, 3000);
    assert_eq!(kid(71 * second, false), 1);
}

#[test]
fn row_39b_keys_stand_in_for_a_broken_file_where_stale_says_so() {
    let disk = Disk::default();
    let file = disk.file();
    let second = Duration::from_secs(1);
    let cache = KeyCache {
        stale: 60 * second,
        ..KeyCache::NONE
    };
    disk.write_old(ONE, 1000);
    assert!(file.look(second, &cache, false, None, |_| ()).keys.is_ok());
    disk.write_old("{", 2000);
    let found = file.look(60 * second, &cache, false, None, |_| ());
    assert!(has_kid(&found.keys.unwrap(), "1"));
    assert!(matches!(found.stood_in_for, Some(KeyError::Invalid(_))));
    assert!(
        file.look(61 * second, &cache, false, None, |_| ())
            .keys
            .is_err()
    );
    let none = KeyCache::NONE;
    assert!(
        file.look(2 * second, &none, false, None, |_| ())
            .keys
            .is_err()
    );
}

#[test]
fn keys_are_at_hand_while_there_is_nothing_else_to_say() {
    let disk = Disk::default();
    let file = disk.file();
    let second = Duration::from_secs(1);
    let cache = KeyCache {
        stale: 60 * second,
        ..KeyCache::NONE
    };
    let at_hand = |now, turn| {
        let keys = file.at_hand(now, &cache, || turn);
        keys.map(|keys| has_kid(&keys, "1"))
    };
    let look = |now, turn| file.look(now, &cache, false, turn, |_| ());
    disk.write_old(ONE, 1000);
    assert_eq!(at_hand(second, Some(1)), None, "nobody has read it");
    assert!(look(second, Some(1)).keys.is_ok());
    assert_eq!(at_hand(30 * second, Some(1)), Some(true));
    disk.write_old("{", 2000);
    assert_eq!(at_hand(31 * second, Some(2)), None, "another turn");
    assert_eq!(at_hand(31 * second, Some(1)), None, "it has changed");
    // Keys that were at hand were good then.
    assert!(look(89 * second, Some(2)).stood_in_for.is_some());
    assert_eq!(at_hand(89 * second, Some(2)), None, "it is of no use");
    assert!(look(90 * second, Some(3)).keys.is_err());
    disk.remove();
    assert_eq!(at_hand(90 * second, Some(3)), None, "it is gone");
}

#[test]
fn fresh_keys_are_at_hand_without_a_look() {
    let disk = Disk::default();
    let file = disk.file();
    let second = Duration::from_secs(1);
    let cache = KeyCache {
        time: 60 * second,
        ..KeyCache::NONE
    };
    disk.write_old(ONE, 1000);
    assert!(file.look(second, &cache, false, None, |_| ()).keys.is_ok());
    disk.remove();
    let not_asked = || panic!("a fresh file is not looked at");
    assert!(file.at_hand(60 * second, &cache, not_asked).is_some());
    assert!(file.at_hand(61 * second, &cache, || None).is_none());
}

#[test]
fn weak_keys_are_reported_when_the_file_is_read() {
    let disk = Disk::default();
    disk.write_now(r#"{"kty":"oct","k":"AAAA"}"#);
    let mut reported = Vec::new();
    let file = disk.file();
    file.keys(None, |warning| reported.push(warning.to_string()))
        .unwrap();
    assert_eq!(
        reported,
        ["key 0: secret of 3 bytes is shorter than 32 bytes"]
    );
    // A file that is read again, having been written just now, has nothing new to say.
    file.keys(None, |warning| panic!("{warning}")).unwrap();
}
