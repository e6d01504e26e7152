//! Numbers with units, as nginx reads them.

use std::time::Duration;

/// Which units a time may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Years (y) and months (M) as well, but no milliseconds. A number without a unit is seconds.
    Seconds,
    /// Milliseconds (ms) as well, but neither years nor months. A number without a unit is seconds.
    Milliseconds,
}

/// A unit: its name, its rank (each part of a time has a smaller one than the part before), and its
/// milliseconds. Seconds may stand without theirs in front of a space.
const UNITS: [(&[u8], u8, u64); 9] = [
    (b"ms", 1, 1),
    (b"y", 8, 365 * 86_400_000),
    (b"M", 7, 30 * 86_400_000),
    (b"w", 6, 7 * 86_400_000),
    (b"d", 5, 86_400_000),
    (b"h", 4, 3_600_000),
    (b"m", 3, 60_000),
    (b"s", 2, 1_000),
    (b" ", 2, 1_000),
];

/// A time such as `1h 30m`. `None`: it is none.
pub fn time(text: &[u8], unit: Unit) -> Option<Duration> {
    let may_be = |name: &[u8]| match unit {
        Unit::Seconds => name != b"ms",
        Unit::Milliseconds => name != b"y" && name != b"M",
    };
    let bound = i64::MAX.unsigned_abs();
    // Numbers are bounded in nginx's unit.
    let bound = match unit {
        Unit::Seconds => bound,
        Unit::Milliseconds => bound / 1_000,
    };
    let mut total = Duration::ZERO;
    let mut last_rank = u8::MAX;
    let mut rest = text;
    let mut has_digit = false;
    while !rest.is_empty() {
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (number, behind) = rest.split_at_checked(digits)?;
        has_digit |= digits > 0;
        let number = match number {
            [] => 0,
            number => str::from_utf8(number).ok()?.parse::<u64>().ok()?,
        };
        if number > bound {
            return None;
        }
        if behind.is_empty() {
            return finish(
                total.checked_add(Duration::from_secs(number))?,
                has_digit,
                unit,
            );
        }
        let (name, rank, milliseconds) =
            UNITS.iter().find(|(name, ..)| behind.starts_with(name))?;
        if !may_be(name) || *rank >= last_rank {
            return None;
        }
        last_rank = match *name {
            // No other unit may follow.
            b" " => 0,
            _ => *rank,
        };
        let milliseconds = number.checked_mul(*milliseconds)?;
        total = total.checked_add(Duration::from_millis(milliseconds))?;
        rest = behind.get(name.len()..)?;
        while let Some(behind) = rest.strip_prefix(b" ") {
            rest = behind;
        }
    }
    finish(total, has_digit, unit)
}

fn finish(total: Duration, has_digit: bool, unit: Unit) -> Option<Duration> {
    let limit = match unit {
        Unit::Seconds => u128::from(total.as_secs()),
        Unit::Milliseconds => total.as_millis(),
    };
    (has_digit && limit <= i64::MAX.unsigned_abs().into()).then_some(total)
}

/// `on` or `off`, in any case. `None`: it is neither.
pub fn flag(text: &[u8]) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case(b"on") => Some(true),
        _ if text.eq_ignore_ascii_case(b"off") => Some(false),
        _ => None,
    }
}
