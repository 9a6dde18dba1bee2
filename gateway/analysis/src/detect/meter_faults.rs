//! Everything that is said of a meter itself, one finding for each cause.
//!
//! The sum that comes after a standstill is no spike, and neither a spike nor a standstill
//! is a change of scale: what one detector explains, the next does not see. The order is
//! standstill, spike, change of scale.

use crate::track::Track;

use super::scale_change::{ScaleLimits, scale_change};
use super::spell::Spell;
use super::spike::{SpikeLimits, spike};
use super::standstill::{Standstill, StandstillLimits, standstill};

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
    let spikes = spike(&track, &limits.spike);
    for it in &spikes {
        hide(&mut track, it);
    }
    // A step without use cannot be compared with anything.
    let scales = scale_change(&track, temperature, &limits.scale);
    MeterFaults { standstills, spikes, scales }
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
