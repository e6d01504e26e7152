//! The blocks of `auth_jwt_issuer` that a location trusts.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http_url::{HttpUrl, without_credentials};
use nginx_conf_reader::error::ConfError;
use nginx_conf_reader::tree::ConfDirective;
use policy::auth_jwt::allowed_algorithms::AllowedAlgorithms;
use policy::auth_jwt::issuer::{IssuerTerms, MediaType};
use policy::auth_jwt::issuer_source::IssuerSource;
use policy::auth_jwt::saved_keys::{self, SavedKeys};
use text::Quoted;

use super::arguments::{
    argument, first, invalid, read_algorithms, read_leeway, read_max_age, wrong_number,
};
use super::constants::Constants;
use super::line::Names;
use super::rules::read_rules;
use crate::demands::{Demands, IssuerDemands};
use crate::input::InputSource;

/// Directives of a block that say how keys are fetched.
const FETCHING: [&str; 12] = [
    "refresh",
    "stale",
    "resolver",
    "ssl_trusted_certificate",
    "ssl_certificate",
    "ssl_certificate_key",
    "ssl_name",
    "ssl_verify",
    "connect_timeout",
    "read_timeout",
    "proxy",
    "state_path",
];

/// Reads the blocks.
pub(super) struct IssuerReader<'a> {
    pub(super) http: &'a ConfDirective,
    pub(super) names: &'a Names<'a>,
    pub(super) constants: &'a Constants<'a>,
    pub(super) prefix: Option<&'a Path>,
    pub(super) now: i64,
}

impl IssuerReader<'_> {
    /// Reads the block with this name, which `trust` names.
    pub(super) fn read(
        &self,
        name: &[u8],
        trust: &ConfDirective,
        demands: &mut Demands,
        unread_keys: &mut Vec<String>,
        lines: &mut Vec<String>,
    ) -> Result<IssuerDemands, ConfError> {
        let mut blocks = self.http.find("auth_jwt_issuer");
        let block = blocks.find(|block| block.args() == [name]).ok_or_else(|| {
            let name = Quoted::whole(name);
            let message = format!(
                "\"auth_jwt_trust\" names the issuer {name}, and there is no such auth_jwt_issuer"
            );
            ConfError::at(trust.place(), message)
        })?;
        lines.push(self.names.directive(block));
        let mut terms = IssuerTerms {
            name: constant(name, block)?.into(),
            ..IssuerTerms::default()
        };
        let mut rules = Vec::new();
        let mut key_file = None;
        let mut issuer = None;
        for member in block.block() {
            // The others do not change which tokens are accepted, and "proxy" may hold a password.
            let is_fetching = FETCHING.iter().any(|name| member.is(name));
            if !is_fetching || member.is("state_path") {
                lines.push(format!("    {}", self.names.directive(member)));
            }
            match member.name() {
                b"issuer" => issuer = Some(constant(argument(member)?, member)?),
                b"audience" => {
                    let values = member.args().iter().map(|value| constant(value, member));
                    terms.audience = values.collect::<Result<_, _>>()?;
                }
                b"key_file" => {
                    let name = constant(argument(member)?, member)?;
                    key_file = Some(self.names.path(name.as_bytes()));
                }
                b"algorithms" => {
                    let allowed = read_algorithms(member, AllowedAlgorithms::add_signature)?;
                    terms.algorithms = Some(allowed);
                }
                b"leeway" => terms.leeway = Some(read_leeway(member)?),
                b"max_age" => terms.max_age = Some(read_max_age(member)?),
                b"typ" => {
                    let types = member.args().iter().map(|value| {
                        let parsed = MediaType::parse(value);
                        parsed.map_err(|must| invalid("value", member, value, must))
                    });
                    terms.types = types.collect::<Result<_, _>>()?;
                }
                b"profile" => match argument(member)? {
                    b"rfc9068" => terms.requires_access_token = true,
                    other => return Err(invalid("value", member, other, "it must be \"rfc9068\"")),
                },
                b"require_claim" => rules.push(member),
                b"discovery" | b"jwks_uri" => {}
                _ if is_fetching => _ = first(member)?,
                name => {
                    let message =
                        format!("unknown directive {} in this block", Quoted::whole(name));
                    return Err(ConfError::at(member.place(), message));
                }
            }
        }
        terms.issuer = issuer.ok_or_else(|| {
            let message = format!("auth_jwt_issuer {} has no \"issuer\"", Quoted::whole(name));
            ConfError::at(block.place(), message)
        })?;
        let key_file = match key_file {
            Some(file) => Some(file),
            None => self.saved_keys(block, &terms.issuer, lines)?,
        };
        if key_file.is_none() {
            let line = self.names.directive(block);
            unread_keys.push(format!("{line}: the workers fetch the issuer's keys"));
        }
        Ok(IssuerDemands {
            rules: read_rules(&rules, self.constants, self.names, demands)?,
            key_files: key_file.into_iter().collect(),
            terms,
        })
    }

    /// The file in the folder of `state_path` with the keys of the issuer, if there is one.
    fn saved_keys(
        &self,
        block: &ConfDirective,
        issuer: &str,
        lines: &mut Vec<String>,
    ) -> Result<Option<PathBuf>, ConfError> {
        let Some(member) = block.find("state_path").next() else {
            return Ok(None);
        };
        let folder = constant(argument(member)?, member)?;
        let folder = match (Path::new(&*folder), self.prefix) {
            (folder, Some(prefix)) => prefix.join(folder),
            (folder, None) if folder.is_absolute() => folder.to_owned(),
            _ => {
                let why = "the folder is relative to nginx's prefix, which --prefix tells";
                lines.push(format!("        {why}"));
                return Ok(None);
            }
        };
        let id = source(block)?.id(issuer);
        let entries = match fs::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) => {
                lines.push(format!("        the folder cannot be read: {error}"));
                return Ok(None);
            }
        };
        // The folder may have keys that were fetched with other certificates or another proxy.
        let mut youngest: Option<(Duration, PathBuf)> = None;
        for entry in entries.flatten() {
            // Reading a pipe would wait for its other end.
            if !entry.file_type().is_ok_and(|kind| kind.is_file()) {
                continue;
            }
            let read = InputSource::File(entry.path()).read(saved_keys::MAX_BYTES);
            let text = read.unwrap_or_default();
            let Ok(found) = saved_keys::source(&text) else {
                continue;
            };
            // What follows is about TLS and the proxy.
            let is_it = found
                .strip_prefix(&id)
                .is_some_and(|rest| rest.starts_with(' '));
            if !is_it || *entry.file_name() != *saved_keys::file_name(&found) {
                continue;
            }
            if let Ok(SavedKeys { age, .. }) = saved_keys::decode(&text, &found, self.now)
                && youngest.as_ref().is_none_or(|(least, _)| age < *least)
            {
                youngest = Some((age, entry.path()));
            }
        }
        Ok(youngest.map(|(age, path)| {
            let shown = Quoted::whole(path.as_os_str().as_encoded_bytes());
            lines.push(format!(
                "        keys that the workers have saved in {shown} {} seconds ago",
                age.as_secs()
            ));
            path
        }))
    }
}

