//! What a meter is that does not say it.
//!
//! In: a meter's address, the models that it may be. Out: the model and word order whose
//! values make most sense, and those values; the runners-up, for a person to choose.
//!
//! Each register is read once, however many models have it; the word orders are tried on what
//! was read. Sense is what a building has: voltages near 220 V between phase and neutral, 380 V
//! between phases, 57.7 or 100 V behind transformers; 50 Hz; power factors within one; counters
//! that are not absurd and do not fall. Fewer points than two such values make are chance, and
//! then the meter is told as unknown. A person compares the plate; the sheet says so.

use std::collections::HashMap;

use firmware::load::Load;
use firmware::planner::{self, Block, GAP_MAX};
use firmware::{Bus, Pace, PollError, Request};
use wire::message::{Plan, PlanMap, PlannedMeter};
use wire::modbus::{Entry, LineSettings, Ratios, RegisterMap, Table, WordOrder, decode};
use wire::models::MODELS;
use wire::quantity::Kind;
use wire::{Address, List, Name, Protocol, Quantity, Reading, Unit, Value};

use super::Found;

/// Fewer points than this are chance.
const POINTS_MIN: i32 = 5;

/// As many points behind the best is as good.
const CLOSE: i32 = 2;

/// The most runners-up that are told.
const ALSO_MAX: usize = 3;

/// The Modbus exception for a function that the meter does not have.
const ILLEGAL_FUNCTION: u8 = 1;

/// A model that a meter may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate<'a> {
    /// The word for it in the site book.
    pub id: &'a str,
    /// Who makes it.
    pub maker: &'a str,
    /// What it says on the plate.
    pub name: &'a str,
    /// The counter that consumption is worked out from.
    pub counter: Quantity,
    /// Its registers.
    pub map: RegisterMap<'a>,
}

/// Returns the models that come with the program.
#[must_use]
pub fn built_in() -> Vec<Candidate<'static>> {
    let of = |it: &'static wire::models::Model| Candidate {
        id: it.id,
        maker: it.maker,
        name: it.name,
        counter: it.counter,
        map: it.map,
    };
    MODELS.iter().map(of).collect()
}

/// What a meter was taken for.
#[derive(Clone, Debug, PartialEq)]
pub struct Identified<'a> {
    /// The model.
    pub model: Candidate<'a>,
    /// The word order that makes sense; `None` if no value has more than one register.
    pub order: Option<WordOrder>,
    /// Whether that is the order of the maker's manual.
    pub is_usual: bool,
    /// What it says by it, in the order of the map.
    pub readings: Vec<Reading>,
    /// Models whose registers make as much sense.
    pub also: Vec<&'a str>,
}

impl Identified<'_> {
    /// Returns the values that a person compares with the meter's display first.
    #[must_use]
    pub fn telling(&self) -> Vec<Reading> {
        let first = [Quantity::VoltageL1, Quantity::Frequency, Quantity::ActivePower];
        let is_telling =
            |it: &&Reading| first.contains(&it.quantity) || it.quantity == self.model.counter;
        let telling: Vec<Reading> = self.readings.iter().filter(is_telling).copied().collect();
        if telling.len() < 2 { self.readings.iter().take(4).copied().collect() } else { telling }
    }
}

/// A model, an order, what is read by them, and how much sense it makes.
struct Guess<'a> {
    points: i32,
    model: Candidate<'a>,
    order: Option<WordOrder>,
    readings: Vec<Reading>,
}

