//! The boot loader of the RP2350 with a W5500: wiring only. It exchanges two programs, or takes
//! that back (`kit::loader`), and starts the one that lies behind it.
#![no_std]
#![no_main]

use core::cell::RefCell;
use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use embassy_embedded_hal::flash::partition::BlockingPartition;
// What the clock's timers are kept by; nobody here waits by one.
use embassy_executor as _;
use embassy_rp::flash::{self, Flash};
use embassy_rp::gpio::{Level, Output};
use embassy_rp::peripherals::FLASH;
use embassy_rp::spi::{self, Spi};
use embassy_rp::watchdog::Watchdog;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use kit::boot::PROGRAM;
use kit::{Nor, loader};

/// Where the flash begins, how long it is, and where the program begins (`memory-tls.x`).
const FLASH_AT: u32 = 0x1000_0000;
const FLASH_LEN: usize = 2 << 20;
const PROGRAM_AT: u32 = 0x1001_0000;

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    SCB::sys_reset()
}

#[cortex_m_rt::entry]
fn main() -> ! {
    if exchange().is_none() {
        // What was done so far is noted; it goes on from there.
        SCB::sys_reset();
    }
    loader::start(PROGRAM_AT)
}

fn exchange() -> Option<()> {
    let p = embassy_rp::init(embassy_rp::config::Config::default());
    // A reset of the cores alone leaves it running, and an exchange takes longer than it waits.
    Watchdog::new(p.WATCHDOG).stop();
    let mut config = spi::Config::default();
    config.frequency = 20_000_000;
    let spi = Spi::new_blocking(p.SPI1, p.PIN_10, p.PIN_11, p.PIN_12, config);
    let device = ExclusiveDevice::new(spi, Output::new(p.PIN_13, Level::High), Delay).ok()?;
    let flash = Flash::<FLASH, flash::Blocking, FLASH_LEN>::new_blocking(p.FLASH);
    let flash = Mutex::<NoopRawMutex, _>::new(RefCell::new(flash));
    let active = BlockingPartition::new(&flash, PROGRAM_AT - FLASH_AT, PROGRAM);
    loader::exchange(active, Nor::new(device)).ok()
}
