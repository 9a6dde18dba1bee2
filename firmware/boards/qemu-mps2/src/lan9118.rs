//! Ethernet: a driver for the LAN9118 (SMSC LAN9118 data sheet, revision 1.5).
//!
//! A frame goes through the chip's FIFOs by words, into and out of one buffer for each way.
//! While frames wait the chip's interrupt is off; it goes on again when the FIFO was found
//! empty, and the FIFO is looked at once more after that.

use core::task::Context;

use embassy_net_driver::{Capabilities, Driver, HardwareAddress, LinkState, RxToken, TxToken};
use embassy_sync::waitqueue::AtomicWaker;
use embassy_time::{Duration, Timer};

use crate::interrupt::{self, Interrupt};
use crate::register::Register;

const CHIP: usize = 0x4020_0000;
const RX_DATA: Register = Register::at(CHIP, 0x00);
const TX_DATA: Register = Register::at(CHIP, 0x20);
const RX_STATUS: Register = Register::at(CHIP, 0x40);
const INTERRUPT_CONFIG: Register = Register::at(CHIP, 0x54);
const INTERRUPT_STATUS: Register = Register::at(CHIP, 0x58);
const INTERRUPT_ENABLE: Register = Register::at(CHIP, 0x5C);
const FIFO_LEVEL: Register = Register::at(CHIP, 0x68);
const TX_CONFIG: Register = Register::at(CHIP, 0x70);
const RX_FIFO: Register = Register::at(CHIP, 0x7C);
const TX_FIFO: Register = Register::at(CHIP, 0x80);
const MAC_COMMAND: Register = Register::at(CHIP, 0xA4);
const MAC_DATA: Register = Register::at(CHIP, 0xA8);

/// Active high, push-pull, on. Else the line is inverted.
const INTERRUPT_LINE: u32 = 1 << 8 | 1 << 4 | 1;
/// A frame has come: more of them wait than the level in `FIFO_LEVEL`, which is none.
const RX_WAITS: u32 = 1 << 3;
const TX_ON: u32 = 1 << 1;

const BUSY: u32 = 1 << 31;
const READ: u32 = 1 << 30;
const MAC_CONTROL: u32 = 1;
const MAC_ADDRESS_HIGH: u32 = 2;
const MAC_ADDRESS_LOW: u32 = 3;
const MII_ACCESS: u32 = 6;
const MII_DATA: u32 = 7;
const MAC_TX: u32 = 1 << 3;
const MAC_RX: u32 = 1 << 2;
const MII_BUSY: u32 = 1;
/// The chip's own PHY.
const PHY: u32 = 1 << 11;
const PHY_CONTROL: u32 = 0;
const PHY_STATUS: u32 = 1;
const PHY_LINK: u32 = 1 << 2;
const PHY_RESTART: u32 = 1 << 12 | 1 << 9;

/// The largest frame without its check sum: the smallest that an IPv4 host may know (576
/// bytes, RFC 791) and the head before it. Peers are told so and send no larger ones, and
/// both buffers together take a kilobyte, not three. A pack fits in two.
const FRAME_MAX: usize = 576 + 14;
/// The largest frame that is taken. The window that smoltcp 0.13 tells is larger than a packet by
/// the frame's head, and the emulator's network goes by the window, whatever segment it was
/// told: it fills it with one.
const TAKEN_MAX: usize = FRAME_MAX + 14;
/// In whole words, with the check sum that the chip leaves behind a received frame.
const BUFFER: usize = TAKEN_MAX + 4;

static WAKER: AtomicWaker = AtomicWaker::new();

/// Interrupt of the chip: quiet until the frames are fetched.
pub(crate) fn interrupted() {
    INTERRUPT_ENABLE.write(0);
    INTERRUPT_STATUS.write(u32::MAX);
    WAKER.wake();
}

fn mac_read(register: u32) -> u32 {
    MAC_COMMAND.write(BUSY | READ | register);
    while MAC_COMMAND.read() & BUSY != 0 {}
    MAC_DATA.read()
}

fn mac_write(register: u32, value: u32) {
    MAC_DATA.write(value);
    MAC_COMMAND.write(BUSY | register);
    while MAC_COMMAND.read() & BUSY != 0 {}
}

fn phy_read(register: u32) -> u32 {
    mac_write(MII_ACCESS, PHY | register << 6 | MII_BUSY);
    while mac_read(MII_ACCESS) & MII_BUSY != 0 {}
    mac_read(MII_DATA)
}

fn phy_write(register: u32, value: u32) {
    mac_write(MII_DATA, value);
    mac_write(MII_ACCESS, PHY | register << 6 | 1 << 1 | MII_BUSY);
    while mac_read(MII_ACCESS) & MII_BUSY != 0 {}
}

fn link_is_up() -> bool {
    phy_read(PHY_STATUS) & PHY_LINK != 0
}

