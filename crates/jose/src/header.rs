//! The JOSE header (RFC 7515 section 4, RFC 7516 section 4): the parameters that decide how a token
//! is verified, and the JSON object with all of them. Parameters that contain a key or say where to
//! find one (`jwk`, `jku`, `x5c`, `x5u`) are never used.

use text::Quoted;

use crate::compact;
use crate::error::{Error, InputPart};
use crate::json::{Document, JsonValue, StringRef};
use crate::limits::Limits;

/// A `crit` with more names is refused. No extension has so many, and each name is compared with
/// all others.
const MAX_CRITICAL: usize = 16;

/// The parameters that RFC 7515, 7516 and 7518 define. An extension cannot have such a name.
const STANDARD_PARAMETERS: [&str; 20] = [
    "alg", "apu", "apv", "crit", "cty", "enc", "epk", "iv", "jku", "jwk", "kid", "p2c", "p2s",
    "tag", "typ", "x5c", "x5t", "x5t#S256", "x5u", "zip",
];

/// The protected header of a token.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct JoseHeader {
    json: Document,
    alg: Option<StringRef>,
    kid: Option<StringRef>,
    enc: Option<StringRef>,
    zip: Option<StringRef>,
    /// Whether there is a `crit` or `b64`, which may change the meaning of the token.
    // perf: usual headers are not searched for them, 320 instructions less for each verification.
    is_extended: bool,
}

impl JoseHeader {
    /// Parses the first part of a token. `alg` is required. It and all other parameters that are
    /// read here have to be strings.
    pub(crate) fn parse(part: &[u8], limits: &Limits) -> Result<Self, Error> {
        let text = compact::decode(part, InputPart::Header)?;
        let (bytes, depth) = (limits.json_bytes, limits.json_depth);
        let json = Document::parse_object(text, InputPart::Header, bytes, depth)?;
        let mut header = Self::default();
        for (name, value) in json.root().members() {
            let (name, parameter) = match &*name {
                "alg" => ("alg", Some(&mut header.alg)),
                "kid" => ("kid", Some(&mut header.kid)),
                "enc" => ("enc", Some(&mut header.enc)),
                "zip" => ("zip", Some(&mut header.zip)),
                "typ" => ("typ", None),
                "cty" => ("cty", None),
                "crit" | "b64" => {
                    header.is_extended = true;
                    continue;
                }
                _ => continue,
            };
            let string = value.string_ref().ok_or(Error::HeaderParameter { name })?;
            if let Some(parameter) = parameter {
                *parameter = Some(string);
            }
        }
        header.json = json;
        match header.alg {
            Some(_) => Ok(header),
            None => Err(Error::HeaderParameter { name: "alg" }),
        }
    }

    /// `alg`, the algorithm of the signature or of the key management.
    pub fn alg(&self) -> &str {
        self.resolve(&self.alg).unwrap_or_default()
    }

    /// `kid`, the name of the key.
    pub fn kid(&self) -> Option<&str> {
        self.resolve(&self.kid)
    }

    /// `enc`, the content encryption of a JWE.
    pub fn enc(&self) -> Option<&str> {
        self.resolve(&self.enc)
    }

    /// `zip`, the compression of a JWE's content.
    pub fn zip(&self) -> Option<&str> {
        self.resolve(&self.zip)
    }

    /// All parameters, as a JSON object.
    pub fn object(&self) -> JsonValue<'_> {
        self.json.root()
    }

    /// Refuses extensions that change the meaning of a token: whatever `crit` names (RFC 7515
    /// section 4.1.11), and an unencoded payload (RFC 7797) even if `crit` does not name `b64`.
    pub(crate) fn refuse_extensions(&self) -> Result<(), Error> {
        if !self.is_extended {
            return Ok(());
        }
        let mut b64 = Ok(());
        for (name, value) in self.object().members() {
            match &*name {
                "crit" => return Err(self.critical_error(value)),
                "b64" if value.as_bool() != Some(true) => b64 = Err(Error::UnencodedPayload),
                _ => {}
            }
        }
        b64
    }

    /// Bytes of heap memory.
    pub(crate) fn memory(&self) -> usize {
        let strings = [&self.alg, &self.kid, &self.enc, &self.zip];
        strings
            .into_iter()
            .flatten()
            .map(StringRef::memory)
            .fold(self.json.memory(), usize::saturating_add)
    }

    fn resolve<'a>(&'a self, parameter: &'a Option<StringRef>) -> Option<&'a str> {
        parameter.as_ref().map(|string| self.json.resolve(string))
    }

    /// Why a token with this `crit` is refused.
    fn critical_error(&self, critical: JsonValue<'_>) -> Error {
        let mut names = Vec::new();
        for element in critical.elements() {
            let Some(name) = element.as_str() else {
                return Error::CriticalMalformed;
            };
            let is_present = self.object().get(name.as_bytes()).is_some();
            if !is_present
                || STANDARD_PARAMETERS.contains(&&*name)
                || names.len() >= MAX_CRITICAL
                || names.contains(&name)
            {
                return Error::CriticalMalformed;
            }
            names.push(name);
        }
        match names.first() {
            None => Error::CriticalMalformed,
            Some(name) if name == "b64" => Error::UnencodedPayload,
            Some(name) => Error::CriticalUnsupported {
                name: Quoted::new(&**name),
            },
        }
    }
}
