//! The configuration that all levels share.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::file_path::{FilePath, KeyFile};
use super::issuer::ConfiguredIssuers;
use super::key_request::KeyRequest;
use super::late_variables::LateVariables;
use super::revocation::RevocationFiles;
use super::trust::TrustSetting;
use super::used_proofs::UsedProofs;
use crate::nginx::{ConfigError, Setting};
use crate::status::SourceCounters;
use http_client::tls::TlsConfigs;
use jose::{KeySet, Warning};
use policy::auth_jwt::key_cache::KeyError;
use policy::auth_jwt::recent_files::RecentKeyFiles;
use policy::auth_jwt::recent_key_sets::RecentKeySets;
use policy::auth_jwt::token_cache::TokenCache;
use policy::auth_jwt::token_memo::SetIds;

/// What all levels share: sources of keys, so that one that many locations name is read and cached
/// once, and the token cache. All of it ends with the configuration.
#[derive(Default)]
pub struct MainConf {
    /// Whether a level has `auth_jwt_phase preaccess`.
    pub(super) uses_preaccess: Cell<bool>,
    pub(super) issuers: ConfiguredIssuers,
    pub(super) tls_configs: RefCell<TlsConfigs>,
    /// Every `auth_jwt_trust`, also of levels that no level takes it over from.
    pub(super) trusts: RefCell<Vec<Rc<TrustSetting>>>,
    /// Whether a level has `auth_jwt_upstream_header` or `auth_jwt_strip on`.
    pub(super) changes_headers: Cell<bool>,
    /// Whether a level has rules or headers, of which something is remembered of a token.
    pub(super) keeps_memos: Cell<bool>,
    /// The DPoP proofs that were used, and their nonces.
    pub(super) dpop: UsedProofs,
    /// Numbers of sets of rules and of headers.
    pub(super) sets: SetIds,
    /// Those that the configuration names.
    key_files: RefCell<HashMap<PathBuf, (Rc<KeyFile>, SourceCounters)>>,
    /// Those that requests name.
    recent_key_files: RefCell<RecentKeyFiles<FilePath>>,
    /// Those of key requests whose responses are for one request only.
    recent_key_sets: RefCell<RecentKeySets>,
    /// What `auth_jwt_require` must not require.
    pub(super) late_variables: LateVariables,
    /// Lists of revoked names.
    pub(super) revocation_files: RevocationFiles,
    /// By server, since the location that a URI selects depends on it.
    key_requests: RefCell<HashMap<usize, KeyRequestsByUri>>,
    /// In bytes, or `None` for `off`.
    token_cache_size: RefCell<Setting<Option<usize>>>,
    token_cache: OnceCell<Option<RefCell<TokenCache>>>,
    /// What was said about key files when levels were merged: many levels may have the same file.
    warnings: RefCell<HashSet<String>>,
}

type KeyRequestsByUri = HashMap<Box<[u8]>, Rc<KeyRequest>>;

impl MainConf {
    /// The key file with this path, if it is known.
    pub(super) fn key_file(&self, path: &Path) -> Option<Rc<KeyFile>> {
        let files = self.key_files.borrow();
        files.get(path).map(|(file, _)| Rc::clone(file))
    }

    /// Adds a key file that the configuration names.
    pub(super) fn add_key_file(&self, file: &Rc<KeyFile>, counters: SourceCounters) {
        let path = file.access().0.clone();
        let file = (Rc::clone(file), counters);
        self.key_files.borrow_mut().insert(path, file);
    }

    /// Counts that a key file was read, or is of no use. Those that requests name are not counted:
    /// their names are the clients'.
    pub(super) fn count_key_file(&self, file: &KeyFile, keys: Option<&KeySet>, now: i64) {
        if let Some((_, counters)) = self.key_files.borrow().get(&file.access().0) {
            match keys {
                Some(keys) => counters.note_file(file.identity_digest(), keys.usable_keys(), now),
                None => counters.count_failure(),
            }
        }
    }

