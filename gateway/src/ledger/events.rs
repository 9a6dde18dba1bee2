//! Meter events: from the journal to what `analysis` takes, remembered until one is written
//! or taken back.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use analysis::interval::{self, MeterEvent, Span, Width};
use analysis::site::Meter;
use wire::modbus::{self, Ratio};
use wire::{Name, models};

use crate::store::journal::{Amounts, MeterChange, MeterEventRow, MeterPart};
use crate::store::{Store, StoreError};

/// The events of one meter that hold, oldest first.
pub(super) type Held = Arc<[MeterEventRow]>;

/// The events of all meters, as the journal had them.
#[derive(Default)]
struct Known {
    commits: Option<u64>,
    mark: (i64, i64),
    held: HashMap<Name, Held>,
}

/// The events of all meters of a store.
pub(super) struct Events {
    store: Store,
    known: Mutex<Known>,
}

impl Events {
    pub(super) fn new(store: Store) -> Self {
        Self { store, known: Mutex::default() }
    }

    /// Returns the events of a meter that hold, oldest first.
    pub(super) fn of(&self, meter: &Name) -> Result<Held, StoreError> {
        let journal = self.store.journal();
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // Read before the journal is: what is committed meanwhile is looked at next time.
        let commits = journal.commits();
        if known.commits != Some(commits) {
            let mark = journal.view(|view| view.meter_events_mark())?;
            if known.commits.is_none() || known.mark != mark {
                known.held = HashMap::new();
                let mut rows: HashMap<Name, Vec<MeterEventRow>> = HashMap::new();
                for row in journal.view(|view| view.meter_events(None))? {
                    if row.undone.is_none() {
                        rows.entry(row.event.meter).or_default().push(row);
                    }
                }
                known.held = rows.into_iter().map(|(name, rows)| (name, rows.into())).collect();
            }
            (known.commits, known.mark) = (Some(commits), mark);
        }
        Ok(known.held.get(meter).map_or_else(|| Arc::from([]), Arc::clone))
    }
}

/// Returns what `analysis` takes of a meter's events. Their order is that of their numbers:
/// a later one lies over an earlier one.
pub(super) fn told(rows: &[MeterEventRow], meter: &Meter) -> Vec<MeterEvent> {
    rows.iter().map(|row| event(row.id, &row.event.change, meter)).collect()
}

/// Returns what `analysis` takes of one event.
pub(super) fn event(order: i64, change: &MeterChange, meter: &Meter) -> MeterEvent {
    match change {
        MeterChange::Swap { at, last, first, old, new } => MeterEvent::Swap {
            instant: *at,
            last: *last,
            first: *first,
            old: width(old, meter),
            new: width(new, meter),
        },
        MeterChange::Scale { from, to, num, den } => {
            MeterEvent::Scale { from: *from, to: *to, num: *num, den: *den }
        }
        MeterChange::Correction { from, to, amounts } => MeterEvent::Correction {
            order,
            span: Span { from: *from, to: *to },
            amounts: match amounts {
                Amounts::Total(total) => interval::Amounts::Total(*total),
                Amounts::Each(each) => interval::Amounts::Each(each.clone()),
            },
        },
        MeterChange::Estimate { from, to, amount } => {
            MeterEvent::Estimate { order, span: Span { from: *from, to: *to }, amount: *amount }
        }
    }
}

/// Returns how far a meter counts that an event describes; what it leaves out is as the site
/// book says.
fn width(part: &MeterPart, meter: &Meter) -> Width {
    if *part == MeterPart::default() {
        return Width::AsRules;
    }
    let model = part.model.as_deref().unwrap_or(&meter.model);
    let ratios =
        modbus::Ratios { pt: part.pt.unwrap_or(meter.pt), ct: part.ct.unwrap_or(meter.ct) };
    rollover_of(model, meter, ratios).map_or(Width::Endless, Width::RollsOverAt)
}

/// Returns the first value that a meter's counter cannot show if it is of a model, after the
/// ratios.
pub(super) fn rollover_of(model: &str, meter: &Meter, ratios: modbus::Ratios) -> Option<i64> {
    let own = meter.own_models.iter().find(|own| own.id == model);
    let Some(own) = own else {
        let entries = models::by_id(model)?.map.entries;
        let entry = entries.iter().find(|entry| entry.quantity == meter.counter)?;
        return modbus::rollover(entry, ratios);
    };
    let (entry, said) = own.values.iter().find(|(entry, _)| entry.quantity == meter.counter)?;
    match said {
        Some(rollover) => behind(*rollover, entry.ratio, ratios),
        None => modbus::rollover(entry, ratios),
    }
}

/// Returns a value at a meter's terminals as that of the circuit.
fn behind(value: i64, ratio: Ratio, ratios: modbus::Ratios) -> Option<i64> {
    let (pt, ct) = match ratio {
        Ratio::None => (1_000, 1_000),
        Ratio::Pt => (ratios.pt, 1_000),
        Ratio::Ct => (1_000, ratios.ct),
        Ratio::PtCt => (ratios.pt, ratios.ct),
    };
    i64::try_from(i128::from(value) * i128::from(pt) * i128::from(ct) / 1_000_000).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::site_book;

    #[test]
    fn a_counter_of_the_users_own_model_rolls_over_where_the_user_says() {
        let text = include_str!("../demo/site.toml").to_owned()
            + r#"
[[model]]
id = "my-meter"
medium = "electricity"
source = "plate"
[[model.register]]
quantity = "ActiveEnergyImport"
address = 0
type = "u32"
unit = "kWh"
scale = 0.01
ratio = "pt-ct"
rollover = 1_000_000
[[model]]
id = "my-other"
medium = "electricity"
source = "plate"
[[model.register]]
quantity = "ActiveEnergyImport"
address = 0
type = "u32"
unit = "kWh"
scale = 0.01
[[meter]]
id = "mine"
name = "m"
area = "office-1f-hall"
node = "node-office"
model = "my-meter"
unit_id = 99
ct = 40
"#;
        let book = site_book::parse(&text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
        let mine = book.site.meters.iter().find(|meter| meter.id.as_str() == "mine").unwrap();
        let ratios = modbus::Ratios { pt: mine.pt, ct: mine.ct };

        // A million kWh behind 40-fold transformers; 2^32 steps of 10 Wh where nothing is said.
        assert_eq!(rollover_of("my-meter", mine, ratios), Some(40_000_000_000_000));
        assert_eq!(rollover_of("my-other", mine, ratios), Some(42_949_672_960_000));
        assert_eq!(
            rollover_of("acrel-ddsy1352", mine, modbus::Ratios::ONE),
            Some(42_949_672_960_000)
        );
        assert_eq!(rollover_of("nobody", mine, ratios), None);
    }
}
