//! Detectors: pure functions from what was measured to findings.
//!
//! One file each, which is also that detector's page of the operator's manual. The same
//! input gives the same findings for ever, so evidence that was stored can be run again.
//!
//! | detector | finds |
//! |---|---|
//! | [`burst()`] | a pipe that has burst |
//! | [`leak()`] | water that never stops |
//! | [`lights_left_on()`] | lighting that stays on while its area is closed |
//! | [`running_toilet()`] | a toilet that runs now and then |
//! | [`silent_meter()`] | a meter from which nothing comes |

mod burst;
mod leak;
mod lights_left_on;
mod running_toilet;
mod silent_meter;
mod spell;
mod water;

pub use burst::{BurstLimits, burst};
pub use leak::{LeakLimits, leak};
pub use lights_left_on::{Circuit, LightsLimits, lights_left_on};
pub use running_toilet::{ToiletLimits, running_toilet};
pub use silent_meter::{POLLS_MAX, Polled, silent_meter};
pub use spell::Spell;
pub use water::{Water, WaterLimits, water};