    /// Counts the files that were read with the configuration. For the start of a worker, which has
    /// the keys of that time even if it takes the place of one that has died: a file that has
    /// changed since is counted when it is read.
    pub(super) fn count_key_files(&self, now: i64) {
        for (file, counters) in self.key_files.borrow().values() {
            if let Some(keys) = file.unchanged_keys() {
                counters.note_file(file.identity_digest(), keys.usable_keys(), now);
            }
        }
    }

    /// The key file with a path that a request has named.
    pub(super) fn requested_key_file(&self, path: PathBuf) -> Rc<KeyFile> {
        let known = self.key_file(&path);
        known
            .or_else(|| self.recent_key_files.borrow().find(&path))
            .unwrap_or_else(|| Rc::new(KeyFile::new(FilePath(path))))
    }

    /// Remembers such a file after it was used.
    pub(super) fn remember_requested_key_file(&self, file: &Rc<KeyFile>) {
        let path = &file.access().0;
        if self.key_file(path).is_none() {
            self.recent_key_files.borrow_mut().note_use(path, file);
        }
    }

    /// The keys in a response that is for one request only. `report` gets the warnings about them,
    /// unless the same text has come before.
    pub(super) fn parse_response(
        &self,
        body: &[u8],
        report: impl FnMut(&Warning),
    ) -> Result<KeySet, KeyError> {
        self.recent_key_sets.borrow_mut().parse(body, report)
    }

    /// The keys behind a constant URI.
    pub(super) fn key_request(&self, uri: &[u8], server: usize) -> Rc<KeyRequest> {
        let mut requests = self.key_requests.borrow_mut();
        let by_uri = requests.entry(server).or_default();
        if let Some(request) = by_uri.get(uri) {
            return Rc::clone(request);
        }
        let request = Rc::<KeyRequest>::default();
        by_uri.insert(uri.into(), Rc::clone(&request));
        request
    }

    /// Refuses a name in `auth_jwt_trust` that no issuer has.
    pub(super) fn check_trusts(&self) -> Result<(), ConfigError> {
        let trusts = self.trusts.borrow();
        let mut trusts = trusts.iter();
        trusts.try_for_each(|setting| setting.find(&self.issuers).map(drop))
    }

    /// Empties the caches of this worker. Levels refer to key files and key requests, which
    /// therefore stay.
    pub(super) fn forget_caches(&self) {
        self.key_files
            .borrow()
            .values()
            .for_each(|(file, _)| file.forget());
        self.recent_key_files.borrow_mut().clear();
        self.recent_key_sets.borrow_mut().clear();
        self.revocation_files.forget_all();
        let fetched = self.issuers.fetched_keys();
        fetched.iter().for_each(|keys| keys.forget());
        let key_requests = self.key_requests.borrow();
        let key_requests = key_requests.values().flat_map(HashMap::values);
        key_requests.for_each(|keys| keys.forget());
        if let Some(Some(tokens)) = self.token_cache.get() {
            tokens.borrow_mut().clear();
        }
    }

    /// Whether nobody has warned of this before.
    pub(super) fn is_new_warning(&self, warning: &str) -> bool {
        self.warnings.borrow_mut().insert(warning.to_owned())
    }

    /// Sets the size of the token cache.
    pub(super) fn set_token_cache(&self, bytes: Option<usize>) -> Result<(), ConfigError> {
        self.token_cache_size.borrow_mut().set(bytes)
    }

    /// The token cache of this worker. The first request makes it, so that each worker has its own.
    pub(super) fn token_cache(&self) -> Option<&RefCell<TokenCache>> {
        let new = || {
            let size = self.token_cache_size.borrow();
            let size = size.get().copied();
            let bytes = size.unwrap_or(Some(TokenCache::DEFAULT_BYTES))?;
            let keeps_memos = self.keeps_memos.get();
            Some(RefCell::new(TokenCache::new(bytes, keeps_memos)))
        };
        self.token_cache.get_or_init(new).as_ref()
    }
}
