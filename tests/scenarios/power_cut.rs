//! The power fails again and again while readings come in.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::gateway::Gateway;
use e2e::publisher::Publisher;
use e2e::world::{World, story};
use faults::chance::Chance;

use crate::readings::{counts, pack};

/// Cuts of one telling, or fewer where a quick machine has all the day's readings sooner.
const CUTS: u32 = 20;
/// Packs that wait at each cut: more than any machine takes until the power fails.
const WAITING: usize = 60_000;
/// A reading each second: so many that all of them lie before 23:00.
const SENT_MAX: u32 = 320_000;

#[derive(Debug, Default)]
struct Told {
    cuts: u32,
    acknowledged: u64,
    repeated: u64,
    longest_start: Duration,
}

/// `GENGFU_CUTS` says how many cuts (20 in `make test`, 1,000 in `make soak`).
#[test]
fn a_killed_gateway_has_every_acknowledged_reading_and_none_twice() {
    #[expect(clippy::disallowed_methods, reason = "how `make soak` asks for more")]
    let asked = std::env::var("GENGFU_CUTS").ok().and_then(|cuts| cuts.parse().ok());
    let wanted: u32 = asked.unwrap_or(CUTS);
    let mut chance = Chance::new();
    println!("seed {}", chance.seed());
    let mut told = Told::default();
    while told.cuts < wanted {
        story("power-cut", |world| tell(world, &mut chance, &mut told));
        println!(
            "{} cuts: {} acknowledged, none lost, none twice ({} came again), longest start {} ms",
            told.cuts,
            told.acknowledged,
            told.repeated,
            told.longest_start.as_millis()
        );
    }
}

fn tell(world: &mut World, chance: &mut Chance, told: &mut Told) -> Result<()> {
    world.at("2026-11-20T23:00:00+08:00", 1)?;
    Gateway::configure(world, "[mqtt.listen]\naddress = \"127.0.0.1:0\"\n")?;
    let mut node = Publisher::new("node-office")?;
    let mut sent = 0;

    for cut in 0..CUTS {
        #[expect(clippy::disallowed_methods, reason = "how long a person would wait")]
        let begun = Instant::now();
        let mut gateway = Gateway::start(world)?;
        told.longest_start = told.longest_start.max(begun.elapsed());
        if cut == 0 {
            gateway.set_up()?;
        }
        while node.owed() < WAITING && sent < SENT_MAX {
            node.owe(pack(sent)?);
            sent += 1;
        }
        let moment = Duration::from_millis(30 + chance.below(220));
        node.publish(gateway.listener()?, moment)?;
        gateway.process.kill()?;
        if node.owed() == 0 {
            assert_eq!(sent, SENT_MAX, "cut {cut} came when all was done");
            break;
        }
        told.cuts += 1;
    }

    let sent_packs = u64::from(sent);
    let gateway = Gateway::start(world)?;
    gateway.log_in()?;
    let after_cuts = counts(&gateway)?;
    assert!(0 < told.cuts, "no cut fell into ingest");
    assert!(u64::from(CUTS) * 10 < node.acknowledged, "only {}", node.acknowledged);
    assert!(0 < node.repeated, "no cut fell into the middle of ingest");
    assert!(node.acknowledged <= after_cuts.received, "an acknowledged pack is gone");
    assert_eq!(after_cuts.lost, 0, "a hole before the newest pack");
    told.acknowledged += node.acknowledged;
    told.repeated += node.repeated;

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
}
