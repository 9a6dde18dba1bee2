//! Disks that fail to order, for tests of what must survive them.
//!
//! A process under test is started with the library `preload` before the system's own
//! (LD_PRELOAD): it stands between the process and the files of one folder. What it does
//! is written in a control file and may change while the process runs ([`Fault`]); what
//! the process does to the files it can write down ([`recording`]), so that a test can
//! put together every disk that a power cut could have left ([`disk`]).
//!
//! It sees the system calls of the process: open, write, sync, truncate, rename, unlink,
//! mkdir, link. What a process writes through shared memory it does not see; SQLite does
//! so with its `-shm` file only, which holds nothing that has to survive: the first to
//! open the store after a power cut makes it anew. Disks are put together without it, or
//! with rubbish in it.

use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};

pub mod chance;
pub mod disk;
pub mod recording;

/// The folder whose files are watched; its real path.
pub const FOLDER: &str = "GENGFU_FAULTS_FOLDER";
/// The file that says what goes wrong.
pub const CONTROL: &str = "GENGFU_FAULTS_CONTROL";
/// The file that everything done to the folder is written down in.
pub const LOG: &str = "GENGFU_FAULTS_LOG";

/// What goes wrong. Counts begin anew whenever the fault changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// Files may grow by so many bytes, all together, then the disk is full (ENOSPC).
    Full(u64),
    /// The file system is read-only (EROFS).
    ReadOnly,
    /// The n-th write and all after it fail (EIO); 0 is the next.
    Writes(u64),
    /// The n-th sync and all after it fail (EIO), and what it should have written is lost,
    /// though the process goes on to see it.
    Syncs(u64),
    /// The n-th sync fails so, and those after it succeed.
    OneSync(u64),
    /// The n-th write stops halfway, and the process dies.
    Torn(u64),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("none 0"),
            Self::Full(bytes) => write!(f, "full {bytes}"),
            Self::ReadOnly => f.write_str("readonly 0"),
            Self::Writes(n) => write!(f, "writes {n}"),
            Self::Syncs(n) => write!(f, "syncs {n}"),
            Self::OneSync(n) => write!(f, "onesync {n}"),
            Self::Torn(n) => write!(f, "torn {n}"),
        }
    }
}

/// A folder on a disk that fails to order.
#[derive(Clone, Debug)]
pub struct Faults {
    folder: PathBuf,
    control: PathBuf,
    log: Option<PathBuf>,
}

impl Faults {
    /// Makes the folder; its control file lies beside it. Nothing goes wrong yet.
    ///
    /// # Errors
    ///
    /// The folder or the file cannot be made.
    pub fn on(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder)?;
        let folder = folder.canonicalize()?;
        let faults = Self { control: folder.with_extension("faults"), folder, log: None };
        faults.set(Fault::None)?;
        Ok(faults)
    }

    /// Writes down what is done to the folder, in a file beside it.
    #[must_use]
    pub fn recorded(self) -> Self {
        let log = Some(self.folder.with_extension("recording"));
        Self { log, ..self }
    }

    /// Changes what goes wrong, from the next call of the process on.
    ///
    /// # Errors
    ///
    /// The control file cannot be written.
    pub fn set(&self, fault: Fault) -> Result<()> {
        // Whole or not at all: the process may look at any moment.
        let building = self.control.with_extension("building");
        fs::write(&building, fault.to_string())?;
        fs::rename(&building, &self.control).context("cannot change the fault")
    }

    /// Returns where what was done is written down.
    #[must_use]
    pub fn log(&self) -> Option<&Path> {
        self.log.as_deref()
    }

    /// Returns the environment of the process under test.
    ///
    /// # Errors
    ///
    /// The library was not built: it is built with the tests of the whole workspace.
    pub fn environment(&self) -> Result<Vec<(&'static str, PathBuf)>> {
        let mut all = vec![
            ("LD_PRELOAD", library()?),
            (FOLDER, self.folder.clone()),
            (CONTROL, self.control.clone()),
        ];
        all.extend(self.log.iter().map(|log| (LOG, log.clone())));
        Ok(all)
    }
}

/// Returns the library, which lies beside the folder of the test's own binary.
fn library() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.ancestors().nth(2).context("target folder")?;
    let library = folder.join("examples").join("libpreload.so");
    ensure!(
        library.exists(),
        "{} is not built; run `cargo build -p faults --examples`",
        library.display()
    );
    Ok(library)
}
