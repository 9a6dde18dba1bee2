//! From registers to thousandths of a unit, and back.
//!
//! Everything is integer arithmetic on exact fractions; a value is rounded once, at the
//! end, half away from zero. What does not fit is absent, never clipped.

use super::float::{self, Parts};
use super::{Entry, Ratio, Ratios, Type, Undefined, VALUE_LEN_MAX, unit};
use crate::reading::{Absence, Value};

/// Why a value cannot be put into registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The register cannot show it.
    OutOfRange,
    /// The slice is not as long as the entry's type needs.
    WrongLength,
}

/// A register's content, exactly: `mantissa × 2^exponent / per` steps.
struct Steps {
    mantissa: i128,
    exponent: i32,
    per: i128,
}

/// Returns what the registers of an entry say, in thousandths of its quantity's unit.
///
/// `words` are the registers as they came, [`Entry::span`] of them; a bit of a coil or
/// discrete input comes as a word of 0 or 1, a byte behind an identifier as a word of 0 to 255.
///
/// Absent as [`Absence::DeviceFault`] if the registers hold the entry's undefined pattern;
/// [`Absence::Garbled`] if there are too few or too many, or a decimal digit is none;
/// [`Absence::OutOfRange`] if the value does not fit, is no finite number, or has a unit of
/// another kind than the entry.
#[must_use]
pub fn decode(entry: &Entry, words: &[u16], ratios: Ratios) -> Value {
    match steps(entry, words).and_then(|steps| scaled(entry, &steps, ratios)) {
        Ok(value) => Value::Measured(value),
        Err(reason) => Value::Absent(reason),
    }
}

/// Writes the registers that show a value, as nearly as their type can.
///
/// The inverse of [`decode`], for simulated meters and for tests.
///
/// # Errors
///
/// [`EncodeError::OutOfRange`] if the register cannot show the value;
/// [`EncodeError::WrongLength`] unless `out` is [`Entry::span`] long.
pub fn encode(
    entry: &Entry,
    value: i64,
    ratios: Ratios,
    out: &mut [u16],
) -> Result<(), EncodeError> {
    if out.len() != usize::from(entry.span()) {
        return Err(EncodeError::WrongLength);
    }
    let (above, below) = factor(entry, ratios).ok_or(EncodeError::OutOfRange)?;
    // value = steps × above / below, so steps = value × below / above.
    let sign = above.signum();
    let numerator = times(i128::from(value), below).and_then(|n| times(n, sign));
    let numerator = numerator.ok_or(EncodeError::OutOfRange)?;
    let bits = to_bits(entry, numerator, above.unsigned_abs()).ok_or(EncodeError::OutOfRange)?;
    write_words(entry, bits, out);
    Ok(())
}

/// Returns the first value that a counter of this type cannot show, in thousandths of the
/// unit, or `None` for a float, which never rolls over, and for a counter so wide that
/// nobody will live to see it.
#[must_use]
pub fn rollover(entry: &Entry, ratios: Ratios) -> Option<i64> {
    let steps: i128 = match entry.ty {
        Type::F32 | Type::F64 => return None,
        // The highest bit is the sign, so the highest digit of an even number ends at 7.
        Type::SignedBcd { digits } if digits % 2 == 0 => {
            8_i128.checked_mul(10_i128.checked_pow(u32::from(digits).checked_sub(1)?)?)?
        }
        Type::Bcd { digits } | Type::SignedBcd { digits } => {
            10_i128.checked_pow(u32::from(digits))?
        }
        Type::WithUnit { .. } => 10_i128.checked_pow(UNIT_DIGITS)?,
        Type::U16 => 1 << 16,
        Type::U32 => 1 << 32,
        Type::U64 => 1 << 64,
        Type::I16 => 1 << 15,
        Type::I32 => 1 << 31,
        Type::I64 => 1 << 63,
    };
    let (above, below) = factor(entry, ratios)?;
    i64::try_from(divide(times(steps, above.checked_abs()?)?, below)?).ok()
}

