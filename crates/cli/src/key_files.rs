//! The files that the demands name, as the module has them in memory.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use jose::KeySet;
use policy::auth_jwt::key_cache::KeyError;
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::revocation::RevocationSubject;
use policy::auth_jwt::revocation_file::RevocationFileError;
use policy::auth_jwt::revocation_list::RevocationList;
use policy::auth_jwt::saved_keys;
use policy::auth_jwt::watched_file::FileError;

use crate::demands::Demands;
use crate::input::{InputError, InputSource};

/// The longest list of revoked names that the module reads.
const MAX_REVOCATION_LIST: usize = 64 << 20;

/// A file that was read where a key set belongs.
pub struct KeyFileText {
    /// Its name.
    pub path: PathBuf,
    /// Its text.
    pub text: Vec<u8>,
    /// The keys in it.
    pub keys: Result<KeySet, KeyError>,
}

/// A list of revoked names that was read.
#[derive(Debug)]
pub struct NamedList {
    /// What it has the names of.
    pub subject: RevocationSubject,
    /// Its file.
    pub path: PathBuf,
    /// The names, or what is wrong with the file.
    pub list: Result<RevocationList, RevocationFileError>,
}

/// All files that the demands name.
#[derive(Debug)]
pub struct DemandedFiles {
    /// Those of the location.
    pub own: Vec<KeyFileText>,
    /// Those of each trusted issuer, in the order of the demands.
    pub issuers: Vec<Vec<KeyFileText>>,
    /// The lists of revoked names.
    pub revoked: Vec<NamedList>,
}

/// What a file is that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissingFile {
    /// A mistake in what the user has typed.
    IsAnError,
    /// What the workers meet as well: they refuse requests for it.
    IsJudged,
}

impl fmt::Debug for KeyFileText {
    /// Shows the name, but not the text, which may have secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyFileText({:?})", self.path)
    }
}

impl DemandedFiles {
    /// Reads them.
    ///
    /// # Errors
    /// A file cannot be read. What is wrong with one that can be is part of the result.
    pub fn read(demands: &Demands, missing: MissingFile) -> Result<Self, InputError> {
        let issuers = demands.trusted.iter().flatten();
        let lists = demands.revocation_lists.iter();
        let read_all = |paths: &[PathBuf]| {
            let files = paths.iter().map(|path| KeyFileText::read(path, missing));
            files.collect::<Result<_, _>>()
        };
        Ok(Self {
            own: read_all(&demands.key_files)?,
            issuers: issuers
                .map(|issuer| read_all(&issuer.key_files))
                .collect::<Result<_, _>>()?,
            revoked: lists
                .map(|(subject, path)| NamedList::read(*subject, path, missing))
                .collect::<Result<_, _>>()?,
        })
    }
}

impl KeyFileText {
    fn read(path: &Path, missing: MissingFile) -> Result<Self, InputError> {
        let read = InputSource::named(path).read_keys();
        let (text, keys) = match or_missing(read, missing)? {
            Ok(text) => {
                // The workers write a head in front of the keys of an issuer: `state_path`.
                let text = match saved_keys::key_set(&text) {
                    Ok(keys) => keys.to_vec(),
                    Err(_) => text,
                };
                let keys = KeySet::parse(&text).map_err(KeyError::from);
                (text, keys)
            }
            Err(error) => (Vec::new(), Err(error.into())),
        };
        Ok(Self {
            path: path.to_owned(),
            text,
            keys,
        })
    }
}

impl NamedList {
    fn read(
        subject: RevocationSubject,
        path: &Path,
        missing: MissingFile,
    ) -> Result<Self, InputError> {
        let read = InputSource::named(path).read(MAX_REVOCATION_LIST);
        let text = or_missing(read, missing)?.map_err(RevocationFileError::from);
        Ok(Self {
            subject,
            path: path.to_owned(),
            list: text.and_then(|text| Ok(RevocationList::parse(&text)?)),
        })
    }
}

/// What was read, or the error that the workers have where there is no file.
fn or_missing(
    read: Result<Vec<u8>, InputError>,
    missing: MissingFile,
) -> Result<Result<Vec<u8>, FileError>, InputError> {
    match (read, missing) {
        (Err(InputError::Unreadable { error, .. }), MissingFile::IsJudged)
            if error.kind() == io::ErrorKind::NotFound =>
        {
            Ok(Err(FileError::Missing(error.to_string())))
        }
        (read, _) => read.map(Ok),
    }
}

/// One set with the keys of these files, as the module makes it of its sources.
///
/// # Errors
/// [`Rejection::KeyFile`] for the first that is no key set.
pub fn merge(files: &[KeyFileText]) -> Result<KeySet, Rejection> {
    let sets = files.iter().map(|file| match &file.keys {
        Ok(keys) => Ok(keys),
        Err(error) => Err(Rejection::KeyFile {
            path: file.path.clone(),
            error: error.clone(),
        }),
    });
    let sets: Vec<_> = sets.collect::<Result<_, _>>()?;
    Ok(KeySet::merge(sets))
}
