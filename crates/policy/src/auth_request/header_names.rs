//! Which header lines go where.

/// Names of header lines, each whole or as a prefix in front of a `*`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(Vec<Name>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Name {
    text: Box<[u8]>,
    is_prefix: bool,
}

/// Why something is no name that a directive takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Unfit {
    #[error("is not the name of a header line")]
    Malformed,
    /// It says how one message is to be read, or is about one connection.
    #[error("belongs to one message and cannot be taken from another")]
    Framing,
}

/// Lines about one message or one connection (RFC 9110, sections 7.6.1 and 8; RFC 9112, section 6).
const FRAMING: [&[u8]; 14] = [
    b"connection",
    b"content-encoding",
    b"content-length",
    b"content-range",
    b"content-type",
    b"expect",
    b"host",
    b"http2-settings",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"trailer",
    b"transfer-encoding",
    b"upgrade",
];

/// What a client shows to be let in (RFC 9110, section 11; RFC 6265).
const CREDENTIALS: [&[u8]; 3] = [b"authorization", b"cookie", b"proxy-authorization"];

impl Names {
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Takes one more name, such as `X-User` or `X-Authgear-*`.
    pub fn push(&mut self, text: &[u8]) -> Result<(), Unfit> {
        let (name, is_prefix) = match text.strip_suffix(b"*") {
            Some(prefix) => (prefix, true),
            None => (text, false),
        };
        if name.is_empty() || !name.iter().copied().all(is_name_byte) {
            return Err(Unfit::Malformed);
        }
        if !is_prefix && is_framing(name) {
            return Err(Unfit::Framing);
        }
        self.0.push(Name {
            text: name.into(),
            is_prefix,
        });
        Ok(())
    }

    /// Whether a line with this name, of an answer, is meant.
    pub fn take(&self, line: &[u8]) -> bool {
        self.any(line, |byte| byte.to_ascii_lowercase()) && !is_framing(line)
    }

    /// Whether a line with this name, of a client, could be taken for one that is meant: what is not a letter or a
    /// digit is the same to many servers.
    pub fn shadow(&self, line: &[u8]) -> bool {
        self.any(line, fold) && !is_framing(line)
    }

    /// Whether there is a name of something that a client shows to be let in.
    pub fn have_credentials(&self) -> bool {
        CREDENTIALS.iter().any(|name| self.shadow(name))
    }

    fn any(&self, line: &[u8], fold: fn(u8) -> u8) -> bool {
        let equal = |a: &[u8], b: &[u8]| a.iter().map(|&b| fold(b)).eq(b.iter().map(|&b| fold(b)));
        self.0.iter().any(|name| match line.get(..name.text.len()) {
            Some(start) => {
                (name.is_prefix || start.len() == line.len()) && equal(start, &name.text)
            }
            None => false,
        })
    }
}

/// Whether a client's line, in whatever spelling, is something that it shows to be let in.
pub fn is_credential(line: &[u8]) -> bool {
    is_one_of(&CREDENTIALS, line)
}

fn is_framing(line: &[u8]) -> bool {
    is_one_of(&FRAMING, line)
}

fn is_one_of(names: &[&[u8]], line: &[u8]) -> bool {
    names.iter().any(|name| name.eq_ignore_ascii_case(line))
}

fn fold(byte: u8) -> u8 {
    match byte.is_ascii_alphanumeric() {
        true => byte.to_ascii_lowercase(),
        false => b'-',
    }
}

/// RFC 9110, section 5.6.2: tchar, without the `*` that stands for the rest of a name here, and the `$` of a variable.
fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#%&'+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(texts: &[&str]) -> Names {
        let mut names = Names::default();
        for text in texts {
            names.push(text.as_bytes()).unwrap();
        }
        names
    }

    #[test]
    fn unfit() {
        for text in ["", "*", "a b", "a:", "X*Y", "X-**", "$a", "a\r", "\u{fc}"] {
            assert_eq!(
                Names::default().push(text.as_bytes()),
                Err(Unfit::Malformed),
                "{text:?}"
            );
        }
        for text in ["Content-Length", "host", "TE", "Transfer-Encoding"] {
            assert_eq!(Names::default().push(text.as_bytes()), Err(Unfit::Framing));
        }
    }

    #[test]
    fn taken_from_answers() {
        let names = names(&["X-User", "X-Authgear-*", "C*"]);
        for line in [
            "X-User",
            "x-uSER",
            "X-Authgear-",
            "x-authgear-session-valid",
            "Cookie",
        ] {
            assert!(names.take(line.as_bytes()), "{line}");
        }
        for line in [
            "X_User",
            "X-Use",
            "X-Users",
            "X-Authgear",
            "Y-X-User",
            "",
            "Content-Length",
            "Connection",
        ] {
            assert!(!names.take(line.as_bytes()), "{line}");
        }
        assert!(Names::default().is_empty() && !Names::default().take(b"X"));
    }

    #[test]
    fn removed_from_clients() {
        let names = names(&["X-User", "X-Authgear-*", "Content-*"]);
        for line in [
            "X-User",
            "x_user",
            "X_USER",
            "X.User",
            "x-authgear_session",
            "X_Authgear_",
            "Content-Language",
        ] {
            assert!(names.shadow(line.as_bytes()), "{line}");
        }
        for line in [
            "XUser",
            "X-User2",
            "User",
            "X-Authgear",
            "Content-Type",
            "content-length",
        ] {
            assert!(!names.shadow(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn credentials() {
        assert!(names(&["X-A", "AUTHORIZATION"]).have_credentials());
        assert!(names(&["Co*"]).have_credentials());
        assert!(!names(&["X-Authorization", "Auth"]).have_credentials());
        assert!(is_credential(b"Cookie") && !is_credential(b"X-Cookie"));
    }
}
