//! What a configuration demands of a token for one URI: reads nginx.conf, finds the server and the
//! location, and takes the directives of the module that are in force there.

mod arguments;
mod constants;
mod in_force;
mod issuers;
mod levels;
mod line;
mod rules;
mod settings;
mod surroundings;
mod token_variables;

use std::path::PathBuf;

use nginx_conf_reader::error::ConfError;
use nginx_conf_reader::tree::Tree;
use policy::auth_jwt::mode::Mode;

use crate::demands::Demands;
use crate::local_rule::KnownVariables;
use crate::verdict::lacks_keys;
use constants::Constants;
use in_force::InForce;
use levels::ChosenLocation;
use line::Names;
use surroundings::Surroundings;
use token_variables::TokenVariables;

/// Whose demands are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocationQuestion {
    /// nginx.conf
    pub config: PathBuf,
    /// The URI of the request, as in its first line.
    pub uri: String,
    /// The host that the request is for, and a port behind `:` if there is one. `None`: the default
    /// server is asked.
    pub host: Option<String>,
    /// The address or the port that the request comes to. `None`: any that the configuration has.
    pub address: Option<String>,
    /// The method of the request.
    pub method: String,
    /// nginx's prefix, to which the names of the workers' folders are relative.
    pub prefix: Option<PathBuf>,
}

/// What is known of the request besides.
#[derive(Debug, Clone, Copy)]
pub struct KnownRequest<'a> {
    /// Values of variables.
    pub variables: &'a KnownVariables,
    /// The token, if there is one.
    pub token: Option<&'a [u8]>,
}

/// What a configuration says about a location.
#[derive(Debug)]
pub struct LocationAnswer {
    /// What is in force, and where each comes from: one line for each.
    pub in_force: Vec<String>,
    /// What could lead the request elsewhere, and is not followed: one line for each.
    pub not_followed: Vec<String>,
    /// What is demanded of a token.
    pub check: TokenCheck,
}

/// Whether a location looks at tokens.
#[derive(Debug)]
pub enum TokenCheck {
    /// It does not, for this reason.
    None(String),
    /// It does.
    Demands(Box<LocationDemands>),
}

/// What a location demands.
#[derive(Debug)]
pub struct LocationDemands {
    /// What the token is judged by.
    pub demands: Demands,
    /// What becomes of a request whose token is refused. `None`: variables say it.
    pub mode: Option<Mode>,
    /// Sources of keys that no file has: keys for them have to be given. One line for each.
    pub unread_keys: Vec<String>,
    /// Whether some of them are sources of the location itself, and not of its issuers.
    pub lacks_own_keys: bool,
}

/// What is wrong with a location that has no source of keys.
pub const NO_KEY_SOURCE: &str = "the location has no auth_jwt_key_file, auth_jwt_key_request or \
                                 auth_jwt_trust, so that nginx refuses every token";

impl LocationDemands {
    /// Whether the location needs keys of its own and names no source of them.
    pub fn has_no_key_source(&self) -> bool {
        !self.lacks_own_keys && lacks_keys(&self.demands)
    }

    /// The demands with these files in the place of the keys that no file has.
    ///
    /// # Errors
    /// There are no files but keys are needed, or the contrary.
    pub fn with_keys(self, files: &[PathBuf]) -> Result<Demands, String> {
        let has_no_source = self.has_no_key_source();
        let mut demands = self.demands;
        match (files, &self.unread_keys[..]) {
            ([], []) => return Ok(demands),
            ([], unread) => {
                let unread = unread.join("; ");
                return Err(format!("keys have to be given by --keys: {unread}"));
            }
            (_, []) if has_no_source => {
                return Err(format!("--keys is of no use: {NO_KEY_SOURCE}"));
            }
            (_, []) => {
                return Err(
                    "--keys is of no use: the configuration names all files with keys".into(),
                );
            }
            (_, _) => {}
        }
        if self.lacks_own_keys {
            demands.key_files.extend_from_slice(files);
        }
        let issuers = demands.trusted.iter_mut().flatten();
        for issuer in issuers.filter(|issuer| issuer.key_files.is_empty()) {
            issuer.key_files = files.to_vec();
        }
        Ok(demands)
    }
}

/// Finds what the configuration demands. `now` is in seconds since 1970 in UTC.
///
/// # Errors
/// The configuration cannot be read, has no such server, or nginx would refuse what is in force there.
pub fn ask(
    question: &LocationQuestion,
    request: KnownRequest<'_>,
    now: i64,
) -> Result<LocationAnswer, ConfError> {
    let tree = Tree::read(&question.config)?;
    let http = tree.http()?;
    let chosen = ChosenLocation::find(http, question)?;
    let names = Names::new(tree.folder());
    let in_force = InForce::new(&chosen.levels);
    let token = request.token.filter(|_| in_force.takes_signed_tokens());
    let token = token.map(|token| TokenVariables::of(token, http));
    let constants = Constants::new(http, &chosen.levels, request.variables, token);
    let mut lines = chosen.lines(&names);
    let surroundings = Surroundings::of(&chosen, &in_force, &names)?;
    let reader = settings::SettingsReader {
        in_force: &in_force,
        constants: &constants,
        names: &names,
        http,
        prefix: question.prefix.as_deref(),
        now,
    };
    let check = match surroundings.answered_before {
        Some(reason) => TokenCheck::None(reason),
        None => reader.read(&mut lines)?,
    };
    Ok(LocationAnswer {
        in_force: lines,
        not_followed: surroundings.not_followed,
        check,
    })
}

#[cfg(test)]
mod tests;
