//! Bytes of a page: its head, and the records behind it.

use embedded_storage_async::nor_flash::NorFlash;

use crate::outbox::Ticket;
pub(super) use wire::check::crc32 as crc;

/// "Gfo" and the number of this layout.
const MARK: u32 = u32::from_le_bytes(*b"Gfo1");
const HEAD: usize = 40;

/// Before a payload: its length and kind, and the check sum.
pub(super) const RECORD_HEAD: u32 = 6;
const RECORD_HEAD_LEN: usize = 6;

/// The longest payload, so that a record with its head fits in one buffer.
pub(super) const PAYLOAD_MAX: usize = crate::compact::BYTES_MAX;

/// The longest of the outbox's own notes.
pub(super) const NOTE_MAX: usize = 12;

/// No flash wants its writes in larger units than this: 32 bytes on an STM32H7.
pub(super) const UNIT_MAX: usize = 32;
const BUFFER: usize = RECORD_HEAD_LEN + PAYLOAD_MAX + UNIT_MAX;

/// Bytes of a page.
pub(super) const fn len<F: NorFlash>() -> u32 {
    to_u32(F::ERASE_SIZE)
}

/// Where the first record of a page begins.
pub(super) const fn first<F: NorFlash>() -> u32 {
    aligned::<F>(HEAD)
}

/// A length rounded up to what can be written.
pub(super) const fn aligned<F: NorFlash>(len: usize) -> u32 {
    to_u32(len.next_multiple_of(if F::WRITE_SIZE == 0 { 1 } else { F::WRITE_SIZE }))
}

#[expect(clippy::cast_possible_truncation, reason = "lengths within a page")]
const fn to_u32(len: usize) -> u32 {
    len as u32
}

/// What a page says of itself.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) page: u32,
    /// The ticket of its first payload.
    pub(super) first: Ticket,
    /// All before it were settled or given up when the page was begun.
    pub(super) floor: Ticket,
    /// How many were given up until then.
    pub(super) dropped: u32,
    /// The run that began the page.
    pub(super) boot: u32,
    /// The last command that was carried out until then.
    pub(super) command: u32,
}

/// What a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Payload = 0,
    /// All before a ticket are settled, and so many were given up until then.
    Settled = 1,
    /// A run began.
    Boot = 2,
    /// A command is about to be carried out.
    Command = 3,
}

/// A record that is whole.
#[derive(Clone, Copy)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) len: u16,
}

impl Record {
    /// The bytes that it takes in its page.
    pub(super) fn size<F: NorFlash>(&self) -> u32 {
        Self::size_of::<F>(usize::from(self.len))
    }

    pub(super) const fn size_of<F: NorFlash>(payload_len: usize) -> u32 {
        aligned::<F>(payload_len.saturating_add(RECORD_HEAD_LEN))
    }
}

/// Bits of the first half word that say how long a payload is; the kind lies above them. Four
/// ones above them mean that nothing was written.
const LEN_BITS: u32 = 12;
const _: () = assert!(PAYLOAD_MAX < 1 << LEN_BITS);

pub(super) async fn read_head<F: NorFlash>(flash: &mut F, address: u32) -> Option<Head> {
    let mut bytes = [0; HEAD];
    flash.read(address, &mut bytes).await.ok()?;
    let (body, [a, b, c, d]) = bytes.split_last_chunk()?;
    if crc(0, body) != u32::from_le_bytes([*a, *b, *c, *d]) {
        return None;
    }
    let (mark, rest) = body.split_first_chunk()?;
    let (page, rest) = rest.split_first_chunk()?;
    let (first, rest) = rest.split_first_chunk()?;
    let (floor, rest) = rest.split_first_chunk()?;
    let (dropped, rest) = rest.split_first_chunk()?;
    let (boot, rest) = rest.split_first_chunk()?;
    // Zero on pages of before there was one.
    let (command, _) = rest.split_first_chunk()?;
    (u32::from_le_bytes(*mark) == MARK).then(|| Head {
        page: u32::from_le_bytes(*page),
        first: Ticket::of(u64::from_le_bytes(*first)),
        floor: Ticket::of(u64::from_le_bytes(*floor)),
        dropped: u32::from_le_bytes(*dropped),
        boot: u32::from_le_bytes(*boot),
        command: u32::from_le_bytes(*command),
    })
}

