//! Exact comparison of JSON numbers. Claims contain identifiers of more than 53 bits, which a
//! double cannot tell apart.

use std::cmp::Ordering;

/// Compares the values of two JSON numbers (RFC 8259 section 6). The spelling does not matter:
/// `1.0`, `1` and `10e-1` are equal. Exact for exponents that fit into 64 bits. `None` if one of
/// the texts is not a number.
pub fn compare_numbers(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Decimal::parse(a)?, Decimal::parse(b)?);
    let sign = |number: &Decimal<'_>| match (number.is_zero(), number.negative) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    };
    let compare_magnitudes = || match a.point.cmp(&b.point) {
        Ordering::Equal => a.digits().cmp(b.digits()),
        different => different,
    };
    Some(match (sign(&a), sign(&b)) {
        (1, 1) => compare_magnitudes(),
        (-1, -1) => compare_magnitudes().reverse(),
        (a, b) => a.cmp(&b),
    })
}

/// `0.d1d2d3... * 10^point`, where neither the first nor the last digit is zero.
struct Decimal<'a> {
    negative: bool,
    /// The digits before the decimal point, without leading zeros.
    integer: &'a str,
    /// The digits behind the decimal point, without leading zeros if `integer` is empty.
    fraction: &'a str,
    point: i64,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
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
        let (fraction, leading_zeros) = match integer {
            "" => {
                let digits = fraction.trim_start_matches('0');
                (digits, fraction.len().saturating_sub(digits.len()))
            }
            _ => (fraction, 0),
        };
        let length = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
        let point = exponent.saturating_add(length(integer.len()));
        Some(Self {
            negative,
            integer,
            fraction,
            point: point.saturating_sub(length(leading_zeros)),
        })
    }

    fn is_zero(&self) -> bool {
        self.digits().next().is_none()
    }

    /// The digits without trailing zeros.
    fn digits(&self) -> impl Iterator<Item = u8> {
        let fraction = self.fraction.trim_end_matches('0');
        let integer = match fraction {
            "" => self.integer.trim_end_matches('0'),
            _ => self.integer,
        };
        integer.bytes().chain(fraction.bytes())
    }
}

/// An exponent that does not fit into 64 bits counts as the nearest that does, so that two such
/// exponents are equal.
fn parse_exponent(text: &str) -> Option<i64> {
    let (negative, digits) = match text.split_at_checked(1)? {
        ("-", digits) => (true, digits),
        ("+", digits) => (false, digits),
        _ => (false, text),
    };
    let magnitude = is_digits(digits).then(|| digits.parse().unwrap_or(i64::MAX))?;
    Some(match negative {
        true => magnitude.saturating_neg(),
        false => magnitude,
    })
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
