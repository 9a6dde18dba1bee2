//! What a node says of itself: that it is there, and what it made of its plan.

use super::cbor::{Reader, Writer, head_len, text_len};
use super::plan::{PlanFault, longest_fault_code};
use super::{DecodeError, EncodeError};

/// The version of a node's program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Version {
    /// Grows with a change that needs attention.
    pub major: u16,
    /// Grows with a feature.
    pub minor: u16,
    /// Grows with a repair.
    pub patch: u16,
}

/// What came to a node in this run that should not have; all of it was refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Plans that it does not work by.
    pub plans: u32,
    /// Commands that came twice, late, or that it cannot read.
    pub commands: u32,
    /// Connections that it gave up, because what came by them was not MQTT as agreed.
    pub connections: u32,
    /// Polls that ended with bytes which are no good answer.
    pub polls: u32,
}

/// Whether a node is there; retained, so that whoever subscribes knows at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Sent by the node after each connect and from time to time.
    Online {
        /// Which run of the node this is; another number after each start.
        boot: u32,
        /// Of its program.
        version: Version,
        /// Of the plan it works by; 0 if it has none.
        plan_revision: u32,
        /// Packs that wait to be sent.
        queued: u32,
        /// Packs that were given up because the outbox was full: in this run, or since the
        /// outbox began if it outlives a run.
        dropped: u32,
        /// How long this run lasts, in seconds.
        uptime_s: u32,
        /// What it refused.
        faults: Faults,
    },
    /// Its last will: the broker says it when the node falls silent.
    Gone,
}

const ONLINE: &str = "online";
const BOOT: &str = "boot";
const VERSION: &str = "version";
const PLAN: &str = "plan";
const QUEUED: &str = "queued";
const DROPPED: &str = "dropped";
const UPTIME: &str = "uptime";
const FAULTS: &str = "faults";
const FAULTS_ITEMS: u64 = 4;

const fn pair_len(key: &str, largest: u64) -> usize {
    text_len(key.len()) + head_len(largest)
}

const U32: u64 = u32::MAX as u64;

impl State {
    /// The most bytes a state takes.
    pub const BYTES_MAX: usize = head_len(8)
        + pair_len(ONLINE, 0)
        + pair_len(BOOT, U32)
        + (pair_len(VERSION, 3) + 3 * head_len(u16::MAX as u64))
        + pair_len(PLAN, U32)
        + pair_len(QUEUED, U32)
        + pair_len(DROPPED, U32)
        + pair_len(UPTIME, U32)
        + (pair_len(FAULTS, FAULTS_ITEMS) + 4 * head_len(U32));

