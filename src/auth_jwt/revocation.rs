//! The lists of revoked names that a location has: `auth_jwt_revocation_list_sub`,
//! `auth_jwt_revocation_list_kid` and `auth_jwt_revocation_list_jti`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::AuthJwt;
use super::file_path::FilePath;
use crate::nginx::{Config, ConfigError, Request, Setting};
use jose::VerifiedToken;
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::revocation::RevocationSubject;
use policy::auth_jwt::revocation_file::RevocationFile;

/// A file with a list, on disk.
type StoredList = RevocationFile<FilePath>;

/// The lists of a level. An inner level replaces each of the three separately.
#[derive(Default)]
pub(super) struct RevocationLists {
    sub: Setting<Rc<StoredList>>,
    kid: Setting<Rc<StoredList>>,
    jti: Setting<Rc<StoredList>>,
}

impl RevocationLists {
    /// Takes over the lists that this level does not set.
    pub(super) fn inherit(&mut self, outer: &Self) {
        let Self { sub, kid, jti } = self;
        sub.inherit(&outer.sub);
        kid.inherit(&outer.kid);
        jti.inherit(&outer.jti);
    }

    /// Whether there is any.
    pub(super) fn is_any(&self) -> bool {
        let Self { sub, kid, jti } = self;
        [sub, kid, jti].iter().any(|list| list.get().is_some())
    }

    /// Refuses a verified token that is revoked, or that lacks what a list is about.
    pub(super) fn check(
        &self,
        request: Request<'_>,
        token: &VerifiedToken,
    ) -> Result<(), Rejection> {
        let Self { sub, kid, jti } = self;
        let lists = [
            (RevocationSubject::Sub, sub),
            (RevocationSubject::Kid, kid),
            (RevocationSubject::Jti, jti),
        ];
        for (subject, list) in lists {
            let Some(list) = list.get() else {
                continue;
            };
            subject.check(token, |name| {
                let found = list.contains(name, request.event_loop_iteration());
                found.map_err(|error| Rejection::RevocationList {
                    path: list.access().0.clone(),
                    error,
                })
            })?;
        }
        Ok(())
    }

    /// `auth_jwt_revocation_list_sub file`, and the two others.
    pub(super) fn set(
        &mut self,
        subject: RevocationSubject,
        cf: &mut Config<'_>,
    ) -> Result<(), ConfigError> {
        let name = cf.argument();
        if cf.template(&name)?.constant().is_none() {
            return Err(cf.invalid_value(&name, "it must not have variables"));
        }
        let main = cf.main_conf::<AuthJwt>();
        let list = main.revocation_files.get_or_read(cf.path(&name), cf);
        match subject {
            RevocationSubject::Sub => self.sub.set(list),
            RevocationSubject::Kid => self.kid.set(list),
            RevocationSubject::Jti => self.jti.set(list),
        }
    }
}

/// All files with lists that the configuration names, so that one that many locations name is read
/// and in memory once.
#[derive(Default)]
pub(super) struct RevocationFiles(RefCell<HashMap<PathBuf, Rc<StoredList>>>);

impl RevocationFiles {
    /// The file with this path. If it is new, it is read, so that the workers share the memory of
    /// its list, and there are warnings of what is wrong with it.
    fn get_or_read(&self, path: PathBuf, cf: &Config<'_>) -> Rc<StoredList> {
        if let Some(list) = self.find(&path) {
            return list;
        }
        let list = Rc::new(RevocationFile::new(FilePath(path.clone())));
        if let Err(error) = list.load() {
            let path = list.access();
            cf.warn(format_args!("revocation list {path}: {error}"));
        }
        list.access().warn_of_obstacle("revocation list", cf);
        self.0.borrow_mut().insert(path, Rc::clone(&list));
        list
    }

    fn find(&self, path: &Path) -> Option<Rc<StoredList>> {
        self.0.borrow().get(path).map(Rc::clone)
    }

    /// Forgets what was read: the next request reads each file.
    pub(super) fn forget_all(&self) {
        self.0.borrow().values().for_each(|list| list.forget());
    }
}
