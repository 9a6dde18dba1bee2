//! What a meter shows beside the measured amount: voltage, phases, power factor, pressure.
//!
//! The recordings hold sums only. A node and a page want the rest too, so it is made here,
//! deterministically, from the instant and the meter. Nothing of it enters a counter of
//! active energy or volume.

use wire::{Name, Quantity};

use crate::column::Column;
use crate::replay::{index_below, scatter};

/// The flow or power of a meter at an instant, and what it has counted until then.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    pub(crate) instant: i64,
    /// mWh, or mL.
    pub(crate) counter: i64,
    /// mW, or mL/h.
    pub(crate) rate: i64,
}

/// What is fixed about one meter's surroundings.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings {
    seed: u64,
    /// Share of each phase in the power, per mille, adding up to 1,000.
    phases: [i64; 3],
    /// Power factor, per mille.
    power_factor: i64,
    /// Reactive over active power, per mille; belongs to the power factor.
    reactive: i64,
    /// Whether the counter is of gas at standard conditions.
    gas: bool,
    /// Whether it is of energy, so that what flows carries it.
    energy: bool,
}

/// Working pressure of the gas, absolute, in mPa; 3 kPa above the standard.
const GAS_MPA: i64 = 104_325_000;
/// Standard pressure. The gas is at 20 °C, the standard temperature, so that the ratio of
/// the pressures is the ratio of the volumes.
const STANDARD_MPA: i64 = 101_325_000;
/// Parts of the consumption in the first three tariffs, in thousandths: sharp, peak, flat.
const TARIFFS: [i64; 3] = [100, 300, 350];
/// What a litre of water carries at 20 K between supply and return: 23.26 Wh, in mWh.
const HEAT_OF_LITRE: i64 = 23_260;

impl Surroundings {
    pub(crate) fn of(meter: &Name, column: Column) -> Self {
        let seed = meter.as_str().bytes().fold(7, |seed, byte| scatter(seed, u64::from(byte)));
        let first = 320 + drawn(seed, 1, 30);
        let second = 335 + drawn(seed, 2, 15);
        let (power_factor, reactive) = match column {
            Column::OfficeLighting => (950, 329),
            Column::OfficeCooling => (870, 567),
            Column::OfficeDatacentre => (980, 203),
            Column::OfficePlug | Column::TeachingElectricity => (930, 395),
            Column::OfficeElectricity | Column::LibraryElectricity => (940, 363),
            Column::LibraryGas | Column::TeachingGas | Column::Water => (1_000, 0),
        };
        let phases = [first, second, 1_000 - first - second];
        let gas = matches!(column, Column::LibraryGas | Column::TeachingGas);
        let energy = column.unit() == wire::Unit::WattHour;
        Self { seed, phases, power_factor, reactive, gas, energy }
    }

    /// Returns what a meter shows for a quantity, in thousandths of its unit; `None` if no
    /// simulated meter knows that quantity.
    pub(crate) fn shown(&self, quantity: Quantity, measured: Measured) -> Option<i64> {
        let Measured { instant, counter, rate } = measured;
        Some(match quantity {
            Quantity::ActivePower | Quantity::StandardVolumeFlow | Quantity::HeatPower => rate,
            Quantity::ActiveEnergyImport | Quantity::StandardVolume | Quantity::HeatEnergy => {
                counter
            }
            Quantity::ActiveEnergyImportT1 => part(counter, TARIFFS[0], 1_000),
            Quantity::ActiveEnergyImportT2 => part(counter, TARIFFS[1], 1_000),
            Quantity::ActiveEnergyImportT3 => part(counter, TARIFFS[2], 1_000),
            // The last takes the rest, so that four make the whole.
            Quantity::ActiveEnergyImportT4 => {
                counter - TARIFFS.into_iter().map(|share| part(counter, share, 1_000)).sum::<i64>()
            }
            Quantity::ActivePowerL1 => self.phase_mw(0, rate),
            Quantity::ActivePowerL2 => self.phase_mw(1, rate),
            Quantity::ActivePowerL3 => self.phase_mw(2, rate),
            Quantity::ReactivePower => part(rate, self.reactive, 1_000),
            Quantity::ReactiveEnergyImport => part(counter, self.reactive, 1_000),
            Quantity::ApparentPower => part(rate, 1_000, self.power_factor),
            Quantity::PowerFactor => self.power_factor,
            Quantity::Frequency => 50_000 + drift(90, instant, 60, 25),
            Quantity::VoltageL1 => self.voltage_mv(0, instant),
            Quantity::VoltageL2 => self.voltage_mv(1, instant),
            Quantity::VoltageL3 => self.voltage_mv(2, instant),
            Quantity::CurrentL1 => self.current_ma(0, measured),
            Quantity::CurrentL2 => self.current_ma(1, measured),
            Quantity::CurrentL3 => self.current_ma(2, measured),
            Quantity::ActiveEnergyExport
            | Quantity::ReactiveEnergyExport
            | Quantity::VolumeReverse
            | Quantity::Status => 0,
            Quantity::Volume if self.energy => part(counter, 1_000, HEAT_OF_LITRE),
            Quantity::VolumeFlow if self.energy => part(rate, 1_000, HEAT_OF_LITRE),
            Quantity::Volume => self.at_working_conditions(counter),
            Quantity::VolumeFlow => self.at_working_conditions(rate),
            Quantity::Temperature if self.energy => self.supply(instant),
            Quantity::ReturnTemperature => self.supply(instant) - 20_000,
            Quantity::Temperature if self.gas => 20_000,
            Quantity::Temperature => 14_000 + drift(self.seed, instant, 14_400, 1_200),
            Quantity::Pressure if self.gas => GAS_MPA,
            Quantity::Pressure => 320_000_000 + drift(self.seed, instant, 600, 15_000_000),
            Quantity::Illuminance | Quantity::Humidity | Quantity::Presence => return None,
        })
    }
}

