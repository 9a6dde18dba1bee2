//! The folder of a story, the time that its processes share, and the processes.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a story waits in the machine's own time and tells where it left its folder"
)]

use std::fs::{self, File};
use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use faults::Faults;

/// How long a story waits for a state before it gives up. Generous, because the reference
/// machine has two cores and other work; a story that passes never waits this long.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// A folder of its own, kept if the story fails, and the time that its processes share.
pub struct World {
    folder: PathBuf,
    clock: Option<String>,
    environment: Vec<(&'static str, PathBuf)>,
}

impl World {
    /// Makes the folder. Processes see the machine's time unless [`World::at`] sets another.
    pub fn new(story: &str) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix(&format!("gengfu-{story}-")).tempdir()?.keep();
        Ok(Self { folder, clock: None, environment: Vec::new() })
    }

    /// Makes all processes started from now on begin at `start` (RFC 3339) now and live
    /// `speed` times as fast.
    pub fn at(&mut self, start: &str, speed: u32) -> Result<()> {
        let start: jiff::Timestamp = start.parse()?;
        let anchor_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        self.clock = Some(format!("{}@{anchor_ms}x{speed}", start.as_millisecond()));
        Ok(())
    }

    /// Makes all processes started from now on live `speed` times as fast, from this moment on:
    /// where others look at the machine's own time as well.
    pub fn hurry(&mut self, speed: u32) -> Result<()> {
        let now_ms = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
        self.clock = Some(format!("{now_ms}@{now_ms}x{speed}"));
        Ok(())
    }

    /// The clock that processes started from now on share, as they are told it.
    pub fn clock(&self) -> Option<&str> {
        self.clock.as_deref()
    }

    /// Puts a folder of the story on a disk that fails to order, for every `gengfu` started
    /// from now on.
    pub fn on_failing_disk(&mut self, folder: &str) -> Result<Faults> {
        let faults = Faults::on(&self.folder.join(folder))?;
        self.environment = faults.environment()?;
        Ok(faults)
    }

    /// Where the story's files lie.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Writes a file of the story and returns its path.
    pub fn file(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.folder.join(name);
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Starts `gengfu` with arguments; its output goes to `<name>.log`.
    pub fn gengfu(&self, name: &str, arguments: &[&str]) -> Result<Process> {
        let mut command = Command::new(binary()?);
        command.args(arguments).envs(self.environment.iter().cloned());
        if let Some(clock) = &self.clock {
            command.arg("--clock").arg(clock);
        }
        self.start(name, command)
    }

    /// Runs `gengfu` to its end, which must be a good one; returns what it printed.
    pub fn carry_out(&self, arguments: &[&str]) -> Result<String> {
        let mut command = Command::new(binary()?);
        command.args(arguments).current_dir(&self.folder).stdin(Stdio::null());
        if let Some(clock) = &self.clock {
            command.arg("--clock").arg(clock);
        }
        let output = command.output()?;
        let printed = String::from_utf8_lossy(&output.stdout).into_owned();
        let complained = String::from_utf8_lossy(&output.stderr);
        anyhow::ensure!(output.status.success(), "gengfu {arguments:?}: {complained}");
        Ok(printed)
    }

    /// Starts any program; its output goes to `<name>.log`.
    pub fn start(&self, name: &str, mut command: Command) -> Result<Process> {
        let path = self.folder.join(format!("{name}.log"));
        let log = File::options().create(true).append(true).open(&path)?;
        let begun = fs::metadata(&path)?.len();
        let child = command
            .current_dir(&self.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot start {command:?}"))?;
        Ok(Process { name: name.to_owned(), child, log: path, begun })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("left behind: {}", self.folder.display());
        } else {
            // A story that passed leaves nothing; a folder that cannot be removed harms nobody.
            fs::remove_dir_all(&self.folder).ok();
        }
    }
}

/// Runs a story that may fail, in a world of its own.
pub fn story(name: &str, tell: impl FnOnce(&mut World) -> Result<()>) {
    let mut world = World::new(name).expect("a temporary folder");
    if let Err(error) = tell(&mut world) {
        panic!("{error:#}");
    }
}

/// A process of the story; killed when it goes out of scope.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
    begun: u64,
}

impl Process {
    /// Waits for a line of this run's output that begins with `start`; returns what follows.
    pub fn line(&mut self, start: &str) -> Result<String> {
        self.line_within(start, PATIENCE)
    }

