//! What one column of a block tells of another: a current follows power and voltage, a
//! phase's voltage that of the phase beside it, reactive power the active one.
//!
//! A column that is *led* is kept as what is left of it, number by number:
//!
//! ```text
//! place of the lead   1 + place of the divisor, or 0   factor   shift
//! what is left: number - lead * factor / 2^shift
//!               number - |lead| * factor / (divisor * 2^shift)
//! ```
//!
//! Divisions round down. What is left is a column of [`super::ints`] and may be anything,
//! so nothing is lost where a meter does not keep to the rule: it only takes more room, and
//! a column is led only where that is less. A lead stands before what it leads.
//!
//! Counters are not led: they are what is read alone most often.

use wire::Quantity;
use wire::quantity::{Kind, Unit};

use super::ints::rough_bits;
use super::registry::{Column, column_of, quantity_of};
use crate::store::codec::{Cursor, put_signed, put_varint};

/// Bits of a factor: predictions are then good to one in eight million.
const FACTOR_BITS: u32 = 24;
const SHIFT_MAX: u8 = 56;

/// What is looked at to find a lead: stretches of so many numbers, so often.
const SAMPLE_LEN: usize = 48;
const SAMPLES: usize = 4;

/// Numbers further apart are not compared; their squares would not fit.
const APART_MAX: u64 = 1 << 48;

/// A column that each row of a block has measured.
pub(super) struct Known {
    /// Where it stands among the block's columns.
    pub(super) place: usize,
    pub(super) column: Column,
    pub(super) numbers: Vec<i64>,
}

/// How a column is led.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lead {
    /// The place of the column that leads.
    pub(super) lead: usize,
    /// The place of the column that divides.
    pub(super) divisor: Option<usize>,
    factor: i64,
    shift: u8,
}

impl Lead {
    /// Finds what leads a column best among those before it; `None` if it is better alone.
    pub(super) fn of(own: &Known, before: &[Known]) -> Option<Self> {
        let quantity = quantity_of(own.column).filter(|it| column_of(*it) == own.column)?;
        if quantity.kind() == Kind::Counter {
            return None;
        }
        let find = |id: u8| {
            let column = Column::from(id);
            before.iter().find(|known| known.column == column)
        };
        let numbers = sample(&own.numbers);
        let alone = rough_bits(&numbers);
        let mut best = None;
        let mut least = alone - alone / 8;
        let mut try_with = |lead: &Known, divisor: Option<&Known>| {
            let leads = sample(&lead.numbers);
            let divisors = divisor.map(|divisor| sample(&divisor.numbers));
            let found = match &divisors {
                Some(divisors) => quotient(&numbers, &leads, divisors),
                None => slope(&numbers, &leads),
            };
            let Some((factor, shift)) = found else { return };
            let divisor = divisor.map(|it| it.place);
            let found = Self { lead: lead.place, divisor, factor, shift };
            let left = found.left(&numbers, &leads, divisors.as_deref());
            let bits = rough_bits(&left);
            if bits < least {
                (best, least) = (Some(found), bits);
            }
        };
        for lead in before.iter().filter(|lead| is_alike(quantity, lead.column)) {
            try_with(lead, None);
        }
        if quantity.unit() == Unit::Ampere {
            // Phase by phase: powers are 2 to 4, voltages 9 to 11, currents 12 to 14.
            let id = quantity.id();
            let voltage = find(id - 3).or_else(|| find(Quantity::VoltageL1.id()));
            let powers = [id - 10, Quantity::ActivePower.id(), Quantity::ApparentPower.id()];
            for power in powers.into_iter().filter_map(find) {
                if let Some(voltage) = voltage {
                    try_with(power, Some(voltage));
                }
            }
        }
        best
    }

    /// Returns what a column is less what its leads say.
    pub(super) fn left(&self, own: &[i64], leads: &[i64], divisors: Option<&[i64]>) -> Vec<i64> {
        let mut left = own.to_vec();
        self.each(&mut left, leads, divisors, i64::wrapping_sub);
        left
    }

    /// Turns what is left of a column into the column.
    pub(super) fn restore(&self, left: &mut [i64], leads: &[i64], divisors: Option<&[i64]>) {
        self.each(left, leads, divisors, i64::wrapping_add);
    }

    fn each(
        &self,
        numbers: &mut [i64],
        leads: &[i64],
        divisors: Option<&[i64]>,
        change: impl Fn(i64, i64) -> i64,
    ) {
        match divisors {
            None => {
                for (number, &lead) in numbers.iter_mut().zip(leads) {
                    *number = change(*number, self.in_proportion(lead));
                }
            }
            Some(divisors) => {
                for ((number, &lead), &divisor) in numbers.iter_mut().zip(leads).zip(divisors) {
                    *number = change(*number, self.divided(lead, divisor));
                }
            }
        }
    }

