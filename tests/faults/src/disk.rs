//! The disks that a power cut could have left, at any moment of a recording.
//!
//! What holds of a real disk, and no more than that:
//! - what was written before a sync of its file is there;
//! - a write that was not synced is there, is not, or is torn: each sector of 512 bytes
//!   has the old bytes or the new. Bytes beside a write are never harmed (SQLite calls
//!   that powersafe overwrite, and relies on it);
//! - what a sync that failed should have written is not there, unless it is written and
//!   synced again (Linux marks such a page clean and goes on);
//! - a name that was made, changed or removed is so only once its folder was synced;
//!   before that each such change is there or is not, whatever came before or after it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use crate::chance::Chance;
use crate::recording::{Call, Inode};

const SECTOR: u64 = 512;

#[derive(Clone, Debug)]
enum Change {
    Write { at: u64, bytes: Vec<u8> },
    Truncate { len: u64 },
}

#[derive(Clone, Debug, Default)]
struct Content {
    synced: Vec<u8>,
    pending: Vec<Change>,
    /// So many of the pending changes are never written: a sync of them failed, and the
    /// system takes them for written since.
    doomed: usize,
}

#[derive(Clone, Debug)]
enum Naming {
    /// A name leads to a file.
    Put {
        name: PathBuf,
        file: usize,
    },
    /// A name leads to a file, and another no longer does.
    Move {
        from: PathBuf,
        to: PathBuf,
        file: usize,
    },
    Remove {
        name: PathBuf,
    },
}

#[derive(Clone, Debug, Default)]
struct Folder {
    synced: BTreeMap<PathBuf, usize>,
    pending: Vec<Naming>,
    /// What the process sees.
    seen: BTreeMap<PathBuf, usize>,
}

/// The state of a folder in the middle of a recording.
#[derive(Debug, Default)]
pub struct Disk {
    root: PathBuf,
    files: Vec<Content>,
    /// Which of the files an inode number is now.
    inodes: BTreeMap<Inode, usize>,
    folders: BTreeMap<PathBuf, Folder>,
    /// Folders whose own name is not synced yet.
    unsynced_folders: Vec<PathBuf>,
}

impl Disk {
    /// Returns a disk that holds what lies in a folder now, all of it synced. The recording
    /// must have been made there.
    ///
    /// # Errors
    ///
    /// The folder cannot be read.
    pub fn new(root: &Path, before: &Path) -> Result<Self> {
        let mut disk = Self { root: root.canonicalize()?, ..Self::default() };
        disk.folders.insert(disk.root.clone(), Folder::default());
        let root = disk.root.clone();
        disk.add(before, &root)?;
        Ok(disk)
    }

