//! A day's packs of four meters, numbered, and what the gateway says it has of them.

use anyhow::{Context, Result};
use e2e::gateway::Gateway;
use wire::message::{Clock, Pack};
use wire::{List, Quantity, Reading, Value};

const METERS: [&str; 4] = ["office-main", "light-1f-hall", "light-2f-east", "office-plug"];

/// Midnight of the stories' day, 2026-11-20 in Shanghai.
const MIDNIGHT: i64 = 1_795_104_000;

/// The n-th pack: meters in turn, each with a sequence of its own.
pub(crate) fn pack(number: u32) -> Result<Pack> {
    let meters = u32::try_from(METERS.len())?;
    let seq = number / meters;
    let meter = METERS[usize::try_from(number % meters)?];
    let mut readings = List::new();
    let energy = Value::Measured(1_000_000 + i64::from(seq) * 500);
    readings
        .push(Reading { quantity: Quantity::ActiveEnergyImport, value: energy })
        .ok()
        .context("room for a reading")?;
    let instant = MIDNIGHT + i64::from(seq);
    Ok(Pack { meter: meter.parse()?, instant, boot: 7, seq, clock: Clock::Synced, readings })
}

#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) received: u64,
    pub(crate) lost: u64,
    pub(crate) duplicate: u64,
}

/// What the gateway says it has of the day, all meters together.
pub(crate) fn counts(gateway: &Gateway) -> Result<Counts> {
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

/// Returns whether a status has a notice, as something to wait for.
pub(crate) fn has_notice(status: &serde_json::Value, code: &str) -> Option<()> {
    let mut notices = status["notices"].as_array()?.iter();
    notices.any(|notice| notice["code"] == code).then_some(())
}
