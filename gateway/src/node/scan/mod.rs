//! Who is on a bus, and what they are: for the day on which a bus is commissioned.
//!
//! In: a bus, line settings to try, addresses to ask, meter models that it may be. Out: each
//! meter that answers, with the model and word order in which its registers make sense
//! ([`mod@identify`]), what was read and how long it took; and what is wrong with the bus.
//!
//! All that is sent is a question. A silent address costs a time-out, and there are 247 of
//! them in each of fourteen settings, so:
//! - a setting is tried with the addresses that meters leave the factory with; all others are
//!   asked only where somebody was heard, or everywhere if nobody was;
//! - the time-out is learned from the meters that answer, and whoever answers later than that
//!   is heard in the next question's time, and asked again with patience.
//!
//! Meters with numbers (DL/T 645, CJ/T 188) are asked for them, as one asks a lone meter: two
//! of them answer at once and are told as a crowd.

pub mod identify;

use embassy_time::{Duration, Instant};
use firmware::rtu::{NoDriverEnable, Port, RtuBus};
use firmware::{Bus, Pace, PollError, Request};
use wire::modbus::{LineSettings, Parity, Table};
use wire::{Address, Protocol};

use super::{AnyBus, BusConfig};
pub use identify::{Candidate, Identified, built_in};

/// How long a meter may think that nobody knows yet; what is slower is heard in the next
/// question's time.
pub const UNKNOWN_MS: u16 = Pace::UNKNOWN.answer_ms;

/// The shortest time-out that is learned: an adapter may hold bytes back for 16 ms, a converter
/// for 50.
const LEARNED_MIN_MS: u16 = 80;

/// How long a meter may think that was heard too late, or a lone one that tells its number.
const PATIENT_MS: u16 = 1_000;

/// How often a garbled answer is asked for again before the address is told as garbled.
const ATTEMPTS: u8 = 3;

/// The addresses at which meters leave the factory or are set first.
const LIKELY: [u8; 10] = [1, 2, 3, 4, 5, 6, 7, 8, 100, 247];

/// A line that can be scanned: a bus that can also ask for a number.
#[expect(async_fn_in_trait, reason = "as with `Bus`: whoever awaits it has one executor")]
pub trait Line: Bus {
    /// Asks the only meter on the line for its number.
    ///
    /// # Errors
    ///
    /// As [`RtuBus::ask_number`]; [`PollError::WrongAnswer`] where there are no such meters.
    async fn ask_number(&mut self, protocol: Protocol, pace: Pace) -> Result<Address, PollError>;

    /// Returns how long the last answer took, of a request that began at an instant.
    fn took(&self, begun: Instant) -> Duration {
        begun.elapsed()
    }
}

impl<P: Port> Line for RtuBus<P, NoDriverEnable> {
    async fn ask_number(&mut self, protocol: Protocol, pace: Pace) -> Result<Address, PollError> {
        RtuBus::ask_number(self, protocol, pace).await
    }
}

impl Line for AnyBus {
    async fn ask_number(&mut self, protocol: Protocol, pace: Pace) -> Result<Address, PollError> {
        match self {
            Self::Rtu { bus, .. } => bus.ask_number(protocol, pace).await,
            Self::Tcp(_) => Err(PollError::WrongAnswer),
        }
    }
}

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search<'a> {
    /// The settings to try, the likeliest first; at least one.
    pub lines: Vec<LineSettings>,
    /// The first unit id.
    pub first: u8,
    /// The last of them.
    pub last: u8,
    /// Ask every address in every setting, and wait for the slowest meter each time.
    pub thorough: bool,
    /// Also ask for meters with numbers.
    pub numbers: bool,
    /// What a meter may be.
    pub candidates: &'a [Candidate<'a>],
}

/// How far a scan is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// So many addresses are asked in this setting, waiting so long for each, ms.
    Asking(LineSettings, usize, u16),
    /// A meter answered.
    Answers(Address),
    /// Meters of this protocol are asked for their number.
    Number(Protocol, LineSettings),
}

