//! How directives and their places are shown.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nginx_conf_reader::error::Place;
use nginx_conf_reader::tree::ConfDirective;
use text::Quoted;

/// Names of files: relative to the folder of the configuration in what is shown, and absolute for
/// what is read.
pub(super) struct Names<'a> {
    folder: &'a Path,
}

impl<'a> Names<'a> {
    pub(super) fn new(folder: &'a Path) -> Self {
        Self { folder }
    }

    /// A file that a directive names.
    pub(super) fn path(&self, name: &[u8]) -> PathBuf {
        self.folder.join(OsStr::from_bytes(name))
    }

    /// `nginx.conf:31`
    pub(super) fn place(&self, place: &Place) -> String {
        let file = place.file.strip_prefix(self.folder).unwrap_or(&place.file);
        let name = shown_word(file.as_os_str().as_bytes());
        format!("{name}:{}", place.line)
    }

    /// `auth_jwt_type nested, nginx.conf:31`
    pub(super) fn directive(&self, directive: &ConfDirective) -> String {
        self.with_args(directive, directive.args())
    }

    /// The same with other arguments than those of the configuration.
    pub(super) fn with_args(&self, directive: &ConfDirective, args: &[Vec<u8>]) -> String {
        let mut line = shown_word(directive.name());
        for arg in args {
            line.push(' ');
            line.push_str(&shown_word(arg));
        }
        format!("{line}, {}", self.place(directive.place()))
    }
}

/// A word as it may stand in a configuration; in quotes where it has to.
pub(super) fn shown_word(word: &[u8]) -> String {
    let is_plain = |byte: &u8| byte.is_ascii_graphic() && !b"\"';{}#".contains(byte);
    match (word, str::from_utf8(word)) {
        ([_, ..], Ok(text)) if word.iter().all(is_plain) && keeps_backslashes(word) => {
            text.to_owned()
        }
        _ => Quoted::whole(word).to_string(),
    }
}

/// Whether nginx leaves each backslash of a word without quotes where it is, as in `\.php$`.
fn keeps_backslashes(word: &[u8]) -> bool {
    let changes = |pair: &[u8]| matches!(pair, [b'\\', b'\\' | b't' | b'r' | b'n']);
    word.last() != Some(&b'\\') && !word.windows(2).any(changes)
}

/// Words with spaces between them.
pub(super) fn shown_words(words: &[Vec<u8>]) -> String {
    let words: Vec<_> = words.iter().map(|word| shown_word(word)).collect();
    words.join(" ")
}
