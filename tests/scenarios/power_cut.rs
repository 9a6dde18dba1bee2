//! The power fails again and again while readings come in.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use anyhow::{Context, Result};
use e2e::gateway::Gateway;
use e2e::publisher::Publisher;
use e2e::world::story;
use wire::message::{Clock, Pack};
use wire::{List, Quantity, Reading, Value};

const CUTS: u32 = 20;
const METERS: [&str; 4] = ["office-main", "light-1f-hall", "light-2f-east", "office-plug"];

/// Midnight of the story's day, 2026-11-20 in Shanghai.
const MIDNIGHT: i64 = 1_795_104_000;
/// A reading every three seconds: more than are ever sent before 23:00.
const STEP_S: u32 = 3;

#[test]
fn a_killed_gateway_has_every_acknowledged_reading_and_none_twice() {
    story("power-cut", |world| {
        world.at("2026-11-20T23:00:00+08:00", 1)?;
        Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
        let mut chance = Chance::new();
        println!("seed {}", chance.0);
        let mut node = Publisher::new("node-office")?;
        let mut sent = 0;

        for cut in 0..CUTS {
            let mut gateway = Gateway::start(world)?;
            if cut == 0 {
                gateway.set_up()?;
            }
            while node.owed() < 4_000 && sent < 80_000 {
                node.owe(pack(sent)?);
                sent += 1;
            }
            let moment = Duration::from_millis(chance.between(30, 400));
            node.publish(gateway.listener()?, moment)?;
            gateway.process.kill()?;
        }

        let sent_packs = u64::from(sent);
        let gateway = Gateway::start(world)?;
        gateway.log_in()?;
        let after_cuts = counts(&gateway)?;
        println!("acknowledged {}, stored {}", node.acknowledged, after_cuts.received);
        assert!(u64::from(CUTS) * 10 < node.acknowledged, "only {}", node.acknowledged);
        assert!(0 < node.repeated, "no cut fell into the middle of ingest");
        assert!(node.acknowledged <= after_cuts.received, "an acknowledged pack is gone");
        assert_eq!(after_cuts.lost, 0, "a hole before the newest pack");

        // What was not acknowledged comes again, as a node would send it: what was stored
        // already must not count twice, and what was acknowledged never comes again.
        while 0 < node.owed() {
            node.publish(gateway.listener()?, Duration::from_secs(60))?;
        }
        let whole = counts(&gateway)?;
        assert_eq!(node.acknowledged, sent_packs);
        assert_eq!((whole.received, whole.lost), (sent_packs, 0));
        assert!(whole.duplicate <= node.repeated, "{} came twice", whole.duplicate);
        Ok(())
    });
}

/// The n-th pack: meters in turn, each with a sequence of its own.
fn pack(number: u32) -> Result<Pack> {
    let meters = u32::try_from(METERS.len())?;
    let seq = number / meters;
    let meter = METERS[usize::try_from(number % meters)?];
    let mut readings = List::new();
    let energy = Value::Measured(1_000_000 + i64::from(seq) * 500);
    readings
        .push(Reading { quantity: Quantity::ActiveEnergyImport, value: energy })
        .ok()
        .context("room for a reading")?;
    let instant = MIDNIGHT + i64::from(seq * STEP_S);
    Ok(Pack { meter: meter.parse()?, instant, boot: 7, seq, clock: Clock::Synced, readings })
}

#[derive(Default)]
struct Counts {
    received: u64,
    lost: u64,
    duplicate: u64,
}

/// What the gateway says it has of the day, all meters together.
fn counts(gateway: &Gateway) -> Result<Counts> {
    let mut all = Counts::default();
    for meter in METERS {
        let counts = gateway.get(&format!("/api/v1/meters/{meter}"))?["counts"].clone();
        let count = |key: &str| counts[key].as_u64().with_context(|| format!("{key} in {counts}"));
        all.received += count("received")?;
        all.lost += count("lost")?;
        all.duplicate += count("duplicate")?;
    }
    Ok(all)
}

/// Xorshift: enough to choose moments, and its seed can be printed.
struct Chance(u64);

impl Chance {
    fn new() -> Self {
        Self(RandomState::new().hash_one(0) | 1)
    }

    fn between(&mut self, low: u64, high: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        low + self.0 % (high - low)
    }
}
