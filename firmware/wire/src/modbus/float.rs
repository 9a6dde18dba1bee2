//! IEEE 754 bit patterns as exact fractions, and back.
//!
//! No float arithmetic: a detour through it would cost digits of a 64-bit counter, and
//! would differ between a microcontroller and a gateway.

/// The two layouts that meters send.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    /// Bits of the fraction, without the leading one that is not written.
    fraction_bits: u32,
    exponent_bits: u32,
}

pub(super) const SINGLE: Layout = Layout { fraction_bits: 23, exponent_bits: 8 };
pub(super) const DOUBLE: Layout = Layout { fraction_bits: 52, exponent_bits: 11 };

impl Layout {
    const fn bias(self) -> i32 {
        (1 << (self.exponent_bits - 1)) - 1
    }

    const fn exponent_max(self) -> u64 {
        (1 << self.exponent_bits) - 1
    }
}

/// What a bit pattern says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Parts {
    /// `mantissa × 2^exponent`, exactly.
    Finite {
        mantissa: i128,
        exponent: i32,
    },
    Infinite,
    NotANumber,
}

/// Takes a bit pattern apart.
pub(super) fn parts(layout: Layout, bits: u64) -> Parts {
    let fraction = bits & ((1 << layout.fraction_bits) - 1);
    let exponent = (bits >> layout.fraction_bits) & layout.exponent_max();
    let negative = (bits >> (layout.fraction_bits + layout.exponent_bits)) & 1 == 1;
    if exponent == layout.exponent_max() {
        return if fraction == 0 { Parts::Infinite } else { Parts::NotANumber };
    }
    // The smallest exponent is used twice: with the unwritten leading one and without.
    let (mantissa, exponent) = if exponent == 0 {
        (fraction, 1)
    } else {
        (fraction | 1 << layout.fraction_bits, exponent)
    };
    let mantissa = if negative { -i128::from(mantissa) } else { i128::from(mantissa) };
    let exponent = i32::try_from(exponent).unwrap_or(i32::MAX);
    Parts::Finite {
        mantissa,
        exponent: exponent
            .saturating_sub(layout.bias())
            .saturating_sub_unsigned(layout.fraction_bits),
    }
}

/// Returns the pattern nearest to `numerator / denominator`, ties to even, or `None` if it
/// would be too large, too small for full precision, or the denominator is out of reach.
pub(super) fn nearest(layout: Layout, numerator: i128, denominator: u128) -> Option<u64> {
    let size = numerator.unsigned_abs();
    if size == 0 {
        return Some(0);
    }
    let up = size.leading_zeros();
    let quotient = (size << up).checked_div(denominator)?;
    let inexact = (size << up).checked_rem(denominator)? != 0;

    // One digit more than is written must be there, or the rounding would guess.
    let down = quotient.checked_ilog2()?.checked_sub(layout.fraction_bits).filter(|n| 0 < *n)?;
    let (kept, lost, half) = (quotient >> down, quotient & ((1 << down) - 1), 1 << (down - 1));
    let round_up = half < lost || (lost == half && (inexact || kept & 1 == 1));
    // Rounding up all ones gives the next power of two: the carry lands in the exponent.
    let kept = u64::try_from(kept).ok()?.checked_add(u64::from(round_up))?;

    let exponent = i64::from(down) - i64::from(up)
        + i64::from(layout.fraction_bits)
        + i64::from(layout.bias());
    let exponent = u64::try_from(exponent).ok().filter(|exponent| 0 < *exponent)?;
    let magnitude = ((exponent - 1) << layout.fraction_bits).checked_add(kept)?;
    if layout.exponent_max() <= magnitude >> layout.fraction_bits {
        return None;
    }
    let sign = u64::from(numerator < 0) << (layout.fraction_bits + layout.exponent_bits);
    Some(sign | magnitude)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_parts_of_a_float_are_its_exact_value() {
        // 230.2 is sent as 0x43663334 (verified frame of a meter).
        let voltage = parts(SINGLE, 0x4366_3334);
        assert_eq!(voltage, Parts::Finite { mantissa: 0x00E6_3334, exponent: -16 });
        assert_eq!(parts(SINGLE, 1), Parts::Finite { mantissa: 1, exponent: -149 });
        assert_eq!(parts(SINGLE, 0x7F80_0000), Parts::Infinite);
        assert_eq!(parts(SINGLE, 0x7FC0_0000), Parts::NotANumber);
        assert_eq!(parts(DOUBLE, 0xFFF0_0000_0000_0000), Parts::Infinite);
    }

    proptest! {
        // The compiler's own conversions are the judge: they round to nearest, ties to even.
        #[test]
        fn a_whole_number_becomes_the_float_that_the_compiler_makes_of_it(number: i64) {
            #[expect(clippy::cast_precision_loss, reason = "the rounding is what is compared")]
            let (single, double) = (number as f32, number as f64);
            prop_assert_eq!(
                nearest(SINGLE, i128::from(number), 1),
                Some(u64::from(single.to_bits()))
            );
            prop_assert_eq!(nearest(DOUBLE, i128::from(number), 1), Some(double.to_bits()));
        }

        #[test]
        fn a_quotient_becomes_the_float_that_division_makes_of_it(
            above in -(1_i64 << 53)..(1_i64 << 53),
            below in 1_u32..,
        ) {
            #[expect(clippy::cast_precision_loss, reason = "53 bits fit")]
            let double = above as f64 / f64::from(below);
            prop_assert_eq!(
                nearest(DOUBLE, i128::from(above), u128::from(below)),
                Some(double.to_bits())
            );
        }

        #[test]
        fn a_pattern_taken_apart_and_put_together_is_itself(
            negative: bool,
            exponent in 1025_u64..1125,
            fraction in 0_u64..1 << 52,
        ) {
            let bits = u64::from(negative) << 63 | exponent << 52 | fraction;
            let Parts::Finite { mantissa, exponent } = parts(DOUBLE, bits) else {
                return Err(TestCaseError::fail("not finite"));
            };
            let (above, below) = if exponent < 0 {
                (mantissa, 1_u128 << -exponent)
            } else {
                (mantissa << exponent, 1)
            };
            prop_assert_eq!(nearest(DOUBLE, above, below), Some(bits));
        }
    }
}