/// Where the keys of a block are fetched from.
fn source(block: &ConfDirective) -> Result<IssuerSource, ConfError> {
    let url = |member: &ConfDirective, text: &[u8]| {
        HttpUrl::parse(&String::from_utf8_lossy(text)).map_err(|error| {
            let message = format!(
                "{} {} {error}",
                String::from_utf8_lossy(member.name()),
                Quoted::whole(&*without_credentials(&String::from_utf8_lossy(text)))
            );
            ConfError::at(member.place(), message)
        })
    };
    if let Some(member) = block.find("jwks_uri").next() {
        let (text, _) = first(member)?;
        return Ok(IssuerSource::JwksUri(url(member, text)?));
    }
    let Some(member) = block.find("discovery").next() else {
        return Ok(IssuerSource::Discovery {
            url: None,
            insecure: false,
        });
    };
    let (args, insecure) = match member.args() {
        [args @ .., last] if *last == b"insecure" => (args, true),
        args => (args, false),
    };
    let url = match args {
        [] => None,
        [text] => Some(url(member, text)?),
        _ => return Err(wrong_number(member)),
    };
    Ok(IssuerSource::Discovery { url, insecure })
}

/// A value without variables.
fn constant(value: &[u8], directive: &ConfDirective) -> Result<Box<str>, ConfError> {
    match str::from_utf8(value) {
        Ok("") => Err(invalid("value", directive, value, "it must not be empty")),
        Ok(text) if text.contains('$') => Err(invalid(
            "value",
            directive,
            value,
            "it must not have variables",
        )),
        Ok(text) => Ok(text.into()),
        Err(_) => Err(invalid("value", directive, value, "it must be in UTF-8")),
    }
}
