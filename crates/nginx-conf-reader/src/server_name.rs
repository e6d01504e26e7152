//! The names of the servers that listen on one address: exact ones, those with `*` in front or at
//! the end, and regular expressions.

use std::collections::{HashMap, HashSet};

use crate::error::{ConfError, Place};
use crate::regex;

/// The names of servers, by which one is found; `S` stands for a server.
pub(crate) struct ServerNames<S> {
    exact: HashMap<Vec<u8>, (S, Vec<u8>)>,
    /// `*.example.com` and `.example.com`, both as `example.com`.
    fronts: HashMap<Vec<u8>, (S, Vec<u8>)>,
    /// `www.example.*`, as `www.example`.
    ends: HashMap<Vec<u8>, (S, Vec<u8>)>,
    regexes: Vec<(S, Vec<u8>, Place)>,
    /// The exact names, and `example.com` for each `.example.com`: a name that is there already is
    /// ignored.
    taken: HashSet<Vec<u8>>,
}

impl<S: Copy> ServerNames<S> {
    pub(crate) fn new() -> Self {
        Self {
            exact: HashMap::new(),
            fronts: HashMap::new(),
            ends: HashMap::new(),
            regexes: Vec::new(),
            taken: HashSet::new(),
        }
    }

    /// Adds a name of a server, as nginx does it (`ngx_http_server_names`, `ngx_hash_add_key`).
    pub(crate) fn add(&mut self, name: &[u8], server: S, place: &Place) {
        if let Some(pattern) = name.strip_prefix(b"~") {
            self.regexes.push((server, pattern.into(), place.clone()));
            return;
        }
        let name = name.to_ascii_lowercase();
        let found = (server, name.clone());
        if let Some(suffix) = name.strip_prefix(b"*.").filter(|suffix| !suffix.is_empty()) {
            self.fronts.entry(suffix.into()).or_insert(found);
        } else if let Some(suffix) = name.strip_prefix(b".").filter(|suffix| !suffix.is_empty()) {
            if self.taken.insert(suffix.into()) {
                self.fronts.entry(suffix.into()).or_insert(found);
            }
        } else if let Some(prefix) = name.strip_suffix(b".*").filter(|prefix| !prefix.is_empty()) {
            self.ends.entry(prefix.into()).or_insert(found);
        } else if self.taken.insert(name.clone()) {
            self.exact.insert(name, found);
        }
    }

    /// The server of a host, in lower case, and the name that fits.
    pub(crate) fn find(&self, host: &[u8]) -> Result<Option<(S, Vec<u8>)>, ConfError> {
        if let Some(found) = self.exact.get(host) {
            return Ok(Some(found.clone()));
        }
        // The longest name with "*" in front.
        if let Some(found @ (_, name)) = self.fronts.get(host)
            && name.starts_with(b".")
        {
            return Ok(Some(found.clone()));
        }
        let dots = || (0..host.len()).filter(|&at| host.get(at) == Some(&b'.'));
        let behind = |at: usize| host.get(at.saturating_add(1)..).unwrap_or_default();
        if let Some(found) = dots().find_map(|at| self.fronts.get(behind(at))) {
            return Ok(Some(found.clone()));
        }
        // The longest name with "*" at the end.
        let before = |at: usize| host.get(..at).unwrap_or_default();
        if let Some(found) = dots().rev().find_map(|at| self.ends.get(before(at))) {
            return Ok(Some(found.clone()));
        }
        for (server, pattern, place) in &self.regexes {
            // nginx does so, since hosts are in lower case.
            let ignores_case = pattern.iter().any(u8::is_ascii_uppercase);
            if regex::matches(pattern, ignores_case, host, place)? {
                let mut name = b"~".to_vec();
                name.extend(pattern);
                return Ok(Some((*server, name)));
            }
        }
        Ok(None)
    }
}
