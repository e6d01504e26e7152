//! The command line of `explain`.

use std::io::{self, IsTerminal as _};
use std::path::Path;

use policy::auth_jwt::allowed_algorithms::AllowedAlgorithms;
use policy::auth_jwt::issuer::IssuerTerms;
use policy::auth_jwt::scopes::RequiredScopes;

use super::{explain, located};
use crate::args::{ExplainArgs, LocationArgs, SourceArg, TokenArgs, TypeArg};
use crate::config::LocationQuestion;
use crate::demands::{Demands, IssuerDemands, WhereToken};
use crate::input::InputSource;
use crate::key_files::{DemandedFiles, MissingFile};
use crate::local_rule::{KnownVariables, LocalRule, LocalRuleError, RuleReader};
use crate::output::{CommandError, Report};
use crate::times::Clock;
use crate::words::split_words;

/// Runs `explain`.
///
/// # Errors
/// [`CommandError`]
pub fn run(args: &ExplainArgs, json: bool) -> Result<Report, CommandError> {
    let clock = clock(args.at.as_deref())?;
    let reads_keys = args
        .keys
        .iter()
        .any(|file| InputSource::named(file) == InputSource::Stdin);
    // With a configuration, no option means that there is no token.
    let has_token = args.token.is_given() || args.location.config.is_none();
    if reads_keys && has_token && args.token.is_stdin() {
        let message = "--keys: standard input has the token already";
        return Err(CommandError::Usage(message.into()));
    }
    if let (Some(config), Some(uri)) = (&args.location.config, &args.location.location) {
        let question = question(config, uri, &args.location);
        return located::run(args, &question, &variables(&args.variable)?, &clock, json);
    }
    let (demands, warnings) = demands(args)?;
    args.token.check_source()?;
    let files = DemandedFiles::read(&demands, MissingFile::IsAnError)?;
    let token = args.token.read()?;
    let explanation = explain(&token, &demands, &files, &clock);
    let report = match json {
        true => Report::json(&crate::to_json(&explanation)?),
        false => Report {
            text: explanation.text(),
            ..Report::default()
        },
    };
    Ok(Report {
        warnings,
        is_no: !explanation.accepted,
        ..report
    })
}

fn question(config: &Path, uri: &str, args: &LocationArgs) -> LocationQuestion {
    LocationQuestion {
        config: config.to_owned(),
        uri: uri.to_owned(),
        host: args.server.clone(),
        address: args.listen.clone(),
        method: args.method.clone(),
        prefix: args.prefix.clone(),
    }
}

impl TokenArgs {
    /// Whether one of the options is there.
    pub fn is_given(&self) -> bool {
        self.stdin || self.token_file.is_some() || self.token.is_some()
    }

    /// Refuses a command line without any of them whose standard input is a terminal: nobody would
    /// know what the command waits for.
    ///
    /// # Errors
    /// [`CommandError::Usage`]
    pub fn check_source(&self) -> Result<(), CommandError> {
        match !self.is_given() && io::stdin().is_terminal() {
            true => Err(no_token()),
            false => Ok(()),
        }
    }

    /// Whether the token is on standard input, which it is without any of the options as well.
    fn is_stdin(&self) -> bool {
        let source = self.token_file.as_deref().map(InputSource::named);
        !self.is_given() || self.stdin || source == Some(InputSource::Stdin)
    }

    /// The token: all of the input but a line feed at its end.
    ///
    /// # Errors
    /// [`CommandError::Input`], or [`CommandError::Usage`] if no option says where the token is and
    /// standard input is empty.
    pub fn read(&self) -> Result<Vec<u8>, CommandError> {
        let token = match (&self.token, &self.token_file) {
            (Some(token), _) => token.clone().into_bytes(),
            (None, Some(file)) => InputSource::named(file).read_token()?,
            (None, None) => InputSource::Stdin.read_token()?,
        };
        match token.is_empty() && !self.is_given() {
            true => Err(no_token()),
            false => Ok(token),
        }
    }
}

fn no_token() -> CommandError {
    let message = "a token is needed: --stdin, --token-file FILE or --token TOKEN";
    CommandError::Usage(message.into())
}

