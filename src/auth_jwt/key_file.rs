//! Key files: read once, and again when they have changed.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::keys::{Kept, KeyCache, KeyError, LastText};
use crate::jose::{KeySet, Warning};

/// A file with a JWK Set or a JWK. What is in it counts from the moment that it is there.
pub(super) struct KeyFile {
    path: PathBuf,
    loaded: RefCell<Option<Loaded>>,
    /// The last keys that were good, with the time at which they were.
    kept: RefCell<Option<Kept>>,
    /// The turn for which what was read counts, see [`Self::keys`].
    turn: Cell<Option<usize>>,
}

/// What a key file has for a request.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) keys: Result<KeySet, KeyError>,
    /// The file is of no use, and what was in it before stands in for it.
    pub(super) stood_in_for: Option<KeyError>,
}

/// What a file was when it was read.
struct Loaded {
    identity: Identity,
    /// Whether a later change would show in the identity, see [`Identity::is_settled`].
    settled: bool,
    /// What was read, as long as it may be read again without having changed.
    last: LastText,
    keys: Result<KeySet, KeyError>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

impl KeyFile {
    /// A key file that is not read yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            loaded: RefCell::new(None),
            kept: RefCell::new(None),
            turn: Cell::new(None),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The keys that count at this time: without a look at the file while those of the last look are fresh, unless
    /// `anew` asks for one.
    pub(super) fn look(
        &self,
        now: Duration,
        cache: &KeyCache,
        anew: bool,
        turn: Option<usize>,
        report: impl FnMut(&Warning),
    ) -> Found {
        let mut kept = self.kept.borrow_mut();
        if let Some(kept) = &*kept
            && kept.is_fresh(now, cache)
            && !anew
        {
            return Found {
                keys: Ok(kept.keys.clone()),
                stood_in_for: None,
            };
        }
        match (self.keys(turn, report), &*kept) {
            (Ok(keys), _) => {
                *kept = Some(Kept {
                    keys: keys.clone(),
                    at: now,
                });
                Found {
                    keys: Ok(keys),
                    stood_in_for: None,
                }
            }
            (Err(error), Some(kept)) if kept.may_stand_in(now, cache) => Found {
                keys: Ok(kept.keys.clone()),
                stood_in_for: Some(error),
            },
            (Err(error), _) => Found {
                keys: Err(error),
                stood_in_for: None,
            },
        }
    }

    /// The keys that count at this time, where there is nothing else to say: they are fresh, or the file is as it was
    /// and of use.
    pub(super) fn at_hand(
        &self,
        now: Duration,
        cache: &KeyCache,
        turn: impl FnOnce() -> Option<usize>,
    ) -> Option<KeySet> {
        let mut kept = self.kept.borrow_mut();
        let kept = kept.as_mut()?;
        if !kept.is_fresh(now, cache) {
            if !self.is_as_read(turn()).ok()? {
                return None;
            }
            let loaded = self.loaded.borrow();
            loaded.as_ref()?.keys.as_ref().ok()?;
            kept.at = now;
        }
        Some(kept.keys.clone())
    }

    /// Whether it is sure that this user cannot read the file, by its permissions.
    pub(super) fn is_closed_to(&self, user: u32) -> bool {
        const FOR_OTHERS: u32 = 0o044;
        let is_root = user == 0;
        !is_root
            && fs::metadata(&self.path)
                .is_ok_and(|metadata| metadata.uid() != user && metadata.mode() & FOR_OTHERS == 0)
    }

    /// Whether a token with an unknown kid may have the file looked at before the time.
    pub(super) fn may_refresh(&self, now: Duration, cache: &KeyCache) -> bool {
        let kept = self.kept.borrow();
        let long_ago = |pause| {
            kept.as_ref()
                .is_none_or(|kept| now.saturating_sub(kept.at) >= pause)
        };
        !cache.time.is_zero() && cache.refresh.is_some_and(long_ago)
    }