    /// Waits for such a line that may take longer than others.
    pub fn line_within(&mut self, start: &str, patience: Duration) -> Result<String> {
        let what = format!("a line `{start}…` from `{}`", self.name);
        let log = self.log.clone();
        let begun = usize::try_from(self.begun)?;
        wait_within(&what, patience, || {
            let text = fs::read(&log)?;
            let text = String::from_utf8_lossy(text.get(begun..).unwrap_or_default()).into_owned();
            let found = text.lines().find_map(|line| line.strip_prefix(start));
            if found.is_none() && self.child.try_wait()?.is_some() {
                bail!("`{}` ended: {}", self.name, text.trim_end());
            }
            Ok(found.map(|rest| rest.trim().to_owned()))
        })
    }

    /// Waits until it has said something, anywhere in a line of its log.
    pub fn says(&self, words: &str) -> Result<()> {
        wait_for(&format!("`{words}` from `{}`", self.name), || {
            Ok(self.log()?.contains(words).then_some(()))
        })
    }

    /// Kills it as a power cut would: SIGKILL, no warning.
    pub fn kill(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Asks it to end (SIGTERM) and waits until it has; returns whether it ended well.
    pub fn stop(&mut self) -> Result<bool> {
        let done = Command::new("kill").arg(self.child.id().to_string()).status()?;
        anyhow::ensure!(done.success(), "cannot signal `{}`", self.name);
        let child = &mut self.child;
        wait_for(&format!("the end of `{}`", self.name), || Ok(child.try_wait()?))
            .map(|status| status.success())
    }

    /// Makes it stand still (SIGSTOP): it keeps its connections and does nothing.
    pub fn pause(&self) -> Result<()> {
        self.signal("-STOP")
    }

    /// Lets it go on.
    pub fn resume(&self) -> Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, which: &str) -> Result<()> {
        let done = Command::new("kill").arg(which).arg(self.child.id().to_string()).status()?;
        anyhow::ensure!(done.success(), "cannot signal `{}`", self.name);
        Ok(())
    }

    /// Waits until it ends by itself; returns whether it ended well.
    pub fn ended(&mut self) -> Result<bool> {
        let child = &mut self.child;
        wait_for(&format!("the end of `{}`", self.name), || Ok(child.try_wait()?))
            .map(|status| status.success())
    }

    /// Resident memory in KiB, as the kernel counts it.
    pub fn resident_kib(&self) -> Result<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
        Ok(line.trim().trim_end_matches(" kB").parse()?)
    }

    /// Everything it has written.
    pub fn log(&self) -> Result<String> {
        let mut text = String::new();
        File::open(&self.log)?.read_to_string(&mut text)?;
        Ok(text)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself; either way it is gone afterwards.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Waits until `state` returns a value. Looks ten times a second, for [`PATIENCE`].
pub fn wait_for<T>(what: &str, state: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    wait_within(what, PATIENCE, state)
}

/// Waits as [`wait_for`] does, for what is known to take longer.
pub fn wait_within<T>(
    what: &str,
    patience: Duration,
    mut state: impl FnMut() -> Result<Option<T>>,
) -> Result<T> {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(value) = state().with_context(|| format!("while waiting for {what}"))? {
            return Ok(value);
        }
        if deadline < Instant::now() {
            bail!("{what} did not come within {} s", patience.as_secs());
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
}

/// Lets the machine's time pass: for what has no state to wait for, as a cable that is out.
pub fn pass(time: Duration) {
    let end = Instant::now() + time;
    while let Some(left) = end.checked_duration_since(Instant::now()) {
        std::thread::park_timeout(left);
    }
}

/// How many minutes a story is to last that can last longer (`GENGFU_SOAK_MINUTES`).
#[must_use]
pub fn soak_minutes() -> Option<usize> {
    std::env::var("GENGFU_SOAK_MINUTES").ok()?.parse().ok()
}

/// A TCP port that was free a moment ago, for programs that cannot choose one themselves.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// The binary under test: it lies beside the folder of this test binary.
fn binary() -> Result<PathBuf> {
    let here = std::env::current_exe()?;
    let folder = here.ancestors().nth(2).context("target folder")?;
    let binary = folder.join("gengfu");
    anyhow::ensure!(binary.exists(), "{} is not built; run `cargo build`", binary.display());
    Ok(binary)
}

/// The root of the repository.
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}
