//! What a node can be asked to do, once, and what came of it.

use super::cbor::{Reader, Writer, head_len, text_len};
use super::{DecodeError, EncodeError};

/// What a node is asked to do.
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

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Done, or about to be done for a reboot.
    Done,
    /// This node cannot do that.
    Refused,
}

impl Outcome {
    /// Every outcome.
    pub const ALL: [Self; 2] = [Self::Done, Self::Refused];

    /// Returns the word for it in messages.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Done => "done",
            Self::Refused => "refused",
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
    /// What the result refers to; a node does the same number in a row only once.
    pub id: u32,
    /// What to do.
    pub action: Action,
}

/// The answer to a [`Command`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CommandResult {
    /// That of the command.
    pub id: u32,
    /// What came of it.
    pub outcome: Outcome,
}

const ID: &str = "id";
const ACTION: &str = "do";
const OUTCOME: &str = "result";

const WORD_LEN_MAX: usize = "identify".len();

const fn bytes_max(key: &str) -> usize {
    head_len(2)
        + (text_len(ID.len()) + head_len(u32::MAX as u64))
        + (text_len(key.len()) + text_len(WORD_LEN_MAX))
}

impl Command {
    /// The most bytes a command takes.
    pub const BYTES_MAX: usize = bytes_max(ACTION);

    /// Writes the command and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        write(self.id, ACTION, self.action.code(), out)
    }

    /// Reads a command.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Unknown`] for an action this version does not know; the others as
    /// they say.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (id, word) = read(bytes, ACTION)?;
        Ok(Self { id, action: Action::from_code(word).ok_or(DecodeError::Unknown)? })
    }
}

impl CommandResult {
    /// The most bytes a result takes.
    pub const BYTES_MAX: usize = bytes_max(OUTCOME);

    /// Writes the result and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        write(self.id, OUTCOME, self.outcome.code(), out)
    }

    /// Reads a result.
    ///
    /// # Errors
    ///
    /// [`DecodeError::Unknown`] for an outcome this version does not know; the others as
    /// they say.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let (id, word) = read(bytes, OUTCOME)?;
        Ok(Self { id, outcome: Outcome::from_code(word).ok_or(DecodeError::Unknown)? })
    }
}

fn write(id: u32, key: &str, word: &str, out: &mut [u8]) -> Result<usize, EncodeError> {
    let mut writer = Writer::new(out);
    writer.map(2)?;
    writer.text(ID)?;
    writer.uint(id)?;
    writer.text(key)?;
    writer.text(word)?;
    Ok(writer.len())
}

fn read<'a>(bytes: &'a [u8], word_key: &str) -> Result<(u32, &'a str), DecodeError> {
    let mut reader = Reader::new(bytes);
    let (mut id, mut word) = (None, None);
    for _ in 0..reader.map()? {
        match reader.text()? {
            ID => id = Some(reader.uint()?),
            key if key == word_key => word = Some(reader.text()?),
            _ => reader.skip()?,
        }
    }
    reader.end()?;
    Ok((id.ok_or(DecodeError::Missing)?, word.ok_or(DecodeError::Missing)?))
}