/// Looks what a meter is; counts what it took.
pub async fn identify<'a, B: Bus>(
    bus: &mut B,
    found: &mut Found<'a>,
    candidates: &[Candidate<'a>],
) {
    let mut registers = Registers::default();
    let mut guesses: Vec<Guess<'a>> = Vec::new();
    let protocol = found.protocol;
    for model in candidates.iter().filter(|it| it.map.protocol() == protocol) {
        let Some(blocks) = registers.of(bus, found, model).await else { continue };
        let own = own_order(&model.map);
        let others = WordOrder::ALL.into_iter().filter(|it| own.is_some_and(|own| own != *it));
        for order in std::iter::once(own).chain(others.map(Some)) {
            let readings = understood(&model.map, &blocks, order.filter(|_| order != own));
            // A tie is for the manual.
            let points = points_of(&readings) - i32::from(order != own);
            guesses.push(Guess { points, model: *model, order, readings });
        }
    }
    // An answer to an identifier of the standard says what it is: that is no chance.
    let least = if protocol == Protocol::Modbus { POINTS_MIN } else { 1 };
    guesses.retain(|it| least <= it.points);
    guesses.sort_by_key(|it| std::cmp::Reverse(it.points));
    let mut guesses = guesses.into_iter();
    let Some(best) = first_that_counts(bus, found, &mut guesses).await else { return };
    let mut also: Vec<&str> = Vec::new();
    for it in guesses.filter(|it| best.points - CLOSE <= it.points) {
        if it.model.id != best.model.id && !also.contains(&it.model.id) && also.len() < ALSO_MAX {
            also.push(it.model.id);
        }
    }
    let Guess { model, order, readings, .. } = best;
    let is_usual = order == own_order(&model.map);
    found.model = Some(Identified { model, order, is_usual, readings, also });
}

/// Returns the best guess whose counter does not fall while it is looked at.
async fn first_that_counts<'a, B: Bus>(
    bus: &mut B,
    found: &mut Found<'a>,
    guesses: &mut impl Iterator<Item = Guess<'a>>,
) -> Option<Guess<'a>> {
    let counter_of = |readings: &[Reading], counter| {
        let reading = readings.iter().find(|it: &&Reading| it.quantity == counter)?;
        if let Value::Measured(value) = reading.value { Some(value) } else { None }
    };
    for guess in guesses {
        let counter = guess.model.counter;
        let before = counter_of(&guess.readings, counter);
        let mut again = Registers::default();
        let blocks = again.of(bus, found, &guess.model).await?;
        let order = guess.order.filter(|_| guess.order != own_order(&guess.model.map));
        let after = counter_of(&understood(&guess.model.map, &blocks, order), counter);
        if before <= after {
            return Some(guess);
        }
    }
    None
}

/// What was read from a meter, or why not.
#[derive(Default)]
struct Registers {
    read: HashMap<(Table, u32, u16), Option<Vec<u16>>>,
    no_table: Vec<Table>,
}

type Blocks = Vec<(Block, Vec<u16>)>;

impl Registers {
    /// Reads all registers of a model; `None` if the meter does not have them.
    async fn of<B: Bus>(
        &mut self,
        bus: &mut B,
        found: &mut Found<'_>,
        model: &Candidate<'_>,
    ) -> Option<Blocks> {
        let wide = planner::blocks(&model.map, GAP_MAX);
        let blocks = self.blocks(bus, found, model, wide.as_slice()).await;
        if blocks.is_some() {
            return blocks;
        }
        // Some meters refuse what has gaps in it.
        let narrow = planner::blocks(&model.map, 0);
        if narrow.len() == wide.len() {
            return None;
        }
        self.blocks(bus, found, model, narrow.as_slice()).await
    }

    async fn blocks<B: Bus>(
        &mut self,
        bus: &mut B,
        found: &mut Found<'_>,
        model: &Candidate<'_>,
        blocks: &[Block],
    ) -> Option<Blocks> {
        let mut read = Vec::with_capacity(blocks.len());
        for block in blocks {
            match self.block(bus, found, model, block).await {
                Some(words) => read.push((*block, words)),
                // No meter with a number has all identifiers of its standard.
                None if block.table.holds_bytes() => {}
                None => return None,
            }
        }
        Some(read).filter(|read| !read.is_empty())
    }

    async fn block<B: Bus>(
        &mut self,
        bus: &mut B,
        found: &mut Found<'_>,
        model: &Candidate<'_>,
        block: &Block,
    ) -> Option<Vec<u16>> {
        if self.no_table.contains(&block.table) {
            return None;
        }
        let place = (block.table, block.address, block.count);
        if let Some(known) = self.read.get(&place) {
            return known.clone();
        }
        let (meter, table, address) = (found.address, block.table, block.address);
        let request = Request { meter, table, address, pace: Pace::of(&model.map) };
        let mut words = vec![0; usize::from(block.count)];
        let mut attempts = 2;
        let read = loop {
            attempts -= 1;
            found.requests += 1;
            match bus.read(&request, &mut words).await {
                Ok(()) => break Some(words),
                Err(PollError::Refused(ILLEGAL_FUNCTION)) => {
                    self.no_table.push(block.table);
                    break None;
                }
                Err(PollError::Refused(_)) => break None,
                // Some say nothing to what they do not know: once is enough.
                Err(PollError::Silent | PollError::BusDown) => {
                    found.errors += 1;
                    break None;
                }
                Err(_) => found.errors += 1,
            }
            if attempts == 0 {
                break None;
            }
        };
        self.read.insert(place, read.clone());
        read
    }
}

