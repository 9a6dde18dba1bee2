//! Detectors: pure functions from what was measured to findings.
//!
//! One file each, which is also that detector's page of the operator's manual. The same
//! input gives the same findings for ever, so evidence that was stored can be run again.
//!
//! | detector | finds |
//! |---|---|
//! | [`lights_left_on()`] | lighting that stays on while its area is closed |
//! | [`silent_meter()`] | a meter from which nothing comes |

mod lights_left_on;
mod silent_meter;

pub use lights_left_on::{Circuit, LightsLimits, lights_left_on};
pub use silent_meter::{POLLS_MAX, Polled, silent_meter};
