//! What a node can be asked to do, once, and what came of it.

use super::cbor::{Reader, Writer, bytes_len, head_len, text_len};
use super::{DecodeError, EncodeError};
use crate::modbus::{LineSettings, Parity, Table};
use crate::name::NAME_LEN_MAX;
use crate::{List, Name};

/// What a node is asked to do with itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Show yourself: blink, or write a line to the log.
    Identify,
    /// Start again. What waits in the outbox survives only where the outbox does.
    Reboot,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 2] = [Self::Identify, Self::Reboot];

    /// Returns the word for it in messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Identify => "identify",
            Self::Reboot => "reboot",
        }
    }

    /// Returns the action that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.code() == code)
    }
}

/// The most units that one scan asks, so that the meters' own polls wait for seconds only.
pub const SCAN_UNITS_MAX: u8 = 32;

/// Which units answer at all: each is asked for one register.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Scan {
    /// How the line is set meanwhile.
    pub line: LineSettings,
    /// The first unit id to ask.
    pub first: u8,
    /// The last of them.
    pub last: u8,
    /// From which table.
    pub table: Table,
    /// Which register. A refusal is an answer too.
    pub address: u16,
}

/// One request, and each byte that comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Trace {
    /// How the line is set meanwhile.
    pub line: LineSettings,
    /// Who is asked.
    pub unit_id: u8,
    /// From which table.
    pub table: Table,
    /// The first register.
    pub address: u16,
    /// How many, 1 to [`TRACE_REGISTERS_MAX`].
    pub count: u8,
}

/// The most registers that a trace asks for: their answer fits in a result, noise beside it.
pub const TRACE_REGISTERS_MAX: u8 = 60;

/// What a command is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Task {
    /// The node itself.
    Act(Action),
    /// A circuit that the node's plan lets it switch.
    Switch {
        /// Its name in the plan.
        circuit: Name,
        /// Whether it shall be on.
        on: bool,
    },
    /// The units on the bus.
    Scan(Scan),
    /// The bytes on the bus.
    Trace(Trace),
}

const SWITCH: &str = "switch";
const SCAN: &str = "scan";
const TRACE: &str = "trace";

impl Task {
    /// Returns the word for it in messages.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Act(action) => action.code(),
            Self::Switch { .. } => SWITCH,
            Self::Scan(_) => SCAN,
            Self::Trace(_) => TRACE,
        }
    }
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done, or about to be done for a reboot. A circuit that was switched was read back.
    Done,
    /// This node does not do that.
    Refused,
    /// It came after its deadline, or to a node that does not know the time.
    Expired,
    /// A command of this number or a later one was carried out before.
    Repeated,
    /// It was tried, and the bus did not do as asked.
    Failed,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 5] =
        [Self::Done, Self::Refused, Self::Expired, Self::Repeated, Self::Failed];

    /// Returns the word for it in messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Repeated => "repeated",
            Self::Failed => "failed",
        }
    }

    /// Returns the outcome that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.code() == code)
    }
}

/// One thing to do, once. Never retained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Command {
    /// What the result refers to. It grows: a node does nothing of a number that is not above
    /// that of the last command it carried out, in this run or an earlier one.
    pub id: u32,
    /// Until when it may be done, Unix seconds; 0 for always. Switching needs a deadline.
    pub until: i64,
    /// What to do.
    pub task: Task,
}

/// The most bytes that a result brings along.
pub const RESULT_DATA_MAX: usize = 136;

/// The answer to a [`Command`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// That of the command.
    pub id: u32,
    /// What came of it.
    pub outcome: Outcome,
    /// Of a switch: 1 or 0, what was read back. Of a scan: the units that answered. Of a
    /// trace: the bytes that came, as far as there is room.
    pub data: List<u8, RESULT_DATA_MAX>,
    /// Of a trace: how long the whole exchange took, ms.
    pub answer_ms: u16,
}

impl CommandResult {
    /// Returns a result that says no more than what came of it.
    #[must_use]
    pub fn of(id: u32, outcome: Outcome) -> Self {
        Self { id, outcome, data: List::new(), answer_ms: 0 }
    }
}

const ID: &str = "id";
const ACTION: &str = "do";
const UNTIL: &str = "until";
const WITH: &str = "with";
const OUTCOME: &str = "result";
const DATA: &str = "data";
const ANSWER_MS: &str = "ms";

const WORD_LEN_MAX: usize = "identify".len();
const U8_LEN: usize = head_len(u8::MAX as u64);
const U16_LEN: usize = head_len(u16::MAX as u64);
const U32_LEN: usize = head_len(u32::MAX as u64);

/// Of a scan and of a trace.
const ASKED_ITEMS: u64 = 7;
const SWITCH_ITEMS: u64 = 2;

/// A name of full length makes the longest task.
const WITH_LEN_MAX: usize = head_len(SWITCH_ITEMS) + text_len(NAME_LEN_MAX) + 1;
const _: () = assert!(1 + U32_LEN + 2 + 2 * U8_LEN + 1 + U16_LEN <= WITH_LEN_MAX);
const _: () = assert!(1 + U32_LEN + 2 + U8_LEN + 1 + U16_LEN + U8_LEN <= WITH_LEN_MAX);

impl Command {
    /// The most bytes a command takes.
    pub const BYTES_MAX: usize = head_len(4)
        + (text_len(ID.len()) + U32_LEN)
        + (text_len(ACTION.len()) + text_len(SWITCH.len()))
        + (text_len(UNTIL.len()) + head_len(u64::MAX))
        + (text_len(WITH.len()) + WITH_LEN_MAX);

