//! A load that runs on a day off although this meter usually rests then.
//!
//! # What it means
//!
//! On a Saturday, Sunday or holiday the meter took clearly more between eight in the morning
//! and seven in the evening than on other days off of the last four weeks, while the early
//! morning and the late evening were as ever. It is said at midnight. Usual causes: a
//! timer that does not know the weekend or the holiday; plant left in manual on Friday; use
//! by others that nobody told.
//!
//! # What to do
//!
//! Ask who was in. If nobody was, look at the timer's calendar and at what was switched on
//! Friday. If somebody was, enter the event as an exception or mark the finding as not waste.
//!
//! Not here: lighting circuits with opening hours ([`super::lights_left_on()`]); nights
//! ([`super::after_hours_load()`]).

use super::{
    days::Load,
    running::{RunningLimits, Stretch, USUAL_DAYS, running},
};
use crate::finding::{FindingKind, Told};

/// The limits for a day off.
#[must_use]
pub const fn weekend_limits() -> RunningLimits {
    RunningLimits {
        share_of_step: 0.15,
        spreads: 2.0,
        ease_per_day: 0.9,
        days_max: 5,
        waste_from: 0.4,
        waste_min: 0,
    }
}

/// Finds days off on which a load ran that usually rests.
///
/// Judges days that end after `from`; the track should begin
/// [`RUNNING_BACK_DAYS`](super::RUNNING_BACK_DAYS) earlier, and says nothing until some
/// five weeks are known. Evidence and waste as of [`super::after_hours_load()`].
#[must_use]
pub fn weekend_running(load: &Load<'_>, limits: &RunningLimits, from: i64) -> Vec<Told> {
    let stretch = Stretch {
        kind: FindingKind::WeekendRunning,
        hours: 8..19,
        beside: &[1, 2, 3, 4, 5, 21, 22, 23],
        only_off: true,
        usual_days: (USUAL_DAYS, USUAL_DAYS),
        limits,
    };
    running(load, &stretch, from)
}
