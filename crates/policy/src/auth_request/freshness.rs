//! How long a verdict may be kept, as far as the service says so (RFC 9111).

use std::time::Duration;

/// What an answer says of its being kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    Never,
    AtMost(Duration),
    /// It says nothing.
    Open,
}

impl Lifetime {
    /// Reads all lines `Cache-Control`. The cache is shared by users, so `private` forbids it; with several limits the
    /// shortest counts, and a limit that is none is 0 (RFC 9111, section 4.2.1).
    pub fn of<'a>(cache_control: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut lifetime = Self::Open;
        for directive in cache_control.flat_map(|line| line.split(|&byte| byte == b',')) {
            let mut parts = directive.splitn(2, |&byte| byte == b'=');
            let name = parts
                .next()
                .unwrap_or_default()
                .trim_ascii()
                .to_ascii_lowercase();
            let value = parts.next().map(<[u8]>::trim_ascii);
            let limit = match name.as_slice() {
                b"no-store" | b"no-cache" | b"private" => Duration::ZERO,
                b"max-age" | b"s-maxage" => seconds(value.unwrap_or_default()),
                _ => continue,
            };
            lifetime = match (lifetime, limit) {
                (Self::Never, _) | (_, Duration::ZERO) => Self::Never,
                (Self::AtMost(other), limit) => Self::AtMost(other.min(limit)),
                (Self::Open, limit) => Self::AtMost(limit),
            };
        }
        lifetime
    }

    /// What is left of it where the answer has lines `Age`: it was made that long ago, by whoever kept it in between.
    /// With several the longest counts, and an age that is none is all of the time.
    pub fn after<'a>(self, age: impl Iterator<Item = &'a [u8]>) -> Self {
        let Self::AtMost(limit) = self else {
            return self;
        };
        let age = age.map(|line| number(line.trim_ascii()).unwrap_or(u64::MAX));
        match limit.as_secs().saturating_sub(age.max().unwrap_or(0)) {
            0 => Self::Never,
            left => Self::AtMost(Duration::from_secs(left)),
        }
    }

    /// How long something is kept that the configuration would keep for so long; nothing: not at all.
    pub fn shorten(self, time: Duration) -> Option<Duration> {
        let time = match self {
            Self::Never => Duration::ZERO,
            Self::AtMost(limit) => limit.min(time),
            Self::Open => time,
        };
        (!time.is_zero()).then_some(time)
    }
}

fn seconds(value: &[u8]) -> Duration {
    let value = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""))
        .unwrap_or(value);
    number(value).map_or(Duration::ZERO, Duration::from_secs)
}

/// Too large a number is the largest.
fn number(text: &[u8]) -> Option<u64> {
    let digits = !text.is_empty() && text.iter().all(u8::is_ascii_digit);
    let text = std::str::from_utf8(text).ok().filter(|_| digits)?;
    Some(text.parse().unwrap_or(u64::MAX))
}

/// The names in all lines `Vary`, in lower case, in order, once each; nothing where no other request is alike: `*` is
/// among them, or what the service got under that name is not what the client sent.
pub fn varying<'a>(vary: impl Iterator<Item = &'a [u8]>) -> Option<Vec<Vec<u8>>> {
    let names = vary.flat_map(|line| line.split(|&byte| byte == b','));
    let mut names: Vec<_> = names
        .map(|name| name.trim_ascii().to_ascii_lowercase())
        .filter(|name| !name.is_empty())
        .collect();
    names.sort_unstable();
    names.dedup();
    (!names.iter().any(|name| is_not_the_clients(name))).then_some(names)
}

/// Lines that a proxy makes, of the URI or the client's address for example. From the client's own, which may be there
/// all the same, nothing can be told of them.
fn is_not_the_clients(name: &[u8]) -> bool {
    matches!(name, b"*" | b"host" | b"forwarded" | b"x-real-ip")
        || name.starts_with(b"x-forwarded-")
        || name.starts_with(b"x-original-")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(lines: &[&str]) -> Lifetime {
        Lifetime::of(lines.iter().map(|line| line.as_bytes()))
    }

    fn at_most(seconds: u64) -> Lifetime {
        Lifetime::AtMost(Duration::from_secs(seconds))
    }

    #[test]
    fn not_kept() {
        for line in [
            "no-store",
            "NO-STORE",
            "max-age=60, no-store",
            "no-cache",
            "private",
            "private=\"x-user\"",
            "max-age=0",
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=1.5",
            "max-age=x",
            "max-age=\"60",
            "s-maxage=0, max-age=60",
        ] {
            assert_eq!(of(&[line]), Lifetime::Never, "{line}");
        }
        assert_eq!(of(&["max-age=60", "private"]), Lifetime::Never);
        assert_eq!(of(&["private", "max-age=60"]), Lifetime::Never);
        assert_eq!(Lifetime::Never.shorten(Duration::MAX), None);
        assert_eq!(Lifetime::Open.shorten(Duration::ZERO), None);
    }

    #[test]
    fn kept_for_a_time() {
        assert_eq!(of(&["max-age=60"]), at_most(60));
        assert_eq!(of(&["public, Max-Age = \"60\" ,x"]), at_most(60));
        assert_eq!(of(&["max-age=60, s-maxage=30", "max-age=90"]), at_most(30));
        assert_eq!(of(&["max-age=99999999999999999999"]), at_most(u64::MAX));
        let minute = Duration::from_secs(60);
        assert_eq!(at_most(30).shorten(minute), Some(minute / 2));
        assert_eq!(at_most(90).shorten(minute), Some(minute));
    }

    #[test]
    fn kept_before() {
        let after = |lines: &[&str]| at_most(60).after(lines.iter().map(|line| line.as_bytes()));
        for lines in [
            &["60"][..],
            &["61"],
            &["1", "99999999999999999999"],
            &[""],
            &["-1"],
            &["1, 2"],
            &["1.5"],
        ] {
            assert_eq!(after(lines), Lifetime::Never, "{lines:?}");
        }
        assert_eq!(after(&[]), at_most(60));
        assert_eq!(after(&["0"]), at_most(60));
        assert_eq!(after(&["5", " 20 "]), at_most(40));
        let age = || [&b"x"[..]].into_iter();
        assert_eq!(Lifetime::Open.after(age()), Lifetime::Open);
        assert_eq!(Lifetime::Never.after(age()), Lifetime::Never);
    }

    #[test]
    fn open() {
        for line in [
            "",
            ",",
            "public",
            "must-revalidate",
            "x-max-age=0",
            "=no-store",
        ] {
            assert_eq!(of(&[line]), Lifetime::Open, "{line}");
        }
        assert_eq!(of(&[]), Lifetime::Open);
    }

    #[test]
    fn names_that_vary() {
        let names = |lines: &[&'static str]| varying(lines.iter().map(|line| line.as_bytes()));
        assert_eq!(names(&["*"]), None);
        assert_eq!(names(&["Origin", "a, *"]), None);
        for name in [
            "Host",
            "Forwarded",
            "X-Real-IP",
            "X-Forwarded-For",
            "X-Original-URI",
        ] {
            assert_eq!(names(&["Origin", name]), None, "{name}");
        }
        assert_eq!(names(&[]), Some(vec![]));
        assert_eq!(names(&["", " , "]), Some(vec![]));
        assert_eq!(
            names(&["Origin,  cookie", "ORIGIN"]),
            Some(vec![b"cookie".to_vec(), b"origin".to_vec()])
        );
    }
}
