//! Integers in few bytes, and checksums.
//!
//! A varint carries seven bits a byte, lowest first, the top bit set on all but the
//! last (LEB128). Zigzag maps small negative numbers to small unsigned ones.

/// Below this a varint has at most eight bytes, which are made in one step.
const EIGHT_BYTES: u64 = 1 << 56;

/// The bit that says that more bytes follow, of eight bytes.
const MORE: u64 = 0x8080_8080_8080_8080;

/// Appends an unsigned integer: 1 byte below 128, at most 10.
#[inline]
pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    if value < 0x80 {
        let [low, ..] = value.to_le_bytes();
        out.push(low);
        return;
    }
    if value < 0x4000 {
        let [low, high, ..] = ((value & 0x7f) | 0x80 | value << 1 & 0x7f00).to_le_bytes();
        out.extend_from_slice(&[low, high]);
        return;
    }
    if value < EIGHT_BYTES {
        // All eight are appended and the rest taken back: byte by byte it takes longer.
        let len = varint_len(value);
        let more = MORE & ((1 << (8 * (len - 1))) - 1);
        let end = out.len() + len;
        out.extend_from_slice(&(spread(value) | more).to_le_bytes());
        out.truncate(end);
        return;
    }
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

/// Gives each seven of 56 bits a byte of their own.
fn spread(value: u64) -> u64 {
    let value = (value & 0x0000_0000_0fff_ffff) | (value & 0x00ff_ffff_f000_0000) << 4;
    let value = (value & 0x0000_3fff_0000_3fff) | (value & 0x0fff_c000_0fff_c000) << 2;
    (value & 0x007f_007f_007f_007f) | (value & 0x3f80_3f80_3f80_3f80) << 1
}

/// Appends a signed integer: 1 byte from -64 to 63, at most 10.
pub(super) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_varint(out, zigzag(value));
}

/// Returns small numbers for numbers near zero: 0, -1, 1, -2, 2 … become 0, 1, 2, 3, 4 …
pub(super) fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

/// The inverse of [`zigzag`].
pub(super) fn unzigzag(value: u64) -> i64 {
    (value >> 1).cast_signed() ^ -(value & 1).cast_signed()
}

/// Returns how many bytes [`put_varint`] takes.
pub(super) fn varint_len(value: u64) -> usize {
    // Of 64 bits, 9/64 is near enough to a seventh.
    let bits = 64 - (value | 1).leading_zeros();
    usize::try_from((bits * 9 + 64) / 64).unwrap_or(10)
}

/// Appends a signed sum that 64 bits may not hold; at most 19 bytes.
pub(super) fn put_wide(out: &mut Vec<u8>, value: i128) {
    let mut zigzag = ((value << 1) ^ (value >> 127)).cast_unsigned();
    loop {
        let [low, ..] = zigzag.to_le_bytes();
        zigzag >>= 7;
        if zigzag == 0 {
            out.push(low & 0x7f);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Returns the CRC-32 (IEEE 802.3) of bytes. SQLite's pages carry no checksum.
pub(super) fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Returns the CRC-32 of numbers, lowest byte first, and bytes after them: of a row with
/// the key it stands under, so that a row that got another key is found out.
pub(super) fn crc32_with(keys: &[i64], bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    for key in keys {
        hasher.update(&key.to_le_bytes());
    }
    hasher.update(bytes);
    hasher.finalize()
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

    pub(super) fn wide(&mut self) -> Option<i128> {
        let mut zigzag: u128 = 0;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            let bits = u128::from(byte & 0x7f);
            if shift == 126 && 3 < bits {
                return None;
            }
            zigzag |= bits << shift;
            if byte & 0x80 == 0 {
                return Some((zigzag >> 1).cast_signed() ^ -(zigzag & 1).cast_signed());
            }
        }
        None
    }

    /// Takes bytes that have their number before them.
    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = usize::try_from(self.varint()?).ok()?;
        self.take(len)
    }

    pub(super) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        Some(unzigzag(self.varint()?))
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

        let lengths = unsigned.iter().map(|&value| varint_len(value)).sum::<usize>()
            + signed.iter().map(|&value| varint_len(zigzag(value))).sum::<usize>();
        assert_eq!(out.len(), lengths);
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
