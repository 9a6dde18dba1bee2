//! Meters, their counters and their registers at any instant.
//!
//! In: meter descriptions, what was switched. Out: counters, powers, readings, registers.
//!
//! Afterwards:
//! - everything is a pure function of the instant and the events set; asking changes nothing;
//! - a counter never falls;
//! - a load switched on a circuit is counted, to the mWh, by it and by all its parents;
//! - a reading from [`Campus::history`] is the one a node polls at that instant, bit by bit:
//!   both come out of the same registers.
//!
//! Not here: sockets (`serve`), and what a bad cable does to an answer (`line`).

mod numbered;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use wire::message::READINGS_MAX;
use wire::modbus::{Entry, Ratios, Table, VALUE_LEN_MAX, decode, encode};
use wire::models::{self, Model};
use wire::{Absence, Address, List, Name, Protocol, Quantity, Reading, Unit, Value};

use crate::column::{Column, ColumnError};
use crate::electrical::{Measured, Surroundings};
use crate::relay::Relay;
use crate::replay::{AMOUNT_PARTS, Calendar, Series};
use crate::script::{EVENTS_MAX, Faults, ScriptError, ScriptedEvent, Set, Timeline};

/// What a meter replays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source {
    /// The measured series.
    pub column: Column,
    /// How much of it flows through this meter, in thousandths; more than 1,000 is allowed.
    pub share: u32,
}

/// One meter of a campus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MeterSpec {
    /// Its identifier.
    pub meter: Name,
    /// The meter that also counts what flows through this one.
    pub parent: Option<Name>,
    /// The identifier of its model in [`wire::models`].
    pub model: String,
    /// The bus it hangs on.
    pub bus: Name,
    /// Its address there: a unit id, or the number of a meter whose model has one.
    pub address: Address,
    /// What it replays.
    pub source: Source,
    /// What its counter showed when it was installed, at the beginning of 2024; mWh or mL.
    pub dial: i64,
    /// Its transformers: registers show the values of its own terminals if its model does.
    pub ratios: Ratios,
}

/// Why a campus cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum CampusError {
    /// The embedded measurements cannot be read.
    #[error("meter `{meter}` has nothing to replay")]
    Column {
        /// The meter.
        meter: Name,
        /// What is wrong with them.
        #[source]
        source: ColumnError,
    },
    /// There is no such model.
    #[error("meter `{meter}` is of model `{model}`; known are {}", known_models())]
    UnknownModel {
        /// The meter.
        meter: Name,
        /// What stands in its description.
        model: String,
    },
    /// A model that counts something else than the column it should replay.
    #[error("meter `{meter}` of model `{model}` cannot count {}", unit.symbol())]
    WrongUnit {
        /// The meter.
        meter: Name,
        /// Its model.
        model: String,
        /// The unit of the column.
        unit: Unit,
    },
    /// Two meters of one name.
    #[error("two meters are called `{meter}`")]
    TwiceNamed {
        /// The name.
        meter: Name,
    },
    /// An address that cannot be asked for, or that another meter on the bus has.
    #[error("meter `{meter}` cannot have address {:x} on bus `{bus}`", address.number())]
    UnitId {
        /// The meter.
        meter: Name,
        /// The bus.
        bus: Name,
        /// The address.
        address: Address,
    },
    /// A parent that is not named before its child, so that no meter feeds itself.
    #[error("meter `{meter}` has parent `{parent}`, which is not described before it")]
    Parent {
        /// The meter.
        meter: Name,
        /// Its parent.
        parent: Name,
    },
    /// More values than a pack carries.
    #[error("model `{model}` has more than {READINGS_MAX} values")]
    TooManyValues {
        /// The model.
        model: String,
    },
}

fn known_models() -> String {
    models::MODELS.iter().map(|model| model.id).collect::<Vec<_>>().join(", ")
}

/// What one meter says at one instant, in the order of its register map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MeterReadings {
    /// Unix seconds, UTC.
    pub instant: i64,
    /// Each quantity of its model.
    pub readings: List<Reading, READINGS_MAX>,
}

/// Why a meter refuses a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It has no such table.
    Function,
    /// Registers outside its map.
    Address,
    /// None, or more than it gives at once.
    Count,
}

struct Meter {
    spec: MeterSpec,
    model: &'static Model,
    series: Arc<Series>,
    surroundings: Surroundings,
    /// Itself and all meters below it: their switched loads flow through this one too.
    fed: Vec<usize>,
}

