//! A mosquitto with the configuration that we ship, for as long as a bench lasts.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bench::gauge::{self, Process};

/// A broker, and where it is.
pub(super) struct Broker {
    child: Option<Child>,
    pub(super) address: SocketAddr,
    pub(super) process: Option<Process>,
}

impl Broker {
    /// Takes a broker that runs already; its CPU is measured if it is on this machine.
    pub(super) fn at(address: SocketAddr) -> Self {
        Self { child: None, address, process: Process::listening_on(address).ok() }
    }

    /// Starts mosquitto on a free port.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let path = folder.join("mosquitto.conf");
        std::fs::write(&path, configuration(address, folder))?;
        let log = std::fs::File::create(folder.join("mosquitto.log"))?;
        // Debian puts it where only root's path leads.
        let program = ["/usr/sbin/mosquitto", "/usr/local/sbin/mosquitto", "/usr/bin/mosquitto"]
            .into_iter()
            .find(|path| Path::new(path).exists())
            .context("mosquitto is not installed; name a broker as --through HOST:PORT")?;
        let mut command = Command::new(program);
        command.arg("-c").arg(path).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let mut child = command.spawn().context("cannot start mosquitto")?;
        while TcpStream::connect(address).is_err() {
            ensure!(child.try_wait()?.is_none(), "mosquitto does not run as configured");
            gauge::rest(Duration::from_millis(10));
        }
        let process = Some(Process(child.id()));
        Ok(Self { child: Some(child), address, process })
    }

    /// Returns the CPU that it has used so far, s; 0 if it is elsewhere.
    pub(super) fn cpu_s(&self) -> Result<f64> {
        self.process.map_or(Ok(0.0), Process::cpu_s)
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            child.kill().ok();
            child.wait().ok();
        }
    }
}

/// What we ship, but for the address, the folder, the log, and who may log in.
fn configuration(address: SocketAddr, folder: &Path) -> String {
    const OURS: [&str; 6] = [
        "listener",
        "allow_anonymous",
        "password_file",
        "persistence_location",
        "log_",
        "acl_file",
    ];
    let shipped = include_str!("../../../mosquitto.conf").lines();
    let kept = shipped.filter(|line| !OURS.iter().any(|ours| line.starts_with(ours)));
    let mut text = format!(
        "listener {} {}\nallow_anonymous true\npersistence_location {}/\nlog_dest stderr\nuser root\n",
        address.port(),
        address.ip(),
        folder.display()
    );
    for line in kept {
        text.push_str(line);
        text.push('\n');
    }
    text
}
