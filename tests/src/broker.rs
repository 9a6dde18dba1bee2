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

    /// Starts one that lets in, at a second port, whom the authority of a gateway in the
    /// story's folder has enrolled, each as itself; the first port is for the story.
    ///
    /// Returns it with the second port.
    pub fn start_protected(world: &World) -> Result<(Self, u16)> {
        let (port, protected) = (free_port()?, free_port()?);
        let folder = world.folder().display();
        let rights = world.file(
            "mosquitto.acl",
            "pattern write gengfu/v1/+/%u/#\npattern read gengfu/v1/+/%u/#\n",
        )?;
        let config = format!(
            "per_listener_settings true\nuser root\nset_tcp_nodelay true\n\
             listener {port} 127.0.0.1\nallow_anonymous true\n\
             listener {protected} 127.0.0.1\ncafile {folder}/data/authority/ca.crt\n\
             certfile {folder}/data/authority/gateway.crt\n\
             keyfile {folder}/data/authority/gateway.key\nrequire_certificate true\n\
             use_identity_as_username true\ntls_version tlsv1.3\nacl_file {}\n",
            rights.display()
        );
        let path = world.file("mosquitto.conf", &config)?;
        let mut command = Command::new("/usr/sbin/mosquitto");
        command.arg("-c").arg(path);
        let process = world.start("mosquitto", command)?;
        wait_for("mosquitto", || Ok(std::net::TcpStream::connect(("127.0.0.1", port)).ok()))?;
        Ok((Self { process, port }, protected))
    }

    /// Ends it in good order, as `systemctl stop` would.
    pub fn stop(mut self) -> Result<()> {
        self.process.stop().map(drop)
    }
}
