//! Numbers as written, compared exactly: no double is big enough for the identifiers that some put into claims.

use std::cmp::Ordering;

/// Compares the values of two JSON numbers (RFC 8259 section 6), whatever their spelling: `1.0`, `1` and `10e-1` are
/// equal. None if one of the texts is no number.
pub fn compare_numbers(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Decimal::parse(a)?, Decimal::parse(b)?);
    let sign = |number: &Decimal<'_>| match (number.is_zero(), number.negative) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    };
    let size = || match a.point.cmp(&b.point) {
        Ordering::Equal => a.digits().cmp(b.digits()),
        different => different,
    };
    Some(match (sign(&a), sign(&b)) {
        (1, 1) => size(),
        (-1, -1) => size().reverse(),
        (a, b) => a.cmp(&b),
    })
}

/// `0.d1d2d3... * 10^point`, where d1 is not zero and the digits end with one that is not zero.
struct Decimal<'a> {
    negative: bool,
    integer: &'a str,
    fraction: &'a str,
    point: i64,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let unsigned = text.strip_prefix('-');
        let (mantissa, exponent) = match unsigned.unwrap_or(text).split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned.unwrap_or(text), 0),
        };
        let (integer, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        let is_integer = integer == "0" || is_digits(integer) && !integer.starts_with('0');
        if !is_integer || !(fraction.is_empty() || is_digits(fraction)) {
            return None;
        }
        let integer = integer.trim_start_matches('0');
        let (fraction, zeros) = match integer {
            "" => (fraction.trim_start_matches('0'), fraction),
            _ => (fraction, fraction),
        };
        let zeros = zeros.len().saturating_sub(fraction.len());
        let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let point = exponent.saturating_add(length(integer.len()));
        Some(Self {
            negative: unsigned.is_some(),
            integer,
            fraction,
            point: point.saturating_sub(length(zeros)),
        })
    }

    fn is_zero(&self) -> bool {
        self.digits().next().is_none()
    }

    /// The digits without the zeros at the end.
    fn digits(&self) -> impl Iterator<Item = u8> {
        let fraction = self.fraction.trim_end_matches('0');
        let integer = match fraction {
            "" => self.integer.trim_end_matches('0'),
            _ => self.integer,
        };
        integer.bytes().chain(fraction.bytes())
    }
}

/// The nearest that fits: beyond that, only numbers of more digits than any text has would differ.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.split_at_checked(1)? {
        ("-", digits) => (true, digits),
        ("+", digits) => (false, digits),
        _ => (false, text),
    };
    let size = is_digits(digits).then(|| digits.parse().unwrap_or(i64::MAX))?;
    Some(if negative {
        size.saturating_neg()
    } else {
        size
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_compare_by_value() {
        for equal in [
            ["1", "1.0"],
            ["10e-1", "1"],
            ["0", "-0.0e7"],
            ["0e99", "0.000"],
            ["120", "1.2E+2"],
            ["0.05", "5e-2"],
            ["-0.5", "-5e-1"],
            ["1e99999999999999999999", "1e99999999999999999999"],
        ] {
            assert_eq!(
                compare_numbers(equal[0], equal[1]),
                Some(Ordering::Equal),
                "{equal:?}"
            );
        }
        for [less, more] in [
            ["9007199254740992", "9007199254740993"],
            ["-2", "-1"],
            ["-1", "0"],
            ["0", "1e-400"],
            ["1e400", "1e401"],
            ["0.1", "0.11"],
            ["99", "100"],
            ["9.99e1", "100"],
            ["1e-99999999999999999999", "1"],
        ] {
            assert_eq!(
                compare_numbers(less, more),
                Some(Ordering::Less),
                "{less} {more}"
            );
            assert_eq!(
                compare_numbers(more, less),
                Some(Ordering::Greater),
                "{more} {less}"
            );
        }
    }

    #[test]
    fn other_texts_are_no_numbers() {
        for text in [
            "", "-", "+1", "01", "1.", ".5", "1e", "1e+", "1e-x", "--1", "1 ", "0x1", "inf",
            "1.5.2", "1e1.5",
        ] {
            assert_eq!(compare_numbers(text, "1"), None, "{text}");
            assert_eq!(compare_numbers("1", text), None, "{text}");
        }
    }
}