    fn in_proportion(&self, lead: i64) -> i64 {
        if let Some(product) = lead.checked_mul(self.factor) {
            return product >> self.shift;
        }
        let product = i128::from(lead) * i128::from(self.factor);
        i64::try_from(product >> self.shift).unwrap_or(0)
    }

    fn divided(&self, lead: i64, divisor: i64) -> i64 {
        // 64 bits nearly always do, and divide in a quarter of the time of 128.
        let (lead, divisor) = (i128::from(lead).abs(), i128::from(divisor) << self.shift);
        let product = lead * i128::from(self.factor);
        if divisor <= 0 {
            return 0;
        }
        match (i64::try_from(product), i64::try_from(divisor)) {
            (Ok(product), Ok(divisor)) => product.div_euclid(divisor),
            _ => i64::try_from(product.div_euclid(divisor)).unwrap_or(0),
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.lead as u64);
        put_varint(out, self.divisor.map_or(0, |place| place as u64 + 1));
        put_signed(out, self.factor);
        out.push(self.shift);
    }

    /// Takes what [`Lead::put`] wrote for the column at a place.
    pub(super) fn take(cursor: &mut Cursor<'_>, own: usize) -> Option<Self> {
        let is_before = |place: &usize| *place < own;
        let lead = usize::try_from(cursor.varint()?).ok().filter(is_before)?;
        let divisor = match usize::try_from(cursor.varint()?).ok()? {
            0 => None,
            place => Some(place - 1).filter(is_before).map(Some)?,
        };
        let factor = cursor.signed()?;
        let shift = cursor.byte().filter(|shift| *shift <= SHIFT_MAX)?;
        Some(Self { lead, divisor, factor, shift })
    }
}

/// Whether a column can lead another by a factor alone.
fn is_alike(quantity: Quantity, lead: Column) -> bool {
    let family = |unit: Unit| match unit {
        Unit::Watt | Unit::Var | Unit::VoltAmpere => Some(Unit::Watt),
        Unit::Volt | Unit::Ampere | Unit::LitrePerHour => Some(unit),
        Unit::One
        | Unit::Hertz
        | Unit::WattHour
        | Unit::VarHour
        | Unit::Litre
        | Unit::Celsius
        | Unit::Pascal
        | Unit::Lux
        | Unit::Percent => None,
    };
    let lead = quantity_of(lead).filter(|it| column_of(*it) == lead);
    let own = family(quantity.unit());
    own.is_some() && lead.is_some_and(|lead| family(lead.unit()) == own)
}

/// Returns stretches of a column, from all over it.
fn sample(numbers: &[i64]) -> Vec<i64> {
    if numbers.len() <= SAMPLE_LEN * SAMPLES {
        return numbers.to_vec();
    }
    let between = (numbers.len() - SAMPLE_LEN) / (SAMPLES - 1);
    let stretch = |nth: usize| numbers.get(nth * between..).unwrap_or_default();
    (0..SAMPLES).flat_map(|nth| stretch(nth).iter().take(SAMPLE_LEN).copied()).collect()
}

/// Returns the factor of the line that numbers lie along: least squares.
fn slope(numbers: &[i64], leads: &[i64]) -> Option<(i64, u8)> {
    let (first, first_lead) = (*numbers.first()?, *leads.first()?);
    let apart = |number: i64, from: i64| {
        let apart = number.wrapping_sub(from);
        (apart.unsigned_abs() < APART_MAX).then_some(i128::from(apart))
    };
    let (mut x, mut y, mut xx, mut xy) = (0_i128, 0_i128, 0_i128, 0_i128);
    for (&number, &lead) in numbers.iter().zip(leads) {
        let (dy, dx) = (apart(number, first)?, apart(lead, first_lead)?);
        (x, y, xx, xy) = (x + dx, y + dy, xx + dx * dx, xy + dx * dy);
    }
    let count = i128::try_from(numbers.len()).ok()?;
    fixed(count * xy - x * y, count * xx - x * x)
}

/// Returns the factor of the quotient that numbers come to.
fn quotient(numbers: &[i64], leads: &[i64], divisors: &[i64]) -> Option<(i64, u8)> {
    let wide = |number: i64| (number.unsigned_abs() < APART_MAX).then_some(i128::from(number));
    let (mut above, mut below) = (0_i128, 0_i128);
    for ((&number, &lead), &divisor) in numbers.iter().zip(leads).zip(divisors) {
        above += wide(number)? * wide(divisor)?;
        below += wide(lead)?.abs();
    }
    fixed(above, below)
}

