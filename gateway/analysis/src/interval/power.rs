//! From power to energy: meters that tell only power.
//!
//! In: readings of power, mW. Out: energy per quarter hour, mWh, all of it *estimated*, and a
//! bound of its error.
//!
//! Between two readings no further apart than `gap_s_max` power is taken to run straight from
//! one to the other (the trapezoid rule). What a meter drew in between nobody knows; as long
//! as it stayed between the two values, the energy is off by at most half the difference of
//! the two one-sided sums (all at the higher value, all at the lower one). That is the bound,
//! an interval's is the sum of its pieces'. A short peak between two readings is outside it,
//! which is why the whole is estimated.
//!
//! Further apart, it is missing. Export (negative power) is no consumption and counts as 0.
//!
//! Each interval is summed exactly and rounded once, so neither order, duplication nor the
//! borders of the span change anything.

use std::collections::BTreeMap;

use super::{
    Consumption, INTERVAL_S, IntervalAmount, MeterEvent, Shape, Span, interval_start, overlay,
};

/// A reading of power.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PowerReading {
    /// When it was read.
    pub instant: i64,
    /// What the meter drew, mW.
    pub power_mw: i64,
}

/// What readings of power say about a span.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Integral {
    /// One entry per quarter hour of the span, mWh.
    pub intervals: Vec<IntervalAmount>,
    /// How far each of them may be off either way, mWh, as long as power between two readings
    /// stayed between their values.
    pub error_bound: Vec<i64>,
}

/// Twice the mW·s of a mWh: the sums are of twice the area, so that halves stay whole.
const PER_MWH: i128 = 2 * 3_600;

/// What an interval has so far, in half mW·s.
#[derive(Clone, Copy, Default)]
struct Sum {
    area: i128,
    spread: i128,
    seconds: u16,
}

/// Returns the energy of each quarter hour of a span. Readings come in any order and any
/// number of times; of two of one instant the greater counts.
#[must_use]
pub fn integrate(readings: &[PowerReading], gap_s_max: i64, span: Span) -> Integral {
    let span = span.aligned();
    let mut at: BTreeMap<i64, i64> = BTreeMap::new();
    for reading in readings {
        let power = reading.power_mw.clamp(0, POWER_MAX);
        let known = at.entry(reading.instant).or_insert(power);
        *known = power.max(*known);
    }
    let count = usize::try_from((span.to - span.from) / INTERVAL_S).unwrap_or_default();
    let mut sums = vec![Sum::default(); count];
    for ((from, p), (to, q)) in at.iter().zip(at.iter().skip(1)) {
        if gap_s_max < to - from || *to <= span.from || span.to <= *from {
            continue;
        }
        let link = Link { from: *from, to: *to, p: i128::from(*p), q: i128::from(*q) };
        let mut start = *from;
        while start < *to {
            let end = (interval_start(start) + INTERVAL_S).min(*to);
            let index = usize::try_from((start - span.from).div_euclid(INTERVAL_S));
            if let Some(sum) = index.ok().and_then(|index| sums.get_mut(index)) {
                sum.area += link.area_until(end) - link.area_until(start);
                sum.spread += (link.p - link.q).abs() * i128::from(end - start);
                sum.seconds += u16::try_from(end - start).unwrap_or_default();
            }
            start = end;
        }
    }
    let mut integral = Integral::default();
    for (start, sum) in span.starts().zip(sums) {
        let missing = IntervalAmount::missing(start);
        integral.intervals.push(IntervalAmount {
            estimated: i64::try_from((sum.area + PER_MWH / 2) / PER_MWH).unwrap_or_default(),
            estimated_s: sum.seconds,
            missing_s: missing.missing_s - sum.seconds,
            ..missing
        });
        // Rounded up: a bound must hold.
        let bound = (sum.spread + PER_MWH - 1) / PER_MWH;
        integral.error_bound.push(i64::try_from(bound).unwrap_or_default());
    }
    integral
}

/// Returns what a meter that tells only power drew in each quarter hour of a span, corrections
/// and estimates by people laid over it, and how far each interval may be off. Settled is
/// what lies before the last reading.
#[must_use]
pub fn consumption(
    readings: &[PowerReading],
    events: &[MeterEvent],
    gap_s_max: i64,
    shape: Option<Shape<'_>>,
    span: Span,
) -> (Consumption, Vec<i64>) {
    let Integral { mut intervals, error_bound } = integrate(readings, gap_s_max, span);
    let uncorrected = overlay::lay_over(&mut intervals, events, shape);
    let settled_until = readings.iter().map(|reading| reading.instant).max();
    let consumption = Consumption { intervals, uncorrected, settled_until, ..Default::default() };
    (consumption, error_bound)
}

/// 1 TW; keeps all products within 128 bits.
const POWER_MAX: i64 = 1_000_000_000_000_000;

/// A straight line of power between two readings.
struct Link {
    from: i64,
    to: i64,
    p: i128,
    q: i128,
}

impl Link {
    /// Twice the area from the link's start to an instant within it, rounded down.
    fn area_until(&self, instant: i64) -> i128 {
        let x = i128::from(instant - self.from);
        2 * self.p * x + ((self.q - self.p) * x * x).div_euclid(i128::from(self.to - self.from))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(instant: i64, power_mw: i64) -> PowerReading {
        PowerReading { instant, power_mw }
    }

    const HOUR: Span = Span { from: 0, to: 3_600 };

    #[test]
    fn a_kilowatt_for_an_hour_is_a_kilowatt_hour_without_error() {
        let readings: Vec<_> = (-1..=61).map(|minute| power(minute * 60, 1_000_000)).collect();

        let found = integrate(&readings, 1_200, HOUR);

        assert_eq!(found.intervals.iter().map(IntervalAmount::amount).sum::<i64>(), 1_000_000);
        assert!(found.intervals.iter().all(|it| it.estimated_s == 900 && it.missing_s == 0));
        assert_eq!(found.error_bound, [0; 4]);
    }

    #[test]
    fn a_ramp_is_met_exactly_and_its_bound_holds_a_step_either_way() {
        let readings = [power(0, 0), power(900, 3_600_000)];

        let found = integrate(&readings, 1_200, Span { from: 0, to: 900 });

        // All of the quarter hour at 0, or all of it at 3.6 kW, is 450 Wh away from the middle.
        assert_eq!(found.intervals[0].amount(), 450_000);
        assert_eq!(found.error_bound, [450_000]);
    }

    #[test]
    fn what_lies_between_distant_readings_is_missing_and_export_is_nothing() {
        let readings =
            [power(0, 1_000_000), power(900, 1_000_000), power(2_700, -5), power(3_600, -5)];

        let found = integrate(&readings, 1_200, HOUR);

        let amounts: Vec<_> = found.intervals.iter().map(IntervalAmount::known).collect();
        assert_eq!(amounts, [Some(250_000), None, None, Some(0)]);
    }

    #[test]
    fn order_repetition_and_borders_change_nothing() {
        let readings: Vec<_> =
            (0..200_i64).map(|at| power(at * 77, (at * at * 7_919) % 4_000_000)).collect();
        let mut shuffled: Vec<_> = readings.iter().rev().chain(&readings).copied().collect();
        shuffled.swap(3, 90);
        let whole = Span { from: 0, to: 14_400 };

        let found = integrate(&readings, 1_200, whole);

        assert_eq!(integrate(&shuffled, 1_200, whole), found);
        for (index, start) in (0..).zip(whole.starts()) {
            let one = integrate(&readings, 1_200, Span { from: start, to: start + 900 });
            assert_eq!(one.intervals[0], found.intervals[index]);
        }
    }
}
