//! Makes keys and tokens for tests and benches. Each call prints one line.
//!
//! ```text
//! test-tokens key ALG [--kid KID] [--size N] [--use sig|enc] [--no-alg] [--public]
//!     a new private key, or its public half. ALG: HS256 ... ML-DSA-87, RSA-OAEP ..., A128KW ..., a
//!     curve for a key with "alg":"ECDH-ES", or a content encryption for a key with "alg":"dir".
//!     --size: bits of an RSA modulus, or bytes of a secret
//! test-tokens public FILE              the key without its private members
//! test-tokens jwks [--public] FILE...  a set of the keys in these files
//! test-tokens sign --key FILE [--alg ALG] [--header JSON | --raw-header TEXT] [--no-kid] PAYLOAD
//!     ALG: by default the "alg" of the key; "none" leaves the signature empty. --header adds
//!     parameters to {"alg":ALG,"kid":KID,"typ":"JWT"}, and removes those that are null.
//!     --raw-header is the whole header
//! test-tokens encrypt --key FILE [--alg ALG] [--enc ENC] [--header JSON] [--no-kid] CONTENT
//!     CONTENT: claims, or a token made by sign. --header {"zip":"DEF"} compresses it
//! test-tokens encode TEXT              the text in base64url
//! test-tokens decode TOKEN             header and, of a JWS, payload as they are
//! test-tokens batch                    reads one JSON array of the arguments above per line
//! ```
//!
//! FILE may also be the text of a JWK (`{...}`). In PAYLOAD, CONTENT and headers the strings "now",
//! "now+300" and "now-300" become numbers, so that `{"exp":"now+300"}` expires in five minutes.
//! Apart from that, PAYLOAD is signed as it is and need not be JSON.

use std::collections::VecDeque;
use std::io::{BufRead, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use josekit::{Map, Value};
use test_tokens::JwkObject;

/// Options without a value.
const FLAGS: [&str; 3] = ["no-alg", "no-kid", "public"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|command| command == "batch") {
        return batch();
    }
    println!("{}", run(&arguments)?);
    Ok(())
}

/// Reads commands from standard input, and prints the result of each at once, so that a caller can
/// use one process for many commands. An error is a line that begins with `error: `.
fn batch() -> Result<()> {
    let mut output = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let arguments: Vec<String> = serde_json::from_str(&line?)?;
        match run(&arguments) {
            Ok(result) => writeln!(output, "{result}")?,
            Err(error) => writeln!(output, "error: {error:#}")?,
        }
        output.flush()?;
    }
    Ok(())
}

fn run(arguments: &[String]) -> Result<String> {
    let (command, rest) = arguments
        .split_first()
        .context("no command; see the top of crates/test-tokens/src/main.rs")?;
    let mut options = Options::parse(rest)?;
    match command.as_str() {
        "key" => key(&mut options),
        "public" => Ok(json(test_tokens::public(&read_key(&options.next()?)?))),
        "jwks" => jwks(&mut options),
        "sign" => sign(&mut options),
        "encrypt" => encrypt(&mut options),
        "encode" => Ok(test_tokens::base64url(options.next()?.as_bytes())),
        "decode" => decode(&options.next()?),
        _ => bail!("unknown command \"{command}\""),
    }
}

fn key(options: &mut Options) -> Result<String> {
    let size = options.value("size").map(|size| size.parse()).transpose()?;
    let mut key = test_tokens::key(&options.next()?, size)?;
    if options.flag("no-alg") {
        key.remove("alg");
    }
    for member in ["use", "kid"] {
        if let Some(value) = options.value(member) {
            key.insert(member.into(), value.into());
        }
    }
    if options.flag("public") {
        key = test_tokens::public(&key);
    }
    Ok(json(key))
}

fn jwks(options: &mut Options) -> Result<String> {
    let mut keys = Vec::new();
    while let Ok(file) = options.next() {
        let mut read = read_object(&file)?;
        match read.remove("keys") {
            Some(Value::Array(several)) => keys.extend(several),
            _ => keys.push(Value::Object(read)),
        }
    }
    if options.flag("public") {
        for key in &mut keys {
            let object = key.as_object().context("a key is not an object")?;
            *key = Value::Object(test_tokens::public(object));
        }
    }
    Ok(json(Map::from_iter([(
        "keys".to_owned(),
        Value::Array(keys),
    )])))
}

fn sign(options: &mut Options) -> Result<String> {
    let key = options
        .value("key")
        .map_or_else(|| Ok(Map::new()), |file| read_key(&file))?;
    let alg = algorithm(options, &key)?;
    let header = match options.value("raw-header") {
        Some(raw) => raw,
        None => {
            let mut header = Map::new();
            header.insert("alg".into(), alg.clone().into());
            add_kid(&mut header, &key, options);
            header.insert("typ".into(), "JWT".into());
            add_parameters(&mut header, options)?;
            json(header)
        }
    };
    let payload = resolve_times(&options.next()?)?;
    test_tokens::sign(&alg, &key, &resolve_times(&header)?, payload.as_bytes())
}

