//! `nginx-auth claims`: the header and the claims of a token as they are, believed by nobody.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jose::{Document, Limits};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::args::ClaimsArgs;
use crate::explain::{describe_form, repair};
use crate::output::{CommandError, Report};
use crate::printable::{indented_json, printable_json};

/// What a token says.
#[derive(Serialize)]
struct UnverifiedParts {
    /// Always false: no key was asked.
    verified: bool,
    header: Box<RawValue>,
    /// Missing if the claims are encrypted.
    claims: Option<Box<RawValue>>,
}

/// Runs `claims`.
///
/// # Errors
/// [`CommandError`]
pub fn run(args: &ClaimsArgs, json: bool) -> Result<Report, CommandError> {
    args.token.check_source()?;
    let text = args.token.read()?;
    let text = repair(&text).map_or(text, |(token, _)| token);
    let unusable = |what: &str| {
        let form = describe_form(&text);
        CommandError::Unusable(format!("{what}; the input is: {form}"))
    };
    let parts: Vec<&[u8]> = text.split(|&byte| byte == b'.').collect();
    let (header, claims) = match *parts {
        [header, claims, _] | [header, claims] => (header, Some(claims)),
        [header, _, _, _, _] => (header, None),
        _ => return Err(unusable("no JWT")),
    };
    let header = decode(header).ok_or_else(|| unusable("the header is not a JSON object"))?;
    let claims = match claims {
        None => None,
        Some(claims) => {
            let claims = decode(claims);
            Some(claims.ok_or_else(|| unusable("the claims are not a JSON object"))?)
        }
    };
    let mut warnings = vec!["nobody has verified what this token says".to_owned()];
    if claims.is_none() {
        let hint = "the claims are encrypted: nginx-auth explain --keys FILE decrypts them";
        warnings.push(hint.to_owned());
    }
    let report = match json {
        true => Report::json(&crate::to_json(&UnverifiedParts {
            verified: false,
            header: raw(header)?,
            claims: claims.map(raw).transpose()?,
        })?),
        false => {
            let parts = [Some(header), claims];
            let shown = parts.iter().flatten();
            let shown = shown.map(|json| printable_json(&indented_json(json)) + "\n");
            Report {
                text: shown.collect(),
                ..Report::default()
            }
        }
    };
    Ok(Report { warnings, ..report })
}

/// The JSON object in a part of a token. It is read as the module does, so that nothing is shown
/// here that the module would read in another way.
fn decode(part: &[u8]) -> Option<String> {
    let json = URL_SAFE_NO_PAD.decode(part).ok()?;
    let limits = Limits::default();
    let document = Document::parse_value(&json, &limits).ok()?;
    let object = document.root();
    (object.kind() == jose::JsonKind::Object).then(|| object.raw().to_owned())
}

fn raw(json: String) -> Result<Box<RawValue>, CommandError> {
    RawValue::from_string(json).map_err(|error| CommandError::Unusable(error.to_string()))
}