/// Decimal digits before a unit's code.
const UNIT_DIGITS: u32 = 8;

/// Returns how many bits of a value are its number.
fn width(entry: &Entry) -> u32 {
    if matches!(entry.ty, Type::WithUnit { .. }) {
        return 4 * UNIT_DIGITS;
    }
    u32::from(entry.span()) * if entry.table.holds_bytes() { 8 } else { 16 }
}

/// Reads the registers as one number, big end first; or bytes, each in a word, which begin at the
/// low end unless the entry says that the meter is different.
fn read_words(entry: &Entry, words: &[u16]) -> u64 {
    let behind = entry.table.holds_bytes();
    let append = |bits: u64, &word: &u16| {
        if behind {
            return bits << 8 | u64::from(word & 0xFF);
        }
        let word = if entry.order.swaps_bytes() { word.swap_bytes() } else { word };
        bits << 16 | u64::from(word)
    };
    if entry.order.reverses_registers() {
        words.iter().rev().fold(0, append)
    } else {
        words.iter().fold(0, append)
    }
}

fn write_words(entry: &Entry, bits: u64, out: &mut [u16]) {
    let mut rest = bits;
    let mut next = |slot: &mut u16| {
        let [.., high, low] = rest.to_be_bytes();
        if entry.table.holds_bytes() {
            *slot = u16::from(low);
            rest >>= 8;
            return;
        }
        let word = u16::from_be_bytes([high, low]);
        *slot = if entry.order.swaps_bytes() { word.swap_bytes() } else { word };
        rest >>= 16;
    };
    let out = match (entry.ty, out) {
        (Type::WithUnit { unit }, [digits @ .., last]) => {
            *last = u16::from(unit);
            digits
        }
        (_, out) => out,
    };
    if entry.order.reverses_registers() {
        out.iter_mut().for_each(&mut next);
    } else {
        out.iter_mut().rev().for_each(&mut next);
    }
}

fn steps(entry: &Entry, words: &[u16]) -> Result<Steps, Absence> {
    if words.len() != usize::from(entry.span()) || VALUE_LEN_MAX < words.len() {
        return Err(Absence::Garbled);
    }
    let (words, sent, expected) = match (entry.ty, words) {
        (Type::WithUnit { unit }, [digits @ .., sent]) => (digits, Some(*sent), unit),
        _ => (words, None, 0),
    };
    let bits = read_words(entry, words);
    let spare = 64_u32.saturating_sub(width(entry));
    let all_ones = u64::MAX.checked_shr(spare).ok_or(Absence::Garbled)?;
    let undefined = match entry.undefined {
        Undefined::AllOnes => bits == all_ones,
        Undefined::MaxSigned => bits == all_ones >> 1,
        Undefined::MinSigned => bits == all_ones ^ (all_ones >> 1),
        Undefined::None | Undefined::Nan => false,
    };
    if undefined {
        return Err(Absence::DeviceFault);
    }

    let whole = |mantissa| Ok(Steps { mantissa, exponent: 0, per: 1 });
    match entry.ty {
        Type::U16 | Type::U32 | Type::U64 => whole(i128::from(bits)),
        Type::I16 | Type::I32 | Type::I64 => {
            whole(i128::from((bits << spare).cast_signed() >> spare))
        }
        Type::Bcd { digits } => decimal(bits, digits).and_then(|n| whole(i128::from(n))),
        Type::SignedBcd { digits } => {
            let minus = all_ones ^ (all_ones >> 1);
            let number = i128::from(decimal(bits & !minus, digits)?);
            whole(if bits & minus == 0 { number } else { number.saturating_neg() })
        }
        Type::WithUnit { .. } => {
            let sent = sent.and_then(|code| unit::sized(u8::try_from(code).ok()?));
            let (Some(sent), Some(expected)) = (sent, unit::sized(expected)) else {
                return Err(Absence::OutOfRange);
            };
            if sent.kind != expected.kind {
                return Err(Absence::OutOfRange);
            }
            let number = i128::from(decimal(bits, 8)?);
            let mantissa = times(number, i128::from(sent.size)).ok_or(Absence::OutOfRange)?;
            Ok(Steps { mantissa, exponent: 0, per: i128::from(expected.size) })
        }
        Type::F32 => finite(float::SINGLE, bits, entry.undefined),
        Type::F64 => finite(float::DOUBLE, bits, entry.undefined),
    }
}

