//! The bytes of a Sparkplug B payload, read and (for one command) written.
//!
//! In: bytes that nobody vouches for. Out: metrics that borrow from them; everything that
//! readings do not need is passed over, so nothing is allocated for it and nothing nests.
//!
//! A decoder of our own, because it is shorter than what a generated one asks for: five
//! messages of some twenty fields, no build script, no four more packages, and a hostile
//! payload costs no more memory than its own length.
//!
//! Source: Eclipse Sparkplug 3.0.0, 6.4.1 (`sparkplug_b.proto`); Protocol Buffers, encoding.

/// A payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Payload<'a> {
    pub(super) timestamp_ms: Option<u64>,
    pub(super) seq: Option<u64>,
    pub(super) metrics: Vec<Metric<'a>>,
}

/// A metric, as far as readings need it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Metric<'a> {
    pub(super) name: Option<&'a str>,
    pub(super) alias: Option<u64>,
    pub(super) timestamp_ms: Option<u64>,
    pub(super) datatype: Option<u32>,
    pub(super) is_null: bool,
    pub(super) value: Option<Content<'a>>,
    /// The property that names the unit, if there is one.
    pub(super) unit: Option<&'a str>,
    /// The property `Quality`: 0 bad, 192 good, 500 stale.
    pub(super) quality: Option<u32>,
}

/// What a metric holds, as it was sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Content<'a> {
    Int(u32),
    Long(u64),
    Float(f32),
    Double(f64),
    Boolean(bool),
    Text(&'a str),
    /// A data set, a template, bytes: nothing that a meter shows.
    Other,
}

/// The bytes are no payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Malformed;

/// Names under which devices tell their unit; the specification fixes none.
const UNIT_NAMES: [&str; 4] = ["engUnit", "EngUnit", "Engineering Units", "unit"];

enum Field<'a> {
    Varint(u64),
    Eight([u8; 8]),
    Bytes(&'a [u8]),
    Four([u8; 4]),
}

struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn next(&mut self) -> Result<Option<(u64, Field<'a>)>, Malformed> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = match key & 7 {
            0 => Field::Varint(self.varint()?),
            1 => Field::Eight(self.take(8)?.try_into().map_err(|_| Malformed)?),
            2 => {
                let len = usize::try_from(self.varint()?).map_err(|_| Malformed)?;
                Field::Bytes(self.take(len)?)
            }
            5 => Field::Four(self.take(4)?.try_into().map_err(|_| Malformed)?),
            // Groups are gone from the format, and none was ever in Sparkplug.
            _ => return Err(Malformed),
        };
        Ok(Some((key >> 3, field)))
    }

    fn varint(&mut self) -> Result<u64, Malformed> {
        let mut value = 0_u64;
        for place in 0..10_u32 {
            let byte = self.take(1)?.first().copied().ok_or(Malformed)?;
            let bits = u64::from(byte & 0x7F);
            // The tenth byte has room for one bit.
            if place == 9 && 1 < bits {
                return Err(Malformed);
            }
            value |= bits << (7 * place);
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(Malformed)?;
        self.0 = rest;
        Ok(taken)
    }
}

impl<'a> Payload<'a> {
    /// Reads a payload. What this version does not know is passed over.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let mut payload = Self::default();
        let mut fields = Fields(bytes);
        while let Some(field) = fields.next()? {
            match field {
                (1, Field::Varint(value)) => payload.timestamp_ms = Some(value),
                (2, Field::Bytes(bytes)) => payload.metrics.push(metric(bytes)?),
                (3, Field::Varint(value)) => payload.seq = Some(value),
                _ => {}
            }
        }
        Ok(payload)
    }
}

fn metric(bytes: &[u8]) -> Result<Metric<'_>, Malformed> {
    let mut metric = Metric::default();
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(bytes)) => metric.name = Some(text(bytes)?),
            (2, Field::Varint(value)) => metric.alias = Some(value),
            (3, Field::Varint(value)) => metric.timestamp_ms = Some(value),
            (4, Field::Varint(value)) => metric.datatype = Some(number(value)?),
            (7, Field::Varint(value)) => metric.is_null = value != 0,
            (9, Field::Bytes(bytes)) => properties(bytes, &mut metric)?,
            (10, Field::Varint(value)) => metric.value = Some(Content::Int(narrow(value))),
            (11, Field::Varint(value)) => metric.value = Some(Content::Long(value)),
            (12, Field::Four(value)) => {
                metric.value = Some(Content::Float(f32::from_le_bytes(value)));
            }
            (13, Field::Eight(value)) => {
                metric.value = Some(Content::Double(f64::from_le_bytes(value)));
            }
            (14, Field::Varint(value)) => metric.value = Some(Content::Boolean(value != 0)),
            (15, Field::Bytes(bytes)) => metric.value = Some(Content::Text(text(bytes)?)),
            (16..=19, Field::Bytes(_)) => metric.value = Some(Content::Other),
            _ => {}
        }
    }
    Ok(metric)
}

