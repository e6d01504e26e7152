//! The members of an RSA private key that speed up decryption, computed from the others. Without
//! them a private operation takes a multiple of the time.

use openssl::bn::{BigNum, BigNumContext, BigNumRef};
use openssl::error::ErrorStack;
use zeroize::Zeroizing;

/// p, q, dp, dq and qi of the key with this modulus and these exponents, which are not longer than
/// the modulus. `None` if they do not belong to it.
pub(super) fn crt_members(n: &[u8], e: &[u8], d: &[u8]) -> Option<[Zeroizing<Vec<u8>>; 5]> {
    let compute = || {
        let number = BigNum::from_slice;
        let (n, e, d) = (number(n)?, number(e)?, number(d)?);
        let mut context = BigNumContext::new()?;
        let Some([p, q]) = factors(&n, &e, &d, &mut context)? else {
            return Ok(None);
        };
        let dp = exponent(&d, &p, &mut context)?;
        let dq = exponent(&d, &q, &mut context)?;
        let mut qi = BigNum::new()?;
        qi.mod_inverse(&q, &p, &mut context)?;
        Ok(Some([p, q, dp, dq, qi]))
    };
    let mut members = compute().map_err(|_: ErrorStack| ()).ok()??;
    let bytes = members
        .each_ref()
        .map(|number| Zeroizing::new(number.to_vec()));
    members.iter_mut().for_each(|number| number.clear());
    Some(bytes)
}

/// d modulo p - 1.
fn exponent(
    d: &BigNumRef,
    prime: &BigNumRef,
    context: &mut BigNumContext,
) -> Result<BigNum, ErrorStack> {
    let mut order = prime.to_owned()?;
    order.sub_word(1)?;
    let mut exponent = BigNum::new()?;
    exponent.nnmod(d, &order, context)?;
    Ok(exponent)
}

/// The factors of n, by the deterministic method of NIST SP 800-56B revision 2, appendix C.2: some
/// small multiple `m + 1` of the order (p - 1)(q - 1) is known, hence p + q is.
fn factors(
    n: &BigNumRef,
    e: &BigNumRef,
    d: &BigNumRef,
    context: &mut BigNumContext,
) -> Result<Option<[BigNum; 2]>, ErrorStack> {
    let mut multiple = BigNum::new()?;
    multiple.checked_mul(d, e, context)?;
    multiple.sub_word(1)?;
    let mut below_n = n.to_owned()?;
    below_n.sub_word(1)?;
    let mut divisor = BigNum::new()?;
    divisor.gcd(&below_n, &multiple, context)?;
    let mut product = BigNum::new()?;
    product.checked_mul(&multiple, &divisor, context)?;
    let (mut m, mut rest) = (BigNum::new()?, BigNum::new()?);
    m.div_rem(&mut rest, &product, n, context)?;
    m.add_word(1)?;
    let (mut difference, mut sum, mut remainder) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
    difference.checked_sub(n, &rest)?;
    sum.div_rem(&mut remainder, &difference, &m, context)?;
    if remainder.num_bits() != 0 {
        return Ok(None);
    }
    sum.add_word(1)?;
    factors_with_sum(n, &sum, context)
}

/// The two numbers whose product is n and whose sum is this.
fn factors_with_sum(
    n: &BigNumRef,
    sum: &BigNumRef,
    context: &mut BigNumContext,
) -> Result<Option<[BigNum; 2]>, ErrorStack> {
    let mut square = BigNum::new()?;
    square.sqr(sum, context)?;
    let mut four_n = BigNum::new()?;
    four_n.lshift(n, 2)?;
    let mut discriminant = BigNum::new()?;
    discriminant.checked_sub(&square, &four_n)?;
    if discriminant.is_negative() {
        return Ok(None);
    }
    let root = square_root(&discriminant, context)?;
    let (mut double, mut p, mut q) = (BigNum::new()?, BigNum::new()?, BigNum::new()?);
    double.checked_add(sum, &root)?;
    p.rshift1(&double)?;
    double.checked_sub(sum, &root)?;
    q.rshift1(&double)?;
    let mut product = BigNum::new()?;
    product.checked_mul(&p, &q, context)?;
    Ok((&*product == n && q.num_bits() > 1).then_some([p, q]))
}

/// The largest number whose square is at most `number`, by Newton's method from above: the
/// estimates fall until they reach it, and half the digits are right after each step.
fn square_root(number: &BigNumRef, context: &mut BigNumContext) -> Result<BigNum, ErrorStack> {
    let mut root = BigNum::new()?;
    root.set_bit(number.num_bits().saturating_add(1) / 2)?;
    loop {
        let mut quotient = BigNum::new()?;
        quotient.checked_div(number, &root, context)?;
        let (mut sum, mut next) = (BigNum::new()?, BigNum::new()?);
        sum.checked_add(&root, &quotient)?;
        next.rshift1(&sum)?;
        if next >= root {
            return Ok(root);
        }
        root = next;
    }
}
