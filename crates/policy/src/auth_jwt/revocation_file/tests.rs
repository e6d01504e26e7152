use super::*;
use crate::auth_jwt::test_disk::{Disk, NOW, missing};

fn file(disk: &Disk) -> RevocationFile<Disk> {
    RevocationFile::new(disk.clone())
}

fn has(file: &RevocationFile<Disk>, name: &str) -> Result<bool, RevocationFileError> {
    file.contains(name.as_bytes(), None)
}

#[test]
fn there_is_no_list_without_a_file() {
    let disk = Disk::default();
    let file = file(&disk);
    assert_eq!(has(&file, "alice"), Err(missing().into()));
    assert_eq!(file.load(), Err(missing().into()));
    disk.write_old("{}", 1000);
    assert_eq!(has(&file, "alice"), Ok(false));
    disk.remove();
    assert_eq!(has(&file, "alice"), Err(missing().into()));
}

#[test]
fn an_error_of_the_file_has_advice() {
    let line = |error: FileError| RevocationFileError::from(error).to_string();
    assert_eq!(
        line(missing()),
        "No such file or directory (os error 2); write {} to it if nothing is revoked"
    );
    let on_disk = "it has to be a file on disk";
    let not_regular = format!("not a regular file; {on_disk}");
    assert_eq!(line(FileError::NotRegular), not_regular);
    assert_eq!(
        line(FileError::Pseudo),
        format!("on a pseudo file system such as /proc; {on_disk}")
    );
    assert_eq!(
        line(FileError::Unreadable("reason, cure".into())),
        "reason, cure"
    );
}

#[test]
fn a_list_that_is_bad_takes_the_good_one_away() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_old(r#"{"alice":1}"#, 1000);
    assert_eq!(has(&file, "alice"), Ok(true));
    for (text, reason) in [
        ("", NotRevocationList::Empty),
        (r#"{"alice":1"#, NotRevocationList::Truncated),
        (r#"["alice"]"#, NotRevocationList::NotObject("an array")),
    ] {
        disk.write_old(text, 1000);
        let error = RevocationFileError::Invalid(reason);
        // The second time without reading it.
        for _ in 0..2 {
            let reads = disk.reads();
            assert_eq!(has(&file, "alice"), Err(error.clone()), "{text}");
            assert!(disk.reads() <= reads + 1);
        }
    }
    assert_eq!(disk.reads(), 4);
    disk.write_old(r#"{"bob":1}"#, 1000);
    assert_eq!(has(&file, "alice"), Ok(false));
    assert_eq!(has(&file, "bob"), Ok(true));
}

#[test]
fn a_file_that_is_too_large_is_no_list() {
    let disk = Disk::default();
    let file = file(&disk);
    let padding = " ".repeat(RevocationList::MAX_BYTES - 2);
    disk.write_old(&format!("{{{padding}}}"), 1000);
    assert_eq!(has(&file, "alice"), Ok(false));
    disk.write_old(&format!("{{{padding} }}"), 1000);
    let too_large = FileError::TooLarge(RevocationList::MAX_BYTES);
    assert_eq!(has(&file, "alice"), Err(too_large.into()));
    assert_eq!(
        has(&file, "alice").unwrap_err().to_string(),
        "larger than 67108864 bytes; leave out what has expired"
    );
    assert_eq!(disk.reads(), 2);
}

#[test]
fn a_small_file_that_was_just_written_is_read_for_each_request() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_now(r#"{"alice":1}"#);
    assert_eq!(has(&file, "alice"), Ok(true));
    disk.write_unnoticed(r#"{"carol":1}"#);
    assert_eq!(
        (has(&file, "alice"), has(&file, "carol")),
        (Ok(false), Ok(true))
    );
}

#[test]
fn a_large_file_that_was_just_written_is_read_twice() {
    let disk = Disk::default();
    let file = file(&disk);
    let padding = " ".repeat(256 << 10);
    disk.write_now(&format!(r#"{{"alice":1}}{padding}"#));
    assert_eq!(has(&file, "alice"), Ok(true));
    disk.write_unnoticed(&format!(r#"{{"carol":1}}{padding}"#));
    assert_eq!(has(&file, "carol"), Ok(false));
    assert_eq!(disk.reads(), 1);
    disk.set_now(NOW + 3);
    for _ in 0..2 {
        assert_eq!(
            (has(&file, "alice"), has(&file, "carol")),
            (Ok(false), Ok(true))
        );
    }
    assert_eq!(disk.reads(), 2);
}

#[test]
fn a_forgotten_list_is_read_again() {
    let disk = Disk::default();
    let file = file(&disk);
    disk.write_old(r#"{"alice":1}"#, 1000);
    assert_eq!(has(&file, "alice"), Ok(true));
    disk.write_unnoticed(r#"{"carol":1}"#);
    assert_eq!(has(&file, "alice"), Ok(true));
    file.forget();
    assert_eq!(has(&file, "alice"), Ok(false));
}
