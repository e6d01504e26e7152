//! The JOSE header (RFC 7515 section 4, RFC 7516 section 4): typed parameters, and the JSON object for the rest.
//! Parameters that bring or point to a key (`jwk`, `jku`, `x5c`, `x5u`) are never looked at.

use super::compact::{self, Limits};
use super::error::{Error, Part};
use super::json::{Document, Place, Value};
use text::Quoted;

/// A header whose form was checked.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Header {
    json: Document,
    alg: Option<Place>,
    kid: Option<Place>,
    typ: Option<Place>,
    cty: Option<Place>,
    enc: Option<Place>,
    zip: Option<Place>,
    /// Whether there is a parameter that may change what the token means.
    is_extended: bool,
}

impl Header {
    /// Parses the first part of a token. `alg` has to be there; it and the other parameters that we read have to be
    /// strings.
    pub(super) fn parse(part: &[u8], limits: &Limits) -> Result<Self, Error> {
        let text = compact::decode(part, Part::Header)?;
        let (bytes, depth) = (limits.json_bytes, limits.json_depth);
        let json = Document::parse_object(text, Part::Header, bytes, depth)?;
        let mut header = Self::default();
        for (name, value) in json.root().members() {
            let (name, parameter) = match &*name {
                "alg" => ("alg", &mut header.alg),
                "kid" => ("kid", &mut header.kid),
                "typ" => ("typ", &mut header.typ),
                "cty" => ("cty", &mut header.cty),
                "enc" => ("enc", &mut header.enc),
                "zip" => ("zip", &mut header.zip),
                "crit" | "b64" => {
                    header.is_extended = true;
                    continue;
                }
                _ => continue,
            };
            let place = value.place().ok_or(Error::HeaderParameter { name })?;
            *parameter = Some(place);
        }
        header.json = json;
        match header.alg {
            Some(_) => Ok(header),
            None => Err(Error::HeaderParameter { name: "alg" }),
        }
    }

    /// `alg`, the algorithm.
    pub fn alg(&self) -> &str {
        self.text(&self.alg).unwrap_or_default()
    }

    /// `kid`, which key it is.
    pub fn kid(&self) -> Option<&str> {
        self.text(&self.kid)
    }

    /// `typ`, the media type of the token.
    pub fn typ(&self) -> Option<&str> {
        self.text(&self.typ)
    }

    /// `cty`, the media type of the content.
    pub fn cty(&self) -> Option<&str> {
        self.text(&self.cty)
    }

    /// `enc`, the content encryption of a JWE.
    pub fn enc(&self) -> Option<&str> {
        self.text(&self.enc)
    }

    /// `zip`, the compression of a JWE's content.
    pub fn zip(&self) -> Option<&str> {
        self.text(&self.zip)
    }

    fn text<'a>(&'a self, parameter: &'a Option<Place>) -> Option<&'a str> {
        parameter.as_ref().map(|place| self.json.str_at(place))
    }

    /// The whole header.
    pub fn object(&self) -> Value<'_> {
        self.json.root()
    }

    /// How many bytes of memory it has allocated.
    pub(super) fn memory(&self) -> usize {
        let places = [
            &self.alg, &self.kid, &self.typ, &self.cty, &self.enc, &self.zip,
        ];
        places
            .into_iter()
            .flatten()
            .map(Place::memory)
            .fold(self.json.memory(), usize::saturating_add)
    }

    /// The header's JSON as it came.
    pub fn json(&self) -> &str {
        self.json.text()
    }

    /// Refuses extensions that change what a token means: whatever `crit` names (RFC 7515 section 4.1.11), as we know
    /// none, and an unencoded payload (RFC 7797), also where `crit` does not name it.
    pub(super) fn refuse_extensions(&self) -> Result<(), Error> {
        if !self.is_extended {
            return Ok(());
        }
        let mut b64 = Ok(());
        for (name, value) in self.object().members() {
            match &*name {
                "crit" => return Err(self.critical(value)),
                "b64" if value.as_bool() != Some(true) => b64 = Err(Error::UnencodedPayload),
                _ => {}
            }
        }
        b64
    }

    /// Why a token with this `crit` is refused.
    fn critical(&self, critical: Value<'_>) -> Error {
        let mut names = Vec::new();
        for element in critical.elements() {
            let Some(name) = element.as_str() else {
                return Error::CriticalMalformed;
            };
            let present = self.object().get(name.as_bytes()).is_some();
            if !present
                || STANDARD.contains(&&*name)
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

/// More names than any extension has would only make us search for duplicates.
const MAX_CRITICAL: usize = 16;

/// What RFC 7515, 7516 and 7518 define: never an extension.
const STANDARD: [&str; 20] = [
    "alg", "apu", "apv", "crit", "cty", "enc", "epk", "iv", "jku", "jwk", "kid", "p2c", "p2s",
    "tag", "typ", "x5c", "x5t", "x5t#S256", "x5u", "zip",
];