/// Returns a fraction as a factor and the power of two that it is divided by.
fn fixed(mut above: i128, mut below: i128) -> Option<(i64, u8)> {
    if below <= 0 || above == 0 {
        return None;
    }
    let bits = |number: i128| 128 - number.unsigned_abs().leading_zeros();
    // Room to shift up.
    while 90 < bits(above) {
        (above, below) = (above >> 8, below >> 8);
    }
    let shift = (FACTOR_BITS + bits(below)).saturating_sub(bits(above));
    let shift = u8::try_from(shift).ok().filter(|shift| *shift <= SHIFT_MAX)?;
    let above = above.checked_shl(shift.into()).filter(|it| it >> shift == above)?;
    let factor = (above + below / 2).checked_div(below)?;
    i64::try_from(factor).ok().filter(|factor| *factor != 0).map(|factor| (factor, shift))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn known(place: usize, quantity: Quantity, numbers: Vec<i64>) -> Known {
        Known { place, column: column_of(quantity), numbers }
    }

    /// A number that jumps about.
    fn noise(n: i64) -> i64 {
        n.wrapping_mul(7_919).wrapping_add(n * n % 1_013) % 997
    }

    #[test]
    fn a_phase_that_stands_beside_another_leaves_nothing_but_the_distance() {
        let one: Vec<i64> = (0..500).map(|n| 229_000 + noise(n)).collect();
        let before = [known(3, Quantity::VoltageL1, one.clone())];
        let own = known(4, Quantity::VoltageL2, one.iter().map(|v| v + 700).collect());

        let lead = Lead::of(&own, &before).unwrap();

        assert_eq!((lead.lead, lead.divisor), (3, None));
        assert!(lead.left(&own.numbers, &one, None).iter().all(|left| *left == 700));
    }

    #[test]
    fn a_current_is_led_by_power_and_voltage_on_both_sides_of_zero() {
        let power: Vec<i64> = (0..500).map(|n| noise(n) * 12_345).collect();
        let voltage: Vec<i64> = (0..500).map(|n| 229_000 + noise(n + 77)).collect();
        let current: Vec<i64> =
            power.iter().zip(&voltage).map(|(p, v)| p.abs() * 350 / v).collect();
        let own = known(2, Quantity::CurrentL1, current.clone());
        let before = [
            known(0, Quantity::ActivePower, power.clone()),
            known(1, Quantity::VoltageL1, voltage.clone()),
        ];

        let lead = Lead::of(&own, &before).unwrap();

        assert_eq!((lead.lead, lead.divisor), (0, Some(1)));
        let left = lead.left(&current, &power, Some(&voltage));
        assert!(left.iter().all(|left| left.abs() <= 2), "{left:?}");
    }

    #[test]
    fn counters_and_columns_that_have_nothing_in_common_stand_alone() {
        let one: Vec<i64> = (0..500).map(noise).collect();
        let before = [known(0, Quantity::ActivePower, one.clone())];
        let energy = known(1, Quantity::ActiveEnergyImport, one.clone());
        let voltage = known(1, Quantity::VoltageL1, one.clone());
        let other = known(1, Quantity::ReactivePower, (500..1_000).map(noise).collect());

        let led = [&energy, &voltage, &other].map(|own| Lead::of(own, &before));

        assert_eq!(led, [None; 3]);
    }

    proptest! {
        #[test]
        fn whatever_leads_the_column_comes_back(
            rows in prop::collection::vec((any::<i64>(), any::<i64>(), any::<i64>()), 1..50),
            (factor, shift) in (any::<i64>(), 0..=SHIFT_MAX),
            divides in any::<bool>(),
        ) {
            let column = |of: fn(&(i64, i64, i64)) -> i64| rows.iter().map(of).collect::<Vec<_>>();
            let (own, leads, by) = (column(|it| it.0), column(|it| it.1), column(|it| it.2));
            let lead = Lead { lead: 1, divisor: divides.then_some(0), factor, shift };
            let by = divides.then_some(by.as_slice());
            let mut bytes = Vec::new();
            lead.put(&mut bytes);

            let mut back = lead.left(&own, &leads, by);
            lead.restore(&mut back, &leads, by);

            prop_assert_eq!(back, own);
            prop_assert_eq!(Lead::take(&mut Cursor::new(&bytes), 2), Some(lead));
            prop_assert_eq!(Lead::take(&mut Cursor::new(&bytes), 1), None);
        }

        #[test]
        fn looking_for_a_lead_never_fails(
            rows in prop::collection::vec((any::<i64>(), any::<i64>(), any::<i64>()), 1..300),
        ) {
            let column = |of: fn(&(i64, i64, i64)) -> i64| rows.iter().map(of).collect::<Vec<_>>();
            let before = [
                known(0, Quantity::ActivePower, column(|it| it.0)),
                known(1, Quantity::VoltageL1, column(|it| it.1)),
            ];
            let own = known(2, Quantity::CurrentL1, column(|it| it.2));
            Lead::of(&own, &before);
        }
    }
}
