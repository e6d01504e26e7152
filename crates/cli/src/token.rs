//! `nginx-auth token`: keys and tokens for tests, by josekit and OpenSSL (crates/test-tokens).

use std::collections::BTreeMap;

use serde_json::{Value, json};
use test_tokens::JwkObject;
use text::Quoted;

use crate::args::{EncryptArgs, NewClaimsArgs, NewKeyArgs, SignArgs, TokenCommand};
use crate::explain::clock;
use crate::input::InputSource;
use crate::jwk::name_by_thumbprint;
use crate::new_file::NewFile;
use crate::output::{CommandError, Report};
use crate::printable::printable;

/// The longest text with claims.
const MAX_CLAIMS: usize = 1 << 20;

/// Runs `token`.
///
/// # Errors
/// [`CommandError`]
pub fn run(command: &TokenCommand, json: bool) -> Result<Report, CommandError> {
    match command {
        TokenCommand::Key(args) => new_key(args, json),
        TokenCommand::Sign(args) => sign(args, json),
        TokenCommand::Encrypt(args) => encrypt(args, json),
    }
}

fn new_key(args: &NewKeyArgs, json: bool) -> Result<Report, CommandError> {
    let made = test_tokens::key(&args.alg, args.size.map(usize::from));
    let mut key = made.map_err(|error| CommandError::Usage(format!("{error:#}")))?;
    let is_secret = key.get("kty").is_some_and(|kty| kty == "oct");
    if is_secret && args.public.is_some() {
        let message = "--public: a secret has no public half";
        return Err(CommandError::Usage(message.into()));
    }
    if let Some(kid) = &args.kid {
        key.insert("kid".into(), kid.as_str().into());
    }
    name_by_thumbprint(&mut key);
    let private_file = NewFile::create(&args.out, 0o600)?;
    let public_file = match args
        .public
        .as_deref()
        .map(|path| NewFile::create(path, 0o644))
    {
        Some(Err(error)) => {
            private_file.remove();
            return Err(error);
        }
        Some(Ok(file)) => Some(file),
        None => None,
    };
    private_file.write(&format!("{}\n", Value::Object(key.clone())))?;
    if let Some(file) = public_file {
        file.write(&format!(
            "{}\n",
            json!({ "keys": [test_tokens::public(&key)] })
        ))?;
    }
    let kid = key.get("kid").and_then(Value::as_str);
    match (json, kid) {
        (true, _) => Ok(Report::json(&json!({ "kid": kid }).to_string())),
        (false, kid) => Ok(Report {
            text: kid.map_or_else(String::new, |kid| {
                let line = format!("kid {}\n", Quoted::whole(kid));
                printable(&line)
            }),
            ..Report::default()
        }),
    }
}

fn sign(args: &SignArgs, json: bool) -> Result<Report, CommandError> {
    let key = read_key(&args.key)?;
    let alg = algorithm(args.alg.as_deref(), &key)?;
    let payload = payload(&args.claims)?;
    let mut header = BTreeMap::from([
        ("alg".to_owned(), Value::from(alg)),
        ("typ".to_owned(), "JWT".into()),
    ]);
    header.extend(key.get("kid").map(|kid| ("kid".to_owned(), kid.clone())));
    for (name, value) in extra_header(&args.claims)? {
        header.insert(name, value);
    }
    header.retain(|_, value| !value.is_null());
    let header = json!(header).to_string();
    let token = test_tokens::sign(alg, &key, &header, payload.as_bytes());
    report(token, json)
}

fn encrypt(args: &EncryptArgs, json: bool) -> Result<Report, CommandError> {
    let key = read_key(&args.key)?;
    let alg = algorithm(args.alg.as_deref(), &key)?;
    let mut header = JwkObject::new();
    header.extend(key.get("kid").map(|kid| ("kid".to_owned(), kid.clone())));
    let content = match args.nested {
        true => {
            header.insert("cty".into(), "JWT".into());
            InputSource::Stdin.read_token()?
        }
        false => payload(&args.claims)?.into_bytes(),
    };
    header.extend(extra_header(&args.claims)?);
    header.retain(|_, value| !value.is_null());
    report(
        test_tokens::encrypt(alg, &args.enc, &key, &header, &content),
        json,
    )
}

fn report(
    token: Result<String, impl std::fmt::Display>,
    json: bool,
) -> Result<Report, CommandError> {
    let token = token.map_err(|error| CommandError::Unusable(format!("{error:#}")))?;
    Ok(match json {
        true => Report::json(&json!({ "token": token }).to_string()),
        false => Report {
            text: token + "\n",
            ..Report::default()
        },
    })
}

/// The key in a file, which is a JWK or a JWK Set with one key.
fn read_key(path: &std::path::Path) -> Result<JwkObject, CommandError> {
    let source = InputSource::named(path);
    let unusable = |what: &str| CommandError::Unusable(format!("{}: {what}", source.name()));
    let text = source.read_keys()?;
    let Ok(Value::Object(mut object)) = serde_json::from_slice(&text) else {
        return Err(unusable(
            "it is no JWK; nginx-auth jwk --private makes one of a PEM key",
        ));
    };
    match object.remove("keys") {
        None => Ok(object),
        Some(Value::Array(keys)) => match <[Value; 1]>::try_from(keys) {
            Ok([Value::Object(key)]) => Ok(key),
            _ => Err(unusable("it has not exactly one key")),
        },
        Some(_) => Err(unusable("\"keys\" is no array")),
    }
}

fn algorithm<'a>(arg: Option<&'a str>, key: &'a JwkObject) -> Result<&'a str, CommandError> {
    let own = key.get("alg").and_then(Value::as_str);
    arg.or(own)
        .ok_or_else(|| CommandError::Usage("--alg: the key names no algorithm".into()))
}

fn extra_header(args: &NewClaimsArgs) -> Result<JwkObject, CommandError> {
    match &args.header {
        None => Ok(JwkObject::new()),
        Some(text) => serde_json::from_str(text)
            .map_err(|_| CommandError::Usage("--header: it must be a JSON object".into())),
    }
}

/// The claims as JSON.
fn payload(args: &NewClaimsArgs) -> Result<String, CommandError> {
    let mut claims = match &args.claims {
        None => JwkObject::new(),
        Some(path) => {
            let source = InputSource::named(path);
            let claims = serde_json::from_slice(&source.read(MAX_CLAIMS)?);
            claims.map_err(|_| {
                CommandError::Unusable(format!("{}: it is no JSON object", source.name()))
            })?
        }
    };
    for claim in &args.claim {
        let Some((name, value)) = claim.split_once('=') else {
            return Err(CommandError::Usage("--claim: it must be NAME=VALUE".into()));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        claims.insert(name.to_owned(), value);
    }
    if let Some(time) = args.expires_in {
        let now = clock(args.at.as_deref())?.now;
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        claims.insert("iat".into(), now.into());
        claims.insert("exp".into(), now.saturating_add(seconds).into());
    }
    Ok(Value::Object(claims).to_string())
}
