//! The variables that have a value of the token: `$jwt_claim_*`, `$jwt_header_*`, `$jwt_claims`, and
//! those of `auth_jwt_claim_set` and `auth_jwt_header_set`.

use std::collections::BTreeMap;

use jose::{JsonValue, Limits, TokenType, UnverifiedToken, VariableText};
use nginx_conf_reader::tree::ConfDirective;
use policy::auth_jwt::bearer::{Presented, find_token_in_value};

/// The part of a token that a variable has a value of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TokenPart {
    Header,
    Claims,
}

/// The variables of a signed token. Of other tokens nothing is known before they are decrypted.
#[derive(Debug)]
pub(super) struct TokenVariables {
    /// `None`: there is none, so that all values are empty.
    token: Option<UnverifiedToken>,
    paths: BTreeMap<String, (TokenPart, Vec<Vec<u8>>)>,
}

impl TokenVariables {
    /// The variables for what a client sends as its token.
    pub(super) fn of(token: &[u8], http: &ConfDirective) -> Self {
        let parse =
            |text: &[u8]| UnverifiedToken::parse(text, TokenType::Signed, &Limits::default()).ok();
        let token = parse(token).or_else(|| match find_token_in_value(token) {
            // The value of a variable may have the word Bearer in front of the token.
            Presented::Token(text) => parse(text),
            Presented::Nothing | Presented::Several => None,
        });
        let mut paths = BTreeMap::new();
        for (name, part) in [
            ("auth_jwt_claim_set", TokenPart::Claims),
            ("auth_jwt_header_set", TokenPart::Header),
        ] {
            for directive in http.find(name) {
                if let [variable, names @ ..] = directive.args()
                    && let Some(variable) = variable.strip_prefix(b"$")
                {
                    let variable = String::from_utf8_lossy(variable).to_ascii_lowercase();
                    paths.insert(variable, (part, names.to_vec()));
                }
            }
        }
        Self { token, paths }
    }

    /// The value of the variable with this name in lower case. `None`: it is not one of these.
    pub(super) fn value(&self, name: &str) -> Option<Vec<u8>> {
        let part = |part, names: &[&[u8]]| {
            let object = self.part(part);
            Some(text(object.and_then(|object| object.path(names))))
        };
        if let Some((root, names)) = self.paths.get(name) {
            let names: Vec<_> = names.iter().map(Vec::as_slice).collect();
            return part(*root, &names);
        }
        if let Some(claim) = name.strip_prefix("jwt_claim_") {
            return part(TokenPart::Claims, &[claim.as_bytes()]);
        }
        if let Some(parameter) = name.strip_prefix("jwt_header_") {
            return part(TokenPart::Header, &[parameter.as_bytes()]);
        }
        match name {
            "jwt_claims" => part(TokenPart::Claims, &[]),
            _ => None,
        }
    }

    fn part(&self, part: TokenPart) -> Option<JsonValue<'_>> {
        match part {
            TokenPart::Header => Some(self.token.as_ref()?.header().object()),
            TokenPart::Claims => Some(self.token.as_ref()?.claims()?.object()),
        }
    }
}

/// The text of a value. One that is not there is empty, as is one with a control character.
fn text(value: Option<JsonValue<'_>>) -> Vec<u8> {
    match value.map(JsonValue::text) {
        Some(VariableText::Plain(text)) => text.as_bytes().to_vec(),
        Some(VariableText::Absent | VariableText::Unsafe) | None => Vec::new(),
    }
}
