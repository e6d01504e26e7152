//! The command `nginx-auth`: says why a token is or is not accepted, shows what is in a key set,
//! makes keys and test tokens. It judges by the code of the module (jose and policy), and never
//! sends anything anywhere.

pub mod args;
pub mod claims;
pub mod config;
pub mod demands;
pub mod explain;
pub mod input;
pub mod jwk;
pub mod key_files;
pub mod keys;
pub mod local_rule;
pub mod new_file;
pub mod output;
pub mod printable;
pub mod times;
pub mod token;
pub mod verdict;
pub mod words;

use args::{Command, CommandLine, TypeArg};
use clap::CommandFactory;
use jose::TokenType;
use output::{CommandError, Report};
use serde::Serialize;

impl From<TypeArg> for TokenType {
    fn from(arg: TypeArg) -> Self {
        match arg {
            TypeArg::Signed => Self::Signed,
            TypeArg::Encrypted => Self::Encrypted,
            TypeArg::Nested => Self::Nested,
        }
    }
}

/// Runs a command.
///
/// # Errors
/// [`CommandError`]
pub fn run(command_line: &CommandLine) -> Result<Report, CommandError> {
    let json = command_line.json;
    match &command_line.command {
        Command::Explain(args) => explain::run(args, json),
        Command::Keys(args) => keys::run(args, json),
        Command::Jwk(args) => jwk::run(args),
        Command::Token { command } => token::run(command, json),
        Command::Claims(args) => claims::run(args, json),
        Command::Completions { shell } => {
            let mut text = Vec::new();
            let mut command = CommandLine::command();
            clap_complete::generate(*shell, &mut command, "nginx-auth", &mut text);
            text_report(text)
        }
        Command::Man { command } => manual_page(command),
    }
}

/// The manual page of a command, which a path of names leads to.
fn manual_page(path: &[String]) -> Result<Report, CommandError> {
    let mut root = CommandLine::command();
    root.build();
    let mut command = &root;
    for name in path {
        let found = command.find_subcommand(name);
        let unknown = || CommandError::Usage(format!("man: there is no command {name:?}"));
        command = found.ok_or_else(unknown)?;
    }
    let mut text = Vec::new();
    let rendered = clap_mangen::Man::new(command.clone()).render(&mut text);
    rendered.map_err(|error| CommandError::Unusable(error.to_string()))?;
    text_report(text)
}

/// Text that this program was made with.
fn text_report(text: Vec<u8>) -> Result<Report, CommandError> {
    let text =
        String::from_utf8(text).map_err(|error| CommandError::Unusable(error.to_string()))?;
    Ok(Report {
        text,
        ..Report::default()
    })
}

/// A value as JSON, for `--json`.
fn to_json(value: &impl Serialize) -> Result<String, CommandError> {
    let json = serde_json::to_string(value);
    json.map_err(|error| CommandError::Unusable(error.to_string()))
}
