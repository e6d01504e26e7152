//! What t/nginx_conf_reader.t asks this crate and nginx alike. `words FILE` prints the directives,
//! the words of each in hexadecimal; `choose FILE` reads lines `address host uri` and prints for
//! each which block nginx would choose; `times` reads times, and prints each in seconds and in
//! milliseconds.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use nginx_conf_reader::error::ConfError;
use nginx_conf_reader::listen::ListenAddress;
use nginx_conf_reader::location::{self, Found};
use nginx_conf_reader::server::{self, AskedAddress, ChosenServer};
use nginx_conf_reader::tree::{ConfDirective, Tree};
use nginx_conf_reader::units::{Unit, time};
use nginx_conf_reader::uri;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let result = match &args[..] {
        ["words", file] => words(Path::new(file)),
        ["choose", file] => choose(Path::new(file)),
        ["times"] => times(),
        _ => Err(ConfError::new("usage: words FILE | choose FILE | times")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn words(file: &Path) -> Result<(), ConfError> {
    let tree = Tree::read(file)?;
    print_words(tree.directives());
    Ok(())
}

fn print_words(directives: &[ConfDirective]) {
    let hex = |word: &[u8]| {
        word.iter()
            .map(|byte| format!("{byte:02x}"))
            .collect::<String>()
    };
    for directive in directives {
        let args: String = directive
            .args()
            .iter()
            .map(|word| format!(" {}", hex(word)))
            .collect();
        let brace = if directive.has_block() { " {" } else { "" };
        println!("{}{args}{brace}", hex(directive.name()));
        print_words(directive.block());
        if directive.has_block() {
            println!("}}");
        }
    }
}

fn choose(file: &Path) -> Result<(), ConfError> {
    let tree = Tree::read(file)?;
    let http = tree.http()?;
    for question in io::stdin().lines() {
        let question = question.map_err(|error| ConfError::new(error.to_string()))?;
        let [address, host, uri] = question.split(' ').collect::<Vec<_>>()[..] else {
            return Err(ConfError::new("a question is: address host uri"));
        };
        let address = ListenAddress::parse(address.as_bytes());
        let address = address.ok_or_else(|| ConfError::new("no address"))?;
        let chosen = server::choose(http, &AskedAddress::One(address), Some(host))?;
        println!("{}", answer(&chosen, uri)?);
    }
    Ok(())
}

fn times() -> Result<(), ConfError> {
    for text in io::stdin().lines() {
        let text = text.map_err(|error| ConfError::new(error.to_string()))?;
        let seconds = time(text.as_bytes(), Unit::Seconds).map(|time| time.as_secs());
        let milliseconds = time(text.as_bytes(), Unit::Milliseconds).map(|time| time.as_millis());
        println!("{seconds:?} {milliseconds:?}");
    }
    Ok(())
}

/// What nginx answers in a server where each block has a `return`: its last argument, or a status.
fn answer(chosen: &ChosenServer<'_>, uri: &str) -> Result<String, ConfError> {
    let Ok(path) = uri::path(uri.as_bytes(), chosen.merges_slashes) else {
        return Ok("400".into());
    };
    let block = match location::choose(chosen.server, &path)? {
        Found::RedirectTo(_) => return Ok("301".into()),
        Found::Locations(locations) => locations.last().copied(),
    };
    let returned = block.and_then(|block| block.find("return").last()?.args().last());
    Ok(returned.map_or_else(|| "404".into(), |text| text.escape_ascii().to_string()))
}
