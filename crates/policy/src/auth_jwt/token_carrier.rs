//! `auth_jwt_strip`: what of a request carries the token, and the same without it.

use crate::header_names::{is_framing, is_spelling_of};

/// A part of a request that a token can be taken out of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TokenCarrier {
    /// All header lines with this name, in any spelling.
    Header(Box<[u8]>),
    /// All cookies with this name.
    Cookie(Box<[u8]>),
    /// All arguments with this name.
    Argument(Box<[u8]>),
}

impl TokenCarrier {
    /// The `Authorization` line.
    pub fn authorization() -> Self {
        Self::Header((*b"authorization").into())
    }

    /// What the variable with this name shows, without the `$`. `None` for a variable that may be
    /// made of anything, or of what nginx itself needs.
    pub fn of_variable(name: &[u8]) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let behind = |prefix: &[u8]| -> Option<Box<[u8]>> {
            let name = name.strip_prefix(prefix)?;
            (!name.is_empty()).then(|| name.into())
        };
        if let Some(name) = behind(b"http_") {
            // A `-` in a name is a `_` in the variable.
            let with_hyphens = name.iter().map(|&byte| match byte {
                b'_' => b'-',
                byte => byte,
            });
            let with_hyphens = with_hyphens.collect::<Box<[u8]>>();
            return (!is_framing(&with_hyphens)).then_some(Self::Header(with_hyphens));
        }
        behind(b"cookie_")
            .map(Self::Cookie)
            .or_else(|| behind(b"arg_").map(Self::Argument))
    }

    /// Whether an application could take a header line with this name for the one that carries the
    /// token.
    pub fn is_line(&self, name: &[u8]) -> bool {
        matches!(self, Self::Header(own) if is_spelling_of(name, own))
    }

    /// The value of a Cookie line without the cookies that carry the token, `None` if it has none.
    /// What is left may be empty. Cookies begin where nginx looks for them: behind a `;`, and also
    /// behind a `,`. Their values end with a `;`.
    pub fn without_cookies(&self, line: &[u8]) -> Option<Vec<u8>> {
        let Self::Cookie(name) = self else {
            return None;
        };
        let (mut kept, mut removes_any) = (Vec::new(), false);
        for cookie in line.split(|&byte| byte == b';') {
            let left = without_cookie(cookie, name);
            removes_any |= left.len() != cookie.len();
            match left.trim_ascii() {
                b"" if left.len() != cookie.len() => {}
                _ => kept.push(left),
            }
        }
        removes_any.then(|| {
            let left = kept.join(&b';');
            left.trim_ascii().to_vec()
        })
    }

    /// Arguments, which are what is behind the `?` of a URI, without those that carry the token.
    /// `None` if there is none of them. Names are compared as an application does that decodes
    /// them.
    pub fn without_arguments(&self, args: &[u8]) -> Option<Vec<u8>> {
        let Self::Argument(own) = self else {
            return None;
        };
        let is_kept = |argument: &&[u8]| !decoded_name(argument).eq_ignore_ascii_case(own);
        let all = args.split(|&byte| byte == b'&');
        let kept: Vec<_> = all.clone().filter(is_kept).collect();
        (kept.len() != all.count()).then(|| kept.join(&b'&'))
    }

    /// A URI without those arguments, `None` if there is none of them. A `#` ends the arguments.
    pub fn uri_without_arguments(&self, uri: &[u8]) -> Option<Vec<u8>> {
        let end = uri.iter().position(|&byte| byte == b'#');
        let (uri, fragment) = uri.split_at_checked(end.unwrap_or(uri.len()))?;
        let start = uri.iter().position(|&byte| byte == b'?')?;
        let (path, args) = uri.split_at_checked(start)?;
        let args = self.without_arguments(args.get(1..)?)?;
        let separator: &[u8] = match args.is_empty() {
            true => b"",
            false => b"?",
        };
        Some([path, separator, &args, fragment].concat())
    }

    /// The token in arguments that [`without_arguments`](Self::without_arguments) has not seen: the
    /// value that nginx gives to the variable.
    pub fn value_in_arguments<'a>(&self, args: &'a [u8]) -> Option<&'a [u8]> {
        let Self::Argument(own) = self else {
            return None;
        };
        let mut arguments = args.split(|&byte| byte == b'&');
        arguments.find_map(|argument| {
            let (name, value) = argument.split_at_checked(own.len())?;
            match value {
                [b'=', value @ ..] if name.eq_ignore_ascii_case(own) => Some(value),
                _ => None,
            }
        })
    }
}

/// What is between two `;` of a Cookie line, up to the cookie with this name.
fn without_cookie<'a>(cookie: &'a [u8], name: &[u8]) -> &'a [u8] {
    let mut start = 0;
    for part in cookie.split(|&byte| byte == b',') {
        let own = part.split(|&byte| byte == b'=').next().unwrap_or_default();
        if own.trim_ascii().eq_ignore_ascii_case(name) {
            // Without the `,` in front.
            return cookie
                .get(..start)
                .map_or(&[], |left| left.strip_suffix(b",").unwrap_or(left));
        }
        start = start.saturating_add(part.len()).saturating_add(1);
    }
    cookie
}

/// The name of an argument, percent-decoded.
fn decoded_name(argument: &[u8]) -> Vec<u8> {
    let name = argument.split(|&byte| byte == b'=').next();
    let mut name = name.unwrap_or_default();
    let mut decoded = Vec::with_capacity(name.len());
    loop {
        name = match name {
            [] => return decoded,
            [b'%', high, low, rest @ ..] if hex(*high).is_some() && hex(*low).is_some() => {
                let (high, low) = (hex(*high).unwrap_or(0), hex(*low).unwrap_or(0));
                decoded.push(high.wrapping_mul(16) | low);
                rest
            }
            [byte, rest @ ..] => {
                decoded.push(*byte);
                rest
            }
        };
    }
}

fn hex(digit: u8) -> Option<u8> {
    let value = char::from(digit).to_digit(16)?;
    u8::try_from(value).ok()
}

#[cfg(test)]
mod tests;
