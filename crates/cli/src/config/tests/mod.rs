//! What configurations demand. t/command_line_config.t compares the verdicts with those of nginx.

mod answers;
mod constants;
mod ready_configurations;
mod refusals;
mod settings;

use std::path::PathBuf;
use std::{env, fs, process};

use crate::local_rule::KnownVariables;

use super::{KnownRequest, LocationAnswer, LocationDemands, LocationQuestion, TokenCheck, ask};

/// The time that everything here is read at.
const NOW: i64 = 1_000_000_000;

/// A folder with a configuration, which is removed in the end.
struct Folder(PathBuf);

impl Folder {
    /// Makes one; `name` tells it from those of other tests.
    fn new(name: &str, files: &[(&str, &str)]) -> Self {
        let folder = env::temp_dir().join(format!("nginx-auth-cli-{}-{name}", process::id()));
        _ = fs::remove_dir_all(&folder);
        for (file, text) in files {
            let path = folder.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Self(folder)
    }

    fn question(&self, uri: &str) -> LocationQuestion {
        LocationQuestion {
            config: self.0.join("nginx.conf"),
            uri: uri.into(),
            host: None,
            address: None,
            method: "GET".into(),
            prefix: None,
        }
    }

    fn ask(&self, question: &LocationQuestion) -> Result<LocationAnswer, String> {
        self.ask_with(question, None)
    }

    fn ask_with(
        &self,
        question: &LocationQuestion,
        token: Option<&[u8]>,
    ) -> Result<LocationAnswer, String> {
        let given = KnownVariables([("given".into(), "1".into())].into());
        let request = KnownRequest {
            variables: &given,
            token,
        };
        ask(question, request, NOW).map_err(|error| self.shorten(&error.to_string()))
    }

    /// A text without the name of the folder.
    fn shorten(&self, text: &str) -> String {
        text.replace(&format!("{}/", self.0.display()), "/DIR/")
    }

    /// The whole answer, in lines.
    fn lines(&self, answer: &LocationAnswer) -> Vec<String> {
        let mut lines = answer.in_force.clone();
        lines.extend(
            answer
                .not_followed
                .iter()
                .map(|line| format!("not followed: {line}")),
        );
        match &answer.check {
            TokenCheck::None(reason) => lines.push(format!("no check: {reason}")),
            TokenCheck::Demands(found) => {
                let unread = found.unread_keys.iter();
                lines.extend(unread.map(|line| format!("unread: {line}")));
                let not_judged = found.demands.not_judged.iter();
                lines.extend(not_judged.map(|line| format!("not judged: {line}")));
            }
        }
        lines.iter().map(|line| self.shorten(line)).collect()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        _ = fs::remove_dir_all(&self.0);
    }
}

/// The answer for `/` of a server with these directives, in lines.
fn in_server(name: &str, directives: &str) -> Result<Vec<String>, String> {
    in_http(name, &format!("server {{\n{directives}\n}}"))
}

/// The answer for `/` of a configuration with these directives in `http`, in lines.
fn in_http(name: &str, directives: &str) -> Result<Vec<String>, String> {
    let text = format!("http {{\n{directives}\n}}");
    let folder = Folder::new(name, &[("nginx.conf", &text)]);
    let answer = folder.ask(&folder.question("/"))?;
    Ok(folder.lines(&answer))
}

/// What a location with these directives demands.
fn demands(name: &str, directives: &str) -> LocationDemands {
    let text = format!("http {{ server {{ location / {{ auth_jwt a;\n{directives}\n}} }} }}");
    let folder = Folder::new(name, &[("nginx.conf", &text)]);
    match folder.ask(&folder.question("/a")).unwrap().check {
        TokenCheck::Demands(demands) => *demands,
        TokenCheck::None(reason) => panic!("{reason}"),
    }
}
