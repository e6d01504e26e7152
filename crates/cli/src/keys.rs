//! `nginx-auth keys`: what is in a key set, and what the module would say of each key.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{KeyProblem, KeySet, ListedKey, SignatureCheck, TokenType, Warning, list_keys};
use serde::Serialize;

use crate::args::KeysArgs;
use crate::explain::size;
use crate::input::InputSource;
use crate::output::{CommandError, Report};
use crate::printable::printable;

/// A key set.
#[derive(Debug, Serialize)]
struct ShownSet {
    /// What the file is called on the command line.
    file: String,
    /// The keys in their order.
    keys: Vec<ShownKey>,
    /// What the module would warn of about the whole set.
    warnings: Vec<String>,
}

/// A key.
#[derive(Debug, Serialize)]
struct ShownKey {
    index: usize,
    kid: Option<String>,
    kty: Option<String>,
    /// Its size or curve, if it is a key.
    size: Option<String>,
    alg: Option<String>,
    #[serde(rename = "use")]
    usage: Option<String>,
    key_ops: Option<Vec<String>>,
    /// Whether it has private members. Null if it is no key.
    private: Option<bool>,
    /// RFC 7638. Null for a secret, which it would help to guess.
    thumbprint: Option<String>,
    /// The algorithms that it verifies signatures with.
    verifies: Vec<&'static str>,
    /// The algorithms that it decrypts with.
    decrypts: Vec<&'static str>,
    /// What the module would warn of.
    warning: Option<String>,
}

/// Runs `keys`.
///
/// # Errors
/// [`CommandError`]
pub fn run(args: &KeysArgs, json: bool) -> Result<Report, CommandError> {
    let source = InputSource::named(&args.file);
    let text = source.read_keys()?;
    let file = source.name();
    let of_file = |error: jose::Error| CommandError::Unusable(format!("{file}: {error}"));
    let set = KeySet::parse(&text).map_err(of_file)?;
    let listed = list_keys(&text).map_err(of_file)?;
    let warnings: Vec<_> = set.warnings().collect();
    let keys = listed.iter().map(|key| ShownKey::new(key, &warnings));
    let token_type: TokenType = args.token_type.into();
    let about_set = set.warnings_for(token_type, SignatureCheck::Verify);
    let shown = ShownSet {
        file: args.file.to_string_lossy().into_owned(),
        keys: keys.collect(),
        warnings: about_set.iter().map(ToString::to_string).collect(),
    };
    let is_useful = |key: &ShownKey| match token_type {
        TokenType::Signed => !key.verifies.is_empty(),
        TokenType::Encrypted | TokenType::Nested => !key.decrypts.is_empty(),
    };
    let is_no = !shown.keys.iter().any(is_useful);
    let report = match json {
        true => Report::json(&crate::to_json(&shown)?),
        false => Report {
            text: shown.text(),
            ..Report::default()
        },
    };
    Ok(Report { is_no, ..report })
}

impl ShownKey {
    /// `warnings` are those about the set as a whole, which bounds how many there are.
    fn new(key: &ListedKey, warnings: &[&Warning]) -> Self {
        let material = key.key.as_ref().ok();
        let warning = warnings.iter().find(|warning| match warning.problem {
            // It is about all keys from there on.
            KeyProblem::Excess(_) => warning.index <= key.index,
            _ => warning.index == key.index,
        });
        let is_left_out = warning.is_some_and(|warning| {
            matches!(
                warning.problem,
                KeyProblem::LeftOut(_) | KeyProblem::Excess(_)
            )
        });
        let names = |names: Option<&Vec<&'static str>>| match is_left_out {
            true => Vec::new(),
            false => names.cloned().unwrap_or_default(),
        };
        Self {
            index: key.index,
            kid: key.kid.clone(),
            kty: key.kty.clone(),
            size: material.map(|material| size(material.size)),
            alg: key.alg.clone(),
            usage: key.usage.clone(),
            key_ops: key.operations.clone(),
            private: material.map(|material| material.is_private),
            thumbprint: material
                .and_then(|material| material.thumbprint)
                .map(|thumbprint| URL_SAFE_NO_PAD.encode(thumbprint)),
            verifies: names(material.and_then(|material| material.verifies.as_ref().ok())),
            decrypts: names(material.and_then(|material| material.decrypts.as_ref().ok())),
            warning: warning.map(|warning| warning.to_string()),
        }
    }
}

impl ShownSet {
    fn text(&self) -> String {
        let mut text = String::new();
        for key in &self.keys {
            let kid = key
                .kid
                .as_deref()
                .map(|kid| format!(", kid {}", text::Quoted::new(kid)));
            let kty = key.kty.as_deref().unwrap_or("no kty");
            let size = key.size.as_deref().unwrap_or_default();
            let private = match key.private {
                Some(true) => ", private",
                _ => "",
            };
            let title = format!("key {}{}: {kty} {size}", key.index, kid.unwrap_or_default());
            _ = writeln!(text, "{}{private}", printable(title.trim_end()));
            let operations = key.key_ops.as_ref().map(|operations| operations.join(" "));
            let rows = [
                ("alg", key.alg.clone()),
                ("use", key.usage.clone()),
                ("key_ops", operations),
                ("thumbprint", key.thumbprint.clone()),
                ("verifies", joined(&key.verifies)),
                ("decrypts", joined(&key.decrypts)),
                ("warning", key.warning.clone()),
            ];
            for (name, value) in rows {
                if let Some(value) = value {
                    _ = writeln!(text, "  {name:10} {}", printable(&value).replace('\n', " "));
                }
            }
        }
        for warning in &self.warnings {
            _ = writeln!(text, "warning: {}", printable(warning));
        }
        text
    }
}

fn joined(names: &[&str]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(" "))
}