fn properties<'a>(bytes: &'a [u8], metric: &mut Metric<'a>) -> Result<(), Malformed> {
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    let mut fields = Fields(bytes);
    while let Some(field) = fields.next()? {
        match field {
            (1, Field::Bytes(bytes)) => keys.push(text(bytes)?),
            (2, Field::Bytes(bytes)) => values.push(bytes),
            _ => {}
        }
    }
    for (key, value) in keys.into_iter().zip(values) {
        let mut fields = Fields(value);
        while let Some(field) = fields.next()? {
            match field {
                (3, Field::Varint(value)) if key == "Quality" => {
                    metric.quality = Some(number(value)?);
                }
                (8, Field::Bytes(bytes)) if UNIT_NAMES.contains(&key) => {
                    metric.unit = Some(text(bytes)?);
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn text(bytes: &[u8]) -> Result<&str, Malformed> {
    std::str::from_utf8(bytes).map_err(|_| Malformed)
}

fn number(value: u64) -> Result<u32, Malformed> {
    u32::try_from(value).map_err(|_| Malformed)
}

/// Some senders widen a negative number of 32 bits to 64; the low half is the number.
fn narrow(value: u64) -> u32 {
    let [a, b, c, d, ..] = value.to_le_bytes();
    u32::from_le_bytes([a, b, c, d])
}

/// Returns the command that asks an edge node for its birth messages (6.4.22).
pub(super) fn rebirth(now_ms: u64) -> Vec<u8> {
    const BOOLEAN: u64 = 11;
    let name = b"Node Control/Rebirth";
    let mut metric = Vec::with_capacity(48);
    put(&mut metric, 1, 2, name.len() as u64);
    metric.extend_from_slice(name);
    put(&mut metric, 3, 0, now_ms);
    put(&mut metric, 4, 0, BOOLEAN);
    put(&mut metric, 14, 0, 1);
    let mut payload = Vec::with_capacity(64);
    put(&mut payload, 1, 0, now_ms);
    put(&mut payload, 2, 2, metric.len() as u64);
    payload.extend_from_slice(&metric);
    payload
}

fn put(out: &mut Vec<u8>, field: u64, wire_type: u64, value: u64) {
    for mut rest in [field << 3 | wire_type, value] {
        loop {
            let [low, ..] = rest.to_le_bytes();
            rest >>= 7;
            if rest == 0 {
                out.push(low & 0x7F);
                break;
            }
            out.push(low | 0x80);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_payload_that_ends_in_the_middle_is_malformed() {
        let bytes = rebirth(1_777_852_800_000);

        assert!(Payload::decode(&bytes).is_ok());
        for len in 1..bytes.len() {
            // Only between two fields is a shorter one whole.
            let cut = Payload::decode(&bytes[..len]);
            assert!(cut.is_err() || cut.is_ok_and(|cut| cut.metrics.is_empty()), "{len}");
        }
    }

    #[test]
    fn a_length_that_is_a_lie_allocates_nothing() {
        // A metric of 2^63 bytes, and a varint that never ends.
        let lie = [0x12, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F];
        assert_eq!(Payload::decode(&lie), Err(Malformed));
        assert_eq!(Payload::decode(&[0x08; 1]), Err(Malformed));
        assert_eq!(Payload::decode(&[0xFF; 64]), Err(Malformed));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            Payload::decode(&bytes).ok();
        }

        #[test]
        fn one_byte_changed_is_read_or_refused(at in 0_usize..60, byte in any::<u8>()) {
            let mut bytes = rebirth(1_777_852_800_000);
            let at = at % bytes.len();
            bytes[at] = byte;
            Payload::decode(&bytes).ok();
        }
    }
}