/// A campus of meters.
pub struct Campus {
    meters: Vec<Meter>,
    places: HashMap<Name, usize>,
    timelines: RwLock<Vec<Arc<Timeline>>>,
    pub(crate) relays: Vec<Relay>,
}

impl Campus {
    /// Builds a campus without holidays from the descriptions of its meters, parents before
    /// children.
    ///
    /// # Errors
    ///
    /// [`CampusError`] names the first meter whose description cannot be met.
    pub fn load(site: &[MeterSpec]) -> Result<Self, CampusError> {
        Self::load_with(site, &Calendar::default())
    }

    /// Builds a campus whose people are away on the days off of a calendar and there on its
    /// make-up days; else as [`Campus::load`].
    ///
    /// # Errors
    ///
    /// [`CampusError`] names the first meter whose description cannot be met.
    pub fn load_with(site: &[MeterSpec], calendar: &Calendar) -> Result<Self, CampusError> {
        let mut series: Vec<(Column, Arc<Series>)> = Vec::new();
        let mut meters: Vec<Meter> = Vec::with_capacity(site.len());
        let mut places = HashMap::new();
        for (place, spec) in site.iter().enumerate() {
            let meter = spec.meter;
            let model = checked_model(spec)?;
            if places.insert(meter, place).is_some() {
                return Err(CampusError::TwiceNamed { meter });
            }
            let same = |other: &Meter| {
                (other.spec.bus, other.spec.address) == (spec.bus, spec.address)
                    && other.model.map.protocol() == model.map.protocol()
            };
            if !spec.address.fits(model.map.protocol()) || meters.iter().any(same) {
                return Err(CampusError::UnitId { meter, bus: spec.bus, address: spec.address });
            }
            let mut above = spec.parent;
            while let Some(parent) = above {
                let unknown = CampusError::Parent { meter, parent };
                let &at = places.get(&parent).filter(|&&at| at < place).ok_or(unknown)?;
                meters[at].fed.push(place);
                above = meters[at].spec.parent;
            }
            let column = spec.source.column;
            let known = series.iter().find(|(other, _)| *other == column);
            let replayed = if let Some((_, replayed)) = known {
                Arc::clone(replayed)
            } else {
                let loaded = Series::load(column, calendar)
                    .map_err(|source| CampusError::Column { meter, source })?;
                let loaded = Arc::new(loaded);
                series.push((column, Arc::clone(&loaded)));
                loaded
            };
            meters.push(Meter {
                spec: spec.clone(),
                model,
                series: replayed,
                surroundings: Surroundings::of(&meter, column),
                fed: vec![place],
            });
        }
        let timelines = RwLock::new(vec![Arc::default(); meters.len()]);
        Ok(Self { meters, places, timelines, relays: Vec::new() })
    }

    /// Returns the descriptions of the meters.
    pub fn meters(&self) -> impl Iterator<Item = &MeterSpec> {
        self.meters.iter().map(|meter| &meter.spec)
    }

    /// Returns the counter of a meter at an instant, exactly: mWh of active energy, mL of
    /// water, mL of gas at standard conditions. `None` if there is no such meter.
    #[must_use]
    pub fn counter_at(&self, meter: &Name, instant: i64) -> Option<i64> {
        let meter = self.place(meter)?;
        Some(self.measured(&self.meters[meter], &self.loads(meter), instant).counter)
    }

    /// Returns the power of a meter at an instant in mW, or its flow in mL/h: the slope of
    /// [`Campus::counter_at`]. `None` if there is no such meter.
    #[must_use]
    pub fn power_at(&self, meter: &Name, instant: i64) -> Option<i64> {
        let meter = self.place(meter)?;
        Some(self.measured(&self.meters[meter], &self.loads(meter), instant).rate)
    }

    /// Returns what a node reads from a meter at an instant: each value of its model, as
    /// coarse as its register makes it. `None` if there is no such meter.
    #[must_use]
    pub fn readings_at(&self, meter: &Name, instant: i64) -> Option<MeterReadings> {
        let place = self.place(meter)?;
        let faults = self.faults_at(place, instant);
        Some(self.read(&self.meters[place], &self.loads(place), faults, instant))
    }

