//! What a process did to the files of a folder, in order.
//!
//! ```text
//! kind (1)   inode (8)   number (8)   length of path (4)   path
//!            length of data (4)   data
//! ```
//!
//! All numbers lowest byte first. `preload` writes it; a call is written down after it
//! was made and before the next one is, whichever thread makes it.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

/// A file, as long as it lives; the number may be given again afterwards.
pub type Inode = u64;

/// One call that succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    /// A file was opened by a name, and made if it was not there.
    Open { inode: Inode, path: PathBuf, made: bool },
    /// Bytes were written.
    Write { inode: Inode, at: u64, bytes: Vec<u8> },
    /// A file was made shorter or longer.
    Truncate { inode: Inode, len: u64 },
    /// A file was synced.
    Sync { inode: Inode },
    /// A sync of a file failed: what was written before is shown, and never written.
    SyncFailed { inode: Inode },
    /// A folder was synced.
    SyncFolder { path: PathBuf },
    /// A file got another name; whatever had it before is gone.
    Rename { from: PathBuf, to: PathBuf },
    /// A file got a second name.
    Link { from: PathBuf, to: PathBuf },
    /// A name was removed.
    Unlink { path: PathBuf },
    /// A folder was made.
    MakeFolder { path: PathBuf },
}

/// The first byte of each kind.
pub mod kind {
    pub const OPEN: u8 = 1;
    pub const MADE: u8 = 2;
    pub const WRITE: u8 = 3;
    pub const TRUNCATE: u8 = 4;
    pub const SYNC: u8 = 5;
    pub const SYNC_FOLDER: u8 = 6;
    pub const RENAME: u8 = 7;
    pub const LINK: u8 = 8;
    pub const UNLINK: u8 = 9;
    pub const MAKE_FOLDER: u8 = 10;
    pub const SYNC_FAILED: u8 = 11;
}

/// Reads what was written down.
///
/// # Errors
///
/// The file cannot be read, or is no recording.
pub fn read(log: &Path) -> Result<Vec<Call>> {
    let bytes = std::fs::read(log).with_context(|| format!("cannot read {}", log.display()))?;
    let mut rest = bytes.as_slice();
    let mut calls = Vec::new();
    while !rest.is_empty() {
        calls.push(call(&mut rest).context("the recording ends in the middle")??);
    }
    Ok(calls)
}

fn call(rest: &mut &[u8]) -> Option<Result<Call>> {
    let kind = take::<1>(rest)?[0];
    let inode = u64::from_le_bytes(take(rest)?);
    let number = u64::from_le_bytes(take(rest)?);
    let path = bytes(rest)?;
    let data = bytes(rest)?;
    let path_of = |bytes: &[u8]| PathBuf::from(String::from_utf8_lossy(bytes).into_owned());
    let from = path_of(path);
    Some(Ok(match kind {
        kind::OPEN | kind::MADE => Call::Open { inode, path: from, made: kind == kind::MADE },
        kind::WRITE => Call::Write { inode, at: number, bytes: data.to_vec() },
        kind::TRUNCATE => Call::Truncate { inode, len: number },
        kind::SYNC => Call::Sync { inode },
        kind::SYNC_FAILED => Call::SyncFailed { inode },
        kind::SYNC_FOLDER => Call::SyncFolder { path: from },
        kind::RENAME => Call::Rename { from, to: path_of(data) },
        kind::LINK => Call::Link { from, to: path_of(data) },
        kind::UNLINK => Call::Unlink { path: from },
        kind::MAKE_FOLDER => Call::MakeFolder { path: from },
        other => return Some(unknown(other)),
    }))
}

fn unknown(kind: u8) -> Result<Call> {
    bail!("{kind} is no kind of call")
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = u32::from_le_bytes(take(rest)?);
    let (head, tail) = rest.split_at_checked(usize::try_from(len).ok()?)?;
    *rest = tail;
    Some(head)
}
