//! Interrupts of the board: their numbers, their priorities, and who is called.
#![expect(unsafe_code, reason = "priorities and vectors are promises that the compiler cannot see")]

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;
use embassy_executor::InterruptExecutor;

use crate::{lan9118, time, uart};

/// An interrupt by its number (Arm AN386, table 4-2).
#[derive(Clone, Copy)]
pub(crate) struct Interrupt(u16);

impl Interrupt {
    pub(crate) const UART_1_RX: Self = Self(2);
    pub(crate) const TIMER_0: Self = Self(8);
    pub(crate) const TIMER_1: Self = Self(9);
    pub(crate) const ETHERNET: Self = Self(13);
    /// No device of ours: the bus runs in it.
    pub(crate) const BUS: Self = Self(30);
    /// No device of ours: the network runs in it.
    pub(crate) const NETWORK: Self = Self(31);
}

// SAFETY: a number never changes, and all are below the 32 interrupts of the machine.
unsafe impl InterruptNumber for Interrupt {
    fn number(self) -> u16 {
        self.0
    }
}

/// Runs the meters' line.
pub(crate) static BUS: InterruptExecutor = InterruptExecutor::new();
/// Runs everything else; it waits whenever the line has something to do.
pub(crate) static NETWORK: InterruptExecutor = InterruptExecutor::new();

/// Sets priorities: a smaller number comes first.
pub(crate) fn start(nvic: &mut NVIC) {
    let devices =
        [Interrupt::UART_1_RX, Interrupt::TIMER_0, Interrupt::TIMER_1, Interrupt::ETHERNET];
    // SAFETY: no critical section of ours relies on priorities, for all of them turn every
    // interrupt off; and no executor has been started.
    unsafe {
        devices.iter().for_each(|&device| nvic.set_priority(device, 0x20));
        nvic.set_priority(Interrupt::BUS, 0x60);
        nvic.set_priority(Interrupt::NETWORK, 0xA0);
    }
}

/// Lets a device interrupt, which must be ready for it: before it is, its line may stand the
/// wrong way round and never let go.
pub(crate) fn allow(device: Interrupt) {
    // SAFETY: no critical section of ours relies on masks.
    unsafe { NVIC::unmask(device) };
}

#[cortex_m_rt::exception]
unsafe fn DefaultHandler(number: i16) {
    match number {
        2 => uart::received(),
        8 => time::wrapped(),
        9 => time::alarm(),
        13 => lan9118::interrupted(),
        // SAFETY: this is the handler, and the interrupt is masked until its executor starts.
        30 => unsafe { BUS.on_interrupt() },
        // SAFETY: as above.
        31 => unsafe { NETWORK.on_interrupt() },
        _ => {}
    }
}