pub(super) async fn write_head<F: NorFlash>(
    flash: &mut F,
    address: u32,
    head: &Head,
) -> Option<()> {
    let mut bytes = [0xFF; HEAD + UNIT_MAX];
    let parts: [&[u8]; 7] = [
        &MARK.to_le_bytes(),
        &head.page.to_le_bytes(),
        &head.first.number().to_le_bytes(),
        &head.floor.number().to_le_bytes(),
        &head.dropped.to_le_bytes(),
        &head.boot.to_le_bytes(),
        &head.command.to_le_bytes(),
    ];
    put(&mut bytes, &parts);
    let sum = crc(0, bytes.get(..HEAD - 4)?);
    bytes.get_mut(HEAD - 4..HEAD)?.copy_from_slice(&sum.to_le_bytes());
    let len = usize::try_from(first::<F>()).ok()?;
    flash.write(address, bytes.get(..len)?).await.ok()
}

fn put(bytes: &mut [u8], parts: &[&[u8]]) {
    let all = parts.iter().flat_map(|part| part.iter());
    bytes.iter_mut().zip(all).for_each(|(slot, byte)| *slot = *byte);
}

/// Begins the check sum of a record. Page and place are in it, so bytes of an older page that an
/// erase has left over are no record of this one.
fn record_crc(page: u32, at: u32, head: [u8; 2]) -> u32 {
    let sum = crc(0, &page.to_le_bytes());
    let sum = crc(sum, &at.to_le_bytes());
    crc(sum, &head)
}

/// Reads the record at a place and checks it.
pub(super) async fn read_record<F: NorFlash>(
    flash: &mut F,
    address: u32,
    page: u32,
    at: u32,
) -> Option<Record> {
    let room = len::<F>().checked_sub(at)?.checked_sub(RECORD_HEAD)?;
    let mut head = [0; RECORD_HEAD_LEN];
    flash.read(address, &mut head).await.ok()?;
    let [low, high, a, b, c, d] = head;
    let word = u16::from_le_bytes([low, high]);
    let kind = match word >> LEN_BITS {
        0 => Kind::Payload,
        1 => Kind::Settled,
        2 => Kind::Boot,
        3 => Kind::Command,
        _ => return None,
    };
    let len = word & ((1 << LEN_BITS) - 1);
    let longest = if kind == Kind::Payload { PAYLOAD_MAX } else { NOTE_MAX };
    if longest < usize::from(len) || room < u32::from(len) {
        return None;
    }
    let mut sum = record_crc(page, at, [low, high]);
    let mut part = [0; 64];
    let (mut from, mut left) = (address.saturating_add(RECORD_HEAD), usize::from(len));
    while 0 < left {
        let part = part.get_mut(..left.min(64))?;
        flash.read(from, part).await.ok()?;
        sum = crc(sum, part);
        from = from.saturating_add(to_u32(part.len()));
        left = left.saturating_sub(part.len());
    }
    (sum == u32::from_le_bytes([a, b, c, d])).then_some(Record { kind, len })
}

/// Writes a record in one go.
pub(super) async fn write_record<F: NorFlash>(
    flash: &mut F,
    address: u32,
    page: u32,
    at: u32,
    kind: Kind,
    payload: &[u8],
) -> Option<()> {
    let len = u16::try_from(payload.len()).ok()?;
    let word = (len | (kind as u16) << LEN_BITS).to_le_bytes();
    let sum = crc(record_crc(page, at, word), payload);
    let mut bytes = [0xFF; BUFFER];
    put(&mut bytes, &[&word, &sum.to_le_bytes(), payload]);
    let size = usize::try_from(Record::size_of::<F>(payload.len())).ok()?;
    flash.write(address, bytes.get(..size)?).await.ok()
}

/// Whether nothing was written since the last erase.
pub(super) async fn is_blank<F: NorFlash>(flash: &mut F, mut address: u32, len: u32) -> bool {
    let mut part = [0; 64];
    let mut left = usize::try_from(len).unwrap_or(0);
    while 0 < left {
        let Some(part) = part.get_mut(..left.min(64)) else { return false };
        if flash.read(address, part).await.is_err() || part.iter().any(|&byte| byte != 0xFF) {
            return false;
        }
        address = address.saturating_add(to_u32(part.len()));
        left = left.saturating_sub(part.len());
    }
    true
}
