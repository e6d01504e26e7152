//! Times as people read them and as nginx writes them.

use std::time::Duration;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ZonedDateTime};

/// nginx's units of time in seconds, in the order in which they may follow each other.
const UNITS: [(char, u64); 7] = [
    ('y', 31_536_000),
    ('M', 2_592_000),
    ('w', 604_800),
    ('d', 86_400),
    ('h', 3_600),
    ('m', 60),
    ('s', 1),
];

/// The moment at which a token is judged, and the time zone that times are shown in.
#[derive(Debug, Clone)]
pub struct Clock {
    /// In seconds since 1970 in UTC.
    pub now: i64,
    zone: TimeZone,
}

impl Clock {
    /// The system's time and time zone.
    pub fn system() -> Self {
        Self {
            now: Timestamp::now().as_second(),
            zone: TimeZone::system(),
        }
    }

    /// The same time zone at another time: seconds since 1970, or a date with a time of day, which
    /// is in the time zone of the reader unless it names another.
    ///
    /// # Errors
    /// What would be right.
    pub fn at(self, text: &str) -> Result<Self, String> {
        let read = || {
            if let Ok(seconds) = text.parse::<i64>() {
                return Some(seconds);
            }
            if let Ok(time) = text.parse::<Timestamp>() {
                return Some(time.as_second());
            }
            if let Ok(time) = text.parse::<ZonedDateTime>() {
                return Some(time.timestamp().as_second());
            }
            let local = text.parse::<DateTime>().ok()?;
            let zoned = local.to_zoned_datetime(self.zone.clone()).ok()?;
            Some(zoned.timestamp().as_second())
        };
        let now = read().ok_or_else(|| {
            "it must be seconds since 1970, or a time such as 2026-01-31T12:00:00Z".to_owned()
        })?;
        Ok(Self { now, ..self })
    }

    /// A time in the reader's time zone, the number, and how far it is from now.
    pub fn describe(&self, seconds: i64) -> String {
        let distance = distance(seconds, self.now);
        match Timestamp::from_second(seconds) {
            Ok(time) => {
                let local = time.to_zoned_datetime(self.zone.clone());
                format!(
                    "{} ({seconds}), {distance}",
                    local.strftime("%Y-%m-%d %H:%M:%S %:z")
                )
            }
            Err(_) => format!("{seconds}, {distance}"),
        }
    }
}

/// `3 hours ago`, `in 2 days` or `now`: whole units of the largest that fits.
fn distance(time: i64, now: i64) -> String {
    let seconds = time.abs_diff(now);
    let names = ["year", "month", "week", "day", "hour", "minute", "second"];
    let units = UNITS.iter().map(|(_, seconds)| *seconds).zip(names);
    // A week says less than seven days.
    let mut units = units.filter(|(_, name)| *name != "week");
    let Some((unit, name)) = units.find(|(unit, _)| seconds >= *unit) else {
        return "now".to_owned();
    };
    let count = seconds.checked_div(unit).unwrap_or_default();
    let plural = if count == 1 { "" } else { "s" };
    match time < now {
        true => format!("{count} {name}{plural} ago"),
        false => format!("in {count} {name}{plural}"),
    }
}

/// Reads a time as nginx's directives have it: `90`, `30s`, `1h 30m`.
///
/// # Errors
/// What would be right.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "it must be a time such as 30s, 5m or 1h30m".to_owned();
    let (mut total, mut number, mut next_unit) = (0_u64, None::<u64>, 0);
    for c in text.chars() {
        if let Some(digit) = c.to_digit(10) {
            let so_far = number.unwrap_or(0).checked_mul(10);
            let sum = so_far.and_then(|number| number.checked_add(digit.into()));
            number = Some(sum.ok_or_else(wrong)?);
            continue;
        }
        if c == ' ' && number.is_none() && total > 0 {
            continue;
        }
        let mut units = UNITS.iter().enumerate().skip(next_unit);
        let (position, (_, unit)) = units.find(|(_, (name, _))| *name == c).ok_or_else(wrong)?;
        let part = number.take().ok_or_else(wrong)?.checked_mul(*unit);
        let sum = part.and_then(|part| total.checked_add(part));
        total = sum.ok_or_else(wrong)?;
        next_unit = position.saturating_add(1);
    }
    let has_unit = next_unit > 0;
    match number {
        // A number alone is in seconds, and so is the last one.
        Some(seconds) => {
            let sum = total.checked_add(seconds).ok_or_else(wrong)?;
            Ok(Duration::from_secs(sum))
        }
        None if has_unit => Ok(Duration::from_secs(total)),
        None => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clock(now: i64) -> Clock {
        Clock {
            now,
            zone: TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap(),
        }
    }

    #[test]
    fn durations_are_those_of_nginx() {
        for (text, seconds) in [
            ("0", 0),
            ("90", 90),
            ("30s", 30),
            ("5m", 300),
            ("1h30m", 5_400),
            ("1h 30m", 5_400),
            ("1y", 31_536_000),
            ("1M", 2_592_000),
            ("1d2h3m4s", 93_784),
            ("1m30", 90),
        ] {
            assert_eq!(
                parse_duration(text),
                Ok(Duration::from_secs(seconds)),
                "{text}"
            );
        }
        for text in [
            "",
            " ",
            "s",
            "5x",
            "-1",
            "1m1h",
            "1s1s",
            "1.5h",
            "5 m",
            "99999999999999999999",
            "9999999999999999999y",
        ] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn times_are_shown_in_the_zone_of_the_reader() {
        let clock = clock(1_700_000_042);
        for (time, shown) in [
            (
                1_700_000_000,
                "2023-11-14 23:13:20 +01:00 (1700000000), 42 seconds ago",
            ),
            (
                1_700_000_041,
                "2023-11-14 23:14:01 +01:00 (1700000041), 1 second ago",
            ),
            (
                1_700_000_042,
                "2023-11-14 23:14:02 +01:00 (1700000042), now",
            ),
            (
                1_710_000_000,
                "2024-03-09 17:00:00 +01:00 (1710000000), in 3 months",
            ),
            (
                1_720_000_000,
                "2024-07-03 11:46:40 +02:00 (1720000000), in 7 months",
            ),
            (i64::MAX, "9223372036854775807, in 292471208623 years"),
            (i64::MIN, "-9223372036854775808, 292471208731 years ago"),
        ] {
            assert_eq!(clock.describe(time), shown);
        }
    }

    #[test]
    fn a_moment_is_a_number_or_a_date() {
        for (text, now) in [
            ("1700000000", 1_700_000_000),
            ("2023-11-14T22:13:20Z", 1_700_000_000),
            ("2023-11-14T23:13:20+01:00", 1_700_000_000),
            ("2023-11-14 23:13:20", 1_700_000_000),
            ("2023-11-14T23:13", 1_699_999_980),
        ] {
            assert_eq!(clock(0).at(text).map(|clock| clock.now), Ok(now), "{text}");
        }
        for text in ["", "yesterday", "2023-13-01T00:00:00Z", "1e9"] {
            assert!(clock(0).at(text).is_err(), "{text}");
        }
    }
}
