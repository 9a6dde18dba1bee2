//! The meters' line on any stream of bytes: an RS-485 line or a serial server behind TCP.
//!
//! Modbus RTU, DL/T 645-2007 and CJ/T 188 take turns on one line: each meter is asked in its
//! own protocol, and none answers in another. They differ in their frames alone (`frame`,
//! `national`); what follows holds for all.
//!
//! The end of an answer is known from its length, not from a silence: a converter or an
//! emulator chops frames as it likes, and a busy host sees silences that never were. Time
//! is only a limit: for the first byte what the meter asks for, between two bytes
//! [`BYTE_GAP`], for all of it what the characters take and some slack.
//!
//! None of them numbers its requests, so an answer that comes after its time-out would be taken for
//! the next one. Before each request the line is drained until it was silent, and a meter
//! that still owes an answer is not asked again before its time for it has passed twice.
//!
//! All that can be sent to a meter is a question. The one thing that is ever written is a coil
//! that the plan names as a switch.
//!
//! Source: Modbus over Serial Line V1.02, sections 2.5.1 and 2.5.2; those of the others stand
//! in `national`.

pub mod frame;
mod national;

use embassy_time::{Duration, Instant, with_deadline, with_timeout};
use embedded_hal::digital::OutputPin;
use embedded_io_async::{Read, Write};
use wire::modbus::LineSettings;
use wire::{Address, Protocol};

use crate::bus::{Bus, Pace, PollError, Request};
use frame::Search;

/// The longest pause within an answer. Serial servers pass bytes on in lumps, some only
/// each 50 ms.
pub const BYTE_GAP: Duration = Duration::from_millis(100);

/// What an answer may take beyond twice the time of its characters.
const SLACK: Duration = Duration::from_millis(500);

/// A line that never falls silent is used all the same after this: perhaps it lets us.
const DRAIN_MAX: Duration = Duration::from_millis(300);

/// How long twenty bytes may wait to be sent.
const WRITE_MAX: Duration = Duration::from_secs(1);

/// The longest answer of 255 bytes, and some noise in front of it.
const RECEIVE_BYTES: usize = 320;

/// A stream of bytes to the meters.
pub trait Port: Read + Write {
    /// Makes the port ready with these settings: opens it if it is closed, sets the line
    /// if the settings are new. Called before each request, so cheap if nothing changed.
    ///
    /// # Errors
    ///
    /// The port's own, if it cannot be opened.
    async fn open(&mut self, line: &LineSettings) -> Result<(), Self::Error>;
}

/// The driver-enable pin of a transceiver that needs none: the port switches it itself, or
/// there is a converter behind TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDriverEnable;

impl embedded_hal::digital::ErrorType for NoDriverEnable {
    type Error = core::convert::Infallible;
}

impl OutputPin for NoDriverEnable {
    fn set_low(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Self::Error> {
        Ok(())
    }
}

/// A meter that did not answer in time, and may do so yet.
#[derive(Clone, Copy)]
struct Debt {
    meter: Address,
    until: Instant,
}

/// What a meter is asked, in its own protocol.
enum Expected {
    Registers(frame::Expected),
    Data(national::Question),
}

impl Expected {
    fn new(request: &Request, count: usize) -> Option<Self> {
        if request.table.holds_bytes() {
            return national::Question::data(request, count).map(Self::Data);
        }
        frame::Expected::new(request, u16::try_from(count).ok()?).map(Self::Registers)
    }

    fn frame_len(&self) -> usize {
        match self {
            Self::Registers(expected) => expected.frame_len(),
            Self::Data(question) => question.frame_len(),
        }
    }

    fn search(&self, bytes: &[u8]) -> Search {
        match self {
            Self::Registers(expected) => frame::search(bytes, expected),
            Self::Data(question) => question.search(bytes),
        }
    }

    fn blame(&self, bytes: &[u8]) -> PollError {
        match self {
            Self::Registers(expected) => frame::blame(bytes, expected),
            Self::Data(question) => question.blame(bytes),
        }
    }

