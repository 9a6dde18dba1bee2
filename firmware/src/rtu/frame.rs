//! Frames of Modbus RTU: what is sent, and what is found in what was received.
//!
//! Source: Modbus application protocol V1.1b3, 6.1 to 6.4; Modbus over Serial Line V1.02,
//! 2.5.1.

use wire::modbus::Table;

use crate::bus::{PollError, Request};

const EXCEPTION: u8 = 0x80;
const EXCEPTION_LEN: usize = 5;
/// Unit id, function and byte count before the data, two bytes of check sum after it.
const OVERHEAD: usize = 5;

/// Returns the check sum of a frame; it is sent low byte first.
pub(super) fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, &byte| {
        (0..8).fold(
            crc ^ u16::from(byte),
            |crc, _| {
                if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 }
            },
        )
    })
}

/// Writes one coil (6.5).
const WRITE_COIL: u8 = 5;

/// Returns the request for `count` registers or bits.
#[must_use]
pub fn request(request: &Request, count: u16) -> [u8; 8] {
    sealed(request, request.table.id(), count)
}

/// Returns the request that switches a coil.
pub(super) fn coil(request: &Request, on: bool) -> [u8; 8] {
    sealed(request, WRITE_COIL, if on { 0xFF00 } else { 0 })
}

fn sealed(request: &Request, function: u8, word: u16) -> [u8; 8] {
    // `Expected` is made first, and only of what has a unit id and a register.
    let [.., address_high, address_low] = request.address.to_be_bytes();
    let [.., unit_id] = request.meter.number().to_be_bytes();
    let [word_high, word_low] = word.to_be_bytes();
    let body = [unit_id, function, address_high, address_low, word_high, word_low];
    let [crc_low, crc_high] = crc(&body).to_le_bytes();
    let [a, b, c, d, e, f] = body;
    [a, b, c, d, e, f, crc_low, crc_high]
}

/// What a meter is asked, and with it what its answer must look like.
pub(super) struct Expected {
    unit_id: u8,
    function: u8,
    /// What follows the function: how many bytes of data come.
    third: u8,
    len: usize,
    bits: bool,
}

impl Expected {
    /// `None` for none or for more than one answer can hold: 125 registers, or as many bits
    /// as we have words for; and for what has no unit id or lies in no table of registers.
    pub(super) fn new(request: &Request, count: u16) -> Option<Self> {
        let bits = request.table.holds_bits();
        let data_bytes = if bits { count.div_ceil(8) } else { count.checked_mul(2)? };
        let data_bytes = u8::try_from(data_bytes).ok().filter(|&n| 0 < n && n <= 250)?;
        let unit_id = unit_id(request)?;
        // A table of Modbus has for its number the function that reads it; the others have none.
        let function = request.table.id();
        let len = usize::from(data_bytes).saturating_add(OVERHEAD);
        Some(Self { unit_id, function, third: data_bytes, len, bits })
    }

    /// The answer to a coil that was switched: the request again. `None` for what is no coil.
    pub(super) fn coil(request: &Request) -> Option<Self> {
        let unit_id = unit_id(request).filter(|_| request.table == Table::Coil)?;
        let [.., third, _] = request.address.to_be_bytes();
        Some(Self { unit_id, function: WRITE_COIL, third, len: 8, bits: false })
    }

    pub(super) fn frame_len(&self) -> usize {
        self.len
    }
}

/// Returns who is asked, if that is one Modbus meter and one of its registers.
fn unit_id(request: &Request) -> Option<u8> {
    let fits = !request.table.holds_bytes() && request.address <= request.table.address_max();
    u8::try_from(request.meter.number()).ok().filter(|_| fits)
}

/// What a search among received bytes found.
pub(super) enum Search {
    /// The answer begins at this byte and is whole.
    Answer { at: usize },
    /// The meter refused.
    Refused { code: u8 },
    /// The answer may have begun and is not whole.
    Begun,
    /// Nothing that could become one.
    Nothing,
}

/// Takes `len` bytes from the front if they are a frame with a good check sum.
fn whole(bytes: &[u8], len: usize) -> Option<&[u8]> {
    let frame = bytes.get(..len)?;
    let (body, [low, high]) = frame.split_last_chunk()?;
    (crc(body) == u16::from_le_bytes([*low, *high])).then_some(frame)
}

