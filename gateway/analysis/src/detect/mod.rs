//! Detectors: pure functions from what was measured to findings.
//!
//! One file each, which is also that detector's page of the operator's manual. The same
//! input gives the same findings for ever, so evidence that was stored can be run again.
//! [`oddness()`] is no detector: it ranks hours.
//!
//! | detector | finds |
//! |---|---|
//! | [`after_hours_load()`] | a load that runs through the night |
//! | [`burst()`] | a pipe that has burst |
//! | [`clock_wrong()`] | a clock that dates readings wrongly |
//! | [`gas_when_closed()`] | gas that burns as if people were there |
//! | [`high_base_load()`] | a base load that creeps up over weeks |
//! | [`leak()`] | water that never stops |
//! | [`lights_left_on()`] | lighting that stays on while its area is closed |
//! | [`peak_demand()`] | a demand above the contract, or above all before |
//! | [`phase_imbalance()`] | three phases that are not loaded alike |
//! | [`power_factor_low()`] | a power factor below what the tariff asks for |
//! | [`running_toilet()`] | a toilet that runs now and then |
//! | [`scale_change()`] | a meter that counts in another unit or with another ratio |
//! | [`silent_meter()`] | a meter from which nothing comes |
//! | [`spike()`] | an amount that cannot be |
//! | [`standstill()`] | a meter that stands still, with the sum that comes after |
//! | [`sum_mismatch()`] | a meter and those behind it that no longer agree |
//! | [`weekend_running()`] | a load that runs on a day off |

mod after_hours_load;
mod burst;
mod clock_wrong;
mod days;
mod gas_when_closed;
mod high_base_load;
mod leak;
mod lights_left_on;
mod meter_faults;
mod oddness;
mod peak_demand;
mod phase_imbalance;
mod power_factor_low;
mod running;
mod running_toilet;
mod scale_change;
mod silent_meter;
mod spell;
mod spike;
mod standstill;
mod sum_mismatch;
mod water;
mod weekend_running;

pub use after_hours_load::{after_hours_limits, after_hours_load};
pub use burst::{BurstLimits, burst};
pub use clock_wrong::{ClockLimits, Heard, clock_wrong};
pub use days::Load;
pub use gas_when_closed::{GasLimits, gas_when_closed};
pub use high_base_load::{
    BASE_LOAD_BACK_DAYS, BaseLoadLimits, Rises, base_rises, common_rise, high_base_load,
};
pub use leak::{LeakLimits, leak};
pub use lights_left_on::{Circuit, LightsLimits, lights_left_on, lights_left_on_by_habit};
pub use meter_faults::{MeterFaults, MeterLimits, meter_faults};
pub use oddness::{Odd, oddness};
pub use peak_demand::{
    DemandLimits, DemandWarning, demand_limit, peak_demand, quarter_forecast, quarter_so_far,
};
pub use phase_imbalance::{Currents, ImbalanceLimits, imbalance_milli, phase_imbalance};
pub use power_factor_low::{FactorLimits, power_factor_low};
pub use running::{RUNNING_BACK_DAYS, RunningLimits};
pub use running_toilet::{ToiletLimits, running_toilet};
pub use scale_change::{ScaleLimits, scale_change};
pub use silent_meter::{POLLS_MAX, Polled, silent_meter};
pub use spell::{Spell, joined};
pub use spike::{SpikeLimits, spike};
pub use standstill::{Standstill, StandstillLimits, standstill};
pub use sum_mismatch::{Mismatch, SumLimits, sum_mismatch};
pub use water::{Water, WaterLimits, water};
pub use weekend_running::{weekend_limits, weekend_running};
