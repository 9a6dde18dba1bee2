//! The parts of a plan as they lie in its bytes: maps, meters, switches.

use super::{
    ENTRY_ITEMS, ENTRY_ITEMS_MAX, MAP_ITEMS, METER_ITEMS, PlanMap, PlannedMeter, PlannedSwitch,
    SWITCH_ITEMS,
};
use crate::message::cbor::{Reader, Writer};
use crate::message::{DecodeError, EncodeError};
use crate::modbus::{
    Entry, LineSettings, Parity, Ratio, Ratios, Scale, Table, Type, Undefined, WordOrder,
};
use crate::{Address, List, Quantity};

/// The numbers of the types; decimal digits count on from [`BCD`].
const TYPES: [Type; 8] =
    [Type::U16, Type::I16, Type::U32, Type::I32, Type::U64, Type::I64, Type::F32, Type::F64];
pub(super) const BCD: u64 = 16;
/// As far above plain digits as there can be of them, and again.
const SIGNED_BCD: u64 = 48;
/// The codes of units end at 0x37, so a type is one byte all the same.
const UNIT: u64 = 128;

const fn type_id(ty: Type) -> u64 {
    match ty {
        Type::U16 => 0,
        Type::I16 => 1,
        Type::U32 => 2,
        Type::I32 => 3,
        Type::U64 => 4,
        Type::I64 => 5,
        Type::F32 => 6,
        Type::F64 => 7,
        Type::Bcd { digits } => BCD.saturating_add(digits as u64),
        Type::SignedBcd { digits } => SIGNED_BCD.saturating_add(digits as u64),
        Type::WithUnit { unit } => UNIT.saturating_add(unit as u64),
    }
}

fn type_from_id(id: u64) -> Option<Type> {
    let fixed = TYPES.into_iter().find(|ty| type_id(*ty) == id);
    fixed.or_else(|| {
        let above = |base| u8::try_from(id.checked_sub(base)?).ok();
        Some(if UNIT <= id {
            Type::WithUnit { unit: above(UNIT).filter(|&unit| unit < 128)? }
        } else if SIGNED_BCD <= id {
            Type::SignedBcd { digits: above(SIGNED_BCD)? }
        } else {
            Type::Bcd { digits: above(BCD)? }
        })
    })
}

pub(super) fn write_map(writer: &mut Writer<'_>, map: &PlanMap) -> Result<(), EncodeError> {
    writer.array(5)?;
    writer.uint(map.read_limit)?;
    writer.uint(map.answer_ms)?;
    writer.uint(map.turnaround_ms)?;
    writer.array(map.forbidden.len())?;
    for &(first, last) in map.forbidden.iter() {
        writer.array(2)?;
        writer.uint(first)?;
        writer.uint(last)?;
    }
    writer.array(map.entries.len())?;
    for entry in map.entries.iter() {
        let behind = entry.table.holds_bytes();
        writer.array(if behind { 10 } else { 9 })?;
        writer.uint(entry.quantity.id())?;
        writer.uint(entry.table.id())?;
        writer.uint(entry.address)?;
        writer.uint(type_id(entry.ty))?;
        writer.uint(entry.order.id())?;
        writer.int(i64::from(entry.scale.numerator()))?;
        writer.uint(entry.scale.denominator())?;
        writer.uint(entry.undefined.id())?;
        writer.uint(entry.ratio.id())?;
        if behind {
            writer.uint(entry.offset)?;
        }
    }
    Ok(())
}

fn read_list<'a, T: Copy + Default, const N: usize>(
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<List<T, N>, DecodeError> {
    let mut list = List::new();
    fill(&mut list, reader, read)?;
    Ok(list)
}

pub(super) fn fill<'a, T: Copy + Default, const N: usize>(
    list: &mut List<T, N>,
    reader: &mut Reader<'a>,
    read: impl Fn(&mut Reader<'a>) -> Result<T, DecodeError>,
) -> Result<(), DecodeError> {
    list.clear();
    for _ in 0..reader.array()? {
        list.push(read(reader)?).map_err(|_| DecodeError::TooMany)?;
    }
    Ok(())
}

pub(super) fn read_line(reader: &mut Reader<'_>) -> Result<LineSettings, DecodeError> {
    reader.array_of(3)?;
    Ok(LineSettings {
        baud: reader.uint()?,
        parity: Parity::from_id(reader.uint()?).ok_or(DecodeError::Unknown)?,
        stop_bits: reader.uint()?,
    })
}

pub(super) fn read_map(reader: &mut Reader<'_>) -> Result<PlanMap, DecodeError> {
    reader.array_of(MAP_ITEMS)?;
    Ok(PlanMap {
        read_limit: reader.uint()?,
        answer_ms: reader.uint()?,
        turnaround_ms: reader.uint()?,
        forbidden: read_list(reader, |reader| {
            reader.array_of(2)?;
            Ok((reader.uint()?, reader.uint()?))
        })?,
        entries: read_list(reader, read_entry)?,
    })
}

fn read_entry(reader: &mut Reader<'_>) -> Result<Entry, DecodeError> {
    let known = DecodeError::Unknown;
    let items = reader.array()?;
    let quantity = Quantity::from_id(reader.uint()?).ok_or(known)?;
    let table = Table::from_id(reader.uint()?).ok_or(known)?;
    if items != if table.holds_bytes() { ENTRY_ITEMS_MAX } else { ENTRY_ITEMS } {
        return Err(DecodeError::Malformed);
    }
    Ok(Entry {
        quantity,
        table,
        address: reader.uint()?,
        ty: type_from_id(reader.uint()?).ok_or(known)?,
        order: WordOrder::from_id(reader.uint()?).ok_or(known)?,
        scale: {
            let (numerator, denominator) = (reader.int()?, reader.uint()?);
            let numerator = i32::try_from(numerator).map_err(|_| DecodeError::OutOfRange)?;
            Scale::fraction(numerator, denominator).ok_or(DecodeError::OutOfRange)?
        },
        undefined: Undefined::from_id(reader.uint()?).ok_or(known)?,
        ratio: Ratio::from_id(reader.uint()?).ok_or(known)?,
        offset: if table.holds_bytes() { reader.uint()? } else { 0 },
    })
}

pub(super) fn read_meter(reader: &mut Reader<'_>) -> Result<PlannedMeter, DecodeError> {
    reader.array_of(METER_ITEMS)?;
    Ok(PlannedMeter {
        meter: reader.name()?,
        address: Address::from_number(reader.uint()?),
        map: reader.uint()?,
        interval_s: reader.uint()?,
        ratios: Ratios { pt: reader.uint()?, ct: reader.uint()? },
    })
}

pub(super) fn read_switch(reader: &mut Reader<'_>) -> Result<PlannedSwitch, DecodeError> {
    reader.array_of(SWITCH_ITEMS)?;
    Ok(PlannedSwitch { circuit: reader.name()?, unit_id: reader.uint()?, coil: reader.uint()? })
}
