//! Everything that is said of water, one finding for each cause.
//!
//! A burst is also a flow that never stops, and a leak draws water in quiet hours: what the
//! more urgent detector explains, the next does not see. The order is burst, leak, running
//! toilet.

use crate::track::Track;

use super::burst::{BurstLimits, burst};
use super::leak::{LeakLimits, leak};
use super::running_toilet::{ToiletLimits, running_toilet};
use super::spell::Spell;

/// What is allowed of water.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WaterLimits {
    /// Of a large flow.
    pub burst: BurstLimits,
    /// Of a flow that does not rest.
    pub leak: LeakLimits,
    /// Of quiet hours.
    pub toilet: ToiletLimits,
}

/// What was found on one water meter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Water {
    /// Pipes that burst.
    pub bursts: Vec<Spell>,
    /// Water that never stops.
    pub leaks: Vec<Spell>,
    /// Toilets that run now and then.
    pub toilets: Vec<Spell>,
}

/// Finds bursts, leaks and running toilets of one water meter.
///
/// `track` is the meter's amounts at steps of up to an hour, in thousandths of a litre.
#[must_use]
pub fn water(track: &Track, limits: &WaterLimits) -> Water {
    let mut track = track.hourly();
    let bursts = burst(&track, &limits.burst);
    hide(&mut track, &bursts);
    let leaks = leak(&track, &limits.leak);
    hide(&mut track, &leaks);
    let toilets = running_toilet(&track, &limits.toilet);
    Water { bursts, leaks, toilets }
}

/// Makes gaps of what is explained, from when it is known to be: what a detector that
/// walks along has seen before, it has seen.
fn hide(track: &mut Track, spells: &[Spell]) {
    for index in 0..track.amounts.len() {
        let at = track.instant(index);
        if spells.iter().any(|it| it.noticed <= at && it.holds_at(at)) {
            track.amounts[index] = None;
        }
    }
}

#[cfg(test)]
#[path = "water_tests.rs"]
mod tests;
