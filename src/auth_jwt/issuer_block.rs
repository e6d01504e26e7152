//! `auth_jwt_issuer`: reads the block of an issuer.

use std::rc::Rc;
use std::time::Duration;

use super::AuthJwt;
use super::configured_key_file::configured_key_file;
use super::file_path::KeyFile;
use super::issuer::{Issuer, IssuerKeySource};
use super::issuer_keys::FetchSettings;
use super::main_conf::MainConf;
use super::token_rules::{read_leeway, read_max_age, read_rule};
use crate::nginx::{
    Config, ConfigBlock, ConfigError, List, Member, Regex, Setting, Variable, args,
};
use jose::{SignatureCheck, TokenType};
use policy::auth_jwt::allowed_algorithms::AllowedAlgorithms;
use policy::auth_jwt::issuer::{IssuerTerms, MediaType};
use policy::auth_jwt::rules::Rule;
use text::Quoted;

/// What the directives of a block say.
#[derive(Default)]
struct IssuerBlock {
    issuer: Setting<Box<str>>,
    audience: Setting<Vec<Box<str>>>,
    key_file: Setting<Rc<KeyFile>>,
    algorithms: Setting<AllowedAlgorithms>,
    leeway: Setting<Duration>,
    max_age: Setting<Duration>,
    types: Setting<Vec<MediaType>>,
    requires_access_token: Setting<bool>,
    rules: List<Rule<Variable, Regex>>,
    fetch: FetchSettings,
}

impl ConfigBlock for IssuerBlock {
    const MEMBERS: &'static [Member<Self>] = &[
        Member {
            name: c"issuer",
            args: args::ONE,
            set: |block, cf| block.issuer.set(constant(&cf.argument(), cf)?),
        },
        Member {
            name: c"audience",
            args: args::ONE_OR_MORE,
            set: |block, cf| {
                let values = cf.args();
                let values = values.iter().map(|value| constant(value, cf));
                block.audience.set(values.collect::<Result<_, _>>()?)
            },
        },
        Member {
            name: c"key_file",
            args: args::ONE,
            set: |block, cf| {
                let name = cf.argument();
                constant(&name, cf)?;
                block.key_file.set(configured_key_file(&name, cf))
            },
        },
        Member {
            name: c"algorithms",
            args: args::ONE_OR_MORE,
            set: |block, cf| block.algorithms.set(read_signature_algorithms(cf)?),
        },
        Member {
            name: c"leeway",
            args: args::ONE,
            set: |block, cf| block.leeway.set(read_leeway(cf)?),
        },
        Member {
            name: c"max_age",
            args: args::ONE,
            set: |block, cf| block.max_age.set(read_max_age(cf)?),
        },
        Member {
            name: c"typ",
            args: args::ONE_OR_MORE,
            set: |block, cf| {
                let values = cf.args();
                let types = values.iter().map(|value| {
                    let parsed = MediaType::parse(value);
                    parsed.map_err(|must| cf.invalid_value(value, must))
                });
                block.types.set(types.collect::<Result<_, _>>()?)
            },
        },
        Member {
            name: c"profile",
            args: args::ONE,
            set: |block, cf| match &*cf.argument() {
                b"rfc9068" => block.requires_access_token.set(true),
                other => Err(cf.invalid_value(other, "it must be \"rfc9068\"")),
            },
        },
        Member {
            name: c"require_claim",
            args: args::TWO_OR_MORE,
            set: |block, cf| {
                block.rules.push(read_rule(cf)?);
                Ok(())
            },
        },
        Member {
            name: c"discovery",
            args: args::NO_MORE_THAN_TWO,
            set: |block, cf| block.fetch.set_discovery(cf),
        },
        Member {
            name: c"jwks_uri",
            args: args::ONE_OR_TWO,
            set: |block, cf| block.fetch.set_jwks_uri(cf),
        },
        Member {
            name: c"refresh",
            args: args::ONE,
            set: |block, cf| block.fetch.set_refresh(cf),
        },
        Member {
            name: c"stale",
            args: args::ONE,
            set: |block, cf| block.fetch.set_stale(cf),
        },
        Member {
            name: c"resolver",
            args: args::ONE_OR_MORE,
            set: |block, cf| block.fetch.set_resolver(cf),
        },
        Member {
            name: c"ssl_trusted_certificate",
            args: args::ONE,
            set: |block, cf| block.fetch.set_trusted_certificate(cf),
        },
        Member {
            name: c"ssl_certificate",
            args: args::ONE,
            set: |block, cf| block.fetch.set_certificate(cf),
        },
        Member {
            name: c"ssl_certificate_key",
            args: args::ONE,
            set: |block, cf| block.fetch.set_certificate_key(cf),
        },
        Member {
            name: c"ssl_name",
            args: args::ONE,
            set: |block, cf| block.fetch.set_name(cf),
        },
        Member {
            name: c"ssl_verify",
            args: args::FLAG,
            set: |block, cf| block.fetch.set_verify(cf),
        },
        Member {
            name: c"connect_timeout",
            args: args::ONE,
            set: |block, cf| block.fetch.set_connect_timeout(cf),
        },
        Member {
            name: c"read_timeout",
            args: args::ONE,
            set: |block, cf| block.fetch.set_read_timeout(cf),
        },
        Member {
            name: c"proxy",
            args: args::ONE,
            set: |block, cf| block.fetch.set_proxy(cf),
        },
        Member {
            name: c"state_path",
            args: args::ONE,
            set: |block, cf| block.fetch.set_state_path(cf),
        },
    ];
}

