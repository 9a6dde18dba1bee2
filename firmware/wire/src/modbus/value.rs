//! From registers to thousandths of a unit, and back.
//!
//! Everything is integer arithmetic on exact fractions; a value is rounded once, at the
//! end, half away from zero. What does not fit is absent, never clipped.

use super::float::{self, Parts};
use super::{Entry, Ratio, Ratios, Type, Undefined, VALUE_WORDS_MAX};
use crate::reading::{Absence, Value};

/// Why a value cannot be put into registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncodeError {
    /// The register cannot show it.
    OutOfRange,
    /// The slice is not as long as the entry's type needs.
    WrongLength,
}

/// A register's content, exactly: `mantissa × 2^exponent` steps.
struct Steps {
    mantissa: i128,
    exponent: i32,
}

/// Returns what the registers of an entry say, in thousandths of its quantity's unit.
///
/// `words` are the registers as they came, [`Type::words`] of them; a bit of a coil or
/// discrete input comes as a word of 0 or 1.
///
/// Absent as [`Absence::DeviceFault`] if the registers hold the entry's undefined pattern;
/// [`Absence::Garbled`] if there are too few or too many, or a decimal digit is none;
/// [`Absence::OutOfRange`] if the value does not fit, or is no finite number.
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
/// [`EncodeError::WrongLength`] unless `out` is [`Type::words`] long.
pub fn encode(
    entry: &Entry,
    value: i64,
    ratios: Ratios,
    out: &mut [u16],
) -> Result<(), EncodeError> {
    if out.len() != usize::from(entry.ty.words()) {
        return Err(EncodeError::WrongLength);
    }
    let (above, below) = factor(entry, ratios).ok_or(EncodeError::OutOfRange)?;
    // value = steps × above / below, so steps = value × below / above.
    let sign = above.signum();
    let numerator = i128::from(value).checked_mul(below).and_then(|n| n.checked_mul(sign));
    let numerator = numerator.ok_or(EncodeError::OutOfRange)?;
    let bits = to_bits(entry.ty, numerator, above.unsigned_abs()).ok_or(EncodeError::OutOfRange)?;
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
        Type::Bcd { digits } => 10_i128.checked_pow(u32::from(digits))?,
        Type::U16 => 1 << 16,
        Type::U32 => 1 << 32,
        Type::U64 => 1 << 64,
        Type::I16 => 1 << 15,
        Type::I32 => 1 << 31,
        Type::I64 => 1 << 63,
    };
    let (above, below) = factor(entry, ratios)?;
    i64::try_from(divide(steps.checked_mul(above.checked_abs()?)?, below)?).ok()
}

/// Reads the registers as one number, big end first.
fn read_words(entry: &Entry, words: &[u16]) -> u64 {
    let append = |bits: u64, &word: &u16| {
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
        let word = u16::from_be_bytes([high, low]);
        *slot = if entry.order.swaps_bytes() { word.swap_bytes() } else { word };
        rest >>= 16;
    };
    if entry.order.reverses_registers() {
        out.iter_mut().for_each(&mut next);
    } else {
        out.iter_mut().rev().for_each(&mut next);
    }
}

fn steps(entry: &Entry, words: &[u16]) -> Result<Steps, Absence> {
    if words.len() != usize::from(entry.ty.words()) || VALUE_WORDS_MAX < words.len() {
        return Err(Absence::Garbled);
    }
    let bits = read_words(entry, words);
    let spare = 64_u32.saturating_sub(u32::from(entry.ty.words()).saturating_mul(16));
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

    let whole = |mantissa| Ok(Steps { mantissa, exponent: 0 });
    match entry.ty {
        Type::U16 | Type::U32 | Type::U64 => whole(i128::from(bits)),
        Type::I16 | Type::I32 | Type::I64 => {
            whole(i128::from((bits << spare).cast_signed() >> spare))
        }
        Type::Bcd { digits } => decimal(bits, digits).and_then(|n| whole(i128::from(n))),
        Type::F32 => finite(float::SINGLE, bits, entry.undefined),
        Type::F64 => finite(float::DOUBLE, bits, entry.undefined),
    }
}

fn finite(layout: float::Layout, bits: u64, undefined: Undefined) -> Result<Steps, Absence> {
    match float::parts(layout, bits) {
        Parts::Finite { mantissa, exponent } => Ok(Steps { mantissa, exponent }),
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
    let above = i128::from(entry.scale.numerator()).checked_mul(i128::from(ratio))?;
    let below = i128::from(entry.scale.denominator()).checked_mul(1_000_000)?;
    let common = common_divisor(above.checked_abs()?, below);
    Some((above.checked_div(common)?, below.checked_div(common)?))
}

fn common_divisor(mut a: i128, mut b: i128) -> i128 {
    while let Some(rest) = a.checked_rem(b) {
        (a, b) = (b, rest);
    }
    a
}

/// Divides by a positive number, rounding half away from zero.
fn divide(numerator: i128, denominator: i128) -> Option<i128> {
    let quotient = numerator.checked_div(denominator)?;
    let rest = numerator.checked_rem(denominator)?.checked_abs()?;
    if denominator.checked_sub(rest)? <= rest {
        quotient.checked_add(numerator.signum())
    } else {
        Some(quotient)
    }
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
    // Without its trailing zeros a double's mantissa leaves the scale room in 127 bits.
    let zeros = steps.mantissa.trailing_zeros();
    let exponent = steps.exponent.saturating_add_unsigned(zeros);
    let product = (steps.mantissa >> zeros).checked_mul(above)?;
    let shift = exponent.unsigned_abs();
    if 0 <= exponent {
        let factor = 1_i128.checked_shl(shift).filter(|factor| 0 < *factor)?;
        return divide(product.checked_mul(factor)?, below);
    }
    if product.unsigned_abs() >> 126 != 0 {
        return None;
    }
    match 1_i128.checked_shl(shift).filter(|f| 0 < *f).and_then(|f| f.checked_mul(below)) {
        Some(below) => divide(product, below),
        // The divisor is 2^127 at least, the product less than half of that.
        None => Some(0),
    }
}

fn to_bits(ty: Type, numerator: i128, denominator: u128) -> Option<u64> {
    match ty {
        Type::F32 => return float::nearest(float::SINGLE, numerator, denominator),
        Type::F64 => return float::nearest(float::DOUBLE, numerator, denominator),
        Type::U16
        | Type::U32
        | Type::U64
        | Type::I16
        | Type::I32
        | Type::I64
        | Type::Bcd { .. } => {}
    }
    let steps = divide(numerator, i128::try_from(denominator).ok()?)?;
    match ty {
        Type::U16 => u16::try_from(steps).ok().map(u64::from),
        Type::U32 => u32::try_from(steps).ok().map(u64::from),
        Type::U64 => u64::try_from(steps).ok(),
        Type::I16 => i16::try_from(steps).ok().map(|n| u64::from(n.cast_unsigned())),
        Type::I32 => i32::try_from(steps).ok().map(|n| u64::from(n.cast_unsigned())),
        Type::I64 => i64::try_from(steps).ok().map(i64::cast_unsigned),
        Type::Bcd { digits } => {
            let mut rest = u64::try_from(steps).ok()?;
            let mut bits = 0;
            for place in 0..u32::from(digits).min(16) {
                bits |= (rest % 10) << (place * 4);
                rest /= 10;
            }
            (rest == 0).then_some(bits)
        }
        Type::F32 | Type::F64 => None,
    }
}

#[cfg(test)]
mod tests;
