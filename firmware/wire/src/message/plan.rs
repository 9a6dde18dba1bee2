//! What a node shall do: which meters to read, how, and how often.
//!
//! The plan carries the register maps themselves. A node knows no meter model, so a meter
//! that nobody had heard of when the node was flashed needs no new program.

mod bytes;

use self::bytes::{fill, read_line, read_map, read_meter, read_switch, write_map};
use super::cbor::{HEAD_MAX, Reader, Writer, head_len, text_len};
use super::pack::READINGS_MAX;
use super::{DecodeError, EncodeError};
use crate::check::crc32;
use crate::modbus::{
    BCD_DIGITS_MAX, Entry, LineSettings, Ratio, Ratios, RegisterMap, Table, Type, Undefined,
    WordOrder, unit,
};
use crate::name::NAME_LEN_MAX;
use crate::{Address, List, Name, Protocol};

/// The most meters of one node: what an RS-485 line carries without a repeater.
pub const METERS_MAX: usize = 32;
/// The most register maps in one plan.
pub const MAPS_MAX: usize = 6;
/// The most entries in one register map: each becomes one reading of the pack.
pub const ENTRIES_MAX: usize = READINGS_MAX;
/// The most forbidden ranges in one register map.
pub const FORBIDDEN_MAX: usize = 4;

/// The most circuits that one node may switch: a relay module of the usual kind.
pub const SWITCHES_MAX: usize = 4;

/// The most registers in one request (Modbus application protocol V1.1b3, 6.3).
const READ_LIMIT_MAX: u16 = 125;

/// A register map as a plan carries it; see [`RegisterMap`] for the fields.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PlanMap {
    /// The values.
    pub entries: List<Entry, ENTRIES_MAX>,
    /// The most registers in one answer.
    pub read_limit: u16,
    /// How long the meter may think before its answer begins.
    pub answer_ms: u16,
    /// How long it wants to be left alone after an answer.
    pub turnaround_ms: u16,
    /// Registers that must not be read, first to last.
    pub forbidden: List<(u16, u16), FORBIDDEN_MAX>,
}

impl PlanMap {
    /// Returns a map that can be sent.
    ///
    /// # Errors
    ///
    /// [`crate::list::Full`] if it has more than [`ENTRIES_MAX`] entries or more than
    /// [`FORBIDDEN_MAX`] forbidden ranges.
    pub fn new(map: &RegisterMap<'_>) -> Result<Self, crate::list::Full> {
        Ok(Self {
            entries: List::from_slice(map.entries)?,
            read_limit: map.read_limit,
            answer_ms: map.answer_ms,
            turnaround_ms: map.turnaround_ms,
            forbidden: List::from_slice(map.forbidden)?,
        })
    }

    /// Says whether a node can read by the map.
    ///
    /// # Errors
    ///
    /// The first [`PlanFault`] found.
    pub fn check(&self) -> Result<(), PlanFault> {
        check_map(&self.as_map())
    }

    /// Returns the map.
    #[must_use]
    pub fn as_map(&self) -> RegisterMap<'_> {
        RegisterMap {
            entries: self.entries.as_slice(),
            read_limit: self.read_limit,
            answer_ms: self.answer_ms,
            turnaround_ms: self.turnaround_ms,
            forbidden: self.forbidden.as_slice(),
        }
    }
}

/// One meter of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedMeter {
    /// What its readings are sent under.
    pub meter: Name,
    /// What it is called on the line. Several meters may share one: the channels of one box.
    pub address: Address,
    /// Which of the plan's maps it has, counted from 0.
    pub map: u8,
    /// How often to read it, in seconds; 0 for the plan's own interval.
    pub interval_s: u16,
    /// The ratios of its transformers.
    pub ratios: Ratios,
}

// A default only so that meters can lie in a `List`; it is never polled.
impl Default for PlannedMeter {
    fn default() -> Self {
        Self {
            meter: Name::PLACEHOLDER,
            address: Address::unit_id(1),
            map: 0,
            interval_s: 0,
            ratios: Ratios::ONE,
        }
    }
}

/// A circuit that a node may switch: nothing else is ever written on a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedSwitch {
    /// What commands call it.
    pub circuit: Name,
    /// The address of the relay, 1 to 247.
    pub unit_id: u8,
    /// Its coil, as on the wire; it is read back from there.
    pub coil: u16,
}

