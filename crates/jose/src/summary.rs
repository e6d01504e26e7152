//! What a log line tells about a token.

use std::fmt;

use text::Quoted;

use crate::claims::Claims;
use crate::compact;
use crate::error::InputPart;
use crate::header::JoseHeader;
use crate::limits::Limits;

/// What a log line tells about a token: a few values, quoted and truncated.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// `alg` of the header.
    pub alg: Option<Quoted>,
    /// `kid` of the header.
    pub kid: Option<Quoted>,
    /// The claim `iss`, if the claims can be read and it is a string.
    pub iss: Option<Quoted>,
}

impl Summary {
    /// The summary of bytes that could not be parsed as a token: what is in those parts that are
    /// well-formed.
    pub fn of(token: &[u8], limits: &Limits) -> Self {
        if token.len() > limits.token_bytes {
            return Self::default();
        }
        let mut parts = token.splitn(4, |&byte| byte == b'.');
        let (header, payload) = (parts.next(), parts.next());
        let header = header.and_then(|part| JoseHeader::parse(part, limits).ok());
        let claims = payload.and_then(|part| {
            let text = compact::decode(part, InputPart::Claims).ok()?;
            Claims::parse(text, limits).ok()
        });
        Self::new(header.as_ref(), claims.as_ref())
    }

    pub(crate) fn new(header: Option<&JoseHeader>, claims: Option<&Claims>) -> Self {
        let iss = claims.and_then(|claims| claims.object().get(b"iss")?.as_str());
        Self {
            alg: header.map(|header| Quoted::new(header.alg())),
            kid: header.and_then(|header| header.kid().map(Quoted::new)),
            iss: iss.map(|iss| Quoted::new(&*iss)),
        }
    }
}

impl fmt::Display for Summary {
    /// `alg "RS256", kid "k1", iss "https://issuer"`. Absent values are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = [("alg", &self.alg), ("kid", &self.kid), ("iss", &self.iss)];
        let mut separator = "";
        for (name, value) in values {
            if let Some(value) = value {
                write!(f, "{separator}{name} {value}")?;
                separator = ", ";
            }
        }
        Ok(())
    }
}
