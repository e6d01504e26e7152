//! The files that an `include` names.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use glob::MatchOptions;

/// As `glob(3)` without flags, which nginx calls; but for dots, since this library finds no `.a`
/// for the pattern `.*`.
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// The files with this name, sorted as nginx reads them. A name that is no pattern is that of one
/// file, which need not be there. A relative name is relative to `folder`.
///
/// # Errors
/// What of the pattern cannot be followed.
pub(crate) fn files(name: &[u8], folder: &Path) -> Result<Vec<PathBuf>, &'static str> {
    let path = folder.join(OsStr::from_bytes(name));
    let whole = path.as_os_str().as_bytes();
    if !whole.iter().any(|byte| b"*?[".contains(byte)) {
        return Ok(vec![path]);
    }
    let pattern = str::from_utf8(whole).map_err(|_| "a pattern that is not in UTF-8")?;
    if pattern.contains('\\') || pattern.contains("[:") {
        return Err("a backslash or a class in a pattern");
    }
    // In this library "**" means folders at any depth, and "^" in a class has no meaning.
    let mut translated = pattern.replace("[^", "[!");
    while translated.contains("**") {
        translated = translated.replace("**", "*");
    }
    let found = glob::glob_with(&translated, OPTIONS).map_err(|_| "this pattern")?;
    // glob(3) passes over folders that cannot be read.
    let found = found.flatten();
    let mut files: Vec<_> = found
        .filter(|file| names_dots(Path::new(&translated), file))
        .collect();
    files.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(files)
}

/// Whether the pattern has a dot wherever a name begins with one.
fn names_dots(pattern: &Path, file: &Path) -> bool {
    let starts = |name: &OsStr| name.as_bytes().starts_with(b".");
    let mut names = pattern.iter().zip(file.iter());
    names.all(|(pattern, name)| starts(pattern) || !starts(name))
}
