//! Which registers the nodes of a bench read.

use anyhow::{Context, Result, ensure};
use wire::message::{ENTRIES_MAX, MAPS_MAX, METERS_MAX, Plan, PlanMap, PlannedMeter};
use wire::modbus::{Entry, LineSettings, Ratios, RegisterMap, Scale, Type};
use wire::{Address, List, Name, Quantity};

/// How long a meter may think, ms. It has no more than the bench's own machine, and a plan that
/// asks for more than a second of bus a second would be refused.
const ANSWER_MS: u16 = 10;

/// What one node reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    meters: u8,
    /// Registers of a value.
    words: u16,
    /// Values of a meter.
    values: u16,
    /// Register maps that they take, each a request and a pack.
    parts: u16,
}

impl Shape {
    /// Returns how so many registers are planned.
    ///
    /// # Errors
    ///
    /// If no value has so many registers, or it is more than a node can do.
    pub(super) fn of(meters: u8, registers: u16, words: u16) -> Result<Self> {
        ensure!(matches!(words, 1 | 2 | 4), "a value has 1, 2 or 4 registers");
        ensure!(registers.is_multiple_of(words), "{registers} registers are no whole values");
        let values = registers / words;
        let parts = values.div_ceil(u16::try_from(ENTRIES_MAX)?);
        let planned = usize::from(meters) * usize::from(parts);
        ensure!(
            planned <= METERS_MAX && usize::from(parts) <= MAPS_MAX,
            "{meters} meters of {values} values take {planned} of the {METERS_MAX} places in a \
             node's plan; take fewer meters and more nodes"
        );
        Ok(Self { meters, words, values, parts })
    }

    /// Returns how many packs come each second.
    pub(super) fn packs(&self, nodes: u32) -> u64 {
        u64::from(nodes) * u64::from(self.meters) * u64::from(self.parts)
    }

    /// Returns how many registers are read each second.
    pub(super) fn registers(&self, nodes: u32) -> u64 {
        u64::from(nodes) * u64::from(self.meters) * u64::from(self.values * self.words)
    }

    /// Returns which of a node's meters, counted from 0, a name is of.
    pub(super) fn place(meter: &Name) -> Option<usize> {
        meter.as_str().strip_prefix("meter-")?.parse().ok()
    }

    /// Returns the plan of each node.
    pub(super) fn plan(&self) -> Result<Plan> {
        let each = usize::from(self.values.div_ceil(self.parts));
        let maps = self.entries().chunks(each).map(map).collect::<Result<Vec<_>>>()?;
        let mut meters = Vec::new();
        for unit_id in 1..=self.meters {
            for part in 0..self.parts {
                meters.push(PlannedMeter {
                    meter: Name::new(&format!("meter-{}", meters.len()))?,
                    address: Address::unit_id(unit_id),
                    map: u8::try_from(part)?,
                    interval_s: 0,
                    ratios: Ratios::ONE,
                });
            }
        }
        let plan = Plan {
            revision: 1,
            interval_s: 1,
            line: LineSettings::default(),
            maps: List::from_slice(&maps).ok().context("the maps of a plan")?,
            meters: List::from_slice(&meters).ok().context("the meters of a plan")?,
            switches: List::new(),
        };
        plan.check().map_err(|fault| anyhow::anyhow!("no plan: {}", fault.code()))?;
        Ok(plan)
    }

    fn entries(&self) -> Vec<Entry> {
        let ty = match self.words {
            1 => Type::U16,
            2 => Type::U32,
            _ => Type::U64,
        };
        // Within a part no quantity comes twice: there are more of them than entries.
        let quantities = Quantity::ALL.into_iter().cycle();
        let addresses = (0..self.values).map(|value| u32::from(value * self.words));
        let entry = |(quantity, address)| Entry {
            quantity,
            address,
            ty,
            scale: Scale::thousandths(1),
            ..Entry::default()
        };
        quantities.zip(addresses).map(entry).collect()
    }
}

fn map(entries: &[Entry]) -> Result<PlanMap> {
    let map = RegisterMap {
        entries,
        read_limit: 125,
        answer_ms: ANSWER_MS,
        turnaround_ms: 0,
        forbidden: &[],
    };
    PlanMap::new(&map).ok().context("the entries of a map")
}

#[cfg(test)]
mod tests {
    use super::*;
    use firmware::load::{FULL, Load, THINKING_MS};

    #[test]
    fn a_hundred_registers_of_ten_meters_are_a_plan_that_a_node_takes() {
        for (meters, words, parts) in [(10, 2, 3), (10, 4, 2), (5, 1, 5)] {
            let shape = Shape::of(meters, 100, words).unwrap();
            let plan = shape.plan().unwrap();

            assert_eq!(shape.registers(100), 10_000 * u64::from(meters));
            assert_eq!(plan.meters.len(), usize::from(meters) * parts);
            let load = Load::of(&plan, false, THINKING_MS);
            assert!(load.permille <= FULL, "{load:?}");
            assert_eq!(usize::try_from(load.requests).unwrap(), plan.meters.len());
            assert_eq!(Shape::place(&plan.meters[7].meter), Some(7));
        }
    }

    #[test]
    fn what_a_node_cannot_read_is_refused() {
        assert!(Shape::of(10, 100, 1).is_err());
        assert!(Shape::of(10, 100, 3).is_err());
        assert!(Shape::of(10, 101, 2).is_err());
    }
}