/// Returns the order of a map's longer values, which is the same for all in every model we know.
fn own_order(map: &RegisterMap<'_>) -> Option<WordOrder> {
    let long = |it: &&Entry| !it.table.holds_bytes() && 1 < it.ty.words();
    map.entries.iter().find(long).map(|it| it.order)
}

/// Takes values from what was read, in another order than the map's if one is given.
fn understood(
    map: &RegisterMap<'_>,
    blocks: &[(Block, Vec<u16>)],
    order: Option<WordOrder>,
) -> Vec<Reading> {
    let reading = |entry: &Entry| {
        let turned = match order {
            Some(order) if 1 < entry.ty.words() => Entry { order, ..*entry },
            Some(_) | None => *entry,
        };
        let (at, words) =
            blocks.iter().find_map(|(block, words)| Some((block.offset_of(entry)?, words)))?;
        let words = words.get(at..at + usize::from(entry.span()))?;
        Some(Reading { quantity: entry.quantity, value: decode(&turned, words, Ratios::ONE) })
    };
    map.entries.iter().filter_map(reading).collect()
}

/// How much sense values make, in points; below zero they make none.
fn points_of(readings: &[Reading]) -> i32 {
    readings.iter().map(points).sum()
}

fn points(reading: &Reading) -> i32 {
    let Value::Measured(value) = reading.value else { return -1 };
    let within = |from: i64, to: i64| (from * 1_000..=to * 1_000).contains(&value);
    let unit = reading.quantity.unit();
    if unit == Unit::Volt {
        // Of a phase, between two, and either behind a voltage transformer.
        if within(195, 255) || within(340, 440) {
            3
        } else if within(54, 62) || within(95, 110) {
            2
        } else {
            -3
        }
    } else if unit == Unit::Hertz {
        if within(49, 51) || within(59, 61) { 3 } else { -3 }
    } else if unit == Unit::One && within(-1, 1) {
        1
    } else if value == 0 {
        // Zero says nothing.
        0
    } else if reading.quantity.kind() == Kind::Counter {
        // Up to 10 TWh or 10 million m³.
        if (1..=10_000_000_000_000_000).contains(&value) { 2 } else { -3 }
    } else if within(-10_000_000, 10_000_000) {
        1
    } else {
        -2
    }
}

/// How busy a meter will keep its bus, in thousandths, if it is read each so many seconds.
#[must_use]
pub fn load_of(found: &Found<'_>, interval_s: u16, has_line: bool) -> u32 {
    let Some(model) = &found.model else { return 0 };
    let (Ok(map), Ok(meter)) = (PlanMap::new(&model.model.map), Name::new("meter")) else {
        return 0;
    };
    let planned = PlannedMeter { meter, address: found.address, ..PlannedMeter::default() };
    let (Ok(maps), Ok(meters)) = (List::from_slice(&[map]), List::from_slice(&[planned])) else {
        return 0;
    };
    let plan = Plan { interval_s, line: found.line, maps, meters, ..Plan::empty() };
    let thinking_ms = thinking_ms(found.answer_ms, found.line, has_line);
    Load::of(&plan, has_line, thinking_ms).permille
}

/// How long a meter thought, of the time that one register took.
fn thinking_ms(answer_ms: u64, line: LineSettings, has_line: bool) -> u32 {
    let bits = u64::from(line.bits_per_character()) * 37 / 2;
    let characters_ms = if has_line { bits * 1_000 / u64::from(line.baud.max(1)) } else { 0 };
    u32::try_from(answer_ms.saturating_sub(characters_ms)).unwrap_or(u32::MAX)
}

/// Returns the address as it stands on a plate or in a site book.
#[must_use]
pub fn plate(address: Address, digits: u32) -> String {
    let number = address.number();
    match usize::try_from(digits) {
        Ok(width) if 0 < width => format!("{number:0>width$x}"),
        _ => number.to_string(),
    }
}
