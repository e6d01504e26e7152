//! The directives of the module in force, as what a token is judged by.

use std::path::Path;

use jose::{SignatureCheck, TokenType};
use nginx_conf_reader::error::ConfError;
use nginx_conf_reader::tree::ConfDirective;
use policy::auth_jwt::allowed_algorithms::AllowedAlgorithms;
use policy::auth_jwt::key_file::unsafe_name_reason;
use policy::auth_jwt::mode::Mode;
use policy::auth_jwt::rejection::Rejection;
use policy::auth_jwt::revocation::RevocationSubject;
use policy::auth_jwt::scopes::RequiredScopes;
use text::Quoted;

use super::arguments::{
    argument, first, invalid, read_algorithms, read_flag, read_leeway, read_max_age,
};
use super::constants::{Constants, UnknownVariable, variables};
use super::in_force::{ForcedDirective, InForce};
use super::issuers::IssuerReader;
use super::line::Names;
use super::rules::{read_rules, unknown_variable};
use super::{LocationDemands, TokenCheck};
use crate::demands::{Demands, UnmetRequirement, WhereToken};

/// Directives that change nothing about which tokens are accepted. They are only shown.
const SHOWN_ONLY: [&str; 6] = [
    "auth_jwt_phase",
    "auth_jwt_key_cache",
    "auth_jwt_challenge",
    "auth_jwt_log_level",
    "auth_jwt_upstream_header",
    "auth_jwt_strip",
];

/// Reads the directives in force.
pub(super) struct SettingsReader<'a> {
    pub(super) in_force: &'a InForce<'a>,
    pub(super) constants: &'a Constants<'a>,
    pub(super) names: &'a Names<'a>,
    pub(super) http: &'a ConfDirective,
    pub(super) prefix: Option<&'a Path>,
    pub(super) now: i64,
}

impl<'a> SettingsReader<'a> {
    /// Reads them, and adds a line for each.
    pub(super) fn read(&self, lines: &mut Vec<String>) -> Result<TokenCheck, ConfError> {
        let Some(auth_jwt) = self.single("auth_jwt", lines)? else {
            let reason = "\"auth_jwt\" is not in force here, so that no token is asked for";
            return Ok(TokenCheck::None(reason.into()));
        };
        let (realm, parameters) = first(auth_jwt)?;
        if realm == b"off" {
            let reason = "\"auth_jwt\" is off here, so that no token is asked for";
            return Ok(TokenCheck::None(reason.into()));
        }
        let mut demands = Demands {
            source: token_source(auth_jwt, parameters)?,
            ..Demands::default()
        };
        let mut unread_keys = Vec::new();
        let mode = self.mode(&mut demands, lines)?;
        if mode == Some(Mode::Off) {
            let reason = "\"auth_jwt_mode\" is off here, so that no token is asked for";
            return Ok(TokenCheck::None(reason.into()));
        }
        self.token(&mut demands, lines)?;
        self.trust(&mut demands, &mut unread_keys, lines)?;
        let of_issuers = unread_keys.len();
        self.keys(&mut demands, &mut unread_keys, lines)?;
        let lacks_own_keys = unread_keys.len() > of_issuers;
        self.limits(&mut demands, lines)?;
        self.binding(&mut demands, lines)?;
        self.revocation_lists(&mut demands, lines)?;
        self.rules(&mut demands, lines)?;
        self.requirements(&mut demands, lines)?;
        for name in SHOWN_ONLY {
            self.group(&[name], lines);
        }
        Ok(TokenCheck::Demands(Box::new(LocationDemands {
            demands,
            mode,
            unread_keys,
            lacks_own_keys,
        })))
    }

