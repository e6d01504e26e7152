//! For which other requests a response of the authorization service may be kept (`Vary`, RFC 9111).

#[cfg(test)]
mod tests;

/// The headers that a response may vary by: no proxy makes them, so that the service has seen what
/// the client has sent.
const VARY_HEADERS: [&[u8]; 7] = [
    b"accept",
    b"accept-encoding",
    b"accept-language",
    b"authorization",
    b"cookie",
    b"origin",
    b"user-agent",
];

/// Whether a service that was sent this request has certainly seen the client's values of a header,
/// or none. A location may make such a header from something else, which the response then depends
/// on. Of a request that does not begin with an HTTP/1 header nothing is certain.
pub fn has_seen<'a>(
    sent: &[u8],
    name: &[u8],
    client_values: impl Iterator<Item = &'a [u8]>,
) -> bool {
    if !is_http_header(sent) {
        return false;
    }
    let lines = sent.split(|&byte| byte == b'\n').skip(1);
    let lines = lines.map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    // The body may follow.
    let lines = lines.take_while(|line| !line.is_empty());
    let values = lines.filter_map(|line| {
        let (other, value) = line.split_at_checked(name.len())?;
        let value = value.strip_prefix(b":")?;
        other.eq_ignore_ascii_case(name).then(|| value.trim_ascii())
    });
    let values: Vec<_> = values.collect();
    let client_values: Vec<_> = client_values.map(<[u8]>::trim_ascii).collect();
    // nginx joins several lines in a variable such as $http_cookie.
    let is_joined = |by: &[u8]| !client_values.is_empty() && values == [client_values.join(by)];
    values.is_empty() || values == client_values || is_joined(b"; ") || is_joined(b", ")
}

/// Whether this is the header of an HTTP/1 request, and not what another protocol has: FastCGI, or
/// HTTP/2 with gRPC and, since nginx 1.29.4, with `proxy_http_version 2`.
fn is_http_header(sent: &[u8]) -> bool {
    let end = sent.iter().position(|&byte| byte == b'\n');
    let line = end.map_or(&b""[..], |end| sent[..end].trim_ascii_end());
    line.ends_with(b" HTTP/1.0") || line.ends_with(b" HTTP/1.1")
}

/// The names in all `Vary` lines: in lower case, sorted, without duplicates. `None` if the response
/// fits no other request, because one of the names is `*` or that of a header which nginx or a
/// proxy may make for the service, for example from the URI or the client's address. The client's
/// value would not tell then what the service has seen.
pub fn vary_names<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Vec<u8>>> {
    let names = lines.flat_map(|line| line.split(|&byte| byte == b','));
    let mut names: Vec<_> = names
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    let mut known = names.iter().map(|name| VARY_HEADERS.contains(&&**name));
    known.all(|is_known| is_known).then_some(names)
}