// A default only so that switches can lie in a `List`; none is ever switched by it.
impl Default for PlannedSwitch {
    fn default() -> Self {
        Self { circuit: Name::PLACEHOLDER, unit_id: 1, coil: 0 }
    }
}

/// The retained plan of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// Grows with each change; the node repeats it in its answer.
    pub revision: u32,
    /// How often a meter is read, in seconds, at whole multiples of it in UTC.
    pub interval_s: u16,
    /// How the line is set.
    pub line: LineSettings,
    /// The register maps.
    pub maps: List<PlanMap, MAPS_MAX>,
    /// The meters.
    pub meters: List<PlannedMeter, METERS_MAX>,
    /// The circuits that may be switched.
    pub switches: List<PlannedSwitch, SWITCHES_MAX>,
}

/// Why a node does not work by a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PlanFault {
    /// The bytes are no plan.
    Unreadable,
    /// The interval is zero.
    Interval,
    /// Baud, parity or stop bits that the line cannot have.
    Line,
    /// A unit id outside 1 to 247, or a number that is not one meter's.
    UnitId,
    /// A meter points to a map that is not there.
    MapMissing,
    /// The same meter twice.
    MeterTwice,
    /// A transformer ratio of zero.
    Ratio,
    /// A read limit outside 1 to 125, or smaller than one of the map's values.
    ReadLimit,
    /// An entry that cannot be read: beyond the last register, in a forbidden range, no
    /// digits or too many, an unknown unit, a number in a table of bits, or another protocol
    /// than the rest of its map.
    Entry,
    /// The same quantity twice in one map.
    QuantityTwice,
    /// The bus would be busy for more than all of the time; the answer says how much.
    Overload,
}

impl PlanFault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::Unreadable,
        Self::Interval,
        Self::Line,
        Self::UnitId,
        Self::MapMissing,
        Self::MeterTwice,
        Self::Ratio,
        Self::ReadLimit,
        Self::Entry,
        Self::QuantityTwice,
        Self::Overload,
    ];

    /// Returns the word for it in messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Unreadable => "unreadable",
            Self::Interval => "interval",
            Self::Line => "line",
            Self::UnitId => "unit-id",
            Self::MapMissing => "map-missing",
            Self::MeterTwice => "meter-twice",
            Self::Ratio => "ratio",
            Self::ReadLimit => "read-limit",
            Self::Entry => "entry",
            Self::QuantityTwice => "quantity-twice",
            Self::Overload => "overload",
        }
    }

    /// Returns the fault that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.code() == code)
    }
}

pub(super) const fn longest_fault_code() -> usize {
    let mut longest = 0;
    let mut rest: &[PlanFault] = &PlanFault::ALL;
    while let [fault, others @ ..] = rest {
        let len = fault.code().len();
        longest = if longest < len { len } else { longest };
        rest = others;
    }
    longest
}

const REVISION: &str = "revision";
const INTERVAL: &str = "interval";
const LINE: &str = "line";
const MAPS: &str = "maps";
const METERS: &str = "meters";
const SWITCHES: &str = "switches";
const SUM: &str = "sum";

const U16_LEN: usize = head_len(u16::MAX as u64);
const U32_LEN: usize = head_len(u32::MAX as u64);

const ENTRY_ITEMS: u64 = 9;
/// The tenth is the offset, which only values behind an identifier have.
const ENTRY_ITEMS_MAX: u64 = ENTRY_ITEMS + 1;
const ENTRY_BYTES_MAX: usize = head_len(ENTRY_ITEMS_MAX)
    + head_len(u8::MAX as u64)
    + head_len(Table::Cjt188 as u64)
    + U32_LEN
    + head_len(u8::MAX as u64)
    + head_len(WordOrder::Dcba as u64)
    + U32_LEN
    + U32_LEN
    + head_len(Undefined::Nan as u64)
    + head_len(Ratio::PtCt as u64)
    + head_len(u8::MAX as u64);

const MAP_ITEMS: u64 = 5;
const MAP_BYTES_MAX: usize = head_len(MAP_ITEMS)
    + 3 * U16_LEN
    + (head_len(FORBIDDEN_MAX as u64) + FORBIDDEN_MAX * (head_len(2) + 2 * U16_LEN))
    + (head_len(ENTRIES_MAX as u64) + ENTRIES_MAX * ENTRY_BYTES_MAX);