/// What is wrong with a bus.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The port or the converter cannot be reached.
    Down,
    /// What comes from this address is never whole: two meters have it, or the line is bad.
    Garbled(Address, LineSettings),
    /// Several meters of this protocol answer at once.
    Crowd(Protocol, LineSettings),
}

/// One meter that was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Found<'a> {
    /// Its address.
    pub address: Address,
    /// What it speaks.
    pub protocol: Protocol,
    /// How the line was set when it answered.
    pub line: LineSettings,
    /// How long it took for one register, ms: characters, silence and thinking.
    pub answer_ms: u64,
    /// How many requests it was sent.
    pub requests: u32,
    /// How many of them came to no whole answer.
    pub errors: u32,
    /// What it is, if any model's registers make sense.
    pub model: Option<Identified<'a>>,
}

/// What a scan came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scanned<'a> {
    /// The meters, by protocol and address.
    pub meters: Vec<Found<'a>>,
    /// What is wrong.
    pub troubles: Vec<Trouble>,
    /// How many addresses were asked, each in each setting.
    pub asked: u32,
    /// How long all of it took, ms.
    pub took_ms: u64,
    /// The shortest time that an address was waited for, ms.
    pub wait_ms: u16,
}

/// Returns the settings in the order in which meters are found with them.
#[must_use]
pub fn usual_lines() -> Vec<LineSettings> {
    use Parity::{Even, None, Odd};
    let pairs = [
        (9_600, None),
        (2_400, Even),
        (9_600, Even),
        (19_200, Even),
        (19_200, None),
        (4_800, None),
        (4_800, Even),
        (38_400, None),
        (38_400, Even),
        (2_400, None),
        (115_200, None),
        (1_200, Even),
        (9_600, Odd),
        (19_200, Odd),
    ];
    pairs.map(|(baud, parity)| LineSettings { baud, parity, stop_bits: 1 }).to_vec()
}

/// Scans a bus of this machine. `tell` hears how far it is.
pub async fn scan<'a>(bus: BusConfig, search: &Search<'a>, tell: impl FnMut(Step)) -> Scanned<'a> {
    scan_line(&mut AnyBus::new(bus), search, tell).await
}

/// Scans a line; see [`scan`].
pub async fn scan_line<'a, L: Line>(
    line: &mut L,
    search: &Search<'a>,
    tell: impl FnMut(Step),
) -> Scanned<'a> {
    let begun = Instant::now();
    let scanned = Scanned { wait_ms: UNKNOWN_MS, ..Scanned::default() };
    let mut scan = Scan { line, search, tell, scanned, slowest_ms: None, late: Vec::new() };
    if scan.all().await.is_err() {
        scan.scanned.troubles.push(Trouble::Down);
    }
    let mut scanned = scan.scanned;
    scanned.meters.sort_by_key(|it| (it.protocol.digits(), it.address.number()));
    // What was garbled in one setting and well in another was asked in the wrong one.
    let meters = &scanned.meters;
    let is_good = |address: Address| meters.iter().any(|it| it.address == address);
    scanned.troubles.retain(|it| match it {
        Trouble::Garbled(address, _) => !is_good(*address),
        Trouble::Down | Trouble::Crowd(..) => true,
    });
    scanned.took_ms = begun.elapsed().as_millis();
    scanned
}

/// Looks what some units are that are known to answer in a setting; adds them to what was found.
pub async fn look_at<'a, L: Line>(
    line: &mut L,
    search: &Search<'a>,
    (set, units): (LineSettings, &[u8]),
    scanned: &mut Scanned<'a>,
    tell: impl FnMut(Step),
) {
    line.set_line(set);
    let found = std::mem::take(scanned);
    let late = Vec::new();
    let mut scan = Scan { line, search, tell, scanned: found, slowest_ms: None, late };
    for &unit_id in units {
        if scan.unit(set, unit_id, PATIENT_MS).await.is_err() {
            scan.scanned.troubles.push(Trouble::Down);
            break;
        }
    }
    *scanned = scan.scanned;
}

/// One question, and what came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Traced {
    /// The bytes; none on a bus that has none to show.
    pub heard: Vec<u8>,
    /// How long it took, ms.
    pub answer_ms: u64,
    /// The registers, or what came instead.
    pub understood: Result<Vec<u16>, PollError>,
}

