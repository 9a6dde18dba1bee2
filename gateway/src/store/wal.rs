//! Whether the log of the main file was damaged after it was synced.
//!
//! SQLite reads its write-ahead log up to the first frame whose checksum fails, and takes
//! that for the end: so ends a log whose last commit the power cut short. A bit that
//! flipped in the middle looks the same, and would take every later commit with it, in
//! silence. They can be told apart: a commit is synced before the next one begins, so a
//! bad frame that lies before the last commit but one was whole once.
//!
//! The format is SQLite's (<https://www.sqlite.org/fileformat2.html#walformat>): a header
//! of 32 bytes; frames of a header of 24 and one page; each frame's checksum goes on from
//! the one before.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::error::{During, StoreError};
use super::files;

const HEADER: usize = 32;
const FRAME_HEADER: usize = 24;
const MAGIC_LITTLE: u32 = 0x377f_0682;
const MAGIC_BIG: u32 = 0x377f_0683;

type Sums = (u32, u32);

/// Returns where the log of a file lies.
pub(super) fn path_of(main: &Path) -> PathBuf {
    let mut name = main.as_os_str().to_owned();
    name.push("-wal");
    name.into()
}

/// Keeps a copy of a damaged log before SQLite cuts it off; returns what is wrong with it.
pub(super) fn keep_if_damaged(main: &Path) -> Result<Option<String>, StoreError> {
    const DURING: &str = "look through the log";
    let path = path_of(main);
    if !path.exists() {
        return Ok(None);
    }
    let log = std::fs::read(&path).during(DURING)?;
    let Some(fault) = fault(&log) else { return Ok(None) };
    let kept = free_name(&path);
    files::copy(&path, &kept, &mut |_| {}).during(DURING)?;
    files::sync_folder_of(&kept)?;
    let name = kept.file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some(format!("{fault}; the log as it was is kept as `{name}`")))
}

/// Writes the log again, each byte over itself, and syncs it.
///
/// A sync that failed left the log whole in the system's memory and not on the disk, and a
/// later one succeeds without writing it (Linux marks such pages clean). To copy such a log
/// into the file is to change pages that, if the power fails meanwhile, nothing can mend.
/// At any moment each sector has the bytes of before or the same ones again.
pub(super) fn write_again(main: &Path) -> Result<(), StoreError> {
    const DURING: &str = "write the log again";
    let path = path_of(main);
    if !path.exists() {
        return Ok(());
    }
    let log = File::options().write(true).open(&path).during(DURING)?;
    let mut at = 0;
    files::read_through(&path, |piece| {
        log.write_all_at(piece, at)?;
        at += piece.len() as u64;
        Ok(())
    })
    .during(DURING)?;
    log.sync_all().during(DURING)
}

fn free_name(path: &Path) -> PathBuf {
    let name = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".damaged-{number}"));
        PathBuf::from(name)
    };
    (1..).map(name).find(|name| !name.exists()).unwrap_or_else(|| name(0))
}

/// Says what was damaged; `None` if the log ends as a power cut may leave it.
fn fault(log: &[u8]) -> Option<String> {
    let (header, frames) = log.split_at_checked(HEADER)?;
    if header.iter().all(|byte| *byte == 0) {
        return None;
    }
    let word = |at: usize| word(header, at);
    let big = match word(0)? {
        MAGIC_LITTLE => false,
        MAGIC_BIG => true,
        _ => return Some(String::from("the head of the log is not what was written")),
    };
    let sums = sums(header.get(..24)?, (0, 0), big);
    if sums != (word(24)?, word(28)?) {
        // A head is written in one sector: after a power cut it is the old or the new one.
        return Some(String::from("the head of the log is not what was written"));
    }
    let salt = (word(16)?, word(20)?);
    let page = usize::try_from(word(8)?).ok().filter(|page| (512..=65_536).contains(page))?;
    let frames: Vec<Frame> =
        frames.chunks_exact(FRAME_HEADER + page).map(|bytes| Frame::of(bytes, big)).collect();
    let follows = |at: usize, before: Sums| {
        frames
            .get(at)
            .is_some_and(|frame| frame.salt == salt && frame.sums_after(before) == frame.sums)
    };
    let before = |at: usize| at.checked_sub(1).map_or(sums, |at| frames[at].sums);
    let bad = (0..frames.len()).find(|&at| !follows(at, before(at)))?;
    // The commit that the bad frame belongs to, and whether anything came after it.
    let end = (bad..frames.len()).find(|&at| frames[at].salt == salt && frames[at].commits)?;
    let later = (end + 1..frames.len()).filter(|&at| follows(at, before(at)));
    let lost = later.filter(|&at| frames[at].commits).count();
    let any_later = (end + 1..frames.len()).any(|at| follows(at, before(at)));
    any_later.then(|| {
        format!(
            "frame {bad} of the log fails its checksum, and at least {} commits are lost",
            lost + 1
        )
    })
}

struct Frame<'a> {
    bytes: &'a [u8],
    big: bool,
    commits: bool,
    salt: (u32, u32),
    sums: Sums,
}

impl<'a> Frame<'a> {
    fn of(bytes: &'a [u8], big: bool) -> Self {
        let at = |at| word(bytes, at).unwrap_or(0);
        Self { bytes, big, commits: at(4) != 0, salt: (at(8), at(12)), sums: (at(16), at(20)) }
    }

    fn sums_after(&self, before: Sums) -> Sums {
        let (head, page) = self.bytes.split_at(FRAME_HEADER);
        sums(page, sums(&head[..8], before, self.big), self.big)
    }
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// SQLite's checksum: two sums over pairs of words, each going into the other.
fn sums(bytes: &[u8], (mut one, mut two): Sums, big: bool) -> Sums {
    for pair in bytes.as_chunks::<8>().0 {
        let word = |at: usize| {
            let bytes = [pair[at], pair[at + 1], pair[at + 2], pair[at + 3]];
            if big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }
        };
        one = one.wrapping_add(word(0)).wrapping_add(two);
        two = two.wrapping_add(word(4)).wrapping_add(one);
    }
    (one, two)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The log of eight commits, as SQLite writes it.
    fn log() -> Vec<u8> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("main.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_update(None, "journal_mode", "WAL").unwrap();
        connection.execute("CREATE TABLE t (a BLOB)", ()).unwrap();
        for _ in 0..7 {
            connection.execute("INSERT INTO t VALUES (randomblob(5000))", ()).unwrap();
        }
        std::fs::read(path_of(&path)).unwrap()
    }

    #[test]
    fn a_whole_log_and_one_cut_short_anywhere_are_not_damaged() {
        let log = log();

        for len in (0..log.len()).step_by(61) {
            assert_eq!(fault(&log[..len]), None, "cut at {len}");
        }
        assert_eq!(fault(&log), None);
    }

    #[test]
    fn a_bit_that_flipped_before_the_last_commit_is_found() {
        let log = log();
        let frame = FRAME_HEADER + 4_096;
        let last = HEADER + (log.len() - HEADER) / frame * frame - 3 * frame;

        for at in (HEADER..last).step_by(97) {
            let mut damaged = log.clone();
            damaged[at] ^= 0x10;
            assert!(fault(&damaged).is_some(), "byte {at}");
        }
        for at in 0..HEADER {
            let mut damaged = log.clone();
            damaged[at] ^= 0x10;
            assert!(fault(&damaged).is_some(), "byte {at} of the head");
        }
    }
}
