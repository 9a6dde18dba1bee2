//! What brings a node back that is stuck: the watchdog, and the reasons of resets.
//!
//! The reason lies in RAM that a reset leaves alone, so the next run can tell it.
#![expect(unsafe_code, reason = "memory that outlives a reset is nobody's")]

use core::mem::MaybeUninit;
use core::panic::PanicInfo;
use core::sync::atomic::{AtomicBool, Ordering};

use cortex_m::peripheral::SCB;
use embassy_time::{Duration, Timer};

use crate::register::Register;
use crate::uart;

const WATCHDOG: usize = 0x4000_8000;
const LOAD: Register = Register::at(WATCHDOG, 0x0);
const CONTROL: Register = Register::at(WATCHDOG, 0x8);
const CLEAR: Register = Register::at(WATCHDOG, 0xC);
const LOCK: Register = Register::at(WATCHDOG, 0xC00);
const UNLOCK: u32 = 0x1ACC_E551;
const INTERRUPT: u32 = 1;
const RESET: u32 = 1 << 1;

/// After so many cycles of 25 MHz the alarm, after as many again the reset: 8 s and 16 s.
const CYCLES: u32 = 8 * 25_000_000;

const MARK: u32 = 0x6765_6E67;
const TEXT_MAX: usize = 60;

/// Why the machine was reset.
#[derive(Clone, Copy)]
#[repr(C)]
struct Reason {
    mark: u32,
    line: u32,
    len: u32,
    text: [u8; TEXT_MAX],
}

#[unsafe(link_section = ".uninit.reason")]
static mut REASON: MaybeUninit<Reason> = MaybeUninit::uninit();

fn save(text: &str, line: u32) {
    let mut reason = Reason { mark: MARK, line, len: 0, text: [0; TEXT_MAX] };
    // The end of a path says more than its beginning.
    let skip = text.len().saturating_sub(TEXT_MAX);
    for (slot, &byte) in reason.text.iter_mut().zip(text.as_bytes().iter().skip(skip)) {
        *slot = byte;
        reason.len = reason.len.saturating_add(1);
    }
    // SAFETY: only handlers that never return write it, and only the start reads it.
    unsafe { (&raw mut REASON).write_volatile(MaybeUninit::new(reason)) };
}

/// Tells the log why the run before this one ended, if it did so by itself, and forgets it.
pub(crate) fn tell_last_reason() {
    // SAFETY: plain numbers, so every content of the memory is one; nothing else runs yet.
    let reason = unsafe { (&raw const REASON).read_volatile().assume_init() };
    if reason.mark == MARK {
        let len = usize::try_from(reason.len).unwrap_or(0);
        let text = core::str::from_utf8(reason.text.get(..len).unwrap_or_default());
        crate::log::line(&["restarted after ", text.unwrap_or("?")], Some(reason.line));
    }
    // SAFETY: as above.
    unsafe { (&raw mut REASON).write_volatile(MaybeUninit::zeroed()) };
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
    uart::log("panic: ");
    crate::log::line(&[file], Some(line));
    save(file, line);
    SCB::sys_reset()
}

#[cortex_m_rt::exception]
unsafe fn HardFault(_frame: &cortex_m_rt::ExceptionFrame) -> ! {
    save("hard fault", 0);
    SCB::sys_reset()
}

/// The watchdog's alarm.
#[cortex_m_rt::exception]
unsafe fn NonMaskableInt() {
    save("watchdog", 0);
    SCB::sys_reset()
}

/// Starts the watchdog.
pub(crate) fn start() {
    LOCK.write(UNLOCK);
    LOAD.write(CYCLES);
    CONTROL.write(INTERRUPT | RESET);
}

/// The bus has had a turn since the last look.
static BUS_TURNS: AtomicBool = AtomicBool::new(false);

/// Says each second that the bus's executor gets its turns.
pub(crate) async fn check_in() {
    loop {
        BUS_TURNS.store(true, Ordering::Relaxed);
        Timer::after(Duration::from_secs(1)).await;
    }
}

/// Feeds the watchdog as long as both executors get their turns.
pub(crate) async fn feed() {
    loop {
        if BUS_TURNS.swap(false, Ordering::Relaxed) {
            CLEAR.write(1);
        }
        Timer::after(Duration::from_secs(2)).await;
    }
}
