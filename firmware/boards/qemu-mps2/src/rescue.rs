//! What brings a node back that is stuck: the watchdog, and the reasons of resets.
#![expect(unsafe_code, reason = "handlers of exceptions are named by the linker")]

use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use kit::Reason;

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

/// Tells the log why the run before this one ended, if it did so by itself.
pub(crate) fn tell_last_reason() {
    if let Some(reason) = Reason::take() {
        crate::log::line(&["restarted after ", reason.text()], Some(reason.line()));
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    cortex_m::interrupt::disable();
    let (file, line) = info.location().map_or(("?", 0), |at| (at.file(), at.line()));
    uart::log("panic: ");
    crate::log::line(&[file], Some(line));
    Reason::save(file, line);
    SCB::sys_reset()
}

#[cortex_m_rt::exception]
unsafe fn HardFault(_frame: &cortex_m_rt::ExceptionFrame) -> ! {
    Reason::save("hard fault", 0);
    SCB::sys_reset()
}

/// The watchdog's alarm.
#[cortex_m_rt::exception]
unsafe fn NonMaskableInt() {
    Reason::save("watchdog", 0);
    SCB::sys_reset()
}

/// Starts the watchdog.
pub(crate) fn start() {
    LOCK.write(UNLOCK);
    LOAD.write(CYCLES);
    CONTROL.write(INTERRUPT | RESET);
}

/// Feeds the watchdog.
pub(crate) async fn feed() {
    kit::watch::feed(|| CLEAR.write(1)).await;
}
