//! How long a response of the authorization service may be kept, and for which other requests
//! (`Cache-Control`, `Age` and `Vary`, RFC 9111).

use std::time::Duration;

#[cfg(test)]
mod tests;

/// How long a response may be kept, as far as its header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// The response must not be kept.
    Never,
    /// The response is fresh for at most this time.
    AtMost(Duration),
    /// The header says nothing about it.
    Unspecified,
}

impl Freshness {
    /// Reads the values of all `Cache-Control` lines. The cache is shared by users, so `private`
    /// forbids it. With several limits the shortest counts, and an invalid one is 0 (RFC 9111
    /// section 4.2.1).
    pub fn from_cache_control<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut freshness = Self::Unspecified;
        for directive in lines.flat_map(|line| line.split(|&byte| byte == b',')) {
            let mut parts = directive.splitn(2, |&byte| byte == b'=');
            let name = parts.next().unwrap_or_default().trim_ascii();
            let value = parts.next().map(<[u8]>::trim_ascii);
            let limit = match name.to_ascii_lowercase().as_slice() {
                b"no-store" | b"no-cache" | b"private" => Duration::ZERO,
                b"max-age" | b"s-maxage" => seconds(value.unwrap_or_default()),
                _ => continue,
            };
            freshness = match (freshness, limit) {
                (Self::Never, _) | (_, Duration::ZERO) => Self::Never,
                (Self::AtMost(other), limit) => Self::AtMost(other.min(limit)),
                (Self::Unspecified, limit) => Self::AtMost(limit),
            };
        }
        freshness
    }

    /// Subtracts the time that caches on the way have held the response, from the values of all
    /// `Age` lines (RFC 9111 section 5.1). With several the largest counts, and an unparsable one
    /// makes the response stale.
    pub fn minus_age<'a>(self, lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let Self::AtMost(limit) = self else {
            return self;
        };
        let ages = lines.map(|line| number(line.trim_ascii()).unwrap_or(u64::MAX));
        match limit.as_secs().saturating_sub(ages.max().unwrap_or(0)) {
            0 => Self::Never,
            left => Self::AtMost(Duration::from_secs(left)),
        }
    }

    /// How long to keep a response that the configuration would keep for `time`, or `None` if it
    /// is not kept.
    pub fn cap(self, time: Duration) -> Option<Duration> {
        let time = match self {
            Self::Never => Duration::ZERO,
            Self::AtMost(limit) => limit.min(time),
            Self::Unspecified => time,
        };
        (!time.is_zero()).then_some(time)
    }
}

/// A number of seconds, which may be quoted. Anything else is 0.
fn seconds(value: &[u8]) -> Duration {
    let value = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value);
    number(value).map_or(Duration::ZERO, Duration::from_secs)
}

/// A number in decimal digits; `u64::MAX` if it is too large.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    Some(text.parse().unwrap_or(u64::MAX))
}

/// The names in all `Vary` lines: in lower case, sorted, without duplicates. `None` if the response
/// fits no other request, because one of the names is `*` or a header that a proxy sets.
pub fn vary_names<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Vec<u8>>> {
    let names = lines.flat_map(|line| line.split(|&byte| byte == b','));
    let mut names: Vec<_> = names
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    (!names.iter().any(|name| is_set_by_proxies(name))).then_some(names)
}

/// Whether proxies set this header, for example from the URI or the client's address. A client may
/// send a header of that name too, but its value is not the one that the service has seen.
fn is_set_by_proxies(name: &[u8]) -> bool {
    matches!(name, b"*" | b"host" | b"forwarded" | b"x-real-ip")
        || name.starts_with(b"x-forwarded-")
        || name.starts_with(b"x-original-")
}
