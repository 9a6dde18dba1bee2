//! A load that runs through the night although this meter usually rests then.
//!
//! # What it means
//!
//! Between nine in the evening and five in the morning the meter took clearly more than on
//! the other nights of the last four weeks (those of days off: of six), more also than the
//! weather of that day explains.
//! It is said at eight in the morning, when the hours after the night have shown whether the
//! whole day was high. Several nights in a row are one finding, and the fainter for each the
//! longer they go on. Usual causes: ventilation, pumps or heating switched to manual after a
//! repair; a timer that lost its clock in a power cut; kitchen or laboratory equipment left on.
//!
//! # What to do
//!
//! Look at the hours of the evidence: does it begin at the same minute each night (a timer)
//! or with the end of work (nobody switched off)? Walk to the circuit at that hour. If the
//! night was meant (an event, an examination, a freezer), mark the finding as not waste with
//! the reason: the limit of this circuit then rises by what was seen.
//!
//! Not here: lighting circuits with opening hours ([`super::lights_left_on()`]).

use super::{
    days::Load,
    running::{RunningLimits, Stretch, USUAL_DAYS, USUAL_NIGHTS_OFF, running},
};
use crate::finding::{FindingKind, Told};

/// The limits for a night.
#[must_use]
pub const fn after_hours_limits() -> RunningLimits {
    RunningLimits {
        share_of_step: 0.3,
        spreads: 2.8,
        ease_per_day: 1.3,
        days_max: 5,
        waste_from: 0.4,
        waste_min: 0,
    }
}

/// Finds nights on which a load ran that usually rests.
///
/// Judges nights that end after `from`; the track should begin
/// [`RUNNING_BACK_DAYS`](super::RUNNING_BACK_DAYS) earlier, and says nothing until some
/// three weeks are known. Evidence are the steps of the night with what was allowed;
/// waste is what lies above the usual, of nights that alone come to a part of the limit.
#[must_use]
pub fn after_hours_load(load: &Load<'_>, limits: &RunningLimits, from: i64) -> Vec<Told> {
    let stretch = Stretch {
        kind: FindingKind::AfterHoursLoad,
        hours: 21..29,
        beside: &[16, 17, 18, 19, 30, 31],
        only_off: false,
        usual_days: (USUAL_DAYS, USUAL_NIGHTS_OFF),
        limits,
    };
    running(load, &stretch, from)
}
