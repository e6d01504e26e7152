//! `auth_jwt_dpop_url`: the address that DPoP proofs have to be for.

use std::rc::Rc;

use crate::nginx::{Config, ConfigError, Failure, Request, Template, Text};

/// The argument of the directive.
pub(super) struct ProofUrl {
    template: Template,
    text: Box<[u8]>,
    /// The file and line of the directive.
    pub(super) position: Rc<str>,
}

impl ProofUrl {
    /// `auth_jwt_dpop_url string`
    pub(super) fn read(cf: &mut Config<'_>) -> Result<Self, ConfigError> {
        let url = cf.argument();
        if !url.starts_with(b"$") && !url.starts_with(b"https://") && !url.starts_with(b"http://") {
            let must = "it must be a URL, as in https://$host$request_uri";
            return Err(cf.invalid_value(&url, must));
        }
        Ok(Self {
            template: cf.template(&url)?,
            text: url.bytes().into(),
            position: cf.position().into(),
        })
    }

    /// The address of a request.
    pub(super) fn evaluate<'r>(&self, request: Request<'r>) -> Result<Text<'r>, Failure> {
        self.template.evaluate(request)
    }

    /// Whether the client names the host, because it is out of the request.
    pub(super) fn has_host_of_request(&self) -> bool {
        [&b"host"[..], b"http_host"]
            .into_iter()
            .any(|name| self.has_variable(name))
    }

    /// Whether the scheme is that of the connection to nginx.
    pub(super) fn has_scheme_of_connection(&self) -> bool {
        self.has_variable(b"scheme")
    }

    /// Whether the text has `$name` or `${name}`.
    fn has_variable(&self, name: &[u8]) -> bool {
        let mut pieces = self.text.split(|&byte| byte == b'$');
        pieces.next();
        pieces.any(|piece| {
            let piece = piece.strip_prefix(b"{").unwrap_or(piece);
            let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
            let end = piece.iter().position(|byte| !is_name(byte));
            let (found, _) = piece.split_at(end.unwrap_or(piece.len()));
            found.eq_ignore_ascii_case(name)
        })
    }
}
