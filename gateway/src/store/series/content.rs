//! The part of a pack that a row holds as bytes: the clock's state and the readings.
//!
//! ```text
//! version (1)  clock (0 synced, 1 estimated)  then for each reading:
//! quantity id  0 varint(zigzag(value))   |   quantity id  reason id (1 …)
//! ```
//!
//! The same pack always gives the same bytes: rows are compared by them.

use wire::message::{Clock, Pack};
use wire::{Absence, List, Quantity, Reading, Value};

use crate::store::codec::{Cursor, put_signed};

const VERSION: u8 = 1;
const MEASURED: u8 = 0;

/// Returns the bytes of a pack's clock and readings.
pub(super) fn encode(pack: &Pack) -> Vec<u8> {
    let mut out = Vec::with_capacity(2 + 6 * pack.readings.len());
    out.push(VERSION);
    out.push(match pack.clock {
        Clock::Synced => 0,
        Clock::Estimated => 1,
    });
    for reading in pack.readings.iter() {
        out.push(reading.quantity.id());
        match reading.value {
            Value::Measured(value) => {
                out.push(MEASURED);
                put_signed(&mut out, value);
            }
            Value::Absent(reason) => out.push(reason.id()),
        }
    }
    out
}

/// Returns the clock and readings that bytes stand for; `None` if [`encode`] never
/// wrote them.
pub(super) fn decode<const N: usize>(bytes: &[u8]) -> Option<(Clock, List<Reading, N>)> {
    let mut cursor = Cursor::new(bytes);
    if cursor.byte()? != VERSION {
        return None;
    }
    let clock = match cursor.byte()? {
        0 => Clock::Synced,
        1 => Clock::Estimated,
        _ => return None,
    };
    let mut readings = List::new();
    while !cursor.is_at_end() {
        let quantity = Quantity::from_id(cursor.byte()?)?;
        let value = match cursor.byte()? {
            MEASURED => Value::Measured(cursor.signed()?),
            reason => Value::Absent(Absence::from_id(reason)?),
        };
        readings.push(Reading { quantity, value }).ok()?;
    }
    Some((clock, readings))
}
