//! One meter is read once.
//!
//! In: a bus, the meter's map, its address and ratios. Out: a reading for every entry, each
//! a value or the reason why there is none, and how the meter is. A meter that says nothing
//! costs one request: the rest of its blocks is not asked for. So does one that failed before
//! and gives noise again.

use wire::message::READINGS_MAX;
use wire::modbus::{Ratios, RegisterMap, Table, VALUE_LEN_MAX, decode};
use wire::reading::{Reading, Value};
use wire::{Address, List};

use crate::bus::{Bus, Pace, PollError, Request};
use crate::planner::{self, Block};

/// The most registers in one request (Modbus application protocol V1.1b3, 6.3).
const REGISTERS_MAX: usize = 125;

/// The Modbus exception for a register that the meter does not have.
const ILLEGAL_ADDRESS: u8 = 2;

/// What one poll came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polled {
    /// One for each entry of the map, in its order.
    pub readings: List<Reading, READINGS_MAX>,
    /// The first thing that went wrong, if anything did.
    pub error: Option<PollError>,
    /// Whether any request was answered.
    pub answered: bool,
    /// The meter refused a block because of the gaps in it: they are better left out.
    pub gaps_refused: bool,
}

/// How a meter is polled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Manner {
    /// The widest gap that is bridged; see [`planner::GAP_MAX`].
    pub gap_max: u16,
    /// How often a request is sent if no good answer comes, at least 1.
    pub attempts: u8,
}

/// Reads a meter once. `answered` is called after each good answer, to take the time.
pub async fn poll<B: Bus>(
    bus: &mut B,
    map: &RegisterMap<'_>,
    meter: Address,
    ratios: Ratios,
    manner: Manner,
    mut answered: impl FnMut(),
) -> Polled {
    let mut polled =
        Polled { readings: List::new(), error: None, answered: false, gaps_refused: false };
    let mut values = [None; READINGS_MAX];
    let mut words = [0; REGISTERS_MAX];
    for block in planner::blocks(map, manner.gap_max).iter() {
        let Some(words) = words.get_mut(..usize::from(block.count)) else { continue };
        let ask = |table, address| Request { meter, table, address, pace: Pace::of(map) };
        let request = ask(block.table, block.address);
        let outcome = read(bus, &request, words, manner.attempts).await;
        match outcome {
            Ok(()) => {
                polled.answered = true;
                answered();
                keep(map, block, words, ratios, &mut values);
            }
            Err(PollError::Refused(ILLEGAL_ADDRESS)) if has_gaps(map, block) => {
                polled.answered = true;
                polled.gaps_refused = true;
                let error = one_by_one(bus, map, block, ask, ratios, &mut values).await;
                if error.is_none() {
                    answered();
                }
                polled.error = polled.error.or(error);
            }
            Err(error) => {
                polled.error = polled.error.or(Some(error));
                note(map, block, error, &mut values);
                polled.answered |= matches!(error, PollError::Refused(_));
                // On probation: one that gives nothing but noise costs what a dead one does.
                let is_lost = manner.attempts == 1 && !polled.answered;
                if is_lost || matches!(error, PollError::Silent | PollError::BusDown) {
                    break;
                }
            }
        }
    }
    let otherwise = polled.error.unwrap_or(PollError::Silent).absence();
    for (entry, value) in map.entries.iter().zip(values) {
        let value = value.unwrap_or(Value::Absent(otherwise));
        // A map has no more entries than a pack has readings.
        polled.readings.push(Reading { quantity: entry.quantity, value }).ok();
    }
    polled
}

type Values = [Option<Value>; READINGS_MAX];

async fn read<B: Bus>(
    bus: &mut B,
    request: &Request,
    words: &mut [u16],
    attempts: u8,
) -> Result<(), PollError> {
    let mut left = attempts;
    loop {
        let outcome = bus.read(request, words).await;
        left = left.saturating_sub(1);
        // A refusal is an answer, and a line that is away stays away for a while.
        let is_final = matches!(outcome, Ok(()) | Err(PollError::Refused(_) | PollError::BusDown));
        if is_final || left == 0 {
            return outcome;
        }
    }
}

/// Asks for the entries of a block each by itself, after the meter refused the block, and
/// returns the first thing that went wrong.
async fn one_by_one<B: Bus>(
    bus: &mut B,
    map: &RegisterMap<'_>,
    block: &Block,
    ask: impl Fn(Table, u32) -> Request,
    ratios: Ratios,
    values: &mut Values,
) -> Option<PollError> {
    let mut words = [0; VALUE_LEN_MAX];
    let mut first_error = None;
    for (entry, value) in map.entries.iter().zip(values) {
        if block.offset_of(entry).is_none() {
            continue;
        }
        let Some(words) = words.get_mut(..usize::from(entry.span())) else { continue };
        *value = match bus.read(&ask(entry.table, entry.address), words).await {
            Ok(()) => Some(decode(entry, words, ratios)),
            Err(error) => {
                first_error = first_error.or(Some(error));
                if matches!(error, PollError::Silent | PollError::BusDown) {
                    break;
                }
                Some(Value::Absent(error.absence()))
            }
        };
    }
    first_error
}

/// Whether a block has registers that belong to no entry. What lies behind an identifier has
/// none: it comes as a whole.
fn has_gaps(map: &RegisterMap<'_>, block: &Block) -> bool {
    let inside = map.entries.iter().filter(|entry| block.offset_of(entry).is_some());
    let words = inside.fold(0_u16, |sum, entry| sum.saturating_add(entry.span()));
    words < block.count && !block.table.holds_bytes()
}

fn keep(map: &RegisterMap<'_>, block: &Block, words: &[u16], ratios: Ratios, values: &mut Values) {
    for (entry, value) in map.entries.iter().zip(values) {
        let Some(offset) = block.offset_of(entry) else { continue };
        let end = offset.saturating_add(usize::from(entry.span()));
        *value = words.get(offset..end).map(|words| decode(entry, words, ratios));
    }
}

fn note(map: &RegisterMap<'_>, block: &Block, error: PollError, values: &mut Values) {
    for (entry, value) in map.entries.iter().zip(values) {
        if block.offset_of(entry).is_some() {
            *value = Some(Value::Absent(error.absence()));
        }
    }
}

#[cfg(test)]
mod tests;
