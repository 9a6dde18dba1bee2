//! The little of CBOR that the messages need, with this crate's errors.

use minicbor::decode::Decoder;
use minicbor::encode::Encoder;
use minicbor::encode::write::Cursor;

use super::{DecodeError, EncodeError};
use crate::Name;

/// The most bytes that a head with a number takes.
pub(super) const HEAD_MAX: usize = 9;

/// Returns the most bytes that a number up to `largest`, or the head of something with so
/// many items or bytes, takes.
pub(super) const fn head_len(largest: u64) -> usize {
    match largest {
        0..=23 => 1,
        24..=0xFF => 2,
        0x100..=0xFFFF => 3,
        0x1_0000..=0xFFFF_FFFF => 5,
        _ => HEAD_MAX,
    }
}

/// Returns the bytes that a text of `len` bytes takes.
pub(super) const fn text_len(len: usize) -> usize {
    head_len(len as u64) + len
}

/// Returns the bytes that a byte string of `len` bytes takes.
pub(super) const fn bytes_len(len: usize) -> usize {
    head_len(len as u64) + len
}

/// Writes one message into a buffer.
pub(super) struct Writer<'a>(Encoder<Cursor<&'a mut [u8]>>);

type Written = Result<(), EncodeError>;

fn written<T, E>(result: Result<T, E>) -> Written {
    result.map(|_| ()).map_err(|_| EncodeError::NoRoom)
}

impl<'a> Writer<'a> {
    pub(super) fn new(out: &'a mut [u8]) -> Self {
        Self(Encoder::new(Cursor::new(out)))
    }

    pub(super) fn len(&self) -> usize {
        self.0.writer().position()
    }

    pub(super) fn map(&mut self, pairs: usize) -> Written {
        written(self.0.map(u64::try_from(pairs).map_err(|_| EncodeError::NoRoom)?))
    }

    pub(super) fn array(&mut self, items: usize) -> Written {
        written(self.0.array(u64::try_from(items).map_err(|_| EncodeError::NoRoom)?))
    }

    pub(super) fn int(&mut self, number: i64) -> Written {
        written(self.0.i64(number))
    }

    pub(super) fn uint(&mut self, number: impl Into<u64>) -> Written {
        written(self.0.u64(number.into()))
    }

    pub(super) fn text(&mut self, text: &str) -> Written {
        written(self.0.str(text))
    }

    /// Writes a text that is joined from two.
    pub(super) fn text_of(&mut self, text: &str, end: &str) -> Written {
        let len = text.len().saturating_add(end.len());
        written(self.0.str_len(u64::try_from(len).map_err(|_| EncodeError::NoRoom)?))?;
        for part in [text, end] {
            use minicbor::encode::Write;
            written(self.0.writer_mut().write_all(part.as_bytes()))?;
        }
        Ok(())
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Written {
        written(self.0.bytes(bytes))
    }

    pub(super) fn bool(&mut self, yes: bool) -> Written {
        written(self.0.bool(yes))
    }

    pub(super) fn tag(&mut self, number: u64) -> Written {
        written(self.0.tag(minicbor::data::Tag::new(number)))
    }
}

/// Reads one message.
#[derive(Clone)]
pub(super) struct Reader<'a>(Decoder<'a>);

fn read<T, E>(result: Result<T, E>) -> Result<T, DecodeError> {
    result.map_err(|_| DecodeError::Malformed)
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self(Decoder::new(bytes))
    }

    /// Returns how many bytes were read.
    pub(super) fn position(&self) -> usize {
        self.0.position()
    }

    /// Ends the message: nothing may follow it.
    pub(super) fn end(&self) -> Result<(), DecodeError> {
        let rest = self.0.input().len().saturating_sub(self.0.position());
        if rest == 0 { Ok(()) } else { Err(DecodeError::Trailing) }
    }

    /// Returns the number of pairs that follow.
    pub(super) fn map(&mut self) -> Result<u64, DecodeError> {
        read(self.0.map())?.ok_or(DecodeError::Malformed)
    }

    /// Returns the number of items that follow.
    pub(super) fn array(&mut self) -> Result<u64, DecodeError> {
        read(self.0.array())?.ok_or(DecodeError::Malformed)
    }

    /// Reads the head of an array that must have so many items.
    pub(super) fn array_of(&mut self, items: u64) -> Result<(), DecodeError> {
        if self.array()? == items { Ok(()) } else { Err(DecodeError::Malformed) }
    }

    pub(super) fn int(&mut self) -> Result<i64, DecodeError> {
        if !self.int_is_next()? {
            return Err(DecodeError::Malformed);
        }
        // CBOR's numbers have 64 bits beside the sign: one that ours has no room for is a
        // number all the same.
        self.0.i64().map_err(|_| DecodeError::OutOfRange)
    }

    pub(super) fn uint<T: TryFrom<u64>>(&mut self) -> Result<T, DecodeError> {
        T::try_from(read(self.0.u64())?).map_err(|_| DecodeError::OutOfRange)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, DecodeError> {
        read(self.0.str())
    }

    pub(super) fn bytes(&mut self) -> Result<&'a [u8], DecodeError> {
        read(self.0.bytes())
    }

    pub(super) fn name(&mut self) -> Result<Name, DecodeError> {
        Name::new(self.text()?).map_err(|_| DecodeError::Malformed)
    }

    pub(super) fn bool(&mut self) -> Result<bool, DecodeError> {
        read(self.0.bool())
    }

    pub(super) fn tag(&mut self) -> Result<u64, DecodeError> {
        read(self.0.tag()).map(|tag| tag.as_u64())
    }

    /// Returns whether a number comes next (and not a tag, a text…).
    pub(super) fn int_is_next(&self) -> Result<bool, DecodeError> {
        use minicbor::data::Type;
        let kind = read(self.0.datatype())?;
        Ok(matches!(
            kind,
            Type::U8
                | Type::U16
                | Type::U32
                | Type::U64
                | Type::I8
                | Type::I16
                | Type::I32
                | Type::I64
                | Type::Int
        ))
    }

    pub(super) fn skip(&mut self) -> Result<(), DecodeError> {
        read(self.0.skip())
    }
}
