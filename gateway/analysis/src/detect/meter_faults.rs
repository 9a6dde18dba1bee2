//! Everything that is said of a meter itself, one finding for each cause.
//!
//! The sum that comes after a standstill is no spike, also where it stood still for too short
//! a time to be accused; and neither a spike nor a standstill is a change of scale: what one
//! detector explains, the next does not see. The order is standstill, spike, change of scale.

use crate::track::Track;

use super::scale_change::{ScaleLimits, scale_change};
use super::spell::Spell;
use super::spike::{SpikeLimits, spike};
use super::standstill::{Standstill, StandstillLimits, caught_up, standstill};

/// What is allowed of a meter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MeterLimits {
    /// Of its rest.
    pub standstill: StandstillLimits,
    /// Of a single step.
    pub spike: SpikeLimits,
    /// Of its scale.
    pub scale: ScaleLimits,
}

/// What was found on one meter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MeterFaults {
    /// Times at which it stood still.
    pub standstills: Vec<Standstill>,
    /// Steps that bring what had not been told in the hours before, where those are too few for
    /// a standstill.
    pub catch_ups: Vec<Spell>,
    /// Steps that cannot be.
    pub spikes: Vec<Spell>,
    /// Changes of its unit or ratio.
    pub scales: Vec<Spell>,
}

/// Finds what is wrong with a meter.
///
/// `track` is the meter's amounts at steps of up to an hour. `temperature` is the outdoor
/// temperature in thousandths of a degree Celsius, where it is known.
#[must_use]
pub fn meter_faults(
    track: &Track,
    temperature: Option<&Track>,
    limits: &MeterLimits,
) -> MeterFaults {
    let mut track = track.hourly();
    let standstills = standstill(&track, &limits.standstill, |_| true);
    for it in &standstills {
        hide(&mut track, it.spell());
    }
    let (mut catch_ups, mut spikes) = (Vec::new(), Vec::new());
    for it in spike(&track, &limits.spike) {
        match catch_up(&track, &it) {
            Some(sum) => catch_ups.push(sum),
            None => spikes.push(it),
        }
    }
    for it in spikes.iter().chain(&catch_ups) {
        hide(&mut track, it);
    }
    // A step without use cannot be compared with anything.
    let scales = scale_change(&track, temperature, &limits.scale);
    MeterFaults { standstills, catch_ups, spikes, scales }
}

/// Returns a step that cannot be as the sum of the hours before it, if it is that.
fn catch_up(track: &Track, spike: &Spell) -> Option<Spell> {
    let at = usize::try_from((spike.from - track.start) / track.step_s.max(1)).ok()?;
    let stood = track.amounts.get(..at)?.iter().rev().take_while(|it| **it == Some(0)).count();
    let run = at - stood..at;
    let evidence = caught_up(track, &run)?;
    // Two steps in a row are too much for a sum that comes at once.
    let is_one = spike.until == Some(evidence.start + track.step_s);
    is_one.then(|| Spell {
        from: track.instant(run.start),
        evidence: vec![evidence],
        ..spike.clone()
    })
}

/// Makes a gap of what is explained.
fn hide(track: &mut Track, spell: &Spell) {
    let step_s = track.step_s.max(1);
    let place = |instant: i64| usize::try_from((instant - track.start) / step_s).unwrap_or(0);
    let length = track.amounts.len();
    let end = spell.until.map_or(length, place).min(length);
    let first = place(spell.from).min(end);
    track.amounts[first..end].fill(None);
}

#[cfg(test)]
#[path = "meter_tests.rs"]
mod tests;
