//! The store on disks that fail.
//!
//! The test starts its own program again as the process under test, with the library
//! `preload` before the system's own; [`driver`] is what that process does. What it did to
//! its files is written down, and from that every disk is put together that a power cut
//! could have left. On each the store must open, hold everything that was acknowledged by
//! then, and nothing that was never sent.
//!
//! `GENGFU_DISKS` says how many disks (200 in `make test`, 10,000 in `make soak`).

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "the test is told by its environment what it is, and prints its figures"
)]

mod driver;
mod power;
mod syncs;

use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use anyhow::{Context as _, Result};
use faults::Faults;

/// Says which part of the driver this process is.
const ROLE: &str = "GENGFU_DISKS_ROLE";
/// Says where its data are.
const DATA: &str = "GENGFU_DISKS_DATA";

/// How many disks to try.
fn disks() -> u64 {
    std::env::var("GENGFU_DISKS").ok().and_then(|count| count.parse().ok()).unwrap_or(200)
}

/// Runs a part of the driver on a disk that fails to order, to its end.
fn drive(role: &str, faults: &Faults, data: &Path) -> Result<ExitStatus> {
    Command::new(std::env::current_exe()?)
        .args(["--exact", "driver::is_driven", "--nocapture"])
        .env(ROLE, role)
        .env(DATA, data)
        .envs(faults.environment()?)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .context("cannot start the process under test")
}
