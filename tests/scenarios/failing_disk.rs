//! The disk of the gateway fails to sync, or to write.

use std::time::Duration;

use e2e::gateway::Gateway;
use e2e::publisher::Publisher;
use e2e::world::story;
use faults::Fault;

use crate::readings::{counts, pack};

#[test]
fn a_disk_that_fails_ends_the_gateway_and_the_next_start_has_what_was_acknowledged() {
    story("failing-disk", |world| {
        world.at("2026-11-20T23:00:00+08:00", 1)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        let faults = world.on_failing_disk("data")?;
        let mut node = Publisher::new("node-office")?;
        let mut sent = 0;

        for (round, fault) in [Fault::Syncs(20), Fault::Writes(50)].into_iter().enumerate() {
            let mut gateway = Gateway::start(world)?;
            if round == 0 {
                gateway.set_up()?;
            }
            (sent..sent + 20_000).try_for_each(|number| pack(number).map(|it| node.owe(it)))?;
            sent += 20_000;
            faults.set(fault)?;
            // The gateway ends in the middle of it.
            node.publish(gateway.listener()?, Duration::from_secs(60)).ok();
            assert!(!gateway.process.ended()?, "{fault:?}: it ends, and not well");
            let said = gateway.process.log()?;
            assert!(said.contains("the disk fails") && said.contains("hint: "), "{said}");
            assert!(0 < node.owed(), "{fault:?} came when all was done");
            faults.set(Fault::None)?;
        }

        let gateway = Gateway::start(world)?;
        gateway.log_in()?;
        let found = counts(&gateway)?;
        assert!(node.acknowledged <= found.received, "an acknowledged pack is gone");
        assert_eq!(found.lost, 0);
        while 0 < node.owed() {
            node.publish(gateway.listener()?, Duration::from_secs(60))?;
        }
        let whole = counts(&gateway)?;
        assert_eq!((whole.received, whole.lost), (u64::from(sent), 0));
        Ok(())
    });
}
