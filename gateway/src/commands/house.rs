//! `run` and `demo`: the whole house in one process.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Result;
use tracing_subscriber::EnvFilter;

use super::memory::with_one_arena;
use super::{asked_to_end, runtime, say};
use crate::clock::Clock;
use crate::config::{Config, LogFormat};
use crate::demo;
use crate::run::House;

/// Runs the gateway until it is asked to end.
pub(super) fn run(path: &Path, clock: Clock) -> Result<()> {
    with_one_arena();
    let config = Config::load(path)?;
    log(config.log);
    runtime()?.block_on(async {
        let house = House::open(config, clock).await?;
        say(format!("pages http://{}", house.pages()));
        if let Some(address) = house.mqtt() {
            say(format!("mqtt {address}"));
        }
        house.live(asked_to_end()).await
    })
}

/// Shows a simulated campus until it is asked to end.
pub(super) fn demo(
    speed: u32,
    listen: SocketAddr,
    data: Option<PathBuf>,
    weeks: u32,
) -> Result<()> {
    with_one_arena();
    log_to_terminal();
    let options = demo::Options { speed, listen, data, weeks };
    runtime()?.block_on(demo::show(options, |line| say(line), asked_to_end()))
}

/// Logs for a person, warnings and errors only: the terminal belongs to what is printed.
pub(super) fn log_to_terminal() {
    let filter = EnvFilter::new("warn");
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}

fn log(format: LogFormat) {
    let filter = EnvFilter::new("info,ntex=warn,ntex_mqtt=warn");
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}
