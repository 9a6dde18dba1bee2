//! Integers in few bytes, and checksums.
//!
//! A varint carries seven bits a byte, lowest first, the top bit set on all but the
//! last (LEB128). Zigzag maps small negative numbers to small unsigned ones.

/// Appends an unsigned integer: 1 byte below 128, at most 10.
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Appends a signed integer: 1 byte from -64 to 63, at most 10.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Returns the CRC-32 (IEEE 802.3) of bytes. SQLite's pages carry no checksum.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Takes values off the front of encoded bytes.
///
/// Each method returns `None` where the bytes end too early or say something that was
/// never written.
#[derive(Clone, Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (&first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(first)
    }

    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            // The tenth byte has room for one bit only.
            if shift == 63 && 1 < bits {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let value = self.varint()?;
        Some((value >> 1).cast_signed() ^ -(value & 1).cast_signed())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_the_range_come_back() {
        let mut out = Vec::new();
        let unsigned = [0, 1, 127, 128, u64::MAX - 1, u64::MAX];
        let signed = [0, -1, 1, -64, 63, 64, i64::MIN, i64::MAX];

        unsigned.iter().for_each(|&value| put_varint(&mut out, value));
        signed.iter().for_each(|&value| put_signed(&mut out, value));

        let mut cursor = Cursor::new(&out);
        assert_eq!(unsigned.map(|_| cursor.varint().unwrap()), unsigned);
        assert_eq!(signed.map(|_| cursor.signed().unwrap()), signed);
        assert!(cursor.is_at_end());
    }

    #[test]
    fn the_bytes_are_those_of_leb128_and_zigzag() {
        let mut out = Vec::new();
        put_varint(&mut out, 624_485);
        put_signed(&mut out, -3);
        assert_eq!(out, [0xe5, 0x8e, 0x26, 0x05]);
    }

    #[test]
    fn a_number_that_never_ends_is_refused() {
        assert_eq!(Cursor::new(&[0xff; 11]).varint(), None);
        assert_eq!(Cursor::new(&[0x80]).varint(), None);
    }
}
