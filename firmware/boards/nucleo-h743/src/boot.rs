//! The boot loader of the ST Nucleo-H743ZI: wiring only. It exchanges two programs, or takes that
//! back (`kit::loader`), and starts the one that lies behind it.
//!
//! The watchdog is not running here: it is the program that starts it, and a reset stops it.
#![no_std]
#![no_main]

mod clocks;

use core::cell::RefCell;
use core::panic::PanicInfo;

use cortex_m::peripheral::SCB;
use embassy_embedded_hal::flash::partition::BlockingPartition;
// What the clock's timers are kept by; nobody here waits by one.
use embassy_executor as _;
use embassy_stm32::flash::Flash;
use embassy_stm32::gpio::{Level, Output, Speed};
use embassy_stm32::spi::{self, Spi};
use embassy_stm32::time::Hertz;
use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use embassy_time::Delay;
use embedded_hal_bus::spi::ExclusiveDevice;
use kit::boot::PROGRAM;
use kit::{Nor, loader};

/// Where the flash begins, and in it the program (`memory-tls.x`).
const FLASH: u32 = 0x0800_0000;
const PROGRAM_AT: u32 = 0x0802_0000;

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
    let p = embassy_stm32::init(clocks::clocks());
    let mut spi_config = spi::Config::default();
    spi_config.frequency = Hertz(20_000_000);
    let spi = Spi::new_blocking(p.SPI1, p.PA5, p.PB5, p.PA6, spi_config);
    let select = Output::new(p.PD14, Level::High, Speed::VeryHigh);
    let device = ExclusiveDevice::new(spi, select, Delay).ok()?;
    let flash = Mutex::<NoopRawMutex, _>::new(RefCell::new(Flash::new_blocking(p.FLASH)));
    let active = BlockingPartition::new(&flash, PROGRAM_AT - FLASH, PROGRAM);
    loader::exchange(active, Nor::new(device)).ok()
}
