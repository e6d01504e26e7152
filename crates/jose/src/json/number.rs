//! Exact comparison of JSON numbers. Claims contain identifiers of more than 53 bits, which a
//! double cannot tell apart.

use std::cmp::Ordering;

/// Compares the values of two JSON numbers (RFC 8259 section 6). The spelling does not matter:
/// `1.0`, `1` and `10e-1` are equal. Exact for exponents of any length. `None` if one of the texts
/// is not a number.
pub fn compare_numbers(a: &str, b: &str) -> Option<Ordering> {
    let (a, b) = (Decimal::parse(a)?, Decimal::parse(b)?);
    let sign = |number: &Decimal<'_>| match (number.is_zero(), number.negative) {
        (true, _) => 0,
        (false, true) => -1,
        (false, false) => 1,
    };
    let compare_magnitudes = || match compare_points(&a, &b) {
        Ordering::Equal => a.digits().cmp(b.digits()),
        different => different,
    };
    Some(match (sign(&a), sign(&b)) {
        (1, 1) => compare_magnitudes(),
        (-1, -1) => compare_magnitudes().reverse(),
        (a, b) => a.cmp(&b),
    })
}

/// `0.d1d2d3... * 10^(exponent + shift)`, where neither the first nor the last digit is zero.
struct Decimal<'a> {
    negative: bool,
    /// The digits before the decimal point, without leading zeros.
    integer: &'a str,
    /// The digits behind the decimal point, without leading zeros if `integer` is empty.
    fraction: &'a str,
    exponent: Exponent<'a>,
    /// How far the decimal point moves to the left to stand before the first digit.
    shift: i64,
}

/// The exponent as it is written.
#[derive(Clone, Copy)]
struct Exponent<'a> {
    negative: bool,
    /// Without leading zeros.
    digits: &'a str,
}

impl<'a> Decimal<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Exponent::parse(exponent)?),
            None => (unsigned, Exponent::ZERO),
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
        Some(Self {
            negative,
            integer,
            fraction,
            exponent,
            shift: length(integer.len()).saturating_sub(length(leading_zeros)),
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

/// Compares where the decimal points of two numbers stand.
fn compare_points(a: &Decimal<'_>, b: &Decimal<'_>) -> Ordering {
    let point = |number: &Decimal<'_>| {
        let exponent = number.exponent.value()?;
        Some(i128::from(exponent).saturating_add(number.shift.into()))
    };
    match (point(a), point(b)) {
        (Some(a), Some(b)) => a.cmp(&b),
        // At least one exponent is larger than any shift.
        _ => match (a.exponent.negative, b.exponent.negative) {
            (false, false) => compare_long_points(a, b),
            (true, true) => compare_long_points(a, b).reverse(),
            (a_is_negative, b_is_negative) => b_is_negative.cmp(&a_is_negative),
        },
    }
}

/// Compares the absolute values of two points whose exponents have the same sign, and of which at
/// least one does not fit into 64 bits.
fn compare_long_points(a: &Decimal<'_>, b: &Decimal<'_>) -> Ordering {
    let (a, b) = (absolute_point(a), absolute_point(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(&b))
}

/// The digits of the absolute value of a point, without leading zeros. A point whose sign is not
/// that of its exponent is close to zero and counts as zero: it is only compared with a long one.
fn absolute_point(number: &Decimal<'_>) -> Vec<u8> {
    let mut carry = match number.exponent.negative {
        true => number.shift.saturating_neg(),
        false => number.shift,
    };
    let mut reversed = Vec::with_capacity(number.exponent.digits.len().saturating_add(20));
    let mut digits = number.exponent.digits.bytes().rev();
    loop {
        let digit = match digits.next() {
            Some(digit) => i64::from(digit.saturating_sub(b'0')),
            None if carry > 0 => 0,
            None => break,
        };
        let sum = carry.saturating_add(digit);
        reversed.push(sum.rem_euclid(10));
        carry = sum.div_euclid(10);
    }
    while reversed.last() == Some(&0) {
        reversed.pop();
    }
    match carry < 0 {
        true => Vec::new(),
        false => reversed.iter().rev().map(|&digit| digit as u8).collect(),
    }
}

impl<'a> Exponent<'a> {
    const ZERO: Self = Self {
        negative: false,
        digits: "",
    };

    fn parse(text: &'a str) -> Option<Self> {
        let (negative, digits) = match text.split_at_checked(1)? {
            ("-", digits) => (true, digits),
            ("+", digits) => (false, digits),
            _ => (false, text),
        };
        is_digits(digits).then(|| Self {
            negative,
            digits: digits.trim_start_matches('0'),
        })
    }

    /// The value, if it fits into 64 bits.
    fn value(self) -> Option<i64> {
        let magnitude = match self.digits {
            "" => 0,
            digits => digits.parse::<i64>().ok()?,
        };
        Some(match self.negative {
            true => magnitude.saturating_neg(),
            false => magnitude,
        })
    }
}

fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests;