    /// Writes the state and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out);
        match *self {
            Self::Gone => {
                writer.map(1)?;
                writer.text(ONLINE)?;
                writer.bool(false)?;
            }
            Self::Online { boot, version, plan_revision, queued, dropped, uptime_s, faults } => {
                let has_faults = faults != Faults::default();
                writer.map(if has_faults { 8 } else { 7 })?;
                writer.text(ONLINE)?;
                writer.bool(true)?;
                writer.text(BOOT)?;
                writer.uint(boot)?;
                writer.text(VERSION)?;
                writer.array(3)?;
                writer.uint(version.major)?;
                writer.uint(version.minor)?;
                writer.uint(version.patch)?;
                writer.text(PLAN)?;
                writer.uint(plan_revision)?;
                writer.text(QUEUED)?;
                writer.uint(queued)?;
                writer.text(DROPPED)?;
                writer.uint(dropped)?;
                writer.text(UPTIME)?;
                writer.uint(uptime_s)?;
                if has_faults {
                    writer.text(FAULTS)?;
                    writer.array(4)?;
                    writer.uint(faults.plans)?;
                    writer.uint(faults.commands)?;
                    writer.uint(faults.connections)?;
                    writer.uint(faults.polls)?;
                }
            }
        }
        Ok(writer.len())
    }

    /// Reads a state.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], as it says.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (mut online, mut version) = (None, None);
        let (mut boot, mut plan, mut queued, mut dropped, mut uptime) =
            (None, None, None, None, None);
        let mut faults = Faults::default();
        for _ in 0..reader.map()? {
            match reader.text()? {
                ONLINE => online = Some(reader.bool()?),
                BOOT => boot = Some(reader.uint()?),
                VERSION => {
                    reader.array_of(3)?;
                    let (major, minor, patch) = (reader.uint()?, reader.uint()?, reader.uint()?);
                    version = Some(Version { major, minor, patch });
                }
                PLAN => plan = Some(reader.uint()?),
                QUEUED => queued = Some(reader.uint()?),
                DROPPED => dropped = Some(reader.uint()?),
                UPTIME => uptime = Some(reader.uint()?),
                FAULTS => {
                    reader.array_of(FAULTS_ITEMS)?;
                    faults = Faults {
                        plans: reader.uint()?,
                        commands: reader.uint()?,
                        connections: reader.uint()?,
                        polls: reader.uint()?,
                    };
                }
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        if !online.ok_or(DecodeError::Missing)? {
            return Ok(Self::Gone);
        }
        Ok(Self::Online {
            boot: boot.ok_or(DecodeError::Missing)?,
            version: version.ok_or(DecodeError::Missing)?,
            plan_revision: plan.ok_or(DecodeError::Missing)?,
            queued: queued.ok_or(DecodeError::Missing)?,
            dropped: dropped.ok_or(DecodeError::Missing)?,
            uptime_s: uptime.ok_or(DecodeError::Missing)?,
            faults,
        })
    }
}

/// What became of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppliedResult {
    /// The node polls by it.
    Ok,
    /// The node goes on with what it had.
    Rejected(PlanFault),
}

/// A node's answer to a plan; retained beside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Of the plan; 0 if it could not be read that far.
    pub revision: u32,
    /// What became of it.
    pub result: AppliedResult,
    /// How much of the time the plan keeps the bus busy, in thousandths; 0 if that is not known.
    pub load_permille: u32,
}

const REVISION: &str = "revision";
const RESULT: &str = "result";
const OK: &str = "ok";
const LOAD: &str = "load";

impl Applied {
    /// The most bytes the answer takes.
    pub const BYTES_MAX: usize = head_len(3)
        + pair_len(REVISION, U32)
        + (text_len(RESULT.len()) + text_len(longest_fault_code()))
        + pair_len(LOAD, U32);

    /// Writes the answer and returns how many bytes it took.
    ///
    /// # Errors
    ///
    /// [`EncodeError::NoRoom`] if `out` is too small, which [`Self::BYTES_MAX`] never is.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, EncodeError> {
        let mut writer = Writer::new(out);
        let has_load = self.load_permille != 0;
        writer.map(if has_load { 3 } else { 2 })?;
        writer.text(REVISION)?;
        writer.uint(self.revision)?;
        writer.text(RESULT)?;
        writer.text(match self.result {
            AppliedResult::Ok => OK,
            AppliedResult::Rejected(fault) => fault.code(),
        })?;
        if has_load {
            writer.text(LOAD)?;
            writer.uint(self.load_permille)?;
        }
        Ok(writer.len())
    }

    /// Reads the answer.
    ///
    /// # Errors
    ///
    /// [`DecodeError`], as it says.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut reader = Reader::new(bytes);
        let (mut revision, mut result, mut load_permille) = (None, None, 0);
        for _ in 0..reader.map()? {
            match reader.text()? {
                REVISION => revision = Some(reader.uint()?),
                RESULT => {
                    result = Some(match reader.text()? {
                        OK => AppliedResult::Ok,
                        code => AppliedResult::Rejected(
                            PlanFault::from_code(code).ok_or(DecodeError::Unknown)?,
                        ),
                    });
                }
                LOAD => load_permille = reader.uint()?,
                _ => reader.skip()?,
            }
        }
        reader.end()?;
        Ok(Self {
            revision: revision.ok_or(DecodeError::Missing)?,
            result: result.ok_or(DecodeError::Missing)?,
            load_permille,
        })
    }
}