    fn unpack(&self, answer: &[u8], out: &mut [u16]) {
        match self {
            Self::Registers(expected) => frame::unpack(answer, expected, out),
            Self::Data(question) => question.unpack(answer, out),
        }
    }
}

/// Says what bytes from a line answer to a request: fills `out`, or tells what they are instead.
///
/// For bytes that were received before; a bus does the same while they arrive.
///
/// # Errors
///
/// [`PollError`], as [`Bus::read`] would have told it after the last of them.
pub fn understand(request: &Request, bytes: &[u8], out: &mut [u16]) -> Result<(), PollError> {
    let expected = Expected::new(request, out.len()).ok_or(PollError::WrongAnswer)?;
    match expected.search(bytes) {
        Search::Answer { at } => {
            expected.unpack(bytes.get(at..).unwrap_or_default(), out);
            Ok(())
        }
        Search::Refused { code } => Err(PollError::Refused(code)),
        Search::Begun | Search::Nothing => Err(expected.blame(bytes)),
    }
}

/// A bus of meters that speak Modbus RTU, DL/T 645-2007 or CJ/T 188.
pub struct RtuBus<P, D> {
    port: P,
    driver_enable: D,
    line: LineSettings,
    debt: Option<Debt>,
    /// Since when the line is known to be silent.
    silent_since: Option<Instant>,
    /// How many bytes came in answer to the last request.
    heard: usize,
    received: [u8; RECEIVE_BYTES],
}

impl<P: Port, D: OutputPin> RtuBus<P, D> {
    /// Returns a bus on a port. `driver_enable` is high while we speak.
    pub fn new(port: P, driver_enable: D) -> Self {
        let line = LineSettings::default();
        let received = [0; RECEIVE_BYTES];
        Self { port, driver_enable, line, debt: None, silent_since: None, heard: 0, received }
    }

    /// Returns the time that some characters take on the line.
    fn characters(&self, count: usize) -> Duration {
        let bits = u64::from(self.line.bits_per_character())
            .saturating_mul(u64::try_from(count).unwrap_or(u64::MAX));
        let micros = bits.saturating_mul(1_000_000).checked_div(u64::from(self.line.baud));
        Duration::from_micros(micros.unwrap_or(0))
    }

    /// Returns the silence that separates two frames: 3.5 characters, but 1.75 ms above
    /// 19,200 baud (section 2.5.1.1).
    fn silent_time(&self) -> Duration {
        let calculated = self.characters(7).checked_div(2).unwrap_or(Duration::MIN);
        calculated.max(Duration::from_micros(1_750))
    }

    /// Waits until the line was silent for a while, and throws away what comes.
    ///
    /// The silence began with the last answer's end: what the node did since then, such as
    /// putting a pack into flash, took nothing from the line.
    async fn drain(&mut self, silence: Duration) -> Result<(), PollError> {
        let now = Instant::now();
        let give_up = now.saturating_add(DRAIN_MAX);
        let mut silent_at = self.silent_since.take().unwrap_or(now).saturating_add(silence);
        while Instant::now() < give_up {
            match with_deadline(silent_at, self.port.read(&mut self.received)).await {
                Ok(Ok(0) | Err(_)) => return Err(PollError::BusDown),
                Ok(Ok(_)) => silent_at = Instant::now().saturating_add(silence),
                Err(_) => return Ok(()),
            }
        }
        Ok(())
    }