    /// The keys that are in the file now. Costs one stat where the file is as it was; where it was read anew,
    /// `report` is told of the keys that are weak or of no use.
    ///
    /// Requests that were sent before one turn of nginx's event loop began share its first look: a file that was replaced
    /// after it was replaced after they were sent. `turn` is none for a request of which that is not known.
    pub(super) fn keys(
        &self,
        turn: Option<usize>,
        report: impl FnMut(&Warning),
    ) -> Result<KeySet, KeyError> {
        let is_as_read = self.is_as_read(turn)?;
        let mut loaded = self.loaded.borrow_mut();
        if is_as_read && let Some(loaded) = &*loaded {
            return loaded.keys.clone();
        }
        let (identity, text) = read(&self.path)?;
        let mut last = loaded
            .as_mut()
            .map_or_else(LastText::default, |loaded| std::mem::take(&mut loaded.last));
        let keys = text.and_then(|text| last.parse(&text));
        let warnings = || keys.iter().flat_map(KeySet::warnings);
        let known = loaded.iter().flat_map(|loaded| &loaded.keys);
        if !known.flat_map(KeySet::warnings).eq(warnings()) {
            warnings().for_each(report);
        }
        let settled = identity.is_settled();
        *loaded = Some(Loaded {
            identity,
            settled,
            last: if settled { LastText::default() } else { last },
            keys: keys.clone(),
        });
        self.turn.set(turn);
        keys
    }

    /// Whether what was read is still what is in the file, whatever that is.
    fn is_as_read(&self, turn: Option<usize>) -> Result<bool, KeyError> {
        if turn.is_some() && self.turn.get() == turn {
            return Ok(true);
        }
        self.turn.set(None);
        let identity = Identity::of(&regular_file(&self.path)?);
        let is_it = |loaded: &Loaded| loaded.settled && loaded.identity == identity;
        let is_as_read = self.loaded.borrow().as_ref().is_some_and(is_it);
        if is_as_read {
            self.turn.set(turn);
        }
        Ok(is_as_read)
    }
}

impl Identity {
    fn of(metadata: &Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            size: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// A file system's clock is coarser than a nanosecond, and on some as coarse as two seconds: a file that was
    /// written just now could be written again without its identity changing. Such a file is read every time.
    fn is_settled(&self) -> bool {
        const COARSEST: Duration = Duration::from_secs(2);
        let (seconds, _) = self.modified.max(self.changed);
        let written = u64::try_from(seconds)
            .map(Duration::from_secs)
            .unwrap_or_default();
        SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH + written)
            .is_ok_and(|age| age > COARSEST)
    }
}

/// To open a pipe or a device could stop the worker for good: look first.
fn regular_file(path: &Path) -> Result<Metadata, KeyError> {
    let metadata = fs::metadata(path).map_err(unreadable)?;
    match metadata.is_file() {
        true => Ok(metadata),
        false => Err(KeyError::NotRegular),
    }
}

/// The file's text, with the identity of the very file that was read.
fn read(path: &Path) -> Result<(Identity, Result<Vec<u8>, KeyError>), KeyError> {
    let file = File::open(path).map_err(unreadable)?;
    let identity = Identity::of(&file.metadata().map_err(unreadable)?);
    let mut text = Vec::new();
    let limit = KeySet::MAX_BYTES as u64;
    file.take(limit + 1)
        .read_to_end(&mut text)
        .map_err(unreadable)?;
    let text = match text.len() > KeySet::MAX_BYTES {
        true => Err(KeyError::TooLarge),
        false => Ok(text),
    };
    Ok((identity, text))
}

/// Why a name that holds values from a request is not opened: such a value could lead out of the folder that the
/// configuration names.
pub(super) fn unfit_name(name: &[u8]) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.contains(&0) {
        return Some("it holds a NUL");
    }
    let leads_out = name
        .split(|&byte| byte == b'/')
        .any(|segment| segment == b"..");
    leads_out.then_some("it holds \"..\"")
}

