//! Two gateways share the readings of one broker; one of them is killed and comes back.
//!
//! A broker gives each message to one of a group. What it had given to the one that was
//! killed waits in that one's session until it is back: mosquitto, for one, gives it to
//! nobody else. Nothing of it may be lost, and nothing may be in both.

use std::time::Duration;

use anyhow::{Context, Result};
use e2e::broker::Broker;
use e2e::gateway::Gateway;
use e2e::publisher::Publisher;
use e2e::world::{World, story, wait_for};
use wire::message::{Clock, Pack};
use wire::{List, Quantity, Reading, Value};

const METERS: [&str; 4] = ["office-main", "light-1f-hall", "light-2f-east", "office-plug"];
/// Midnight of the story's day, 2026-11-20 in Shanghai.
const MIDNIGHT: i64 = 1_795_104_000;
/// Packs of each of the three parts: both are there, one is away, both again.
const PART: u32 = 1_200;

#[test]
fn each_reading_is_in_exactly_one_of_two_gateways_also_when_one_is_killed() {
    story("two-gateways", |world| {
        let broker = Broker::start(world)?;
        let address = format!("127.0.0.1:{}", broker.port);
        let mut other = World::new("two-gateways-other")?;
        for (world, id) in [(&mut *world, "gateway-a"), (&mut other, "gateway-b")] {
            world.at("2026-11-20T23:00:00+08:00", 1)?;
            let sections = format!(
                "[mqtt.broker]\nhost = \"127.0.0.1\"\nport = {}\nclient_id = \"{id}\"\n\
                 shared_group = \"gateways\"\n",
                broker.port
            );
            Gateway::configure(world, &sections)?;
        }
        let (first, mut second) = (Gateway::start(world)?, Gateway::start(&other)?);
        first.set_up()?;
        second.set_up()?;
        let mut node = Publisher::new("node-office")?;
        // Until both are subscribed, readings may go to nobody, or to one alone.
        for gateway in [&first, &second] {
            wait_for("a broker's word", || {
                Ok(gateway.process.log()?.contains("broker tried").then_some(()))
            })?;
        }

        publish(&mut node, &address, 0)?;
        all_there(&first, &second, PART)?;
        let (a, b) = (received(&first)?, received(&second)?);
        assert!(0 < a && 0 < b, "one has all: {a} and {b}");

        second.process.kill()?;
        publish(&mut node, &address, PART)?;
        let took_over = wait_for("what the other takes over", || {
            let now = received(&first)?;
            Ok((a < now).then_some(now - a))
        })?;
        let second = Gateway::start(&other)?;
        second.log_in()?;
        all_there(&first, &second, 2 * PART)?;
        publish(&mut node, &address, 2 * PART)?;
        all_there(&first, &second, 3 * PART)?;

        let (a, b) = (received(&first)?, received(&second)?);
        println!("{a} and {b} of {}; {took_over} or more while one was away", 3 * PART);
        assert_eq!((a + b, node.acknowledged), (u64::from(3 * PART), u64::from(3 * PART)));
        Ok(())
    });
}

fn publish(node: &mut Publisher, address: &str, from: u32) -> Result<()> {
    for number in from..from + PART {
        node.owe(pack(number)?);
    }
    node.publish(address, Duration::from_secs(60))?;
    anyhow::ensure!(node.owed() == 0, "{} packs stay", node.owed());
    Ok(())
}

/// The n-th pack: meters in turn, each with a sequence of its own, a reading a second.
fn pack(number: u32) -> Result<Pack> {
    let meters = u32::try_from(METERS.len())?;
    let seq = number / meters;
    let meter = METERS[usize::try_from(number % meters)?].parse()?;
    let mut readings = List::new();
    let value = Value::Measured(1_000_000 + i64::from(seq) * 500);
    readings
        .push(Reading { quantity: Quantity::ActiveEnergyImport, value })
        .ok()
        .context("room for a reading")?;
    let instant = MIDNIGHT + i64::from(seq);
    Ok(Pack { meter, instant, boot: 7, seq, clock: Clock::Synced, readings })
}

fn all_there(first: &Gateway, second: &Gateway, wanted: u32) -> Result<()> {
    wait_for("all readings in one or the other", || {
        let sum = received(first)? + received(second)?;
        anyhow::ensure!(sum <= u64::from(wanted), "{sum} of {wanted}: some are in both");
        Ok((sum == u64::from(wanted)).then_some(()))
    })
}

fn received(gateway: &Gateway) -> Result<u64> {
    let mut sum = 0;
    for meter in METERS {
        let counts = gateway.get(&format!("/api/v1/meters/{meter}"))?["counts"].clone();
        sum += counts["received"].as_u64().with_context(|| format!("received: {counts}"))?;
    }
    Ok(sum)
}