impl Surroundings {
    /// Returns the supply of a heat circuit: near 55 °C.
    fn supply(&self, instant: i64) -> i64 {
        55_000 + drift(self.seed, instant, 7_200, 2_000)
    }

    /// Returns the power of one phase. The third takes the rest, so that three make the whole.
    fn phase_mw(&self, phase: usize, rate: i64) -> i64 {
        let of = |phase: usize| part(rate, self.phases[phase], 1_000);
        if phase < 2 { of(phase) } else { rate - of(0) - of(1) }
    }

    /// Returns the voltage of one phase: near 228 V, by a few volts lower or higher over the
    /// hours, which all meters of the site see, and some tenths of its own.
    fn voltage_mv(&self, phase: usize, instant: i64) -> i64 {
        let base = [228_000, 228_700, 227_500][phase];
        base + drift(91, instant, 3_600, 2_500) + drift(self.seed, instant, 10, 300)
    }

    fn current_ma(&self, phase: usize, measured: Measured) -> i64 {
        let apparent = part(self.phase_mw(phase, measured.rate), 1_000, self.power_factor);
        part(apparent, 1_000, self.voltage_mv(phase, measured.instant))
    }

    /// Returns the volume that the meter's wheel saw: for gas less than the standard volume,
    /// since it is under pressure.
    fn at_working_conditions(&self, volume: i64) -> i64 {
        if self.gas { part(volume, STANDARD_MPA, GAS_MPA) } else { volume }
    }
}

/// Returns `amount × above / below`, rounded down; what does not fit is the largest number.
fn part(amount: i64, above: i64, below: i64) -> i64 {
    let exact = (i128::from(amount) * i128::from(above)).div_euclid(i128::from(below.max(1)));
    i64::try_from(exact).unwrap_or(i64::MAX)
}

/// Returns a number between `-most` and `most` that is drawn anew every `period_s` and moves
/// on a straight line in between.
fn drift(seed: u64, instant: i64, period_s: i64, most: i64) -> i64 {
    let (turn, within) = (instant.div_euclid(period_s), instant.rem_euclid(period_s));
    let (from, to) = (drawn(seed, turn, most), drawn(seed, turn.saturating_add(1), most));
    from + (to - from) * within / period_s
}

/// Draws a number between `-most` and `most`.
fn drawn(seed: u64, number: i64, most: i64) -> i64 {
    let spread = usize::try_from(most * 2 + 1).unwrap_or(1);
    let drawn = index_below(scatter(seed, number.cast_unsigned()), spread);
    i64::try_from(drawn).unwrap_or(0) - most
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEASURED: Measured =
        Measured { instant: 1_790_000_000, counter: 5_000_000_003, rate: 7_654_321 };

    fn shown(column: Column, quantity: Quantity) -> i64 {
        let meter = Name::new("a-meter").unwrap();
        Surroundings::of(&meter, column).shown(quantity, MEASURED).unwrap()
    }

    #[test]
    fn three_phases_make_the_whole_power() {
        let phases = [Quantity::ActivePowerL1, Quantity::ActivePowerL2, Quantity::ActivePowerL3];

        let sum: i64 = phases.map(|phase| shown(Column::OfficeLighting, phase)).iter().sum();

        assert_eq!(sum, MEASURED.rate);
    }

    #[test]
    fn voltage_and_frequency_stay_where_a_grid_keeps_them() {
        let meter = Name::new("a-meter").unwrap();
        let surroundings = Surroundings::of(&meter, Column::OfficePlug);
        for hour in 0..10_000 {
            let at = Measured { instant: hour * 3_593, ..MEASURED };
            let voltage = surroundings.shown(Quantity::VoltageL2, at).unwrap();
            let frequency = surroundings.shown(Quantity::Frequency, at).unwrap();
            assert!((220_000..=235_000).contains(&voltage), "{voltage} mV");
            assert!((49_900..=50_100).contains(&frequency), "{frequency} mHz");
        }
    }

    #[test]
    fn the_current_carries_the_power_at_its_voltage_and_power_factor() {
        let current = shown(Column::OfficeLighting, Quantity::CurrentL1);
        let voltage = shown(Column::OfficeLighting, Quantity::VoltageL1);
        let power = shown(Column::OfficeLighting, Quantity::ActivePowerL1);

        // mA × mV × per mille = 10⁶ mW, and the current is cut to whole mA.
        let carried = current * voltage * 950 / 1_000_000;
        assert!((power - carried).abs() <= 2 * voltage / 1_000, "{carried} of {power} mW");
    }

    #[test]
    fn gas_under_pressure_takes_less_room_and_water_does_not() {
        let standard = shown(Column::LibraryGas, Quantity::StandardVolume);
        let working = shown(Column::LibraryGas, Quantity::Volume);
        assert_eq!(standard, MEASURED.counter);
        assert_eq!(working, 4_856_218_550);
        assert_eq!(shown(Column::Water, Quantity::Volume), MEASURED.counter);
    }
}
