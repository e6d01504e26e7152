//! How long a response may be kept, as its header says (`Cache-Control`, `Pragma`, `Age` and
//! `Expires`, RFC 9111; nginx's `X-Accel-Expires`): a verdict of the authorization service, or the
//! keys of an issuer.

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
            freshness = freshness.and(Self::at_most(limit));
        }
        freshness
    }

    /// Reads the values of all `Pragma` lines, which old services send in place of `Cache-Control`.
    pub fn from_pragma<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut words = lines.flat_map(|line| line.split(|&byte| byte == b','));
        match words.any(|word| word.trim_ascii().eq_ignore_ascii_case(b"no-cache")) {
            true => Self::Never,
            false => Self::Unspecified,
        }
    }

    /// Reads the values of all `X-Accel-Expires` lines: seconds, or `@` and a time in seconds since
    /// 1970. An invalid one counts as 0.
    pub fn from_accel_expires<'a>(lines: impl Iterator<Item = &'a [u8]>, now: i64) -> Self {
        let now = u64::try_from(now).unwrap_or(0);
        let limits = lines.map(|line| match line.trim_ascii() {
            [b'@', time @ ..] => number(time).map_or(0, |time| time.saturating_sub(now)),
            seconds => number(seconds).unwrap_or(0),
        });
        limits.fold(Self::Unspecified, |freshness, limit| {
            freshness.and(Self::at_most(Duration::from_secs(limit)))
        })
    }

    /// Reads the times in all `Expires` lines, in seconds since 1970. `None` is a malformed one,
    /// which counts as past (RFC 9111 section 5.3).
    pub fn from_expires(times: impl Iterator<Item = Option<i64>>, now: i64) -> Self {
        let limits = times.map(|time| time.map_or(0, |time| time.saturating_sub(now)));
        limits.fold(Self::Unspecified, |freshness, limit| {
            let limit = u64::try_from(limit).unwrap_or(0);
            freshness.and(Self::at_most(Duration::from_secs(limit)))
        })
    }

    /// Reads the value of `until=`, seconds since 1970, such as the `exp` of a token. A fraction of
    /// the last second does not count. An empty value says nothing, and anything else than a number
    /// counts as past.
    pub fn from_until(value: &[u8], now: i64) -> Self {
        if value.is_empty() {
            return Self::Unspecified;
        }
        let mut parts = value.splitn(2, |&byte| byte == b'.');
        let whole = parts.next().and_then(number);
        let fraction = parts.next().map(number);
        let until = whole.filter(|_| fraction != Some(None)).unwrap_or(0);
        let now = u64::try_from(now).unwrap_or(0);
        Self::at_most(Duration::from_secs(until.saturating_sub(now)))
    }

    fn at_most(limit: Duration) -> Self {
        match limit.is_zero() {
            true => Self::Never,
            false => Self::AtMost(limit),
        }
    }

    /// The shorter of the two.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Never, _) | (_, Self::Never) => Self::Never,
            (Self::AtMost(one), Self::AtMost(another)) => Self::AtMost(one.min(another)),
            (limit, Self::Unspecified) | (Self::Unspecified, limit) => limit,
        }
    }

    /// Subtracts the time that caches on the way have held the response, from the values of all
    /// `Age` lines (RFC 9111 section 5.1). With several the largest counts, and an unparsable one
    /// makes the response stale.
    pub fn minus_age<'a>(self, lines: impl Iterator<Item = &'a [u8]>) -> Self {
        let Self::AtMost(limit) = self else {
            return self;
        };
        let ages = lines.map(|line| number(line.trim_ascii()).unwrap_or(u64::MAX));
        let age = Duration::from_secs(ages.max().unwrap_or(0));
        Self::at_most(limit.saturating_sub(age))
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
