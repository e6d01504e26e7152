//! Which variables a text in the configuration refers to.

#[cfg(test)]
mod tests;

/// The names in a text such as `$host${uri}`, in lower case, as nginx reads them. Captures of a
/// regular expression, such as `$1`, are among them.
pub fn variable_names(text: &[u8]) -> impl Iterator<Item = Vec<u8>> {
    let after_dollars = text.split(|&byte| byte == b'$').skip(1);
    after_dollars.map(|rest| {
        let name = rest.strip_prefix(b"{").unwrap_or(rest);
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let name: Vec<u8> = name.iter().copied().take_while(is_part).collect();
        name.to_ascii_lowercase()
    })
}

/// Whether a text contains the name and the value of a cookie, which is the value of a `Set-Cookie`
/// line.
pub fn has_cookie(text: &[u8], cookie: &[u8]) -> bool {
    let pair = cookie.split(|&byte| byte == b';').next();
    let pair = pair.unwrap_or_default().trim_ascii();
    !pair.is_empty() && memchr::memmem::find(text, pair).is_some()
}

/// Whether a variable has a cookie that the response to the subrequest sets.
pub fn shows_set_cookie(variable: &[u8]) -> bool {
    matches!(
        variable,
        b"upstream_http_set_cookie" | b"sent_http_set_cookie"
    ) || variable.starts_with(b"upstream_cookie_")
}
