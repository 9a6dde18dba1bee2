//! Why the run before this one ended, in RAM that a reset leaves alone.
#![expect(unsafe_code, reason = "memory that outlives a reset is nobody's")]

use core::mem::MaybeUninit;

const MARK: u32 = 0x6765_6E67;
const TEXT_MAX: usize = 60;

/// Why the machine was reset.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Reason {
    mark: u32,
    line: u32,
    len: u32,
    text: [u8; TEXT_MAX],
}

#[unsafe(link_section = ".uninit.reason")]
static mut REASON: MaybeUninit<Reason> = MaybeUninit::uninit();

impl Reason {
    /// Saves a reason: a word, or a file and a line of it. For handlers that end in a reset.
    pub fn save(text: &str, line: u32) {
        let mut reason = Self { mark: MARK, line, len: 0, text: [0; TEXT_MAX] };
        // The end of a path says more than its beginning.
        let skip = text.len().saturating_sub(TEXT_MAX);
        for (slot, &byte) in reason.text.iter_mut().zip(text.as_bytes().iter().skip(skip)) {
            *slot = byte;
            reason.len = reason.len.saturating_add(1);
        }
        // SAFETY: only handlers that never return write it, and only the start reads it.
        unsafe { (&raw mut REASON).write_volatile(MaybeUninit::new(reason)) };
    }

    /// Takes the reason that the run before this one saved. To be called once, at the start.
    #[must_use]
    pub fn take() -> Option<Self> {
        // SAFETY: plain numbers, so every content of the memory is one; nothing else runs yet.
        let reason = unsafe { (&raw const REASON).read_volatile().assume_init() };
        // SAFETY: as above.
        unsafe { (&raw mut REASON).write_volatile(MaybeUninit::zeroed()) };
        (reason.mark == MARK).then_some(reason)
    }

    /// Returns the word or the file.
    #[must_use]
    pub fn text(&self) -> &str {
        let len = usize::try_from(self.len).unwrap_or(0);
        core::str::from_utf8(self.text.get(..len).unwrap_or_default()).unwrap_or("?")
    }

    /// Returns the line.
    #[must_use]
    pub const fn line(&self) -> u32 {
        self.line
    }
}
