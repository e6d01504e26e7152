use super::*;
use crate::auth_jwt::watched_file::{FileError, FileIdentity, FileRead};
use std::time::Duration;

/// A file of this many bytes, which holds no keys; `None`: it is missing.
struct Disk(Option<u64>);

impl FileAccess for Disk {
    fn identity(&self) -> Result<FileIdentity, FileError> {
        let size = self.0.ok_or(FileError::NotRegular)?;
        Ok(FileIdentity {
            device: 1,
            inode: 1,
            size,
            modified: (1, 0),
            changed: (1, 0),
        })
    }

    fn read(&self, _: usize) -> Result<FileRead, FileError> {
        let identity = self.identity()?;
        let padding = " ".repeat(usize::try_from(identity.size).unwrap() - 11);
        Ok(FileRead {
            identity,
            text: Ok(format!("{{\"keys\":[]{padding}}}").into_bytes()),
        })
    }

    fn now(&self) -> Duration {
        Duration::from_secs(1_000)
    }
}

fn file(size: Option<u64>) -> Rc<CachedKeyFile<Disk>> {
    let file = CachedKeyFile::new(Disk(size));
    let _ = file.current_keys(None, |_| ());
    Rc::new(file)
}

fn names(files: &RecentKeyFiles<Disk>) -> String {
    let mut names: Vec<_> = files
        .files
        .keys()
        .map(|path| path.to_str().unwrap())
        .collect();
    names.sort_unstable();
    names.join(" ")
}

#[test]
fn the_least_recently_used_file_goes_when_there_are_too_many() {
    let mut files = RecentKeyFiles::new(3, 1_000_000);
    for name in ["a", "b", "c", "a", "d"] {
        files.note_use(Path::new(name), &file(Some(11)));
    }
    assert_eq!(names(&files), "a c d");
    assert!(files.find(Path::new("a")).is_some());
    assert!(files.find(Path::new("b")).is_none());
}

#[test]
fn files_go_when_they_are_too_large_but_for_the_last_one() {
    let mut files = RecentKeyFiles::new(9, 25_000);
    for (name, size) in [
        ("a", 11),
        ("b", 11),
        ("c", 20_000),
        ("a", 11),
        ("d", 10_000),
    ] {
        files.note_use(Path::new(name), &file(Some(size)));
    }
    assert_eq!(names(&files), "a d");
    files.note_use(Path::new("huge"), &file(Some(1_000_000)));
    assert_eq!(names(&files), "huge");
    files.note_use(Path::new("a"), &file(Some(11)));
    assert_eq!(names(&files), "a");
    assert_eq!(files.bytes, file(Some(11)).memory().unwrap());
    files.clear();
    assert_eq!((names(&files), files.bytes), (String::new(), 0));
}

#[test]
fn files_may_have_as_many_bytes_as_the_bound() {
    let bytes = file(Some(11)).memory().unwrap();
    for (max_bytes, expected) in [(2 * bytes, "a b"), (2 * bytes - 1, "b")] {
        let mut files = RecentKeyFiles::new(9, max_bytes);
        for name in ["a", "b"] {
            files.note_use(Path::new(name), &file(Some(11)));
        }
        assert_eq!(names(&files), expected);
    }
}

#[test]
fn a_file_that_is_not_there_pushes_nothing_out() {
    let mut files = RecentKeyFiles::new(1, 1_000_000);
    files.note_use(Path::new("a"), &file(Some(11)));
    files.note_use(Path::new("missing"), &file(None));
    assert_eq!(names(&files), "a");
    files.note_use(Path::new("a"), &file(None));
    assert_eq!(names(&files), "");
}
