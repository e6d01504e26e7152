use super::*;
use crate::auth_jwt::test_disk::{Disk, NOW, missing};

const LIMITS: ReadLimits = ReadLimits {
    max_bytes: 8,
    max_unsettled_bytes: 4,
};

struct Content {
    text: Result<String, FileError>,
    previous: Option<String>,
    is_settled: bool,
}

type File = WatchedFile<Disk, Content>;

fn file(disk: &Disk) -> File {
    WatchedFile::new(disk.clone(), LIMITS)
}

/// What a request sees: the text, that of the read before, and whether the file is settled.
fn look(file: &File, iteration: Option<usize>) -> Result<String, FileError> {
    let make = |text: Result<Vec<u8>, FileError>, previous: Option<Content>, is_settled| Content {
        text: text.map(|text| String::from_utf8(text).unwrap()),
        previous: previous.and_then(|content| content.text.ok()),
        is_settled,
    };
    let look = |content: &Content| {
        let Content {
            text,
            previous,
            is_settled,
        } = content;
        let text = text.clone()?;
        let before = previous.as_deref().unwrap_or("nothing");
        let settled = if *is_settled { "" } else { ", not settled" };
        Ok(format!("{text} after {before}{settled}"))
    };
    file.current(iteration, make, look)?
}

#[test]
fn a_file_that_is_not_there_is_an_error() {
    let disk = Disk::default();
    let file = file(&disk);
    assert_eq!(look(&file, None), Err(missing()));
    assert_eq!(file.is_unchanged(None), Err(missing()));
    assert!(file.last_read().is_none());
}

#[test]
fn a_file_that_is_removed_takes_its_content_with_it() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_old("a", 1000);
    assert_eq!(look(&file, Some(1)).unwrap(), "a after nothing");
    disk.remove();
    assert_eq!(look(&file, Some(2)), Err(missing()));
    assert!(file.last_read().is_none());
    disk.write_old("b", 1001);
    assert_eq!(look(&file, Some(2)).unwrap(), "b after nothing");
}

#[test]
fn a_file_that_is_too_large_is_an_error_and_read_once() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_old("012345678", 1000);
    for _ in 0..2 {
        assert_eq!(look(&file, None), Err(FileError::TooLarge(8)));
    }
    assert_eq!(disk.reads(), 1);
    disk.write_old("01234567", 1000);
    assert_eq!(look(&file, None).unwrap(), "01234567 after nothing");
}

#[test]
fn an_unchanged_file_is_read_once() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_old("a", 1000);
    for _ in 0..3 {
        assert_eq!(look(&file, None).unwrap(), "a after nothing");
    }
    assert_eq!(disk.reads(), 1);
    disk.write_old("b", 1000);
    assert_eq!(look(&file, None).unwrap(), "b after a");
    disk.write("c", 1000, 2);
    assert_eq!(look(&file, None).unwrap(), "c after b");
    assert_eq!(disk.reads(), 3);
}

#[test]
fn a_file_that_is_not_settled_is_read_for_each_request() {
    let disk = Disk::default();
    let file = file(&disk);
    // As long as one may be that is not large.
    disk.write_now("1234");
    assert_eq!(
        look(&file, None).unwrap(),
        "1234 after nothing, not settled"
    );
    disk.write_unnoticed("b");
    assert_eq!(look(&file, None).unwrap(), "b after 1234, not settled");
    assert_eq!(file.is_unchanged(None), Ok(false));
}

#[test]
fn a_large_file_that_is_not_settled_is_read_once_more_when_it_is() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_now("large");
    let first = "large after nothing, not settled";
    assert_eq!(look(&file, None).unwrap(), first);
    disk.write_unnoticed("LARGE");
    for _ in 0..2 {
        assert_eq!(look(&file, None).unwrap(), first);
    }
    // A change that shows takes effect at once.
    disk.write("other", NOW, 2);
    assert_eq!(look(&file, None).unwrap(), "other after large, not settled");
    disk.write_unnoticed("OTHER");
    disk.set_now(NOW + 2);
    assert_eq!(look(&file, None).unwrap(), "other after large, not settled");
    disk.set_now(NOW + 3);
    for _ in 0..2 {
        assert_eq!(look(&file, None).unwrap(), "OTHER after other");
    }
    assert_eq!(disk.reads(), 3);
}

#[test]
fn one_iteration_has_one_stat() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_old("a", 1000);
    assert_eq!(look(&file, Some(1)).unwrap(), "a after nothing");
    disk.remove();
    assert_eq!(look(&file, Some(1)).unwrap(), "a after nothing");
    assert_eq!(file.is_unchanged(Some(1)), Ok(true));
    // A request that may have been sent later.
    assert_eq!(look(&file, None), Err(missing()));
    assert_eq!(look(&file, Some(1)), Err(missing()));
}

#[test]
fn a_forgotten_file_is_read_again() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_old("a", 1000);
    assert_eq!(look(&file, Some(1)).unwrap(), "a after nothing");
    disk.write_unnoticed("b");
    assert_eq!(look(&file, Some(1)).unwrap(), "a after nothing");
    file.forget();
    assert_eq!(look(&file, Some(1)).unwrap(), "b after nothing");
}

#[test]
fn a_digest_of_an_identity_is_the_same_in_all_processes() {
    let identity = FileIdentity {
        device: 1,
        inode: 2,
        size: 3,
        modified: (4, 5),
        changed: (6, -7),
    };
    // Computed by another implementation.
    assert_eq!(identity.digest(), 0x4c99_cc18_fc57_f529);
}