/// Looks for the answer, wherever it begins: noise and echoes may stand before it.
pub(super) fn search(bytes: &[u8], expected: &Expected) -> Search {
    let mut begun = false;
    for at in 0..bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        match *rest {
            [unit_id] if unit_id == expected.unit_id => begun = true,
            [unit_id, function, ..] if unit_id == expected.unit_id => {
                if function == expected.function | EXCEPTION {
                    if let Some([_, _, code, ..]) = whole(rest, EXCEPTION_LEN) {
                        return Search::Refused { code: *code };
                    }
                    begun |= rest.len() < EXCEPTION_LEN;
                } else if function == expected.function {
                    let count_fits = rest.get(2).is_none_or(|&n| n == expected.third);
                    if count_fits && whole(rest, expected.frame_len()).is_some() {
                        return Search::Answer { at };
                    }
                    begun |= count_fits && rest.len() < expected.frame_len();
                }
            }
            _ => {}
        }
    }
    if begun { Search::Begun } else { Search::Nothing }
}

/// Says what bytes are that hold no answer.
pub(super) fn blame(bytes: &[u8], expected: &Expected) -> PollError {
    if bytes.is_empty() {
        return PollError::Silent;
    }
    let mut error = PollError::Noise;
    for at in 0..bytes.len() {
        let rest = bytes.get(at..).unwrap_or_default();
        let [unit_id, function, third, ..] = *rest else { continue };
        let len = if function & EXCEPTION != 0 {
            EXCEPTION_LEN
        } else {
            usize::from(third).saturating_add(OVERHEAD)
        };
        let ours = unit_id == expected.unit_id && function & !EXCEPTION == expected.function;
        if (1..=4).contains(&(function & !EXCEPTION)) && whole(rest, len).is_some() {
            let theirs = unit_id != expected.unit_id;
            return if theirs { PollError::WrongUnit } else { PollError::WrongAnswer };
        }
        if ours && error == PollError::Noise {
            error = if len <= rest.len() { PollError::BadCrc } else { PollError::Truncated };
        }
    }
    error
}

/// Writes the registers of an answer that begins the bytes, or its bits as words of 0 or 1.
pub(super) fn unpack(answer: &[u8], expected: &Expected, out: &mut [u16]) {
    let data = answer.get(3..).unwrap_or_default();
    if expected.bits {
        let bits = data.iter().flat_map(|&byte| (0..8).map(move |n| u16::from(byte >> n & 1)));
        out.iter_mut().zip(bits).for_each(|(slot, bit)| *slot = bit);
    } else {
        let words = data.as_chunks().0.iter().map(|&pair| u16::from_be_bytes(pair));
        out.iter_mut().zip(words).for_each(|(slot, word)| *slot = word);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bus::Pace;
    use proptest::prelude::*;
    use wire::Address;

    fn ask(unit_id: u8, table: Table, address: u32) -> Request {
        let meter = Address::unit_id(unit_id);
        Request { meter, table, address, pace: Pace { answer_ms: 500, turnaround_ms: 0 } }
    }

    // Frames that are published with their check sums, and were recomputed.
    #[test]
    fn requests_are_byte_for_byte_those_that_meters_know() {
        let holding = |address, count| request(&ask(1, Table::Holding, address), count);
        assert_eq!(holding(0, 10), [0x01, 0x03, 0, 0, 0, 0x0A, 0xC5, 0xCD]);
        assert_eq!(holding(0x70, 6), [0x01, 0x03, 0, 0x70, 0, 6, 0xC4, 0x13]);
    }

    #[test]
    fn an_answer_is_found_and_unpacked() {
        let expected = Expected::new(&ask(1, Table::Holding, 0), 1).unwrap();
        let answer = [0x01, 0x03, 0x02, 0x00, 0x01, 0x79, 0x84];
        assert!(matches!(search(&answer, &expected), Search::Answer { at: 0 }));
        let mut out = [0];
        unpack(&answer, &expected, &mut out);
        assert_eq!(out, [1]);

        let expected = Expected::new(&ask(1, Table::Input, 0), 2).unwrap();
        let answer = [0x01, 0x04, 0x04, 0x43, 0x66, 0x33, 0x34, 0x1B, 0x38];
        let mut out = [0; 2];
        assert!(matches!(search(&answer, &expected), Search::Answer { at: 0 }));
        unpack(&answer, &expected, &mut out);
        assert_eq!(out, [0x4366, 0x3334]);
    }

    #[test]
    fn more_than_an_answer_can_hold_is_not_asked_for() {
        assert!(Expected::new(&ask(1, Table::Holding, 0), 0).is_none());
        assert!(Expected::new(&ask(1, Table::Holding, 0), 125).is_some());
        assert!(Expected::new(&ask(1, Table::Holding, 0), 126).is_none());
        assert!(Expected::new(&ask(1, Table::Coil, 0), 2000).is_some());
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_search_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..330),
            count in 1_u16..=125,
        ) {
            let expected = Expected::new(&ask(1, Table::Holding, 0), count).unwrap();
            std::hint::black_box((search(&bytes, &expected), blame(&bytes, &expected)));
            unpack(&bytes, &expected, &mut [0; 125]);
        }
    }
}