/// Asks a bus of this machine one question.
pub async fn trace(bus: BusConfig, request: &Request, count: u8) -> Traced {
    let mut bus = AnyBus::new(bus);
    let mut words = vec![0; usize::from(count)];
    let begun = Instant::now();
    let read = bus.read(request, &mut words).await;
    let answer_ms = begun.elapsed().as_millis();
    Traced { heard: bus.heard().to_vec(), answer_ms, understood: read.map(|()| words) }
}

/// The bus cannot be reached.
struct Down;

/// What an address says.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Heard {
    Nobody,
    /// Somebody, after so long.
    Meter(Duration),
    Garbled,
}

struct Scan<'s, 'a, L, T> {
    line: &'s mut L,
    search: &'s Search<'a>,
    tell: T,
    scanned: Scanned<'a>,
    /// How long the slowest meter thought so far.
    slowest_ms: Option<u64>,
    /// Who was heard while another was asked.
    late: Vec<u8>,
}

impl<'a, L: Line, T: FnMut(Step)> Scan<'_, 'a, L, T> {
    async fn all(&mut self) -> Result<(), Down> {
        let search = self.search;
        let range = search.first..=search.last;
        let likely: Vec<u8> = LIKELY.into_iter().filter(|it| range.contains(it)).collect();
        let rest: Vec<u8> = range.filter(|it| !LIKELY.contains(it)).collect();
        let mut live = Vec::new();
        for &line in &search.lines {
            if self.units(line, &likely).await? {
                live.push(line);
            }
        }
        let is_anywhere = live.is_empty() || search.thorough;
        for &line in if is_anywhere { &search.lines } else { &live } {
            let is_heard = self.units(line, &rest).await?;
            if is_heard && live.is_empty() && !search.thorough {
                break;
            }
        }
        if search.numbers {
            self.numbers().await?;
        }
        Ok(())
    }

    /// Asks some addresses in a setting, and looks what answers; returns whether anybody was
    /// heard.
    async fn units(&mut self, line: LineSettings, units: &[u8]) -> Result<bool, Down> {
        self.line.set_line(line);
        let wait = self.wait_ms();
        (self.tell)(Step::Asking(line, units.len(), wait));
        let mut is_heard = false;
        for &unit_id in units {
            is_heard |= self.unit(line, unit_id, self.wait_ms()).await?;
        }
        for unit_id in std::mem::take(&mut self.late) {
            is_heard |= self.unit(line, unit_id, PATIENT_MS).await?;
        }
        // Who is heard in the time of one that is late was asked long before.
        self.late.clear();
        Ok(is_heard)
    }

    async fn unit(&mut self, line: LineSettings, unit_id: u8, wait: u16) -> Result<bool, Down> {
        let address = Address::unit_id(unit_id);
        let is_known = |it: &Found<'_>| it.protocol == Protocol::Modbus && it.address == address;
        if self.scanned.meters.iter().any(is_known) {
            return Ok(false);
        }
        match self.ask(line, unit_id, wait).await? {
            Heard::Nobody => Ok(false),
            Heard::Garbled => {
                self.scanned.troubles.push(Trouble::Garbled(address, line));
                Ok(true)
            }
            Heard::Meter(took) => {
                (self.tell)(Step::Answers(address));
                let answer_ms = took.as_millis();
                let (requests, errors, model) = (1, 0, None);
                let protocol = Protocol::Modbus;
                let mut found =
                    Found { address, protocol, line, answer_ms, requests, errors, model };
                identify::identify(self.line, &mut found, self.search.candidates).await;
                self.scanned.meters.push(found);
                Ok(true)
            }
        }
    }

    /// Asks an address for one register; a refusal is an answer, too.
    async fn ask(&mut self, line: LineSettings, unit_id: u8, wait: u16) -> Result<Heard, Down> {
        let pace = Pace { answer_ms: wait, turnaround_ms: 0 };
        let (meter, table, address) = (Address::unit_id(unit_id), Table::Holding, 0);
        self.scanned.asked += 1;
        self.scanned.wait_ms = self.scanned.wait_ms.min(wait);
        for _ in 0..ATTEMPTS {
            let begun = Instant::now();
            let request = Request { meter, table, address, pace };
            match self.line.read(&request, &mut [0]).await {
                Ok(()) | Err(PollError::Refused(_)) => {
                    let took = self.line.took(begun);
                    self.learn(line, took);
                    return Ok(Heard::Meter(took));
                }
                Err(PollError::Silent) => return Ok(Heard::Nobody),
                Err(PollError::BusDown) => return Err(Down),
                Err(PollError::WrongUnit) => {
                    let sender = self.line.heard().first().copied();
                    let late = sender.filter(|it| (1..=247).contains(it) && *it != unit_id);
                    self.late.extend(late.filter(|it| !self.late.contains(it)));
                    return Ok(Heard::Nobody);
                }
                Err(
                    PollError::BadCrc
                    | PollError::Truncated
                    | PollError::WrongAnswer
                    | PollError::Noise,
                ) => {}
            }
        }
        Ok(Heard::Garbled)
    }

    /// Takes from the time of a request that of its characters: what is left is thinking.
    fn learn(&mut self, line: LineSettings, took: Duration) {
        // Eight characters there, seven back, 3.5 of silence.
        let bits = u64::from(line.bits_per_character()) * 37 / 2;
        let characters_ms = bits * 1_000 / u64::from(line.baud.max(1));
        let thinking_ms = took.as_millis().saturating_sub(characters_ms);
        self.slowest_ms = Some(self.slowest_ms.map_or(thinking_ms, |it| it.max(thinking_ms)));
    }

    /// How long an address is waited for: twice the slowest meter's time so far, and some more.
    fn wait_ms(&self) -> u16 {
        if self.search.thorough {
            return PATIENT_MS;
        }
        let learned = self.slowest_ms.map(|ms| ms.saturating_mul(2).saturating_add(40));
        let learned = learned.and_then(|ms| u16::try_from(ms).ok()).unwrap_or(UNKNOWN_MS);
        learned.clamp(LEARNED_MIN_MS, UNKNOWN_MS)
    }

    /// Asks for meters with numbers in each setting that their protocol allows.
    async fn numbers(&mut self) -> Result<(), Down> {
        let pace = Pace { answer_ms: PATIENT_MS, turnaround_ms: 0 };
        for protocol in [Protocol::Dlt645, Protocol::Cjt188] {
            // A converter sets its line itself, and knows better.
            let is_one = self.search.lines.len() == 1;
            let fits = |it: &&LineSettings| is_one || has_numbers(protocol, it);
            for &line in self.search.lines.iter().filter(fits) {
                self.line.set_line(line);
                (self.tell)(Step::Number(protocol, line));
                self.scanned.asked += 1;
                let begun = Instant::now();
                let address = match self.line.ask_number(protocol, pace).await {
                    Ok(address) => address,
                    // Modbus TCP leads to no such meter; it refuses before it asks.
                    Err(PollError::WrongAnswer) if begun.elapsed().as_millis() == 0 => {
                        return Ok(());
                    }
                    Err(PollError::Silent | PollError::Refused(_) | PollError::WrongUnit) => {
                        continue;
                    }
                    Err(PollError::BusDown) => return Err(Down),
                    Err(_) => {
                        self.scanned.troubles.push(Trouble::Crowd(protocol, line));
                        continue;
                    }
                };
                let (answer_ms, requests) = (begun.elapsed().as_millis(), 1);
                (self.tell)(Step::Answers(address));
                let (errors, model) = (0, None);
                let mut found =
                    Found { address, protocol, line, answer_ms, requests, errors, model };
                identify::identify(self.line, &mut found, self.search.candidates).await;
                self.scanned.meters.push(found);
                break;
            }
        }
        Ok(())
    }
}

/// Whether meters of a protocol are found with these settings: always even, mostly slow.
fn has_numbers(protocol: Protocol, line: &LineSettings) -> bool {
    let is_usual = match protocol {
        Protocol::Modbus => false,
        Protocol::Dlt645 => line.baud <= 19_200,
        Protocol::Cjt188 => line.baud <= 9_600,
    };
    is_usual && line.parity == Parity::Even
}

#[cfg(test)]
mod tests;