fn finite(layout: float::Layout, bits: u64, undefined: Undefined) -> Result<Steps, Absence> {
    match float::parts(layout, bits) {
        Parts::Finite { mantissa, exponent } => Ok(Steps { mantissa, exponent, per: 1 }),
        Parts::NotANumber if undefined == Undefined::Nan => Err(Absence::DeviceFault),
        Parts::Infinite | Parts::NotANumber => Err(Absence::OutOfRange),
    }
}

fn decimal(bits: u64, digits: u8) -> Result<u64, Absence> {
    let mut number: u64 = 0;
    for place in (0..16_u32).rev() {
        let digit = (bits >> (place * 4)) & 0xF;
        if 9 < digit {
            return Err(Absence::Garbled);
        }
        if u32::from(digits) <= place && digit != 0 {
            return Err(Absence::OutOfRange);
        }
        number = number.saturating_mul(10).saturating_add(digit);
    }
    Ok(number)
}

/// Returns scale and transformer ratios as one reduced fraction: thousandths per step.
fn factor(entry: &Entry, ratios: Ratios) -> Option<(i128, i128)> {
    let (pt, ct) = match entry.ratio {
        Ratio::None => (1000, 1000),
        Ratio::Pt => (ratios.pt, 1000),
        Ratio::Ct => (1000, ratios.ct),
        Ratio::PtCt => (ratios.pt, ratios.ct),
    };
    let ratio = u64::from(pt).checked_mul(u64::from(ct)).filter(|ratio| *ratio != 0)?;
    let above = times(i128::from(entry.scale.numerator()), i128::from(ratio))?;
    let below = times(i128::from(entry.scale.denominator()), 1_000_000)?;
    let (mut common, mut rest) = (above.unsigned_abs(), below.unsigned_abs());
    while let Some((_, smaller)) = split(common, rest) {
        (common, rest) = (rest, smaller);
    }
    let part = |whole: i128| {
        let (parts, _) = split(whole.unsigned_abs(), common)?;
        signed(parts, whole < 0)
    };
    Some((part(above)?, part(below)?))
}

/// Multiplies, once for all: written out at each place, 128 bits with their overflow are half
/// a kilobyte of a microcontroller's flash.
#[inline(never)]
fn times(a: i128, b: i128) -> Option<i128> {
    a.checked_mul(b)
}

/// Divides and returns what remains; `None` by zero.
///
/// Nearly all numbers fit into 64 bits, and those are divided as such. The rest goes bit by bit:
/// the library's division of 128 bits is a kilobyte of a microcontroller's flash.
#[inline(never)]
fn split(number: u128, by: u128) -> Option<(u128, u128)> {
    if let (Ok(number), Ok(by)) = (u64::try_from(number), u64::try_from(by)) {
        let (quotient, rest) = (number.checked_div(by)?, number.checked_rem(by)?);
        return Some((u128::from(quotient), u128::from(rest)));
    }
    // What remains is less than the divisor, which is a magnitude of 127 bits at most, so that
    // it can be doubled.
    if by == 0 || by >> 127 != 0 {
        return None;
    }
    let (mut left, mut quotient, mut rest) = (number, 0_u128, 0_u128);
    for _ in 0..u128::BITS {
        rest = rest << 1 | left >> 127;
        left <<= 1;
        quotient <<= 1;
        if by <= rest {
            rest = rest.wrapping_sub(by);
            quotient |= 1;
        }
    }
    Some((quotient, rest))
}