    fn add(&mut self, from: &Path, path: &Path) -> Result<()> {
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            let name = path.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                self.folders.insert(name.clone(), Folder::default());
                self.add(&entry.path(), &name)?;
            } else {
                let file = self.new_file(fs::read(entry.path())?);
                let folder = self.folder(path);
                folder.synced.insert(name.clone(), file);
                folder.seen.insert(name, file);
            }
        }
        Ok(())
    }

    fn new_file(&mut self, synced: Vec<u8>) -> usize {
        self.files.push(Content { synced, ..Content::default() });
        self.files.len() - 1
    }

    fn folder(&mut self, path: &Path) -> &mut Folder {
        self.folders.entry(path.to_path_buf()).or_default()
    }

    fn folder_of(&mut self, name: &Path) -> &mut Folder {
        let folder = name.parent().unwrap_or(Path::new("/")).to_path_buf();
        self.folder(&folder)
    }

    /// Takes in the next call.
    ///
    /// # Errors
    ///
    /// The call names a file that nothing in the recording or before it made.
    pub fn step(&mut self, call: &Call) -> Result<()> {
        match call {
            Call::Open { inode, path, made } => {
                let known = self.folder_of(path).seen.get(path).copied();
                let file = match known {
                    Some(file) if !made => file,
                    _ => {
                        let file = self.new_file(Vec::new());
                        let folder = self.folder_of(path);
                        folder.seen.insert(path.clone(), file);
                        folder.pending.push(Naming::Put { name: path.clone(), file });
                        file
                    }
                };
                self.inodes.insert(*inode, file);
            }
            Call::Write { inode, at, bytes } => {
                let change = Change::Write { at: *at, bytes: bytes.clone() };
                self.file(*inode)?.pending.push(change);
            }
            Call::Truncate { inode, len } => {
                self.file(*inode)?.pending.push(Change::Truncate { len: *len });
            }
            Call::Sync { inode } => {
                let file = self.file(*inode)?;
                let doomed = std::mem::take(&mut file.doomed);
                for change in std::mem::take(&mut file.pending).split_off(doomed) {
                    apply(&mut file.synced, &change, |_| true);
                }
            }
            Call::SyncFailed { inode } => {
                let file = self.file(*inode)?;
                file.doomed = file.pending.len();
            }
            Call::SyncFolder { path } => {
                let folder = self.folder(path);
                for naming in std::mem::take(&mut folder.pending) {
                    rename(&mut folder.synced, &naming);
                }
                self.unsynced_folders.retain(|unsynced| unsynced.parent() != Some(path));
            }
            Call::Rename { from, to } => {
                let folder = self.folder_of(from);
                let file = folder.seen.remove(from).with_context(|| unnamed(from))?;
                folder.seen.insert(to.clone(), file);
                let (from, to) = (from.clone(), to.clone());
                folder.pending.push(Naming::Move { from, to, file });
            }
            Call::Link { from, to } => {
                let file = *self.folder_of(from).seen.get(from).with_context(|| unnamed(from))?;
                let folder = self.folder_of(to);
                folder.seen.insert(to.clone(), file);
                folder.pending.push(Naming::Put { name: to.clone(), file });
            }
            Call::Unlink { path } => {
                let folder = self.folder_of(path);
                folder.seen.remove(path);
                folder.pending.push(Naming::Remove { name: path.clone() });
            }
            Call::MakeFolder { path } => {
                self.folders.insert(path.clone(), Folder::default());
                self.unsynced_folders.push(path.clone());
            }
        }
        Ok(())
    }

    fn file(&mut self, inode: Inode) -> Result<&mut Content> {
        let file = *self.inodes.get(&inode).with_context(|| format!("inode {inode} is unknown"))?;
        Ok(&mut self.files[file])
    }

    /// Puts a disk that a power cut could leave at this moment into an empty folder.
    ///
    /// # Errors
    ///
    /// It cannot be written.
    pub fn cut(&self, chance: &mut Chance, to: &Path) -> Result<()> {
        let mut gone: Vec<&Path> = Vec::new();
        for path in &self.unsynced_folders {
            if chance.one_in(2) {
                gone.push(path);
            }
        }
        for (path, folder) in &self.folders {
            if gone.iter().any(|gone| path.starts_with(gone)) {
                continue;
            }
            let place = to.join(path.strip_prefix(&self.root)?);
            fs::create_dir_all(&place)?;
            for (name, file) in names(folder, chance) {
                let shown = name.file_name().context("a name")?;
                let is_shared = shown.to_string_lossy().ends_with("-shm");
                if is_shared {
                    if chance.one_in(2) {
                        let rubbish = vec![u8::try_from(chance.below(256))?; 32_768];
                        fs::write(place.join(shown), rubbish)?;
                    }
                    continue;
                }
                fs::write(place.join(shown), content(&self.files[file], chance))?;
            }
        }
        Ok(())
    }
}

fn unnamed(path: &Path) -> String {
    format!("nothing has the name {}", path.display())
}

/// The names that a folder could have.
fn names(folder: &Folder, chance: &mut Chance) -> BTreeMap<PathBuf, usize> {
    let mut names = folder.synced.clone();
    // Real file systems keep the order, the standard does not ask them to.
    let in_order = chance.one_in(2);
    let end = chance.below(folder.pending.len() as u64 + 1);
    for (number, naming) in (0..).zip(&folder.pending) {
        if if in_order { number < end } else { chance.one_in(2) } {
            rename(&mut names, naming);
        }
    }
    names
}

fn rename(names: &mut BTreeMap<PathBuf, usize>, naming: &Naming) {
    match naming {
        Naming::Put { name, file } => {
            names.insert(name.clone(), *file);
        }
        Naming::Move { from, to, file } => {
            if names.get(from) == Some(file) {
                names.remove(from);
            }
            names.insert(to.clone(), *file);
        }
        Naming::Remove { name } => {
            names.remove(name);
        }
    }
}

/// What a file could hold.
fn content(file: &Content, chance: &mut Chance) -> Vec<u8> {
    let mut bytes = file.synced.clone();
    for change in &file.pending {
        match chance.below(3) {
            0 => {}
            1 => apply(&mut bytes, change, |_| true),
            _ => apply(&mut bytes, change, |_| chance.one_in(2)),
        }
    }
    bytes
}

/// Makes a change, sector by sector where `is_there` says so.
fn apply(content: &mut Vec<u8>, change: &Change, mut is_there: impl FnMut(u64) -> bool) {
    match change {
        Change::Truncate { len } => {
            if is_there(0) {
                content.resize(place(*len), 0);
            }
        }
        Change::Write { at, bytes } => {
            let end = at + bytes.len() as u64;
            let mut from = *at;
            while from < end {
                let next = (from - from % SECTOR + SECTOR).min(end);
                if is_there(from) {
                    if content.len() < place(next) {
                        content.resize(place(next), 0);
                    }
                    content[place(from)..place(next)]
                        .copy_from_slice(&bytes[place(from - at)..place(next - at)]);
                }
                from = next;
            }
        }
    }
}

fn place(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}
