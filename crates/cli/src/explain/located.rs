//! `explain --config`: what is in force for a URI, and what it makes of a token.

use std::fmt::Write as _;
use std::path::PathBuf;

use policy::auth_jwt::mode::Mode;
use serde::Serialize;

use super::{Explanation, explain};
use crate::args::ExplainArgs;
use crate::config::{
    KnownRequest, LocationAnswer, LocationDemands, LocationQuestion, NO_KEY_SOURCE, TokenCheck, ask,
};
use crate::demands::Demands;
use crate::key_files::{DemandedFiles, MissingFile};
use crate::local_rule::KnownVariables;
use crate::output::{CommandError, Report};
use crate::printable::printable;
use crate::times::Clock;

/// What a configuration demands for a URI.
#[derive(Debug, Serialize)]
pub struct LocatedDemands {
    /// What is in force, and where each comes from.
    pub in_force: Vec<String>,
    /// What may lead the request elsewhere or decides besides.
    pub not_followed: Vec<String>,
    /// Why no token is looked at.
    pub no_check: Option<String>,
    /// Where keys come from that no file has.
    pub unread_keys: Vec<String>,
    /// The value of `auth_jwt_mode`, if it is known.
    pub mode: Option<&'static str>,
    /// Whether a request with this token is served, as far as its token is concerned. `None`
    /// without a token.
    pub served: Option<bool>,
}

/// What is printed without a token, or where none is looked at.
#[derive(Debug, Serialize)]
struct WithoutToken {
    config: LocatedDemands,
    not_judged: Vec<String>,
}

/// Runs `explain --config`.
pub(super) fn run(
    args: &ExplainArgs,
    question: &LocationQuestion,
    variables: &KnownVariables,
    clock: &Clock,
    json: bool,
) -> Result<Report, CommandError> {
    let token = match args.token.is_given() {
        true => Some(args.token.read()?),
        false => None,
    };
    let request = KnownRequest {
        variables,
        token: token.as_deref(),
    };
    let answer = ask(question, request, clock.now)
        .map_err(|error| CommandError::Configuration(error.to_string()))?;
    let mut config = LocatedDemands::new(&answer);
    let found = match answer.check {
        TokenCheck::Demands(found) => found,
        TokenCheck::None(_) => {
            config.served = token.is_some().then_some(true);
            return report(
                WithoutToken {
                    config,
                    not_judged: Vec::new(),
                },
                json,
            );
        }
    };
    let Some(token) = token else {
        let warning = found.has_no_key_source().then(|| NO_KEY_SOURCE.to_owned());
        let not_judged = found.demands.not_judged;
        return Ok(Report {
            warnings: warning.into_iter().collect(),
            ..report(WithoutToken { config, not_judged }, json)?
        });
    };
    let mode = found.mode;
    let (demands, files) = match with_files(*found, &args.keys) {
        Ok(found) => found,
        // What is in force may be what tells the user which file is meant.
        Err((error, not_judged)) => {
            let report = report(WithoutToken { config, not_judged }, json)?;
            return Ok(Report {
                error: Some(error),
                ..report
            });
        }
    };
    let mut explanation = explain(&token, &demands, &files, clock);
    config.served = Some(is_served(mode, &explanation));
    let text = format!(
        "{}\n{}{}",
        config.text(),
        explanation.text(),
        config.verdict(&explanation)
    );
    let is_no = !explanation.accepted;
    explanation.config = Some(config);
    let report = match json {
        true => Report::json(&crate::to_json(&explanation)?),
        false => Report {
            text,
            ..Report::default()
        },
    };
    Ok(Report { is_no, ..report })
}

/// The demands and the files that they name, or why there are none, with what is not judged.
fn with_files(
    found: LocationDemands,
    keys: &[PathBuf],
) -> Result<(Demands, DemandedFiles), (CommandError, Vec<String>)> {
    let not_judged = found.demands.not_judged.clone();
    let files = |demands: Demands| {
        let files = DemandedFiles::read(&demands, MissingFile::IsJudged)?;
        Ok((demands, files))
    };
    let demands = found.with_keys(keys).map_err(CommandError::Usage);
    demands.and_then(files).map_err(|error| (error, not_judged))
}

fn report(found: WithoutToken, json: bool) -> Result<Report, CommandError> {
    if json {
        return Ok(Report::json(&crate::to_json(&found)?));
    }
    let mut text = found.config.text();
    list("not judged", &found.not_judged, &mut text);
    if let Some(reason) = &found.config.no_check {
        _ = writeln!(text, "\nno token is looked at: {}", printable(reason));
    }
    Ok(Report {
        text,
        ..Report::default()
    })
}

/// Whether the mode lets the request in.
fn is_served(mode: Option<Mode>, explanation: &Explanation) -> bool {
    match mode {
        Some(Mode::Off | Mode::Report) => true,
        Some(Mode::Optional) => explanation.accepted || explanation.jwt_status == "missing",
        Some(Mode::Required) | None => explanation.accepted,
    }
}

impl LocatedDemands {
    fn new(answer: &LocationAnswer) -> Self {
        let (no_check, unread_keys, mode) = match &answer.check {
            TokenCheck::None(reason) => (Some(reason.clone()), Vec::new(), None),
            TokenCheck::Demands(found) => (None, found.unread_keys.clone(), found.mode),
        };
        Self {
            in_force: answer.in_force.clone(),
            not_followed: answer.not_followed.clone(),
            no_check,
            unread_keys,
            mode: mode.map(Mode::name),
            served: None,
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        list("in force", &self.in_force, &mut text);
        list("not followed", &self.not_followed, &mut text);
        list("keys that no file has", &self.unread_keys, &mut text);
        text
    }

    /// What becomes of a request whose token is refused, where that is not a refusal.
    fn verdict(&self, explanation: &Explanation) -> String {
        match (self.served, explanation.accepted, self.mode) {
            (Some(true), false, Some(mode)) => {
                format!("served all the same: auth_jwt_mode is {mode}\n")
            }
            _ => String::new(),
        }
    }
}

fn list(title: &str, lines: &[String], text: &mut String) {
    if lines.is_empty() {
        return;
    }
    _ = writeln!(text, "{title}:");
    for line in lines {
        _ = writeln!(text, "    {}", printable(line).replace('\n', " "));
    }
}
