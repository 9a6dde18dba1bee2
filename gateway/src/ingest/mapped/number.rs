//! From the text of a number to an integer, without a float in between.
//!
//! In: digits as a device wrote them, and what one of its units is. Out: thousandths of
//! our unit, exact; what is finer is rounded, half away from zero.

use crate::site_book::mapping::Scale;

/// Texts longer than this are no measurements.
const TEXT_MAX: usize = 64;

/// The most digits that are kept: a 64-bit float has 17.
const DIGITS_MAX: usize = 24;

/// A decimal number: `mantissa * 10^exponent`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    mantissa: i128,
    exponent: i32,
}

impl Decimal {
    /// Reads a number as JSON writes it; a plus sign before it will do too.
    ///
    /// `None` if it is none, or has more digits than any meter.
    #[must_use]
    pub(super) fn parse(text: &str) -> Option<Self> {
        if TEXT_MAX < text.len() {
            return None;
        }
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (digits, exponent) = match digits.split_once(['e', 'E']) {
            Some((digits, exponent)) => (digits, signed(exponent)?),
            None => (digits, 0),
        };
        let (whole, fraction) = match digits.split_once('.') {
            Some((whole, fraction)) if !fraction.is_empty() => (whole, fraction),
            Some(_) => return None,
            None => (digits, ""),
        };
        let is_digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if whole.is_empty() || !is_digits(whole) || !is_digits(fraction) {
            return None;
        }
        // What follows the last digit that is not 0 changes nothing.
        let fraction = fraction.trim_end_matches('0');
        let mut mantissa: i128 = 0;
        for digit in whole.bytes().chain(fraction.bytes()) {
            mantissa = mantissa * 10 + i128::from(digit - b'0');
            if 10_i128.pow(u32::try_from(DIGITS_MAX).ok()?) <= mantissa {
                return None;
            }
        }
        let behind = i32::try_from(fraction.len()).ok()?;
        let mantissa = if negative { -mantissa } else { mantissa };
        Some(Self { mantissa, exponent: exponent.checked_sub(behind)? })
    }

    /// Returns the number that a binary float stands for: the shortest decimal that no
    /// other float is nearer to, which is what the sender meant. `None` if it is not one.
    #[must_use]
    pub(super) fn of_double(value: f64) -> Option<Self> {
        if value.is_finite() { Self::parse(&format!("{value:e}")) } else { None }
    }

    /// As [`Decimal::of_double`], for floats of 32 bits.
    #[must_use]
    pub(super) fn of_float(value: f32) -> Option<Self> {
        if value.is_finite() { Self::parse(&format!("{value:e}")) } else { None }
    }

    /// Returns a whole number.
    #[must_use]
    pub(super) const fn of_integer(value: i128) -> Self {
        Self { mantissa: value, exponent: 0 }
    }

    /// Returns the number times a scale and a factor in millionths, rounded to a whole
    /// one, half away from zero; `None` if no 64-bit integer holds it.
    #[must_use]
    pub(super) fn scaled(self, scale: Scale, factor_e6: i64) -> Option<i64> {
        if self.mantissa == 0 {
            return Some(0);
        }
        let ones = i128::from(factor_e6) * i128::from(scale.numerator);
        let below = 1_000_000 * i128::from(scale.denominator);
        let common = common_divisor(ones, below);
        let (ones, below) = (ones / common, below / common);
        let above = self.mantissa.checked_mul(ones)?;
        let power = |exponent: i32| 10_i128.checked_pow(exponent.unsigned_abs());
        let (above, below) = if 0 <= self.exponent {
            (above.checked_mul(power(self.exponent)?)?, below)
        } else {
            // Divided by more than an integer holds, it is less than a half.
            let Some(below) = power(self.exponent).and_then(|power| below.checked_mul(power))
            else {
                return Some(0);
            };
            (above, below)
        };
        let (quotient, rest) = (above / below, above % below);
        let half = below - rest.abs() <= rest.abs();
        let rounded = if half { quotient + above.signum() } else { quotient };
        i64::try_from(rounded).ok()
    }

    /// Returns the number if it is whole and an `i64`.
    #[must_use]
    pub(super) fn whole(self) -> Option<i64> {
        let exponent = u32::try_from(self.exponent).ok()?;
        i64::try_from(10_i128.checked_pow(exponent)?.checked_mul(self.mantissa)?).ok()
    }