    /// Makes sure that no byte of an older answer can be taken for one of the next.
    async fn settle(&mut self, meter: Address, pace: Pace) -> Result<(), PollError> {
        let turnaround = Duration::from_millis(u64::from(pace.turnaround_ms));
        self.drain(self.silent_time().max(turnaround)).await?;
        if let Some(debt) = self.debt.take()
            && debt.meter == meter
        {
            while Instant::now() < debt.until {
                let waited = with_deadline(debt.until, self.port.read(&mut self.received)).await;
                if let Ok(Ok(0) | Err(_)) = waited {
                    return Err(PollError::BusDown);
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), PollError> {
        // A pin of a microcontroller cannot fail; one behind an expander that does leaves
        // the line to the meters, and they stay silent.
        self.driver_enable.set_high().map_err(|_| PollError::BusDown)?;
        let port = &mut self.port;
        let sent = with_timeout(WRITE_MAX, async {
            port.write_all(bytes).await?;
            port.flush().await
        });
        let sent = sent.await;
        self.driver_enable.set_low().map_err(|_| PollError::BusDown)?;
        match sent {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(PollError::BusDown),
        }
    }

    /// Asks, and returns where in what was received the answer begins.
    async fn exchange(
        &mut self,
        meter: Address,
        pace: Pace,
        bytes: &[u8],
        expected: &Expected,
    ) -> Result<usize, PollError> {
        self.heard = 0;
        let line = self.line;
        self.port.open(&line).await.map_err(|_| PollError::BusDown)?;
        self.settle(meter, pace).await?;
        self.send(bytes).await?;
        let received = self.receive(expected, pace.answer_ms).await;
        let owes = match received {
            Ok(_) => {
                self.silent_since = Some(Instant::now());
                false
            }
            Err(PollError::Refused(_) | PollError::BusDown) => false,
            Err(
                PollError::Silent
                | PollError::BadCrc
                | PollError::Truncated
                | PollError::WrongUnit
                | PollError::WrongAnswer
                | PollError::Noise,
            ) => true,
        };
        if owes {
            let answer_ms = u64::from(pace.answer_ms);
            let until = Instant::now().saturating_add(Duration::from_millis(answer_ms));
            self.debt = Some(Debt { meter, until });
        }
        received
    }

    /// Receives until the answer is there, the meter refused, or time is up.
    async fn receive(&mut self, expected: &Expected, answer_ms: u16) -> Result<usize, PollError> {
        let asked = Instant::now();
        let answer_by = asked.saturating_add(Duration::from_millis(u64::from(answer_ms)));
        let characters = self.characters(expected.frame_len().saturating_mul(2));
        let end_by = answer_by.saturating_add(characters).saturating_add(SLACK);
        let mut len: usize = 0;
        let mut begun = false;
        loop {
            let wait_until =
                if begun { Instant::now().saturating_add(BYTE_GAP).min(end_by) } else { answer_by };
            let room = self.received.get_mut(len..).unwrap_or_default();
            if room.is_empty() {
                break;
            }
            match with_deadline(wait_until, self.port.read(room)).await {
                Ok(Ok(0) | Err(_)) => return Err(PollError::BusDown),
                Ok(Ok(count)) => len = len.saturating_add(count),
                Err(_) => break,
            }
            self.heard = len;
            let bytes = self.received.get(..len).unwrap_or_default();
            match expected.search(bytes) {
                Search::Answer { at } => return Ok(at),
                Search::Refused { code } => return Err(PollError::Refused(code)),
                Search::Begun => begun = true,
                // Noise, or somebody else's answer: ours may still come.
                Search::Nothing => begun = false,
            }
            if end_by <= Instant::now() {
                break;
            }
        }
        Err(expected.blame(self.received.get(..len).unwrap_or_default()))
    }
}

impl<P: Port, D: OutputPin> RtuBus<P, D> {
    /// Asks the only meter on the line for the number on its plate.
    ///
    /// For whoever installs it: a plan has no word for "any meter", and where two answer at
    /// once neither is understood.
    ///
    /// # Errors
    ///
    /// [`PollError`]; [`PollError::WrongAnswer`] also in a protocol whose meters have no number.
    pub async fn ask_number(
        &mut self,
        protocol: Protocol,
        pace: Pace,
    ) -> Result<Address, PollError> {
        let question = national::Question::number(protocol).ok_or(PollError::WrongAnswer)?;
        let expected = Expected::Data(question);
        let Expected::Data(question) = &expected else { return Err(PollError::WrongAnswer) };
        let at = self.exchange(Address::unit_id(0), pace, question.sent(), &expected).await?;
        let answer = self.received.get(at..).unwrap_or_default();
        let number = question.sender(answer);
        if number.fits(protocol) { Ok(number) } else { Err(PollError::WrongAnswer) }
    }
}

impl<P: Port, D: OutputPin> Bus for RtuBus<P, D> {
    fn set_line(&mut self, line: LineSettings) {
        self.line = line;
    }

    async fn read(&mut self, request: &Request, out: &mut [u16]) -> Result<(), PollError> {
        let expected = Expected::new(request, out.len()).ok_or(PollError::WrongAnswer)?;
        let asked = frame::request(request, u16::try_from(out.len()).unwrap_or_default());
        let sent = match &expected {
            Expected::Registers(_) => &asked[..],
            Expected::Data(question) => question.sent(),
        };
        let at = self.exchange(request.meter, request.pace, sent, &expected).await?;
        expected.unpack(self.received.get(at..).unwrap_or_default(), out);
        Ok(())
    }

    async fn write_coil(&mut self, request: &Request, on: bool) -> Result<(), PollError> {
        let expected = frame::Expected::coil(request).ok_or(PollError::WrongAnswer)?;
        let expected = Expected::Registers(expected);
        let sent = frame::coil(request, on);
        self.exchange(request.meter, request.pace, &sent, &expected).await.map(|_| ())
    }

    fn heard(&self) -> &[u8] {
        self.received.get(..self.heard).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
