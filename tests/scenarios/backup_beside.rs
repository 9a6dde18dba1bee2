//! Backups of a running gateway, and what they are worth.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::gateway::Gateway;
use e2e::publisher::Publisher;
use e2e::world::{World, story};

use crate::readings::{counts, pack};

const BACKUPS: usize = 3;

/// As many packs as the four meters can have until 23:00, one a second each.
const ALL: u32 = 320_000;

#[test]
fn a_backup_made_while_readings_come_in_has_all_that_was_acknowledged_before() {
    story("backup-beside", |world| {
        world.at("2026-11-20T23:00:00+08:00", 1)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let mut node = Publisher::new("node-office")?;
        (0..ALL).try_for_each(|number| pack(number).map(|pack| node.owe(pack)))?;
        node.publish(gateway.listener()?, Duration::from_millis(500))?;
        let mut before = vec![node.acknowledged];

        for number in 0..BACKUPS {
            let address = gateway.listener()?.to_owned();
            let made = std::thread::scope(|scope| {
                let publishing = scope.spawn(|| node.publish(&address, Duration::from_secs(1)));
                let made = backup(world, &format!("copy-{number}"));
                publishing.join().map_err(|_| anyhow::anyhow!("the node panicked"))??;
                made
            })?;
            assert!(made.contains("done: 1 files"), "{made}");
            before.push(node.acknowledged);
        }
        // A quick machine has them all before the last backup; beside the first it goes on.
        assert!(before[0] < before[1] && before.is_sorted(), "it went on: {before:?}");
        drop(gateway);

        let refused = backup(world, "copy-0").unwrap_err().to_string();
        assert!(refused.contains("exists already"), "{refused}");
        let refused = restore(world, "copy-0").unwrap_err().to_string();
        assert!(refused.contains("holds a store already"), "{refused}");
        for (number, acknowledged) in (0..BACKUPS).zip(&before) {
            std::fs::remove_dir_all(world.folder().join("data"))?;
            let put = restore(world, &format!("copy-{number}"))?;
            assert!(put.contains("the gateway can be started"), "{put}");
            let gateway = Gateway::start(world)?;
            gateway.log_in()?;
            let found = counts(&gateway)?;
            println!("{acknowledged} acknowledged before backup {number}, {found:?} in it");
            assert!(*acknowledged <= found.received, "{acknowledged} of {}", found.received);
            assert_eq!(found.lost, 0);
        }
        Ok(())
    });
}

fn backup(world: &World, to: &str) -> Result<String> {
    world
        .carry_out(&["backup", "--config", "gengfu.toml", to])
        .context("backup")
        .map_err(|error| anyhow::anyhow!("{error:#}"))
}

fn restore(world: &World, from: &str) -> Result<String> {
    world
        .carry_out(&["restore", "--config", "gengfu.toml", from])
        .context("restore")
        .map_err(|error| anyhow::anyhow!("{error:#}"))
}