    /// Returns the largest whole number that is not greater, as an `i64`.
    #[must_use]
    pub(super) fn floor(self) -> Option<i64> {
        if 0 <= self.exponent {
            return self.whole();
        }
        match 10_i128.checked_pow(self.exponent.unsigned_abs()) {
            Some(power) => i64::try_from(self.mantissa.div_euclid(power)).ok(),
            None => Some(if self.mantissa < 0 { -1 } else { 0 }),
        }
    }
}

fn signed(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if digits.is_empty() || 4 < digits.len() || !digits.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    text.strip_prefix('+').unwrap_or(text).parse().ok()
}

fn common_divisor(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a.abs(), b.abs());
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a.max(1)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use wire::Quantity;

    use super::*;
    use crate::site_book::mapping::scale_of;

    fn check(text: &str, unit: &str, quantity: Quantity) -> Option<i64> {
        Decimal::parse(text)?.scaled(scale_of(unit, quantity)?, 1_000_000)
    }

    #[test]
    fn a_number_becomes_thousandths_to_the_last_digit() {
        let energy = Quantity::ActiveEnergyImport;

        // 0.1 + 0.2 and 14.68792 have no exact binary float; these have no rounding.
        assert_eq!(check("514.153", "kWh", energy), Some(514_153_000));
        assert_eq!(check("14.68792", "kWh", energy), Some(14_687_920));
        assert_eq!(check("9007199254.740993", "kWh", energy), Some(9_007_199_254_740_993));
        assert_eq!(check("1.5e3", "Wh", energy), Some(1_500_000));
        assert_eq!(check("-0.0005", "Wh", energy), Some(-1));
        assert_eq!(check("0.0004999", "Wh", energy), Some(0));
        assert_eq!(check("59", "Wmin", energy), Some(983));
        assert_eq!(check("60", "Wmin", energy), Some(1_000));
        assert_eq!(check("1", "m3", Quantity::Volume), Some(1_000_000));
        assert_eq!(check("0e-99", "Wh", energy), Some(0));
        assert_eq!(check("1e-300", "Wh", energy), Some(0));
        assert_eq!(check("1e300", "Wh", energy), None);
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", "1.", ".5", "0x10", "NaN", "1e", "1e+", "1 ", "１", "--1", "1e99999"]
        {
            assert_eq!(Decimal::parse(text), None, "`{text}`");
        }
        assert_eq!(Decimal::parse(&"9".repeat(25)), None);
    }

    #[test]
    fn a_binary_float_is_the_decimal_that_was_meant() {
        let scale = scale_of("kWh", Quantity::ActiveEnergyImport).unwrap();

        assert_eq!(Decimal::of_float(0.1).unwrap().scaled(scale, 1_000_000), Some(100_000));
        assert_eq!(Decimal::of_double(230.4).unwrap().scaled(scale, 1_000), Some(230_400));
        assert_eq!(Decimal::of_double(f64::NAN), None);
        assert_eq!(Decimal::of_float(f32::INFINITY), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".{0,80}") {
            if let Some(decimal) = Decimal::parse(&text) {
                let third = Scale { numerator: 1_000, denominator: 3 };
                let (up, down) = (decimal.scaled(third, 7), decimal.scaled(third, -7));
                prop_assert_eq!(up, down.map(i64::wrapping_neg));
                let (whole, floor) = (decimal.whole(), decimal.floor());
                prop_assert!(whole.is_none() || whole == floor);
            }
        }

        #[test]
        fn digits_come_back_exactly(
            whole in 0_i64..9_000_000_000,
            thousandths in 0_i64..1_000,
            zeros in 0_usize..5,
        ) {
            let text = format!("{whole}.{thousandths:03}{}", "0".repeat(zeros));
            let scale = Scale { numerator: 1_000, denominator: 1 };

            let read = Decimal::parse(&text).unwrap().scaled(scale, 1_000_000);

            prop_assert_eq!(read, Some(whole * 1_000 + thousandths));
        }

        #[test]
        fn rounding_is_never_off_by_more_than_a_half(
            mantissa in -1_000_000_000_i64..1_000_000_000,
            places in 0_usize..12,
            numerator in 1_i64..1_000_000,
            denominator in 1_i64..1_000,
        ) {
            let scale = Scale { numerator, denominator };
            let text = format!("{mantissa}e-{places}");

            let read = i128::from(Decimal::parse(&text).unwrap().scaled(scale, 1_000_000).unwrap());

            let below = i128::from(denominator) * 10_i128.pow(u32::try_from(places).unwrap());
            let above = i128::from(mantissa) * i128::from(numerator);
            prop_assert!((2 * (read * below - above)).abs() <= below);
        }
    }
}