/// Looks twice a second whether the cable was pulled or put in, and wakes the network.
pub(crate) async fn watch_link() {
    let mut was_up = link_is_up();
    loop {
        Timer::after(Duration::from_millis(500)).await;
        let is_up = link_is_up();
        if was_up != is_up {
            was_up = is_up;
            WAKER.wake();
        }
    }
}

/// The chip.
pub(crate) struct Lan9118 {
    address: [u8; 6],
    received: [u8; BUFFER],
    to_send: [u8; BUFFER],
}

impl Lan9118 {
    /// Starts the chip with the address that it was given.
    pub(crate) fn start() -> Self {
        let [a, b, c, d] = mac_read(MAC_ADDRESS_LOW).to_le_bytes();
        let [e, f, ..] = mac_read(MAC_ADDRESS_HIGH).to_le_bytes();
        phy_write(PHY_CONTROL, PHY_RESTART);
        INTERRUPT_CONFIG.write(INTERRUPT_LINE);
        INTERRUPT_STATUS.write(u32::MAX);
        FIFO_LEVEL.write(0);
        TX_CONFIG.write(TX_ON);
        mac_write(MAC_CONTROL, MAC_TX | MAC_RX);
        interrupt::allow(Interrupt::ETHERNET);
        Self { address: [a, b, c, d, e, f], received: [0; BUFFER], to_send: [0; BUFFER] }
    }

    /// How many frames wait.
    fn waiting() -> u32 {
        RX_FIFO.read() >> 16 & 0xFF
    }

    /// Fetches a frame into the buffer, if one waits.
    fn fetch(&mut self) -> Option<usize> {
        while 0 < Self::waiting() {
            let status = RX_STATUS.read();
            let len = usize::try_from(status >> 16 & 0x3FFF).unwrap_or(usize::MAX);
            let (words, _) = self.received.as_chunks_mut::<4>();
            let mut words = words.iter_mut();
            for _ in 0..len.div_ceil(4) {
                let word = RX_DATA.read().to_le_bytes();
                if let Some(slot) = words.next() {
                    *slot = word;
                }
            }
            let is_whole = status & 1 << 15 == 0;
            // The last four bytes are the check sum.
            let frame = len.checked_sub(4).filter(|&len| len <= TAKEN_MAX);
            if is_whole && frame.is_some() {
                return frame;
            }
        }
        None
    }

    fn has_room() -> bool {
        // The frame, its two commands, and a word for the alignment.
        usize::try_from(TX_FIFO.read() & 0xFFFF).is_ok_and(|free| FRAME_MAX + 12 <= free)
    }
}

/// A frame that was received.
pub(crate) struct Received<'a>(&'a mut [u8]);

impl RxToken for Received<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, f: F) -> R {
        f(self.0)
    }
}

/// Room for a frame to send.
pub(crate) struct ToSend<'a>(&'a mut [u8; BUFFER]);

impl TxToken for ToSend<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let len = len.min(FRAME_MAX);
        let (frame, _) = self.0.split_at_mut(len);
        let outcome = f(frame);
        let len_word = u32::try_from(len).unwrap_or(0);
        // First and last segment, so many bytes; and the length of the whole frame.
        TX_DATA.write(1 << 13 | 1 << 12 | len_word);
        TX_DATA.write(len_word);
        let (words, _) = self.0.as_chunks::<4>();
        for &word in words.iter().take(len.div_ceil(4)) {
            TX_DATA.write(u32::from_le_bytes(word));
        }
        outcome
    }
}

impl Driver for Lan9118 {
    type RxToken<'a> = Received<'a>;
    type TxToken<'a> = ToSend<'a>;

    fn receive(&mut self, context: &mut Context<'_>) -> Option<(Received<'_>, ToSend<'_>)> {
        WAKER.register(context.waker());
        if !Self::has_room() {
            return None;
        }
        let mut fetched = self.fetch();
        if fetched.is_none() {
            INTERRUPT_ENABLE.write(RX_WAITS);
            fetched = self.fetch();
        }
        let frame = self.received.get_mut(..fetched?)?;
        Some((Received(frame), ToSend(&mut self.to_send)))
    }

    fn transmit(&mut self, context: &mut Context<'_>) -> Option<ToSend<'_>> {
        WAKER.register(context.waker());
        Self::has_room().then_some(ToSend(&mut self.to_send))
    }

    fn link_state(&mut self, context: &mut Context<'_>) -> LinkState {
        WAKER.register(context.waker());
        if link_is_up() { LinkState::Up } else { LinkState::Down }
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.max_transmission_unit = FRAME_MAX;
        capabilities.max_burst_size = Some(1);
        capabilities
    }

    fn hardware_address(&self) -> HardwareAddress {
        HardwareAddress::Ethernet(self.address)
    }
}