const METER_ITEMS: u64 = 6;
const METER_BYTES_MAX: usize = head_len(METER_ITEMS)
    + text_len(NAME_LEN_MAX)
    + HEAD_MAX
    + head_len(u8::MAX as u64)
    + U16_LEN
    + 2 * U32_LEN;

const SWITCH_ITEMS: u64 = 3;
const SWITCH_BYTES_MAX: usize =
    head_len(SWITCH_ITEMS) + text_len(NAME_LEN_MAX) + head_len(u8::MAX as u64) + U16_LEN;

impl Plan {
    /// The most bytes a plan takes.
    pub const BYTES_MAX: usize = head_len(7)
        + (text_len(REVISION.len()) + U32_LEN)
        + (text_len(INTERVAL.len()) + U16_LEN)
        + (text_len(LINE.len()) + head_len(3) + U32_LEN + head_len(2) + head_len(2))
        + (text_len(MAPS.len()) + head_len(MAPS_MAX as u64) + MAPS_MAX * MAP_BYTES_MAX)
        + (text_len(METERS.len()) + head_len(METERS_MAX as u64) + METERS_MAX * METER_BYTES_MAX)
        + (text_len(SWITCHES.len())
            + head_len(SWITCHES_MAX as u64)
            + SWITCHES_MAX * SWITCH_BYTES_MAX)
        + (text_len(SUM.len()) + U32_LEN);

    /// Says whether a node can work by the plan.
    ///
    /// # Errors
    ///
    /// The first [`PlanFault`] found.
    pub fn check(&self) -> Result<(), PlanFault> {
        let ensure = |good: bool, fault| if good { Ok(()) } else { Err(fault) };
        ensure(0 < self.interval_s, PlanFault::Interval)?;
        let line = self.line;
        let line_is_good =
            (1200..=115_200).contains(&line.baud) && (1..=2).contains(&line.stop_bits);
        ensure(line_is_good, PlanFault::Line)?;
        for map in self.maps.iter() {
            check_map(&map.as_map())?;
        }
        for (at, meter) in self.meters.iter().enumerate() {
            let map = self.maps.get(usize::from(meter.map)).ok_or(PlanFault::MapMissing)?;
            ensure(meter.address.fits(map.as_map().protocol()), PlanFault::UnitId)?;
            ensure(meter.ratios.pt != 0 && meter.ratios.ct != 0, PlanFault::Ratio)?;
            let twice = self.meters.iter().take(at).any(|other| other.meter == meter.meter);
            ensure(!twice, PlanFault::MeterTwice)?;
        }
        for switch in self.switches.iter() {
            ensure((1..=247).contains(&switch.unit_id), PlanFault::UnitId)?;
        }
        Ok(())
    }