    /// Writes the command and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out);
        let has_args = !matches!(self.task, Task::Act(_));
        writer.map(2 + usize::from(self.until != 0) + usize::from(has_args))?;
        writer.text(ID)?;
        writer.uint(self.id)?;
        writer.text(ACTION)?;
        writer.text(self.task.code())?;
        if self.until != 0 {
            writer.text(UNTIL)?;
            writer.int(self.until)?;
        }
        if has_args {
            writer.text(WITH)?;
        }
        match &self.task {
            Task::Act(_) => {}
            Task::Switch { circuit, on } => {
                writer.array(2)?;
                writer.text(circuit.as_str())?;
                writer.bool(*on)?;
            }
            Task::Scan(scan) => {
                writer.array(7)?;
                write_line(&mut writer, scan.line)?;
                writer.uint(scan.first)?;
                writer.uint(scan.last)?;
                writer.uint(scan.table.id())?;
                writer.uint(scan.address)?;
            }
            Task::Trace(trace) => {
                writer.array(7)?;
                write_line(&mut writer, trace.line)?;
                writer.uint(trace.unit_id)?;
                writer.uint(trace.table.id())?;
                writer.uint(trace.address)?;
                writer.uint(trace.count)?;
            }
        }
        Ok(writer.len())
    }

    /// Reads a command.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Unknown`] for a task this version does not know; the others as they
    /// say.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (mut id, mut until, mut word, mut with) = (None, 0, None, None);
        for _ in 0..reader.map()? {
            match reader.text()? {
                ID => id = Some(reader.uint()?),
                ACTION => word = Some(reader.text()?),
                UNTIL => until = reader.int()?,
                WITH => {
                    // Read when its word is known: keys may come in any order.
                    with = Some(reader.clone());
                    reader.skip()?;
                }
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        let word = word.ok_or(DecodeError::Missing)?;
        let task = match Action::from_code(word) {
            Some(action) => Task::Act(action),
            None => read_task(with, word)?,
        };
        Ok(Self { id: id.ok_or(DecodeError::Missing)?, until, task })
    }
}

fn write_line(writer: &mut Writer<'_>, line: LineSettings) -> Result<(), EncodeError> {
    writer.uint(line.baud)?;
    writer.uint(line.parity.id())?;
    writer.uint(line.stop_bits)
}

fn read_task(with: Option<Reader<'_>>, word: &str) -> Result<Task, DecodeError> {
    let is_scan = word == SCAN;
    if !is_scan && word != SWITCH && word != TRACE {
        return Err(DecodeError::Unknown);
    }
    let reader = &mut with.ok_or(DecodeError::Missing)?;
    if word == SWITCH {
        reader.array_of(SWITCH_ITEMS)?;
        return Ok(Task::Switch { circuit: reader.name()?, on: reader.bool()? });
    }
    // Both have the same numbers, in another order.
    reader.array_of(ASKED_ITEMS)?;
    let mut numbers = [0_u32; 7];
    for number in &mut numbers {
        *number = reader.uint()?;
    }
    let [baud, parity, stop_bits, first, second, third, fourth] = numbers;
    let byte = |number| u8::try_from(number).map_err(|_| DecodeError::OutOfRange);
    let (table, address) = if is_scan { (third, fourth) } else { (second, third) };
    let line = LineSettings {
        baud,
        parity: Parity::from_id(byte(parity)?).ok_or(DecodeError::Unknown)?,
        stop_bits: byte(stop_bits)?,
    };
    let table = Table::from_id(byte(table)?).filter(|table| !table.holds_bytes());
    let table = table.ok_or(DecodeError::Unknown)?;
    let address = u16::try_from(address).map_err(|_| DecodeError::OutOfRange)?;
    let unit_id = byte(first)?;
    Ok(if is_scan {
        Task::Scan(Scan { line, first: unit_id, last: byte(second)?, table, address })
    } else {
        Task::Trace(Trace { line, unit_id, table, address, count: byte(fourth)? })
    })
}

impl CommandResult {
    /// The most bytes a result takes.
    pub const BYTES_MAX: usize = head_len(4)
        + (text_len(ID.len()) + U32_LEN)
        + (text_len(OUTCOME.len()) + text_len(WORD_LEN_MAX))
        + (text_len(DATA.len()) + bytes_len(RESULT_DATA_MAX))
        + (text_len(ANSWER_MS.len()) + U16_LEN);

    /// Writes the result and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out);
        let (has_data, has_time) = (!self.data.is_empty(), self.answer_ms != 0);
        writer.map(2 + usize::from(has_data) + usize::from(has_time))?;
        writer.text(ID)?;
        writer.uint(self.id)?;
        writer.text(OUTCOME)?;
        writer.text(self.outcome.code())?;
        if has_data {
            writer.text(DATA)?;
            writer.bytes(self.data.as_slice())?;
        }
        if has_time {
            writer.text(ANSWER_MS)?;
            writer.uint(self.answer_ms)?;
        }
        Ok(writer.len())
    }

    /// Reads a result.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Unknown`] for an outcome this version does not know; the others as
    /// they say.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (mut id, mut outcome) = (None, None);
        let (mut data, mut answer_ms) = (List::new(), 0);
        for _ in 0..reader.map()? {
            match reader.text()? {
                ID => id = Some(reader.uint()?),
                OUTCOME => {
                    let known = Outcome::from_code(reader.text()?);
                    outcome = Some(known.ok_or(DecodeError::Unknown)?);
                }
                DATA => {
                    data = List::from_slice(reader.bytes()?).map_err(|_| DecodeError::TooMany)?;
                }
                ANSWER_MS => answer_ms = reader.uint()?,
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        Ok(Self {
            id: id.ok_or(DecodeError::Missing)?,
            outcome: outcome.ok_or(DecodeError::Missing)?,
            data,
            answer_ms,
        })
    }
}
