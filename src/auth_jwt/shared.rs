//! What all locations share: the sources of keys, of which one that many locations name is read and watched once, and
//! the tokens that a worker knows. It all ends with the configuration.

use std::cell::{OnceCell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;

use super::fetch::Remote;
use super::key_file::{KeyFile, KeyFilePath};
use crate::nginx::{ConfigError, Setting};
use policy::auth_jwt::remote_keys::RemoteKeys;
use policy::auth_jwt::token_cache::TokenCache;

/// The configuration of `http{}`.
#[derive(Default)]
pub struct MainConf {
    key_files: RefCell<HashMap<PathBuf, Rc<KeyFile>>>,
    /// By server, for what answers to a URI depends on it.
    key_requests: RefCell<HashMap<usize, ByUri<Remote>>>,
    /// In bytes; none for `off`.
    token_cache_size: RefCell<Setting<Option<usize>>>,
    token_cache: OnceCell<Option<RefCell<TokenCache>>>,
}

type ByUri<T> = HashMap<Box<[u8]>, Rc<T>>;

impl MainConf {
    /// How many files whose names hold variables are kept at a time. A name that comes from a request must not be
    /// able to fill the memory.
    const MOST_NAMED_BY_REQUESTS: usize = 1024;

    /// The file with a name that is written in the configuration. One that is new is told of to `read`.
    pub(super) fn key_file(&self, path: PathBuf, read: impl FnOnce(&KeyFile)) -> Rc<KeyFile> {
        let mut files = self.key_files.borrow_mut();
        let file = files.entry(path).or_insert_with_key(|path| {
            let file = KeyFile::new(KeyFilePath(path.clone()));
            read(&file);
            Rc::new(file)
        });
        Rc::clone(file)
    }

    /// The file with a name that a request had a part in.
    pub(super) fn key_file_of_request(&self, path: PathBuf) -> Rc<KeyFile> {
        let kept = self.key_files.borrow().get(&path).map(Rc::clone);
        kept.unwrap_or_else(|| Rc::new(KeyFile::new(KeyFilePath(path))))
    }

    /// Keeps such a file for the next request. It must have been possible to read it.
    pub(super) fn keep(&self, file: &Rc<KeyFile>) {
        let mut files = self.key_files.borrow_mut();
        if files.len() < Self::MOST_NAMED_BY_REQUESTS && !files.contains_key(&file.access().0) {
            files.insert(file.access().0.clone(), Rc::clone(file));
        }
    }

    /// The keys behind a URI that is written in the configuration.
    pub(super) fn key_request(&self, uri: &[u8], server: usize) -> Rc<Remote> {
        let mut requests = self.key_requests.borrow_mut();
        let requests = requests.entry(server).or_default();
        if let Some(remote) = requests.get(uri) {
            return Rc::clone(remote);
        }
        let remote = Rc::new(RemoteKeys::new());
        requests.insert(uri.into(), Rc::clone(&remote));
        remote
    }

    /// Takes what `auth_jwt_token_cache` says.
    pub(super) fn set_token_cache(&self, bytes: Option<usize>) -> Result<(), ConfigError> {
        self.token_cache_size.borrow_mut().set(bytes)
    }

    /// The tokens that this worker knows: made for the first request, so that each worker has its own.
    pub(super) fn token_cache(&self) -> Option<&RefCell<TokenCache>> {
        let new = || {
            let size = self.token_cache_size.borrow();
            let size = size.get().copied();
            let bytes = size.unwrap_or(Some(TokenCache::DEFAULT_BYTES))?;
            Some(RefCell::new(TokenCache::new(bytes)))
        };
        self.token_cache.get_or_init(new).as_ref()
    }
}