/// `auth_jwt_issuer name { ... }`
pub(super) fn auth_jwt_issuer(main: &MainConf, cf: &mut Config<'_>) -> Result<(), ConfigError> {
    let name = constant(&cf.argument(), cf)?;
    if *name == *"off" {
        let must = "\"auth_jwt_trust off\" has another meaning";
        return Err(cf.invalid_value(name.as_bytes(), must));
    }
    let block = cf.read_block::<IssuerBlock>()?;
    main.issuers.check_name(&name)?;
    let quoted = Quoted::whole(&*name);
    let message =
        |message: &str| ConfigError::message(format_args!("auth_jwt_issuer {quoted} {message}"));
    let issuer = block.issuer.get().cloned();
    let issuer = issuer.ok_or_else(|| message("has no \"issuer\", which iss must be"))?;
    let keys = match (block.key_file.get(), block.fetch.first()) {
        (Some(_), Some(directive)) => {
            return Err(message(&format!(
                "has both \"key_file\" and \"{directive}\""
            )));
        }
        (Some(file), None) => IssuerKeySource::File(Rc::clone(file)),
        (None, _) => {
            let keys = block.fetch.keys(&name, &issuer, &main.tls_configs, cf)?;
            IssuerKeySource::Fetched(Rc::new(keys))
        }
    };
    let terms = IssuerTerms {
        name: name.into(),
        issuer,
        audience: block.audience.get().cloned().unwrap_or_default(),
        algorithms: block.algorithms.get().cloned(),
        types: block.types.get().cloned().unwrap_or_default(),
        requires_access_token: block.requires_access_token.get().is_some(),
        max_age: block.max_age.get().copied(),
        leeway: block.leeway.get().copied(),
    };
    match (terms.requires_access_token, terms.audience.is_empty()) {
        (true, true) => {
            return Err(message(
                "has no \"audience\", which \"profile rfc9068\" requires (RFC 9068 section 4)",
            ));
        }
        (false, true) => cf.warn(format_args!(
            "auth_jwt_issuer {quoted} has no \"audience\": tokens that the issuer has made for \
             others are accepted"
        )),
        (_, false) => {}
    }
    if terms.requires_access_token && !terms.types.is_empty() {
        return Err(message(
            "has both \"typ\" and \"profile rfc9068\", which requires \"typ at+jwt\"",
        ));
    }
    let issuer = main.issuers.add(|index| Issuer {
        index,
        terms,
        rules: block.rules.to_vec(),
        keys,
    })?;
    warn_of_useless_keys(&issuer, cf);
    Ok(())
}

/// Warns of a key file that verifies nothing.
fn warn_of_useless_keys(issuer: &Issuer, cf: &Config<'_>) {
    let IssuerKeySource::File(file) = &issuer.keys else {
        return;
    };
    let Ok(set) = file.current_keys(None, |_| ()) else {
        return;
    };
    set.mark_used();
    for warning in set.warnings_for(TokenType::Signed, SignatureCheck::Verify) {
        let warning = format!("{}: {warning}", issuer.describe_keys());
        if cf.main_conf::<AuthJwt>().is_new_warning(&warning) {
            cf.warn(format_args!("{warning}"));
        }
    }
}

/// A value that is the same for all requests.
fn constant(value: &[u8], cf: &Config<'_>) -> Result<Box<str>, ConfigError> {
    match str::from_utf8(value) {
        Ok("") => Err(cf.invalid_value(value, "it must not be empty")),
        Ok(text) if text.contains('$') => {
            Err(cf.invalid_value(value, "it must not have variables"))
        }
        Ok(text) => Ok(text.into()),
        Err(_) => Err(cf.invalid_value(value, "it must be in UTF-8")),
    }
}

fn read_signature_algorithms(cf: &Config<'_>) -> Result<AllowedAlgorithms, ConfigError> {
    let mut allowed = AllowedAlgorithms::default();
    for name in cf.args() {
        let added = allowed.add_signature(&name);
        added.map_err(|must| cf.invalid_value(&name, &must))?;
    }
    Ok(allowed)
}