/// The time to judge by.
///
/// # Errors
/// [`CommandError::Usage`]
pub fn clock(at: Option<&str>) -> Result<Clock, CommandError> {
    let clock = Clock::system();
    match at {
        None => Ok(clock),
        Some(at) => clock.at(at).map_err(|must| invalid("at", at, &must)),
    }
}

/// What the options demand, and what nginx would warn of.
fn demands(args: &ExplainArgs) -> Result<(Demands, Vec<String>), CommandError> {
    if args.max_age.is_some_and(|time| time.is_zero()) {
        return Err(invalid("max-age", "0", "it must be more than 0"));
    }
    let variables = variables(&args.variable)?;
    let mut reader = RuleReader::new(&variables);
    let mut claim_rules = read_rules("require-claim", &args.require_claim, &mut reader)?;
    let header_rules = read_rules("require-header", &args.require_header, &mut reader)?;
    let trusted = match (&args.issuer, args.token_type) {
        (Some(_), TypeArg::Encrypted) => {
            let message = "--issuer needs a signature, which tokens of --type encrypted lack";
            return Err(CommandError::Usage(message.into()));
        }
        (Some(issuer), _) => Some(vec![IssuerDemands {
            terms: IssuerTerms {
                name: "--issuer".into(),
                issuer: issuer.as_str().into(),
                audience: args
                    .audience
                    .iter()
                    .map(|name| name.as_str().into())
                    .collect(),
                ..IssuerTerms::default()
            },
            rules: Vec::new(),
            key_files: args.keys.clone(),
        }]),
        (None, _) => {
            if !args.audience.is_empty() {
                let mut words = vec!["aud", "any"];
                words.extend(args.audience.iter().map(String::as_str));
                let rule = reader.read(&words);
                claim_rules.push(rule.map_err(|error| CommandError::Usage(error.to_string()))?);
            }
            None
        }
    };
    let warnings = reader.warnings;
    let demands = Demands {
        token_type: args.token_type.into(),
        leeway: args.leeway,
        key_files: args.keys.clone(),
        trusted,
        algorithms: algorithms(&args.algorithms)?,
        max_age: args.max_age,
        claim_rules,
        header_rules,
        scopes: scopes(&args.require_scope)?,
        source: match args.source {
            SourceArg::Authorization => WhereToken::Authorization,
            SourceArg::Variable => WhereToken::Variable("token".into()),
        },
        variables,
        ..Demands::default()
    };
    Ok((demands, warnings))
}

fn variables(args: &[String]) -> Result<KnownVariables, CommandError> {
    let mut variables = KnownVariables::default();
    for text in args {
        let Some((name, value)) = text.split_once('=') else {
            return Err(invalid("variable", text, "it must be name=value"));
        };
        let name = name.strip_prefix('$').unwrap_or(name);
        variables.0.insert(name.to_owned(), value.into());
    }
    Ok(variables)
}

fn read_rules(
    option: &str,
    rules: &[String],
    reader: &mut RuleReader<'_>,
) -> Result<Vec<LocalRule>, CommandError> {
    let read = |rule: &String| {
        let words = split_words(rule).map_err(|must| invalid(option, rule, must))?;
        let rule = reader.read(&words);
        rule.map_err(|error| {
            let hint = match &error {
                LocalRuleError::UnknownVariable(_) => ", see --variable",
                LocalRuleError::Syntax(_) => "",
            };
            CommandError::Usage(format!("--{option}: {error}{hint}"))
        })
    };
    rules.iter().map(read).collect()
}

fn algorithms(names: &[String]) -> Result<Option<AllowedAlgorithms>, CommandError> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut allowed = AllowedAlgorithms::default();
    for name in names {
        let added = allowed.add(name.as_bytes());
        added.map_err(|must| invalid("algorithms", name, &must))?;
    }
    Ok(Some(allowed))
}

fn scopes(names: &[String]) -> Result<Option<RequiredScopes>, CommandError> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut scopes = RequiredScopes::default();
    for name in names {
        let added = scopes.add(name.as_bytes());
        added.map_err(|must| invalid("require-scope", name, must))?;
    }
    Ok(Some(scopes))
}

fn invalid(option: &str, value: &str, must: &str) -> CommandError {
    let value = text::Quoted::new(value);
    CommandError::Usage(format!("--{option}: invalid value {value}, {must}"))
}