fn encrypt(options: &mut Options) -> Result<String> {
    let key = read_key(&options.value("key").context("no --key")?)?;
    let alg = algorithm(options, &key)?;
    let enc = options.value("enc").unwrap_or_else(|| "A256GCM".into());
    let mut header = Map::new();
    add_kid(&mut header, &key, options);
    add_parameters(&mut header, options)?;
    let content = resolve_times(&options.next()?)?;
    test_tokens::encrypt(&alg, &enc, &key, &header, content.as_bytes())
}

fn decode(token: &str) -> Result<String> {
    use base64::Engine as _;
    let mut parts = Vec::new();
    let readable = if token.split('.').count() == 3 { 2 } else { 1 };
    for part in token.split('.').take(readable) {
        let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|error| anyhow!("{error}"))?;
        parts.push(String::from_utf8_lossy(&bytes).into_owned());
    }
    Ok(parts.join(" "))
}

/// `--alg`, or the `alg` of the key, or an algorithm that is usual for such a key.
fn algorithm(options: &mut Options, key: &JwkObject) -> Result<String> {
    let member = |name: &str| key.get(name).and_then(Value::as_str);
    let usual = || match (member("kty"), member("crv")) {
        (Some("oct"), _) => Some("HS256"),
        (Some("RSA"), _) => Some("RS256"),
        (_, Some("P-256")) => Some("ES256"),
        (_, Some("P-384")) => Some("ES384"),
        (_, Some("P-521")) => Some("ES512"),
        (_, Some("secp256k1")) => Some("ES256K"),
        (Some("OKP"), _) => Some("EdDSA"),
        _ => None,
    };
    let alg = options
        .value("alg")
        .or_else(|| member("alg").or_else(usual).map(String::from));
    alg.context("no --alg, and the key has no \"alg\"")
}

fn add_kid(header: &mut JwkObject, key: &JwkObject, options: &mut Options) {
    if let Some(kid) = key.get("kid")
        && !options.flag("no-kid")
    {
        header.insert("kid".into(), kid.clone());
    }
}

fn add_parameters(header: &mut JwkObject, options: &mut Options) -> Result<()> {
    let Some(parameters) = options.value("header") else {
        return Ok(());
    };
    for (name, value) in serde_json::from_str::<JwkObject>(&parameters)? {
        match value {
            Value::Null => header.remove(&name),
            value => header.insert(name, value),
        };
    }
    Ok(())
}

/// Replaces each string `"now"`, `"now+N"` and `"now-N"` by the time in seconds since 1970.
fn resolve_times(text: &str) -> Result<String> {
    let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let mut resolved = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("\"now") {
        let (offset, after) = behind.split_once('"').context("string without end")?;
        resolved.push_str(before);
        match (offset.is_empty(), offset.parse::<i64>()) {
            (true, _) => resolved.push_str(&now.to_string()),
            (false, Ok(offset)) => resolved.push_str(&(now + offset).to_string()),
            (false, Err(_)) => resolved.push_str(&format!("\"now{offset}\"")),
        }
        rest = after;
    }
    resolved.push_str(rest);
    Ok(resolved)
}

fn read_key(file: &str) -> Result<JwkObject> {
    let mut object = read_object(file)?;
    match object.remove("keys") {
        Some(Value::Array(mut keys)) if !keys.is_empty() => match keys.remove(0) {
            Value::Object(key) => Ok(key),
            _ => Err(anyhow!("{file}: the first key is not an object")),
        },
        _ => Ok(object),
    }
}

fn read_object(file: &str) -> Result<JwkObject> {
    let text = match file.starts_with('{') {
        true => file.to_owned(),
        false => std::fs::read_to_string(file).with_context(|| file.to_owned())?,
    };
    serde_json::from_str(&text).with_context(|| file.to_owned())
}

fn json(object: JwkObject) -> String {
    Value::Object(object).to_string()
}

/// The arguments of a command.
struct Options {
    /// `--name VALUE`, and `--flag` with an empty value.
    named: Vec<(String, String)>,
    /// All other arguments in order.
    positional: VecDeque<String>,
}

impl Options {
    fn parse(arguments: &[String]) -> Result<Self> {
        let (mut named, mut positional) = (Vec::new(), VecDeque::new());
        let mut arguments = arguments.iter();
        while let Some(argument) = arguments.next() {
            match argument.strip_prefix("--") {
                Some(flag) if FLAGS.contains(&flag) => named.push((flag.into(), String::new())),
                Some(name) => {
                    let value = arguments
                        .next()
                        .with_context(|| format!("no value for --{name}"))?;
                    named.push((name.into(), value.clone()));
                }
                None => positional.push_back(argument.clone()),
            }
        }
        Ok(Self { named, positional })
    }

    fn value(&mut self, name: &str) -> Option<String> {
        let position = self.named.iter().position(|(found, _)| found == name)?;
        Some(self.named.remove(position).1)
    }

    fn flag(&mut self, name: &str) -> bool {
        self.value(name).is_some()
    }

    fn next(&mut self) -> Result<String> {
        self.positional
            .pop_front()
            .context("an argument is missing")
    }
}
