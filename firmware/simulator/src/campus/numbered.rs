//! The meters of a campus that have numbers, as their line asks them.

use wire::modbus::Ratios;
use wire::{Name, Quantity, Unit};

use super::Campus;
use crate::national::{Asked, Numbered};
use crate::script::Faults;

impl Campus {
    /// Returns what a meter with a number says to a frame on its bus at an instant, and how it
    /// is broken; `None` if nobody is meant. Where several are, the first is heard.
    pub(crate) fn numbered(
        &self,
        bus: &Name,
        asked: &Asked,
        instant: i64,
    ) -> Option<(Vec<u8>, Faults)> {
        let on_bus = self.meters.iter().enumerate().filter(|(_, meter)| meter.spec.bus == *bus);
        on_bus.into_iter().find_map(|(place, meter)| {
            let number = meter.spec.address.number();
            let count = meter.model.map.protocol().digits();
            let nibble = |at: u32| u8::try_from(number >> (at * 4) & 0xF).unwrap_or(0);
            let digits: Vec<u8> = (0..count).map(nibble).collect();
            if digits.is_empty() {
                return None;
            }
            let measured = self.measured(meter, &self.loads(place), instant);
            let ratios = meter.spec.ratios;
            let faults = self.faults_at(place, instant);
            let shown = |quantity| {
                let value = meter.surroundings.shown(quantity, measured)?;
                // What is broken shows nothing.
                (!faults.nonsense).then(|| (value, ratio_of(quantity, ratios)))
            };
            let medium = meter.model.medium;
            let answer = Numbered { digits: &digits, medium, shown: &shown, instant };
            answer.answer(asked).map(|frame| (frame, faults))
        })
    }
}

/// Returns how many times what a meter behind transformers shows is what flows, in thousandths.
fn ratio_of(quantity: Quantity, ratios: Ratios) -> i64 {
    let ratio = match quantity.unit() {
        Unit::Volt => u64::from(ratios.pt),
        Unit::Ampere => u64::from(ratios.ct),
        Unit::Watt | Unit::Var | Unit::VoltAmpere | Unit::WattHour | Unit::VarHour => {
            u64::from(ratios.pt) * u64::from(ratios.ct) / 1_000
        }
        Unit::One
        | Unit::Hertz
        | Unit::Litre
        | Unit::LitrePerHour
        | Unit::Celsius
        | Unit::Pascal
        | Unit::Lux
        | Unit::Percent => 1_000,
    };
    i64::try_from(ratio).unwrap_or(i64::MAX).max(1)
}
