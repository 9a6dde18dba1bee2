//! The disk of the gateway fills up, and somebody makes room again.

use std::time::Duration;

use anyhow::Result;
use e2e::gateway::Gateway;
use e2e::publisher::Publisher;
use e2e::world::story;
use faults::Fault;

use crate::readings::{counts, has_notice, pack};

/// What the node sends before the disk is full, meanwhile, and once there is room.
const SENT: [u32; 3] = [2_000, 8_000, 2_000];
/// What the node has no room for while it waits, oldest first.
const DROPPED: usize = 1_000;

#[test]
fn a_full_disk_costs_nothing_that_was_acknowledged_and_what_a_node_dropped_is_counted() {
    story("full-disk", |world| {
        world.at("2026-11-20T23:00:00+08:00", 1)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        let faults = world.on_failing_disk("data")?;
        let gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let mut node = Publisher::new("node-office")?;
        let mut sent = 0;
        let mut owe = |node: &mut Publisher, count: u32| -> Result<()> {
            (sent..sent + count).try_for_each(|number| pack(number).map(|pack| node.owe(pack)))?;
            sent += count;
            Ok(())
        };

        owe(&mut node, SENT[0])?;
        node.publish(gateway.listener()?, Duration::from_secs(60))?;
        assert_eq!(node.owed(), 0);
        faults.set(Fault::Full(100_000))?;
        owe(&mut node, SENT[1])?;
        node.publish(gateway.listener()?, Duration::from_secs(5))?;
        gateway.wait("a notice", "/api/v1/status", |it| has_notice(it, "disk_full"))?;
        assert!(DROPPED * 2 < node.owed(), "it was full for the node: {}", node.owed());
        let acknowledged = node.acknowledged;
        assert!(acknowledged <= counts(&gateway)?.received, "the page still answers");
        let dropped = u64::try_from(node.drop_oldest(DROPPED))?;
        node.publish(gateway.listener()?, Duration::from_secs(1))?;
        assert_eq!(node.acknowledged, acknowledged, "nothing is acknowledged without room");

        faults.set(Fault::None)?;
        owe(&mut node, SENT[2])?;
        while 0 < node.owed() {
            node.publish(gateway.listener()?, Duration::from_secs(60))?;
        }
        gateway.wait("no notice", "/api/v1/status", |it| {
            has_notice(it, "disk_full").is_none().then_some(())
        })?;
        let whole = counts(&gateway)?;
        println!("{} sent, {} dropped by the node: {whole:?}", sent, dropped);
        assert_eq!(whole.received + whole.lost, u64::from(sent), "each is there or counted");
        // What the gateway had taken and not acknowledged it stored once it could, though
        // the node had dropped it by then.
        assert!(0 < whole.lost && whole.lost <= dropped, "{} of {dropped}", whole.lost);
        assert!(node.acknowledged <= whole.received);
        assert!(0 < gateway.counter("gengfu_store_full_total")?);
        Ok(())
    });
}
