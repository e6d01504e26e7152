//! The command `nginx-auth`.

use std::process::ExitCode;

use clap::Parser;
use nginx_auth_cli::args::CommandLine;

fn main() -> ExitCode {
    let command_line = CommandLine::parse();
    ExitCode::from(match nginx_auth_cli::run(&command_line) {
        Ok(report) => report.print(),
        Err(error) => error.print(),
    })
}
