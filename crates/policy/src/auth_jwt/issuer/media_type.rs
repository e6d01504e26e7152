//! The types that the header parameter `typ` may name (RFC 7515 section 4.1.9).

/// A media type, such as `at+jwt`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType(Box<str>);

impl MediaType {
    /// The type that is written so.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(text: &[u8]) -> Result<Self, &'static str> {
        let is_name = |byte: &u8| byte.is_ascii_graphic() && !matches!(byte, b'"' | b'\\' | b'$');
        match str::from_utf8(text) {
            Ok(text) if !text.is_empty() && text.bytes().all(|byte| is_name(&byte)) => {
                Ok(Self(without_application(text).into()))
            }
            _ => Err("it must be a media type, such as \"at+jwt\""),
        }
    }

    /// That of access tokens (RFC 9068 section 2.1).
    pub(super) fn access_token() -> Self {
        Self("at+jwt".into())
    }

    /// The type, without `application/`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a `typ` names this type. Upper and lower case are the same, and `application/` may
    /// be left out (RFC 8725 section 3.11).
    pub fn matches(&self, typ: &str) -> bool {
        without_application(typ).eq_ignore_ascii_case(&self.0)
    }
}

/// The type without `application/`, which is left out only where no other slash follows.
fn without_application(text: &str) -> &str {
    const APPLICATION: &str = "application/";
    match text.split_at_checked(APPLICATION.len()) {
        Some((start, rest))
            if start.eq_ignore_ascii_case(APPLICATION)
                && !rest.is_empty()
                && !rest.contains('/') =>
        {
            rest
        }
        _ => text,
    }
}
