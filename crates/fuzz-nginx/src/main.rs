//! Sends mutated requests, answers, keys and discovery documents to a running nginx, and judges
//! what it does. t/fuzz_nginx.t starts that nginx and calls this program:
//!
//! ```text
//! fuzz-nginx client HTTP1 HTTP2 [OPTION ...]
//! fuzz-nginx service NGINX SERVICE [OPTION ...]
//! fuzz-nginx keys NGINX KEYS [OPTION ...]
//! fuzz-nginx provider NGINX PROVIDER [OPTION ...]
//! ```
//!
//! The addresses are those of nginx, and those on which this program is to listen. Options:
//!
//! ```text
//! --seed N        what the cases are made from
//! --requests N    how long to go on: so many requests, or
//! --seconds N     so many seconds, or
//! --case N        this case of the seed alone
//! --folder DIR    where findings are written
//! --reads LINES   what the service reads of several lines of one name: `all`, or the `first` as nginx
//!                 before 1.23
//! --prefix PATH   in front of the paths: locations where nginx does not check what it should
//! ```
//!
//! The exit code is 1 if something was found.

mod answer;
mod client;
mod credentials;
mod http1;
mod http2;
mod keys;
mod mutate;
mod provider;
mod random;
mod run;
mod server;
mod service;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use client::Client;
use credentials::Credentials;
use provider::Provider;
use run::{Limit, Run};

/// Most of them wait for the worker, which is one.
const THREADS: usize = 8;

fn main() -> Result<ExitCode> {
    let mut arguments = std::env::args().skip(1);
    let mut next = |what: &str| arguments.next().with_context(|| format!("no {what}"));
    let mode = next("mode")?;
    let first: SocketAddr = next("first address")?.parse()?;
    let second: SocketAddr = next("second address")?.parse()?;
    let (mut seed, mut limit) = (1, Limit::Requests(1000));
    let (mut folder, mut prefix) = (PathBuf::from("."), String::new());
    let mut reads_first_line = false;
    while let Ok(option) = next("option") {
        let value = next("value of an option")?;
        match option.as_str() {
            "--seed" => seed = value.parse()?,
            "--requests" => limit = Limit::Requests(value.parse()?),
            "--seconds" => limit = Limit::Time(Duration::from_secs(value.parse()?)),
            "--case" => limit = Limit::Case(value.parse()?),
            "--folder" => folder = value.into(),
            "--reads" => reads_first_line = value == "first",
            "--prefix" => prefix = value,
            _ => bail!("unknown option {option}"),
        }
    }
    let run = Run::new(seed, limit, folder);
    let credentials = Credentials::load()?;
    let found_nothing = match mode.as_str() {
        "client" => {
            let client = Client {
                run: &run,
                credentials: &credentials,
                http1: first,
                http2: second,
                prefix: &prefix,
                reads_first_line,
            };
            run.all(THREADS, |case| client.connection(case))
        }
        "service" => {
            server::listen(second, move |head| {
                Some(service::answer(
                    seed,
                    server::number_behind(head, "X-Case: ")?,
                ))
            })?;
            run.all(THREADS, |case| service::ask(&run, first, &prefix, case))
        }
        "keys" => {
            server::listen(second, move |head| {
                Some(keys::answer(seed, server::number_behind(head, "/keys/")?))
            })?;
            run.all(THREADS, |case| {
                keys::ask(&run, &credentials, first, &prefix, case)
            })
        }
        "provider" => {
            let Limit::Requests(requests) = limit else {
                bail!("provider needs --requests, two for each issuer");
            };
            let provider = Provider::start(second, seed, requests / 2, prefix.is_empty())?;
            // A request may wait for keys.
            run.all(4 * THREADS, |case| {
                provider.ask(&run, &credentials, first, &prefix, case)
            })
        }
        _ => bail!("unknown mode {mode}"),
    };
    Ok(ExitCode::from(u8::from(!found_nothing)))
}
