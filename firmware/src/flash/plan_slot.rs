//! The plan, kept through a power cut: two slots in turn, so that one of them is whole.

use embedded_storage_async::nor_flash::NorFlash;
use wire::message::Plan;

use super::page::{UNIT_MAX, aligned, crc};

const MARK: u32 = u32::from_le_bytes(*b"Gfp1");
const HEAD: usize = 20;

/// What a slot holds.
#[derive(Clone, Copy)]
struct Kept {
    slot: u32,
    /// Counts on with each plan.
    turn: u32,
    len: u32,
    sum: u32,
}

/// The slots at the beginning of the flash.
pub(super) struct PlanSlots {
    kept: Option<Kept>,
}

impl PlanSlots {
    const fn slot_len<F: NorFlash>() -> u32 {
        let bytes = Self::first::<F>().saturating_add(aligned::<F>(Plan::BYTES_MAX));
        bytes.next_multiple_of(super::page::len::<F>())
    }

    /// Where a slot's plan begins.
    const fn first<F: NorFlash>() -> u32 {
        aligned::<F>(HEAD)
    }

    /// The bytes that both slots take.
    pub(super) const fn len<F: NorFlash>() -> u32 {
        Self::slot_len::<F>().saturating_mul(2)
    }

    pub(super) async fn open<F: NorFlash>(flash: &mut F) -> Self {
        let mut kept: Option<Kept> = None;
        for slot in 0..2_u32 {
            if let Some(found) = read(flash, slot).await
                && kept.is_none_or(|kept| kept.turn < found.turn)
            {
                kept = Some(found);
            }
        }
        Self { kept }
    }

    /// Keeps a plan, if it is another one.
    pub(super) async fn keep<F: NorFlash>(&mut self, flash: &mut F, plan: &[u8]) {
        let sum = crc(0, plan);
        let Some(len) = u32::try_from(plan.len()).ok().filter(|_| plan.len() <= Plan::BYTES_MAX)
        else {
            return;
        };
        if self.kept.is_some_and(|kept| (kept.len, kept.sum) == (len, sum)) {
            return;
        }
        let slot = self.kept.map_or(0, |kept| 1_u32.saturating_sub(kept.slot));
        let turn = self.kept.map_or(0, |kept| kept.turn).saturating_add(1);
        let next = Kept { slot, turn, len, sum };
        // If the flash refuses, the node works by the plan and forgets it with the power.
        if write(flash, &next, plan).await.is_some() {
            self.kept = Some(next);
        }
    }

    /// Copies the kept plan into `out` and returns its length.
    pub(super) async fn kept<F: NorFlash>(&self, flash: &mut F, out: &mut [u8]) -> Option<usize> {
        let kept = self.kept?;
        let out = out.get_mut(..usize::try_from(kept.len).ok()?)?;
        let from = Self::slot_len::<F>().saturating_mul(kept.slot);
        flash.read(from.saturating_add(Self::first::<F>()), out).await.ok()?;
        (crc(0, out) == kept.sum).then_some(out.len())
    }
}

async fn read<F: NorFlash>(flash: &mut F, slot: u32) -> Option<Kept> {
    let start = PlanSlots::slot_len::<F>().saturating_mul(slot);
    let mut head = [0; HEAD];
    flash.read(start, &mut head).await.ok()?;
    let (words, _) = head.as_chunks::<4>();
    let mut words = words.iter().map(|&word| u32::from_le_bytes(word));
    let mark = words.next()?;
    let kept = Kept { slot, turn: words.next()?, len: words.next()?, sum: words.next()? };
    let is_whole = words.next()? == crc(0, head.get(..16)?);
    if mark != MARK || !is_whole || usize::try_from(kept.len).ok()? > Plan::BYTES_MAX {
        return None;
    }
    // The head is written last, so its plan is there; but flash ages.
    let mut sum = 0;
    let mut part = [0; 64];
    let mut from = start.saturating_add(PlanSlots::first::<F>());
    let mut left = usize::try_from(kept.len).ok()?;
    while 0 < left {
        let part = part.get_mut(..left.min(64))?;
        flash.read(from, part).await.ok()?;
        sum = crc(sum, part);
        from = from.saturating_add(64);
        left = left.saturating_sub(part.len());
    }
    (sum == kept.sum).then_some(kept)
}

async fn write<F: NorFlash>(flash: &mut F, kept: &Kept, plan: &[u8]) -> Option<()> {
    let len = PlanSlots::slot_len::<F>();
    let start = len.saturating_mul(kept.slot);
    flash.erase(start, start.saturating_add(len)).await.ok()?;
    let mut to = start.saturating_add(PlanSlots::first::<F>());
    for chunk in plan.chunks(64) {
        let mut part = [0xFF; 64];
        part.iter_mut().zip(chunk).for_each(|(slot, byte)| *slot = *byte);
        let size = usize::try_from(aligned::<F>(chunk.len())).ok()?;
        flash.write(to, part.get(..size)?).await.ok()?;
        to = to.saturating_add(64);
    }
    let mut head = [0xFF; HEAD + UNIT_MAX];
    let words = [MARK, kept.turn, kept.len, kept.sum].map(u32::to_le_bytes);
    let sum = crc(0, words.as_flattened()).to_le_bytes();
    let bytes = words.as_flattened().iter().chain(&sum);
    head.iter_mut().zip(bytes).for_each(|(slot, byte)| *slot = *byte);
    let size = usize::try_from(PlanSlots::first::<F>()).ok()?;
    flash.write(start, head.get(..size)?).await.ok()
}