    /// A directive that a level may have once.
    fn single(
        &self,
        name: &str,
        lines: &mut Vec<String>,
    ) -> Result<Option<&'a ConfDirective>, ConfError> {
        let group = self.group(&[name], lines);
        if let [_, second, ..] = &group[..] {
            let message = format!("\"{name}\" directive is duplicate");
            return Err(ConfError::at(second.place(), message));
        }
        Ok(group.first().copied())
    }

    /// Directives that a level may have several times.
    fn group(&self, names: &[&str], lines: &mut Vec<String>) -> Vec<&'a ConfDirective> {
        let group = self.in_force.group(names);
        lines.extend(group.iter().map(|forced| forced.line(self.names)));
        group.iter().map(|forced| forced.directive).collect()
    }

    fn mode(
        &self,
        demands: &mut Demands,
        lines: &mut Vec<String>,
    ) -> Result<Option<Mode>, ConfError> {
        let Some(directive) = self.single("auth_jwt_mode", lines)? else {
            return Ok(Some(Mode::default()));
        };
        let argument = argument(directive)?;
        let has_variables = variables(argument).next().is_some();
        match self.constants.expand(argument) {
            Ok(name) => match (Mode::parse(&name), has_variables) {
                (Some(mode), _) => Ok(Some(mode)),
                (None, true) => {
                    let rejection = Rejection::Mode(Quoted::new(&name));
                    let message = format!("every request gets 500: {rejection}");
                    Err(ConfError::at(directive.place(), message))
                }
                (None, false) => {
                    let must =
                        "it must be \"required\", \"optional\", \"report\", \"off\" or a variable";
                    Err(invalid("value", directive, &name, must))
                }
            },
            Err(unknown) => {
                demands.not_judged.push(self.unknown(directive, &unknown));
                Ok(None)
            }
        }
    }

    /// What kind of token there must be.
    fn token(&self, demands: &mut Demands, lines: &mut Vec<String>) -> Result<(), ConfError> {
        if let Some(directive) = self.single("auth_jwt_type", lines)? {
            demands.token_type = match argument(directive)? {
                b"signed" => TokenType::Signed,
                b"encrypted" => TokenType::Encrypted,
                b"nested" => TokenType::Nested,
                other => {
                    let must = "it must be \"signed\", \"encrypted\" or \"nested\"";
                    return Err(invalid("value", directive, other, must));
                }
            };
        }
        if let Some(directive) = self.single("auth_jwt_verify_signature", lines)?
            && !read_flag(directive)?
        {
            demands.signature_check = SignatureCheck::Believe;
        }
        if let Some(directive) = self.single("auth_jwt_compression", lines)? {
            demands.accepts_compression = read_flag(directive)?;
        }
        Ok(())
    }

    fn trust(
        &self,
        demands: &mut Demands,
        unread_keys: &mut Vec<String>,
        lines: &mut Vec<String>,
    ) -> Result<(), ConfError> {
        let Some(directive) = self.single("auth_jwt_trust", lines)? else {
            return Ok(());
        };
        let (first, _) = first(directive)?;
        if first == b"off" {
            return Ok(());
        }
        if demands.signature_check == SignatureCheck::Believe {
            let message =
                "\"auth_jwt_trust\" needs signatures, and \"auth_jwt_verify_signature\" is off";
            return Err(ConfError::at(directive.place(), message));
        }
        if demands.token_type == TokenType::Encrypted {
            let message = "\"auth_jwt_trust\" needs a signature of the issuer, which tokens with \
                           \"auth_jwt_type encrypted\" do not have";
            return Err(ConfError::at(directive.place(), message));
        }
        let reader = IssuerReader {
            http: self.http,
            names: self.names,
            constants: self.constants,
            prefix: self.prefix,
            now: self.now,
        };
        let mut trusted = Vec::new();
        for name in directive.args() {
            trusted.push(reader.read(name, directive, demands, unread_keys, lines)?);
        }
        demands.trusted = Some(trusted);
        Ok(())
    }

    fn keys(
        &self,
        demands: &mut Demands,
        unread_keys: &mut Vec<String>,
        lines: &mut Vec<String>,
    ) -> Result<(), ConfError> {
        let sources = ["auth_jwt_key_file", "auth_jwt_key_request"];
        let Some((depth, group)) = self.in_force.group_with_depth(&sources) else {
            return Ok(());
        };
        let is_signed = demands.token_type == TokenType::Signed;
        if is_signed && demands.trusted.is_some() {
            let trust = self.in_force.group_with_depth(&["auth_jwt_trust"]);
            return match (trust, group.first()) {
                (Some((trust, _)), Some(own)) if depth >= trust => Err(ConfError::at(
                    own.directive.place(),
                    "keys beside \"auth_jwt_trust\" are for \"auth_jwt_type nested\"",
                )),
                // Those further out are not used.
                _ => Ok(()),
            };
        }
        if is_signed && demands.signature_check == SignatureCheck::Believe {
            return Ok(());
        }
        for source in group {
            self.key_source(source, demands, unread_keys, lines)?;
        }
        Ok(())
    }

    fn key_source(
        &self,
        source: ForcedDirective<'_>,
        demands: &mut Demands,
        unread_keys: &mut Vec<String>,
        lines: &mut Vec<String>,
    ) -> Result<(), ConfError> {
        if source.directive.is("auth_jwt_key_request") {
            first(source.directive)?;
            lines.push(source.line(self.names));
            let line = self.names.directive(source.directive);
            unread_keys.push(format!("{line}: the keys come from this URI"));
            return Ok(());
        }
        match self.constants.expand(argument(source.directive)?) {
            Ok(file) => {
                let has_variables = variables(argument(source.directive)?).next().is_some();
                if let Some(reason) = unsafe_name_reason(&file).filter(|_| has_variables) {
                    let file = Quoted::whole(&file);
                    let message = format!("every request gets 500: the file name {file} {reason}");
                    return Err(ConfError::at(source.directive.place(), message));
                }
                let path = self.names.path(&file);
                let shown = path.as_os_str().as_encoded_bytes().to_vec();
                lines.push(source.line_with(self.names, &[shown]));
                demands.key_files.push(path);
            }
            Err(UnknownVariable(variable)) => {
                lines.push(source.line(self.names));
                let line = self.names.directive(source.directive);
                unread_keys.push(format!("{line}: ${variable} depends on the request"));
            }
        }
        Ok(())
    }

    fn limits(&self, demands: &mut Demands, lines: &mut Vec<String>) -> Result<(), ConfError> {
        if let Some(directive) = self.single("auth_jwt_leeway", lines)? {
            demands.leeway = read_leeway(directive)?;
        }
        if let Some(directive) = self.single("auth_jwt_algorithms", lines)? {
            demands.algorithms = Some(read_algorithms(directive, AllowedAlgorithms::add)?);
        }
        if let Some(directive) = self.single("auth_jwt_max_age", lines)? {
            demands.max_age = Some(read_max_age(directive)?);
        }
        Ok(())
    }

    fn binding(&self, demands: &mut Demands, lines: &mut Vec<String>) -> Result<(), ConfError> {
        // What proofs have to be like is shown, each by an inheritance of its own.
        for name in [
            "auth_jwt_dpop_url",
            "auth_jwt_dpop_algorithms",
            "auth_jwt_dpop_nonce",
        ] {
            self.group(&[name], lines);
        }
        if let Some(directive) = self.single("auth_jwt_binding", lines)?
            && first(directive)?.0 != b"off"
        {
            let line = self.names.directive(directive);
            let why = "the client's certificate or proof is part of the request";
            demands.not_judged.push(format!("{line}: {why}"));
        }
        Ok(())
    }

    fn revocation_lists(
        &self,
        demands: &mut Demands,
        lines: &mut Vec<String>,
    ) -> Result<(), ConfError> {
        for (name, subject) in [
            ("auth_jwt_revocation_list_sub", RevocationSubject::Sub),
            ("auth_jwt_revocation_list_kid", RevocationSubject::Kid),
            ("auth_jwt_revocation_list_jti", RevocationSubject::Jti),
        ] {
            if let Some(directive) = self.single(name, lines)? {
                let path = self.names.path(argument(directive)?);
                demands.revocation_lists.push((subject, path));
            }
        }
        Ok(())
    }

    fn rules(&self, demands: &mut Demands, lines: &mut Vec<String>) -> Result<(), ConfError> {
        let claims = self.group(&["auth_jwt_require_claim"], lines);
        demands.claim_rules = read_rules(&claims, self.constants, self.names, demands)?;
        let header = self.group(&["auth_jwt_require_header"], lines);
        demands.header_rules = read_rules(&header, self.constants, self.names, demands)?;
        let scopes = self.group(&["auth_jwt_require_scope"], lines);
        if !scopes.is_empty() {
            let mut required = RequiredScopes::default();
            for directive in scopes {
                for scope in directive.args() {
                    let added = required.add(scope);
                    added.map_err(|must| invalid("value", directive, scope, must))?;
                }
            }
            demands.scopes = Some(required);
        }
        Ok(())
    }

    /// `auth_jwt_require`
    fn requirements(
        &self,
        demands: &mut Demands,
        lines: &mut Vec<String>,
    ) -> Result<(), ConfError> {
        for directive in self.group(&["auth_jwt_require"], lines) {
            let (values, status) = match directive.args() {
                [values @ .., last] if last.starts_with(b"error=") => match &last[..] {
                    b"error=401" => (values, 401),
                    b"error=403" => (values, 403),
                    other => {
                        let must = "it must be error=401 or error=403";
                        return Err(invalid("value", directive, other, must));
                    }
                },
                values => (values, 401),
            };
            for value in values {
                match self.constants.expand(value) {
                    Ok(constant) if matches!(&*constant, b"" | b"0") => {
                        let unmet = || UnmetRequirement {
                            value: String::from_utf8_lossy(value).into(),
                            status,
                        };
                        demands.unmet_requirement.get_or_insert_with(unmet);
                    }
                    Ok(_) => {}
                    Err(unknown) => demands.not_judged.push(self.unknown(directive, &unknown)),
                }
            }
        }
        Ok(())
    }

    fn unknown(&self, directive: &ConfDirective, variable: &UnknownVariable) -> String {
        unknown_variable(self.names, directive, variable)
    }
}

fn token_source(
    directive: &ConfDirective,
    parameters: &[Vec<u8>],
) -> Result<WhereToken, ConfError> {
    let Some(parameter) = parameters.first() else {
        return Ok(WhereToken::Authorization);
    };
    match parameter.strip_prefix(b"token=$") {
        Some(variable) => Ok(WhereToken::Variable(
            String::from_utf8_lossy(variable).into(),
        )),
        None => Err(invalid(
            "parameter",
            directive,
            parameter,
            "it must be token=$variable",
        )),
    }
}
