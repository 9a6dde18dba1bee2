//! The disk of the gateway becomes read-only, as Linux makes one that has faults.

use std::time::Duration;

use e2e::gateway::{CONFIG, Gateway};
use e2e::publisher::Publisher;
use e2e::world::story;
use faults::Fault;

use crate::readings::{counts, has_notice, pack};

#[test]
fn a_read_only_disk_is_told_on_the_page_and_at_the_start() {
    story("read-only-disk", |world| {
        world.at("2026-11-20T23:00:00+08:00", 1)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        let faults = world.on_failing_disk("data")?;
        let mut gateway = Gateway::start(world)?;
        gateway.set_up()?;
        let mut node = Publisher::new("node-office")?;
        (0..1_000).try_for_each(|number| pack(number).map(|pack| node.owe(pack)))?;
        node.publish(gateway.listener()?, Duration::from_secs(60))?;

        faults.set(Fault::ReadOnly)?;
        (1_000..2_000).try_for_each(|number| pack(number).map(|pack| node.owe(pack)))?;
        node.publish(gateway.listener()?, Duration::from_secs(2))?;
        gateway.wait("a notice", "/api/v1/status", |it| has_notice(it, "disk_read_only"))?;
        assert_eq!((node.owed(), counts(&gateway)?.received), (1_000, 1_000));
        gateway.get("/api/v1/today")?;
        faults.set(Fault::None)?;
        while 0 < node.owed() {
            node.publish(gateway.listener()?, Duration::from_secs(60))?;
        }
        assert_eq!(counts(&gateway)?.received, 2_000);

        assert!(gateway.process.stop()?);
        faults.set(Fault::ReadOnly)?;
        let mut refused = world.gengfu("refused", &["run", "--config", CONFIG])?;
        assert!(!refused.ended()?, "it cannot start");
        let said = refused.log()?;
        assert!(said.contains("read-only") && said.contains("hint: "), "{said}");
        faults.set(Fault::None)?;
        let gateway = Gateway::start(world)?;
        gateway.log_in()?;
        assert_eq!(counts(&gateway)?.received, 2_000);
        Ok(())
    });
}