fn signed(magnitude: u128, minus: bool) -> Option<i128> {
    let number = i128::try_from(magnitude).ok()?;
    Some(if minus { number.wrapping_neg() } else { number })
}

/// Divides by a positive number, rounding half away from zero.
fn divide(numerator: i128, denominator: i128) -> Option<i128> {
    let by = denominator.unsigned_abs();
    let (quotient, rest) = split(numerator.unsigned_abs(), by)?;
    let up = u128::from(by.wrapping_sub(rest) <= rest);
    signed(quotient.checked_add(up)?, numerator < 0)
}

fn scaled(entry: &Entry, steps: &Steps, ratios: Ratios) -> Result<i64, Absence> {
    exact(entry, steps, ratios)
        .and_then(|value| i64::try_from(value).ok())
        .ok_or(Absence::OutOfRange)
}

fn exact(entry: &Entry, steps: &Steps, ratios: Ratios) -> Option<i128> {
    if steps.mantissa == 0 {
        return Some(0);
    }
    let (above, below) = factor(entry, ratios)?;
    let below = times(below, steps.per)?;
    // Without its trailing zeros a double's mantissa leaves the scale room in 127 bits.
    let zeros = steps.mantissa.trailing_zeros();
    let exponent = steps.exponent.saturating_add_unsigned(zeros);
    let product = times(steps.mantissa >> zeros, above)?;
    let shift = exponent.unsigned_abs();
    if 0 <= exponent {
        let factor = 1_i128.checked_shl(shift).filter(|factor| 0 < *factor)?;
        return divide(times(product, factor)?, below);
    }
    if product.unsigned_abs() >> 126 != 0 {
        return None;
    }
    match 1_i128.checked_shl(shift).filter(|f| 0 < *f).and_then(|f| times(f, below)) {
        Some(below) => divide(product, below),
        // The divisor is 2^127 at least, the product less than half of that.
        None => Some(0),
    }
}

fn to_bits(entry: &Entry, numerator: i128, denominator: u128) -> Option<u64> {
    match entry.ty {
        Type::F32 => return float::nearest(float::SINGLE, numerator, denominator),
        Type::F64 => return float::nearest(float::DOUBLE, numerator, denominator),
        Type::U16
        | Type::U32
        | Type::U64
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Bcd { .. }
        | Type::SignedBcd { .. }
        | Type::WithUnit { .. } => {}
    }
    let steps = divide(numerator, i128::try_from(denominator).ok()?)?;
    match entry.ty {
        Type::U16 => u16::try_from(steps).ok().map(u64::from),
        Type::U32 => u32::try_from(steps).ok().map(u64::from),
        Type::U64 => u64::try_from(steps).ok(),
        Type::I16 => i16::try_from(steps).ok().map(|n| u64::from(n.cast_unsigned())),
        Type::I32 => i32::try_from(steps).ok().map(|n| u64::from(n.cast_unsigned())),
        Type::I64 => i64::try_from(steps).ok().map(i64::cast_unsigned),
        Type::Bcd { digits } => to_decimal(u64::try_from(steps).ok()?, digits),
        Type::SignedBcd { digits } => {
            let bits = to_decimal(u64::try_from(steps.unsigned_abs()).ok()?, digits)?;
            let minus = 1_u64.checked_shl(width(entry).checked_sub(1)?)?;
            (bits & minus == 0).then_some(if steps < 0 { bits | minus } else { bits })
        }
        Type::WithUnit { .. } => to_decimal(u64::try_from(steps).ok()?, 8),
        Type::F32 | Type::F64 => None,
    }
}

/// Returns a number as packed decimal digits, if it has no more than so many.
fn to_decimal(number: u64, digits: u8) -> Option<u64> {
    let mut rest = number;
    let mut bits = 0;
    for place in 0..u32::from(digits).min(16) {
        bits |= (rest % 10) << (place * 4);
        rest /= 10;
    }
    (rest == 0).then_some(bits)
}

#[cfg(test)]
mod tests;