    /// Writes the plan and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out);
        writer.map(if self.switches.is_empty() { 6 } else { 7 })?;
        writer.text(REVISION)?;
        writer.uint(self.revision)?;
        writer.text(INTERVAL)?;
        writer.uint(self.interval_s)?;
        writer.text(LINE)?;
        writer.array(3)?;
        writer.uint(self.line.baud)?;
        writer.uint(self.line.parity.id())?;
        writer.uint(self.line.stop_bits)?;
        writer.text(MAPS)?;
        writer.array(self.maps.len())?;
        for map in self.maps.iter() {
            write_map(&mut writer, map)?;
        }
        writer.text(METERS)?;
        writer.array(self.meters.len())?;
        for meter in self.meters.iter() {
            writer.array(6)?;
            writer.text(meter.meter.as_str())?;
            writer.uint(meter.address.number())?;
            writer.uint(meter.map)?;
            writer.uint(meter.interval_s)?;
            writer.uint(meter.ratios.pt)?;
            writer.uint(meter.ratios.ct)?;
        }
        if !self.switches.is_empty() {
            writer.text(SWITCHES)?;
            writer.array(self.switches.len())?;
        }
        for switch in self.switches.iter() {
            writer.array(3)?;
            writer.text(switch.circuit.as_str())?;
            writer.uint(switch.unit_id)?;
            writer.uint(switch.coil)?;
        }
        let len = writer.len();
        let (before, behind) = out.split_at_mut_checked(len).ok_or(EncodeError::NoRoom)?;
        let mut writer = Writer::new(behind);
        writer.text(SUM)?;
        writer.uint(crc32(0, before))?;
        Ok(len.saturating_add(writer.len()))
    }

    /// Returns a plan without meters, which no node can work by: somewhere to read one into.
    #[must_use]
    pub fn empty() -> Self {
        Self {
            revision: 0,
            interval_s: 0,
            line: LineSettings::default(),
            maps: List::new(),
            meters: List::new(),
            switches: List::new(),
        }
    }

    /// Reads a plan. Whether it makes sense is for [`Self::check`] to say.
    ///
    /// # Errors
    ///
    /// [`DecodeError::TooMany`] if it is larger than a node can hold; the others as they say.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut plan = Self::empty();
        plan.read(bytes)?;
        Ok(plan)
    }

    /// Reads a plan into its place: one is 5 KB, and a microcontroller has no room for the
    /// copies on the way from a function to its caller.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`]; the plan is in parts the old and in parts the new one then.
    pub fn read(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        let mut reader = Reader::new(bytes);
        let (mut revision, mut interval_s, mut line) = (None, None, None);
        let (mut has_maps, mut has_meters) = (false, false);
        self.switches.clear();
        let mut is_closed = false;
        for _ in 0..reader.map()? {
            let at = reader.position();
            let key = reader.text()?;
            if is_closed {
                return Err(DecodeError::Malformed);
            }
            match key {
                REVISION => revision = Some(reader.uint()?),
                INTERVAL => interval_s = Some(reader.uint()?),
                LINE => line = Some(read_line(&mut reader)?),
                MAPS => {
                    has_maps = true;
                    fill(&mut self.maps, &mut reader, read_map)?;
                }
                METERS => {
                    has_meters = true;
                    fill(&mut self.meters, &mut reader, read_meter)?;
                }
                SWITCHES => fill(&mut self.switches, &mut reader, read_switch)?,
                // The last key, over all bytes before it. Older gateways send none.
                SUM => {
                    let sum: u32 = reader.uint()?;
                    is_closed = true;
                    if bytes.get(..at).is_none_or(|before| crc32(0, before) != sum) {
                        return Err(DecodeError::Malformed);
                    }
                }
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        self.revision = revision.ok_or(DecodeError::Missing)?;
        self.interval_s = interval_s.ok_or(DecodeError::Missing)?;
        self.line = line.ok_or(DecodeError::Missing)?;
        if has_maps && has_meters { Ok(()) } else { Err(DecodeError::Missing) }
    }
}

fn check_map(map: &RegisterMap<'_>) -> Result<(), PlanFault> {
    if !(1..=READ_LIMIT_MAX).contains(&map.read_limit) {
        return Err(PlanFault::ReadLimit);
    }
    for (at, entry) in map.entries.iter().enumerate() {
        if map.entries.iter().take(at).any(|other| other.quantity == entry.quantity) {
            return Err(PlanFault::QuantityTwice);
        }
        let table = entry.table;
        let end = entry.span().saturating_add(u16::from(entry.offset));
        if map.read_limit < end {
            return Err(PlanFault::ReadLimit);
        }
        let bits_are_bits = !table.holds_bits() || entry.ty == Type::U16;
        let digits_are_good = match entry.ty {
            Type::Bcd { digits } | Type::SignedBcd { digits } => {
                (1..=BCD_DIGITS_MAX).contains(&digits)
            }
            Type::WithUnit { unit } => table.holds_bytes() && unit::sized(unit).is_some(),
            Type::U16
            | Type::I16
            | Type::U32
            | Type::I32
            | Type::U64
            | Type::I64
            | Type::F32
            | Type::F64 => true,
        };
        let type_is_good = bits_are_bits && digits_are_good;
        let place_is_good = if table.holds_bytes() {
            matches!(entry.order, WordOrder::Abcd | WordOrder::Dcba)
                && entry.address <= table.address_max()
        } else {
            let last = entry.address.saturating_add(u32::from(end)).saturating_sub(1);
            let forbidden = |&(from, to): &(u16, u16)| {
                u32::from(from) <= last && entry.address <= u32::from(to)
            };
            entry.offset == 0 && last <= table.address_max() && !map.forbidden.iter().any(forbidden)
        };
        let alike = Protocol::of(table) == map.protocol();
        if !(type_is_good && place_is_good && alike) {
            return Err(PlanFault::Entry);
        }
    }
    Ok(())
}
