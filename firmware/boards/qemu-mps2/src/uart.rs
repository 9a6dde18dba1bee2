//! The serial ports: 0 is the log, 1 the meters' line (CMSDK UART, Arm DDI 0479D, 4.3).

use embassy_futures::yield_now;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_sync::pipe::Pipe;
use embedded_io_async::{ErrorType, Read, Write};
use firmware::rtu::Port;
use wire::modbus::LineSettings;

use crate::interrupt::{self, Interrupt};
use crate::register::Register;

const UART_0: usize = 0x4000_4000;
const UART_1: usize = 0x4000_5000;
const DATA: usize = 0x0;
const STATE: usize = 0x4;
const CONTROL: usize = 0x8;
const INTERRUPT: usize = 0xC;
const DIVIDER: usize = 0x10;

const TX_FULL: u32 = 1;
const RX_FULL: u32 = 1 << 1;
const TX: u32 = 1;
const RX: u32 = 1 << 1;
const RX_INTERRUPT: u32 = 1 << 3;

/// The peripheral clock, Hz.
const CLOCK: u32 = 25_000_000;

/// The longest answer and some noise: what comes beyond it while nobody reads is lost, as
/// on any port.
static RECEIVED: Pipe<CriticalSectionRawMutex, 320> = Pipe::new();

/// Makes the log ready.
pub(crate) fn start_log() {
    Register::at(UART_0, DIVIDER).write(CLOCK / 115_200);
    Register::at(UART_0, CONTROL).write(TX);
}

/// Writes some of the log's text; waits for the port, not for an interrupt, so that a panic
/// can use it.
pub(crate) fn log(text: &str) {
    for &byte in text.as_bytes() {
        while Register::at(UART_0, STATE).read() & TX_FULL != 0 {}
        Register::at(UART_0, DATA).write(u32::from(byte));
    }
}

/// Interrupt of port 1: a byte has come.
pub(crate) fn received() {
    Register::at(UART_1, INTERRUPT).write(1 << 1);
    while Register::at(UART_1, STATE).read() & RX_FULL != 0 {
        let [byte, ..] = Register::at(UART_1, DATA).read().to_le_bytes();
        RECEIVED.try_write(&[byte]).ok();
    }
}

/// The meters' line.
pub(crate) struct Line {
    baud: u32,
}

impl Line {
    pub(crate) fn new() -> Self {
        Self { baud: 0 }
    }
}

/// A port of this board never fails; a line without meters is silent.
type Never = core::convert::Infallible;

impl ErrorType for Line {
    type Error = Never;
}

impl Port for Line {
    async fn open(&mut self, line: &LineSettings) -> Result<(), Never> {
        // The port knows neither parity nor a second stop bit.
        if self.baud != line.baud {
            self.baud = line.baud;
            // 16 is the smallest that the port works with.
            let divider = CLOCK.checked_div(line.baud).unwrap_or(0).max(16);
            Register::at(UART_1, DIVIDER).write(divider);
            Register::at(UART_1, CONTROL).write(TX | RX | RX_INTERRUPT);
            interrupt::allow(Interrupt::UART_1_RX);
        }
        Ok(())
    }
}

impl Read for Line {
    async fn read(&mut self, buf: &mut [u8]) -> Result<usize, Never> {
        Ok(RECEIVED.read(buf).await)
    }
}

impl Write for Line {
    async fn write(&mut self, buf: &[u8]) -> Result<usize, Never> {
        for &byte in buf {
            while Register::at(UART_1, STATE).read() & TX_FULL != 0 {
                yield_now().await;
            }
            Register::at(UART_1, DATA).write(u32::from(byte));
        }
        Ok(buf.len())
    }

    async fn flush(&mut self) -> Result<(), Never> {
        while Register::at(UART_1, STATE).read() & TX_FULL != 0 {
            yield_now().await;
        }
        Ok(())
    }
}