    /// Returns what a node that polls every `step_s` seconds reads from a meter, for the
    /// instants `from`, `from + step_s`, … before `until`.
    ///
    /// Instants at which the meter is silent or its answers have a bad CRC are left out.
    /// Events that are set afterwards are not seen. `None` if there is no such meter.
    pub fn history(
        &self,
        meter: &Name,
        from: i64,
        until: i64,
        step_s: u32,
    ) -> Option<impl Iterator<Item = MeterReadings> + '_> {
        let place = self.place(meter)?;
        let (meter, loads) = (&self.meters[place], self.loads(place));
        let own = self.timeline(place);
        let step_s = i64::from(step_s.max(1));
        let instants = std::iter::successors(Some(from), move |at| at.checked_add(step_s));
        Some(instants.take_while(move |&at| at < until).filter_map(move |at| {
            let faults = own.faults(at);
            let heard = !faults.silent && !faults.bad_crc;
            heard.then(|| self.read(meter, &loads, faults, at))
        }))
    }

    /// Switches or breaks one meter, from an instant on that may lie before or ahead.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] if it cannot be; nothing is changed then.
    pub fn set(&self, event: ScriptedEvent) -> Result<(), ScriptError> {
        self.script(&[event])
    }

    /// Takes a whole script, in any order.
    ///
    /// # Errors
    ///
    /// [`ScriptError`] for the first event that cannot be taken; none of them is then.
    pub fn script(&self, events: &[ScriptedEvent]) -> Result<(), ScriptError> {
        let mut timelines = self.timelines.write().unwrap_or_else(PoisonError::into_inner);
        let mut changed = timelines.clone();
        for event in events {
            let unknown = || ScriptError::UnknownMeter { meter: event.meter.to_string() };
            let place = self.place(&event.meter).ok_or_else(unknown)?;
            event.set.check()?;
            let unit = self.meters[place].spec.source.column.unit();
            if matches!(event.set, Set::Lights { .. }) && unit != Unit::WattHour {
                return Err(ScriptError::NoElectricity { meter: event.meter });
            }
            if EVENTS_MAX <= changed[place].len() {
                return Err(ScriptError::Full { meter: event.meter });
            }
            Arc::make_mut(&mut changed[place]).add(event.at, event.set);
        }
        *timelines = changed;
        Ok(())
    }

    /// Returns the place of the meter that has a unit id on a bus.
    pub(crate) fn on_bus(&self, bus: &Name, unit_id: u8) -> Option<usize> {
        let address = Address::unit_id(unit_id);
        self.meters.iter().position(|meter| {
            meter.spec.bus == *bus
                && meter.spec.address == address
                && meter.model.map.protocol() == Protocol::Modbus
        })
    }

    /// Returns the counter's quantity of a meter, and its description.
    pub(crate) fn described(&self, meter: &Name) -> Option<(&MeterSpec, Quantity)> {
        let meter = &self.meters[self.place(meter)?];
        Some((&meter.spec, meter.model.counter))
    }

    /// Returns how the meter at a place is broken at an instant.
    pub(crate) fn faults_at(&self, place: usize, instant: i64) -> Faults {
        self.timeline(place).faults(instant)
    }

    /// Returns `count` registers of the meter at a place, all as of one instant.
    ///
    /// Registers between two values read as zero, as with most meters; those before the
    /// first, behind the last and those the model forbids are refused.
    pub(crate) fn registers_at(
        &self,
        place: usize,
        table: Table,
        address: u16,
        count: u16,
        instant: i64,
    ) -> Result<Vec<u16>, Refusal> {
        let meter = &self.meters[place];
        let map = &meter.model.map;
        let entries = || map.entries.iter().filter(|entry| entry.table == table);
        if count == 0 || map.read_limit < count {
            return Err(if entries().next().is_none() {
                Refusal::Function
            } else {
                Refusal::Count
            });
        }
        let first = entries().map(|entry| entry.address).min();
        let first = first.ok_or(Refusal::Function)?;
        let end = entries().map(end_of).max().unwrap_or(first);
        let (start, stop) = (u32::from(address), u32::from(address) + u32::from(count));
        let forbidden = |&(from, to): &(u16, u16)| start <= u32::from(to) && u32::from(from) < stop;
        if start < first || end < stop || map.forbidden.iter().any(forbidden) {
            return Err(Refusal::Address);
        }

        let mut registers = vec![0; usize::from(count)];
        if self.faults_at(place, instant).nonsense {
            registers.fill(u16::MAX);
            return Ok(registers);
        }
        let measured = self.measured(meter, &self.loads(place), instant);
        for entry in entries() {
            let words = meter.words(entry, measured);
            let words = words.iter().take(usize::from(entry.span()));
            for (at, &word) in (entry.address..).zip(words) {
                let slot = at.checked_sub(start).and_then(|slot| usize::try_from(slot).ok());
                if let Some(register) = slot.and_then(|slot| registers.get_mut(slot)) {
                    *register = word;
                }
            }
        }
        Ok(registers)
    }

    fn place(&self, meter: &Name) -> Option<usize> {
        self.places.get(meter).copied()
    }

    fn timeline(&self, place: usize) -> Arc<Timeline> {
        let timelines = self.timelines.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&timelines[place])
    }

    /// Returns the timelines whose loads flow through the meter at a place.
    fn loads(&self, place: usize) -> Vec<Arc<Timeline>> {
        let timelines = self.timelines.read().unwrap_or_else(PoisonError::into_inner);
        let fed = self.meters[place].fed.iter().map(|&fed| &timelines[fed]);
        fed.filter(|timeline| timeline.len() != 0).map(Arc::clone).collect()
    }

    fn measured(&self, meter: &Meter, loads: &[Arc<Timeline>], instant: i64) -> Measured {
        let share = i128::from(meter.spec.source.share);
        let switched_mws: i128 = loads.iter().map(|load| load.energy_mws(instant)).sum();
        let switched_mw: i64 = loads.iter().map(|load| load.power_mw(instant)).sum();
        // Both in thousandths of the parts of an amount; 1 mW·s is 1/3,600 mWh.
        let replayed = meter.series.amount_at(instant) * share;
        let switched = switched_mws * (AMOUNT_PARTS / 3_600) * 1_000;
        let counted = (replayed + switched).div_euclid(AMOUNT_PARTS * 1_000);
        let rate = i128::from(meter.series.rate_at(instant)) * share / 1_000_000;
        Measured {
            instant,
            counter: meter.spec.dial.saturating_add(i64::try_from(counted).unwrap_or(i64::MAX)),
            rate: i64::try_from(rate).unwrap_or(i64::MAX).saturating_add(switched_mw),
        }
    }

    fn read(
        &self,
        meter: &Meter,
        loads: &[Arc<Timeline>],
        faults: Faults,
        instant: i64,
    ) -> MeterReadings {
        let measured = self.measured(meter, loads, instant);
        let mut readings = List::new();
        for entry in meter.model.map.entries {
            let words = if !faults.nonsense {
                meter.words(entry, measured)
            } else if entry.table.holds_bytes() {
                [0xFF; VALUE_LEN_MAX]
            } else {
                [u16::MAX; VALUE_LEN_MAX]
            };
            let words = words.get(..usize::from(entry.span()));
            let value = words.map_or(Value::Absent(Absence::Garbled), |words| {
                decode(entry, words, meter.spec.ratios)
            });
            // `load` has checked that all values of the model fit.
            if readings.push(Reading { quantity: entry.quantity, value }).is_err() {
                break;
            }
        }
        MeterReadings { instant, readings }
    }
}

impl Meter {
    /// Returns the registers of one value; zero if the register cannot show it.
    fn words(&self, entry: &Entry, measured: Measured) -> [u16; VALUE_LEN_MAX] {
        let mut words = [0; VALUE_LEN_MAX];
        if let Some(value) = self.surroundings.shown(entry.quantity, measured)
            && let Some(out) = words.get_mut(..usize::from(entry.span()))
            && encode(entry, value, self.spec.ratios, out).is_err()
        {
            words = [0; VALUE_LEN_MAX];
        }
        words
    }
}

fn end_of(entry: &Entry) -> u32 {
    entry.address + u32::from(entry.span())
}

fn checked_model(spec: &MeterSpec) -> Result<&'static Model, CampusError> {
    let (meter, model, unit) = (spec.meter, &spec.model, spec.source.column.unit());
    let Some(known) = models::by_id(model) else {
        return Err(CampusError::UnknownModel { meter, model: model.clone() });
    };
    if known.counter.unit() != unit {
        return Err(CampusError::WrongUnit { meter, model: model.clone(), unit });
    }
    if READINGS_MAX < known.map.entries.len() {
        return Err(CampusError::TooManyValues { model: model.clone() });
    }
    Ok(known)
}

#[cfg(test)]
mod tests;
