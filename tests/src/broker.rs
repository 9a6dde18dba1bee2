//! A real broker: mosquitto, with a configuration of the story's own.

use std::process::Command;

use anyhow::Result;

use crate::world::{Process, World, free_port, wait_for};

/// A running mosquitto.
pub struct Broker {
    process: Process,
    /// Its TCP port on the loopback address.
    pub port: u16,
}

impl Broker {
    /// Starts mosquitto on a free port, with persistence in the story's folder.
    pub fn start(world: &World) -> Result<Self> {
        Self::start_on(world, free_port()?)
    }

    /// Starts mosquitto on a port, as after a restart of its machine.
    pub fn start_on(world: &World, port: u16) -> Result<Self> {
        let folder = world.folder().display();
        // As root it would give up its rights and could not write into the story's folder.
        let config = format!(
            "listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\n\
             persistence_location {folder}/\nautosave_interval 60\nmax_queued_messages 100000\n\
             max_inflight_messages 1000\nset_tcp_nodelay true\nuser root\n"
        );
        let path = world.file("mosquitto.conf", &config)?;
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(path);
        let process = world.start("mosquitto", command)?;
        wait_for("mosquitto", || Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok()))?;
        Ok(Self { process, port })
    }

    /// Ends it in good order, as `systemctl stop` would.
    pub fn stop(mut self) -> Result<()> {
        self.process.stop().map(drop)
    }
}
