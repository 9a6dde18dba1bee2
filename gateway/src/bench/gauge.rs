//! What a process has used so far: CPU, memory, bytes to the disk. Linux, from `/proc`.
//!
//! Of our own process CPU is known to the nanosecond; of another, to its ticks of 10 ms.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::time::{ClockId, clock_gettime};

/// Ticks of the process status a second, on every Linux of today.
const TICKS_A_SECOND: f64 = 100.0;

/// Returns the instant now, to measure from. Benches alone ask for it.
#[must_use]
#[expect(clippy::disallowed_methods, reason = "a bench measures what passes on the wall")]
pub fn start() -> Instant {
    Instant::now()
}

/// Waits a while: for another program, whose states nobody tells us.
#[expect(clippy::disallowed_methods, reason = "another program does not say when it rests")]
pub fn rest(span: Duration) {
    std::thread::sleep(span);
}

/// Returns a number that nobody foresees.
#[must_use]
pub fn chance(salt: u64) -> u64 {
    use std::hash::{BuildHasher, RandomState};
    RandomState::new().hash_one(salt)
}

/// Returns the CPU time that all threads of this process have used, s.
#[must_use]
pub fn own_cpu_s() -> f64 {
    cpu_s(ClockId::ProcessCPUTime)
}

/// Returns the CPU time that this thread has used, s.
#[must_use]
pub fn thread_cpu_s() -> f64 {
    cpu_s(ClockId::ThreadCPUTime)
}

fn cpu_s(clock: ClockId) -> f64 {
    let time = clock_gettime(clock);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
        .as_secs_f64()
}

/// A process that is looked at from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    /// Returns this process.
    #[must_use]
    pub fn own() -> Self {
        Self(std::process::id())
    }

    /// Returns the process that listens on an address.
    ///
    /// # Errors
    ///
    /// If none does, or it is somebody else's.
    pub fn listening_on(address: SocketAddr) -> Result<Self> {
        let port = address.port();
        let sockets: Vec<String> = ["/proc/net/tcp", "/proc/net/tcp6"]
            .iter()
            .filter_map(|table| fs::read_to_string(table).ok())
            .flat_map(|table| listeners(&table, port))
            .collect();
        for entry in fs::read_dir("/proc").context("cannot list the processes")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let Ok(open) = fs::read_dir(entry.path().join("fd")) else { continue };
            let mut targets = open.flatten().filter_map(|file| fs::read_link(file.path()).ok());
            if targets.any(|it| sockets.iter().any(|socket| it.as_os_str() == socket.as_str())) {
                return Ok(Self(pid));
            }
        }
        anyhow::bail!("no process of ours listens on {address}; name it with --against-pid")
    }

    fn read(self, file: &str) -> Result<String> {
        let path = format!("/proc/{}/{file}", self.0);
        fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))
    }

    /// Returns the name of its program.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    pub fn name(self) -> Result<String> {
        Ok(self.read("comm")?.trim().to_owned())
    }

    /// Returns the CPU time that all its threads have used, s.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    pub fn cpu_s(self) -> Result<f64> {
        let stat = self.read("stat")?;
        cpu_of(&stat).context("the process status is not of the form we know")
    }

    /// Returns the memory it has in use, and the most it ever had, bytes.
    ///
    /// # Errors
    ///
    /// If there is no such process.
    pub fn memory(self) -> Result<Memory> {
        let status = self.read("status")?;
        let kib = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok()
        };
        let both = kib("VmRSS:").zip(kib("VmHWM:"));
        let (resident, peak) = both.context("the process status names no memory")?;
        Ok(Memory { resident: resident * 1024, peak: peak * 1024 })
    }

    /// Returns the bytes it had written to disks.
    ///
    /// # Errors
    ///
    /// If there is no such process, or it is somebody else's.
    pub fn written(self) -> Result<u64> {
        let io = self.read("io")?;
        let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
        Ok(line.context("the process status names no writes")?.trim().parse()?)
    }
}

/// Memory of a process, bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// In use now.
    pub resident: u64,
    /// The most that was ever in use.
    pub peak: u64,
}

fn cpu_of(stat: &str) -> Option<f64> {
    // The name is in parentheses and may hold anything, spaces and parentheses too.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ').skip(11);
    let (user, system): (u32, u32) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((f64::from(user) + f64::from(system)) / TICKS_A_SECOND)
}

/// Returns the sockets of a table that listen on a port, as links of open files name them.
fn listeners(table: &str, port: u16) -> Vec<String> {
    const LISTENS: &str = "0A";
    let ending = format!(":{port:04X}");
    let rows = table.lines().skip(1).map(|line| line.split_whitespace().collect::<Vec<_>>());
    rows.filter(|row| row.get(1).is_some_and(|it| it.ends_with(&ending)))
        .filter(|row| row.get(3) == Some(&LISTENS))
        .filter_map(|row| row.get(9).map(|inode| format!("socket:[{inode}]")))
        .collect()
}

/// Returns the bytes that the files below a folder take on the disk.
#[must_use]
pub fn disk_bytes(folder: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let size = |entry: fs::DirEntry| {
        let path = entry.path();
        match entry.metadata() {
            Ok(it) if it.is_dir() => disk_bytes(&path),
            Ok(it) => it.blocks() * 512,
            Err(_) => 0,
        }
    };
    entries.flatten().map(size).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_own_process_is_found_by_its_port_and_has_used_something() {
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();

        let process = Process::listening_on(socket.local_addr().unwrap()).unwrap();

        assert_eq!(process, Process::own());
        let memory = process.memory().unwrap();
        assert!(1 << 20 < memory.resident && memory.resident <= memory.peak);
        assert!(0.0 < own_cpu_s());
        assert!(process.written().is_ok());
    }

    #[test]
    fn a_name_with_parentheses_does_not_shift_the_fields() {
        let stat = "7 (a) b (c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0 20 0";

        assert_eq!(cpu_of(stat), Some(2.0));
    }
}