fn unreadable(error: io::Error) -> KeyError {
    KeyError::Unreadable(error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::UNIX_EPOCH;

    const ONE: &str =
        r#"{"kty":"oct","kid":"1","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;
    const TWO: &str =
        r#"{"kty":"oct","kid":"2","k":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let folder =
                std::env::temp_dir().join(format!("nginx-auth-{name}-{}", std::process::id()));
            fs::create_dir_all(&folder).unwrap();
            Self(folder)
        }

        fn file(&self) -> PathBuf {
            self.0.join("keys.json")
        }

        /// Writes the file so that it looks as if it had long been there.
        fn write_old(&self, text: &str, seconds: u64) {
            fs::write(self.file(), text).unwrap();
            let file = File::options().append(true).open(self.file()).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds))
                .unwrap();
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    fn has(file: &KeyFile, kid: &str) -> bool {
        file.keys(None, |_| ()).unwrap().contains_kid(kid)
    }

    #[test]
    fn requests_of_one_turn_share_a_look() {
        let folder = Folder::new("turn");
        let file = KeyFile::new(folder.file());
        let has = |turn, kid| {
            let keys = file.keys(turn, |_| ());
            keys.is_ok_and(|keys| keys.contains_kid(kid))
        };
        // No look has been of use yet.
        assert!(!has(Some(1), "1"));
        folder.write_old(ONE, 1000);
        assert!(has(Some(1), "1"));
        folder.write_old(TWO, 1001);
        assert!(has(Some(1), "1"));
        // One that is not known to be of the turn looks itself, and so does the next turn.
        assert!(has(None, "2"));
        assert!(has(Some(1), "2"));
        folder.write_old(ONE, 1002);
        assert!(has(Some(2), "1"));
        fs::remove_file(folder.file()).unwrap();
        assert!(!has(Some(3), "1"));
        assert!(!has(Some(3), "1"));
    }

    #[test]
    fn a_file_that_is_not_there_is_an_error_until_it_is() {
        let folder = Folder::new("missing");
        let file = KeyFile::new(folder.file());
        let missing = "No such file or directory (os error 2)".to_owned();
        assert_eq!(
            file.keys(None, |_| ()).unwrap_err(),
            KeyError::Unreadable(missing)
        );
        fs::write(folder.file(), ONE).unwrap();
        assert!(has(&file, "1"));
    }

    #[test]
    fn a_removed_file_is_an_error_at_once() {
        let folder = Folder::new("removed");
        folder.write_old(ONE, 1000);
        let file = KeyFile::new(folder.file());
        assert!(has(&file, "1"));
        fs::remove_file(folder.file()).unwrap();
        assert!(matches!(
            file.keys(None, |_| ()),
            Err(KeyError::Unreadable(_))
        ));
    }

    #[test]
    fn a_file_replaced_or_rewritten_counts_at_once() {
        let folder = Folder::new("rotated");
        let file = KeyFile::new(folder.file());
        folder.write_old(ONE, 1000);
        assert!(has(&file, "1"));
        // In place, with the same size and time.
        folder.write_old(TWO, 1000);
        assert!(has(&file, "2") && !has(&file, "1"));
        // By rename.
        fs::write(folder.0.join("new"), ONE).unwrap();
        fs::rename(folder.0.join("new"), folder.file()).unwrap();
        assert!(has(&file, "1") && !has(&file, "2"));
    }

    #[test]
    fn a_broken_file_takes_the_keys_away() {
        let folder = Folder::new("broken");
        let file = KeyFile::new(folder.file());
        folder.write_old(ONE, 1000);
        assert!(has(&file, "1"));
        folder.write_old("{\"keys\":[", 1000);
        assert!(matches!(
            file.keys(None, |_| ()),
            Err(KeyError::Invalid(crate::jose::Error::JsonSyntax { .. }))
        ));
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let file = KeyFile::new(std::env::temp_dir());
        assert_eq!(file.keys(None, |_| ()).unwrap_err(), KeyError::NotRegular);
        let file = KeyFile::new("/dev/zero".into());
        assert_eq!(file.keys(None, |_| ()).unwrap_err(), KeyError::NotRegular);
    }

    #[test]
    fn row_36_a_file_is_read_to_the_limit_only() {
        let folder = Folder::new("large");
        let file = KeyFile::new(folder.file());
        File::create(folder.file())
            .unwrap()
            .set_len(KeySet::MAX_BYTES as u64 + 1)
            .unwrap();
        assert_eq!(file.keys(None, |_| ()).unwrap_err(), KeyError::TooLarge);
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
        let folder = Folder::new("cached");
        let file = KeyFile::new(folder.file());
        let second = Duration::from_secs(1);
        let cache = KeyCache {
            time: 60 * second,
            ..KeyCache::NONE
        };
        let kid = |now, anew| {
            let keys = file.look(now, &cache, anew, None, |_| ()).keys.unwrap();
            if keys.contains_kid("1") { 1 } else { 2 }
        };
        folder.write_old(ONE, 1000);
        assert_eq!(kid(second, false), 1);
        folder.write_old(TWO, 2000);
        assert_eq!(kid(60 * second, false), 1);
        assert!(!file.may_refresh(10 * second, &cache) && file.may_refresh(11 * second, &cache));
        assert_eq!(kid(11 * second, true), 2);
        folder.write_old(ONE, 3000);
        assert_eq!(kid(71 * second, false), 1);
    }

    #[test]
    fn row_39b_keys_stand_in_for_a_broken_file_where_stale_says_so() {
        let folder = Folder::new("stale");
        let file = KeyFile::new(folder.file());
        let second = Duration::from_secs(1);
        let cache = KeyCache {
            stale: 60 * second,
            ..KeyCache::NONE
        };
        folder.write_old(ONE, 1000);
        assert!(file.look(second, &cache, false, None, |_| ()).keys.is_ok());
        folder.write_old("{", 2000);
        let found = file.look(60 * second, &cache, false, None, |_| ());
        assert!(found.keys.unwrap().contains_kid("1"));
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
        let folder = Folder::new("at-hand");
        let file = KeyFile::new(folder.file());
        let second = Duration::from_secs(1);
        let cache = KeyCache {
            stale: 60 * second,
            ..KeyCache::NONE
        };
        let at_hand = |now, turn| {
            let keys = file.at_hand(now, &cache, || turn);
            keys.map(|keys| keys.contains_kid("1"))
        };
        let look = |now, turn| file.look(now, &cache, false, turn, |_| ());
        folder.write_old(ONE, 1000);
        assert_eq!(at_hand(second, Some(1)), None, "nobody has read it");
        assert!(look(second, Some(1)).keys.is_ok());
        assert_eq!(at_hand(30 * second, Some(1)), Some(true));
        folder.write_old("{", 2000);
        assert_eq!(at_hand(31 * second, Some(2)), None, "another turn");
        assert_eq!(at_hand(31 * second, Some(1)), None, "it has changed");
        // Keys that were at hand were good then.
        assert!(look(89 * second, Some(2)).stood_in_for.is_some());
        assert_eq!(at_hand(89 * second, Some(2)), None, "it is of no use");
        assert!(look(90 * second, Some(3)).keys.is_err());
        fs::remove_file(folder.file()).unwrap();
        assert_eq!(at_hand(90 * second, Some(3)), None, "it is gone");
    }

    #[test]
    fn fresh_keys_are_at_hand_without_a_look() {
        let folder = Folder::new("fresh");
        let file = KeyFile::new(folder.file());
        let second = Duration::from_secs(1);
        let cache = KeyCache {
            time: 60 * second,
            ..KeyCache::NONE
        };
        folder.write_old(ONE, 1000);
        assert!(file.look(second, &cache, false, None, |_| ()).keys.is_ok());
        fs::remove_file(folder.file()).unwrap();
        let not_asked = || panic!("a fresh file is not looked at");
        assert!(file.at_hand(60 * second, &cache, not_asked).is_some());
        assert!(file.at_hand(61 * second, &cache, || None).is_none());
    }

    #[test]
    fn weak_keys_are_reported_when_the_file_is_read() {
        let folder = Folder::new("weak");
        fs::write(folder.file(), r#"{"kty":"oct","k":"AAAA"}"#).unwrap();
        let mut reported = Vec::new();
        let file = KeyFile::new(folder.file());
        file.keys(None, |warning| reported.push(warning.to_string()))
            .unwrap();
        assert_eq!(reported, ["key 0: secret of 3 bytes is shorter than 32"]);
        // A file that is read again, having been written just now, has nothing new to say.
        file.keys(None, |warning| panic!("{warning}")).unwrap();
    }
}
