//! What nginx does with a request besides looking at its token: what answers it before, and what
//! may lead it elsewhere. Nothing of that is guessed.

use super::in_force::InForce;
use super::levels::ChosenLocation;
use super::line::Names;
use nginx_conf_reader::error::ConfError;
use nginx_conf_reader::regex;
use nginx_conf_reader::tree::ConfDirective;

/// Directives of which one answers a request in a location that has it.
const ANSWERING: [&str; 10] = [
    "proxy_pass",
    "fastcgi_pass",
    "uwsgi_pass",
    "scgi_pass",
    "grpc_pass",
    "memcached_pass",
    "empty_gif",
    "stub_status",
    "auth_status",
    "auth_jwt_resource_metadata",
];

/// Directives with code in Lua that decides about requests.
const LUA: [&str; 8] = [
    "server_rewrite_by_lua_block",
    "server_rewrite_by_lua_file",
    "rewrite_by_lua",
    "rewrite_by_lua_block",
    "rewrite_by_lua_file",
    "access_by_lua",
    "access_by_lua_block",
    "access_by_lua_file",
];

/// What nginx does with a request around looking at its token.
pub(super) struct Surroundings {
    /// What may lead the request elsewhere, or decides besides: one line for each.
    pub(super) not_followed: Vec<String>,
    /// Why no token is looked at: nginx answers before.
    pub(super) answered_before: Option<String>,
}

impl Surroundings {
    pub(super) fn of(
        chosen: &ChosenLocation<'_>,
        in_force: &InForce<'_>,
        names: &Names<'_>,
    ) -> Result<Self, ConfError> {
        let (server, block) = (chosen.server.server, chosen.innermost());
        let mut lines = Vec::new();
        let mut answered = rewrites(server, &chosen.path, names, &mut lines)?;
        if answered.is_none() {
            answered = without_rewriting(chosen, names);
        }
        if answered.is_none() && !std::ptr::eq(server, block) {
            answered = rewrites(block, &chosen.path, names, &mut lines)?;
        }
        if answered.is_none() {
            redirects(chosen, names, &mut lines);
            other_checks(in_force, names, &mut lines);
        }
        Ok(Self {
            not_followed: lines,
            answered_before: answered,
        })
    }
}

/// Why nginx answers when it has found the location.
fn without_rewriting(chosen: &ChosenLocation<'_>, names: &Names<'_>) -> Option<String> {
    if let Some(location) = chosen.redirect {
        let line = names.directive(location);
        return Some(format!(
            "{line}: nginx redirects to the URI with a slash at its end"
        ));
    }
    let internal = chosen.innermost().find("internal").next()?;
    let line = names.directive(internal);
    Some(format!(
        "{line}: clients get 404, and only what nginx itself redirects here is judged"
    ))
}

/// What may lead to another location after the token was looked at.
fn redirects(chosen: &ChosenLocation<'_>, names: &Names<'_>, lines: &mut Vec<String>) {
    let block = chosen.innermost();
    for directive in block.find("try_files") {
        let line = names.directive(directive);
        lines.push(format!(
            "{line}: for where it leads to, nginx looks for a location again"
        ));
    }
    let mut answers = block.block().iter();
    if chosen.path.ends_with(b"/") && !answers.any(|it| is_one_of(it, &ANSWERING)) {
        lines.push("an index file: nginx looks for its location again".into());
    }
}

/// What decides besides.
fn other_checks(in_force: &InForce<'_>, names: &Names<'_>, lines: &mut Vec<String>) {
    for name in LUA {
        for forced in in_force.group(&[name]) {
            lines.push(format!("{}: what the code does", forced.line(names)));
        }
    }
    for forced in in_force.group(&["auth_request"]) {
        if forced
            .directive
            .args()
            .first()
            .is_some_and(|uri| uri != b"off")
        {
            lines.push(format!(
                "{}: the service decides as well",
                forced.line(names)
            ));
        }
    }
    for forced in in_force.group(&["allow", "deny"]) {
        lines.push(format!("{}: the client's address", forced.line(names)));
    }
    for forced in in_force.group(&["auth_basic"]) {
        if forced.directive.args() != [b"off"] {
            lines.push(format!(
                "{}: a password is asked for as well",
                forced.line(names)
            ));
        }
    }
    let phase = in_force.group(&["auth_jwt_phase"]);
    let is_preaccess = phase
        .iter()
        .any(|forced| forced.directive.args() == [b"preaccess"]);
    for forced in in_force.group(&["satisfy"]) {
        if forced.directive.args() == [b"any"] && !is_preaccess {
            let what = "another access module may let the request in without a token";
            lines.push(format!("{}: {what}", forced.line(names)));
        }
    }
    for forced in in_force.group(&["error_page"]) {
        let mut codes = forced.directive.args().iter();
        if codes.any(|code| code == b"401" || code == b"403") {
            lines.push(format!(
                "{}: it takes the place of a refusal",
                forced.line(names)
            ));
        }
    }
}

fn is_one_of(directive: &ConfDirective, names: &[&str]) -> bool {
    names.iter().any(|name| directive.is(name))
}

/// Goes through what a block has for the rewrite phase. Returns why nginx answers there, if it
/// does.
fn rewrites(
    block: &ConfDirective,
    path: &[u8],
    names: &Names<'_>,
    lines: &mut Vec<String>,
) -> Result<Option<String>, ConfError> {
    for directive in block.block() {
        let line = || names.directive(directive);
        match (directive.name(), directive.args()) {
            (b"break", []) => break,
            (b"return", _) => {
                return Ok(Some(format!("{}: nginx answers with it", line())));
            }
            (b"rewrite", [pattern, ..])
                if regex::matches(pattern, false, path, directive.place())? =>
            {
                lines.push(format!(
                    "{}: it matches this URI; ask with the one it leads to",
                    line()
                ));
                break;
            }
            (b"if", _) => {
                let mut inner = directive.block().iter();
                if inner.any(|it| is_one_of(it, &["return", "rewrite", "break", "set"])) {
                    // A condition may hold a secret.
                    let line = names.with_args(directive, &[]);
                    lines.push(format!("{line}: whether it holds"));
                }
            }
            _ => {}
        }
    }
    Ok(None)
}
