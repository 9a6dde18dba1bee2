//! What is switched or broken, and from which instant on.
//!
//! The demo's script and the control address both end here, as dated events of one meter.
//! What holds at an instant is a pure function of these events, so that a script may lie in
//! the future and history may be asked for again.

use serde::Deserialize;
use wire::Name;

/// The most events a meter keeps; a test that toggles more often has gone astray.
pub const EVENTS_MAX: usize = 10_000;

/// The largest load that can be switched on, in watts.
pub const WATTS_MAX: u32 = 1_000_000;

/// The most lead bytes before an answer.
pub const LEADS_MAX: u32 = 4;

/// The longest delay of an answer.
pub const DELAY_MAX_MS: u32 = 60_000;

/// What can be switched or broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(tag = "set", rename_all = "snake_case")]
pub enum Set {
    /// Adds a constant load to an electricity meter and all its parents, or takes it away.
    Lights {
        /// Whether the load is there.
        on: bool,
        /// Its power.
        #[serde(default = "watts_default")]
        watts: u32,
    },
    /// The meter answers nothing.
    Silent {
        /// Whether it is silent.
        on: bool,
    },
    /// Answers carry a wrong CRC; on Modbus TCP, which has none, a wrong protocol id.
    BadCrc {
        /// Whether they do.
        on: bool,
    },
    /// Answers are right in form, but every register is 0xFFFF.
    Nonsense {
        /// Whether they are.
        on: bool,
    },
    /// Answers come late.
    DelayMs {
        /// By how many milliseconds; 0 for at once.
        ms: u32,
    },
    /// Answers of a meter with a number come under another one.
    WrongAddress {
        /// Whether they do.
        on: bool,
    },
    /// Answers come in two pieces, some time apart.
    Split {
        /// Whether they do.
        on: bool,
    },
    /// Noise stands before answers, with something like the beginning of one in it.
    Noise {
        /// Whether it does.
        on: bool,
    },
    /// So many lead bytes stand before answers of a meter with a number, instead of four.
    Leads {
        /// 0 to [`LEADS_MAX`].
        count: u32,
    },
}

const fn watts_default() -> u32 {
    4_000
}

/// One thing that happens to one meter at one instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScriptedEvent {
    /// Unix seconds, UTC; it holds from this second on.
    pub at: i64,
    /// The meter.
    pub meter: Name,
    /// What is switched or broken.
    pub set: Set,
}

/// Why an event cannot be taken. Nothing is changed then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// There is no such meter.
    #[error("no meter `{meter}` on this campus")]
    UnknownMeter {
        /// What was asked for.
        meter: String,
    },
    /// A load needs a meter that counts energy.
    #[error("meter `{meter}` counts no electricity, so no lights can be switched on it")]
    NoElectricity {
        /// The meter.
        meter: Name,
    },
    /// A number outside what is allowed.
    #[error("`{key}` is {value}, allowed is 0 to {most}")]
    TooMuch {
        /// The key of the number.
        key: &'static str,
        /// What was asked for.
        value: u32,
        /// The most that is allowed.
        most: u32,
    },
    /// The meter already has [`EVENTS_MAX`] events.
    #[error("meter `{meter}` already has {EVENTS_MAX} events")]
    Full {
        /// The meter.
        meter: Name,
    },
}

impl Set {
    /// Returns the event that a JSON object describes; other keys than its own are left alone.
    ///
    /// # Errors
    ///
    /// What is missing, unknown or of the wrong type.
    pub(crate) fn deserialize_from(
        object: serde_json::Map<String, serde_json::Value>,
    ) -> Result<Self, serde_json::Error> {
        serde_json::from_value(serde_json::Value::Object(object))
    }

    /// Checks the numbers of an event.
    ///
    /// # Errors
    ///
    /// [`ScriptError::TooMuch`] if a number is outside what is allowed.
    pub(crate) fn check(self) -> Result<(), ScriptError> {
        let (key, value, most) = match self {
            Self::Lights { watts, .. } => ("watts", watts, WATTS_MAX),
            Self::DelayMs { ms } => ("ms", ms, DELAY_MAX_MS),
            Self::Leads { count } => ("count", count, LEADS_MAX),
            Self::Silent { .. }
            | Self::BadCrc { .. }
            | Self::Nonsense { .. }
            | Self::WrongAddress { .. }
            | Self::Split { .. }
            | Self::Noise { .. } => return Ok(()),
        };
        if value <= most { Ok(()) } else { Err(ScriptError::TooMuch { key, value, most }) }
    }
}

/// How a meter is broken at one instant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Faults {
    pub(crate) silent: bool,
    pub(crate) bad_crc: bool,
    pub(crate) nonsense: bool,
    pub(crate) delay_ms: u32,
    pub(crate) wrong_address: bool,
    pub(crate) split: bool,
    pub(crate) noise: bool,
    /// How many of the four usual lead bytes are missing.
    pub(crate) leads_missing: u32,
}

/// What holds from an instant on.
#[derive(Clone, Copy, Default)]
struct State {
    at: i64,
    /// The load that is switched on.
    power_mw: i64,
    /// mW·s that all loads before `at` came to.
    before_mws: i128,
    faults: Faults,
}

/// The events of one meter.
#[derive(Clone, Default)]
pub(crate) struct Timeline {
    events: Vec<(i64, Set)>,
    states: Vec<State>,
}

impl Timeline {
    /// Returns how many events there are.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    /// Adds an event. Of two at the same instant the later added one holds.
    pub(crate) fn add(&mut self, at: i64, set: Set) {
        let place = self.events.partition_point(|&(other, _)| other <= at);
        self.events.insert(place, (at, set));
        self.states.clear();
        let mut state = State::default();
        for &(at, set) in &self.events {
            state.before_mws += load_mws(&state, at);
            state.at = at;
            match set {
                Set::Lights { on, watts } => {
                    state.power_mw = if on { i64::from(watts) * 1_000 } else { 0 };
                }
                Set::Silent { on } => state.faults.silent = on,
                Set::BadCrc { on } => state.faults.bad_crc = on,
                Set::Nonsense { on } => state.faults.nonsense = on,
                Set::DelayMs { ms } => state.faults.delay_ms = ms,
                Set::WrongAddress { on } => state.faults.wrong_address = on,
                Set::Split { on } => state.faults.split = on,
                Set::Noise { on } => state.faults.noise = on,
                Set::Leads { count } => {
                    state.faults.leads_missing = LEADS_MAX.saturating_sub(count);
                }
            }
            self.states.push(state);
        }
    }

    /// Returns the load that is switched on at an instant, in mW.
    pub(crate) fn power_mw(&self, instant: i64) -> i64 {
        self.state(instant).power_mw
    }

    /// Returns what all loads came to until an instant, exactly, in mW·s.
    pub(crate) fn energy_mws(&self, instant: i64) -> i128 {
        let state = self.state(instant);
        state.before_mws + load_mws(&state, instant)
    }

    /// Returns how the meter is broken at an instant.
    pub(crate) fn faults(&self, instant: i64) -> Faults {
        self.state(instant).faults
    }

    fn state(&self, instant: i64) -> State {
        let after = self.states.partition_point(|state| state.at <= instant);
        after.checked_sub(1).and_then(|at| self.states.get(at)).copied().unwrap_or_default()
    }
}

fn load_mws(state: &State, until: i64) -> i128 {
    i128::from(state.power_mw) * i128::from(until.saturating_sub(state.at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_load_counts_from_the_second_it_is_switched_on_to_the_second_it_is_switched_off() {
        let mut timeline = Timeline::default();
        timeline.add(1_000, Set::Lights { on: true, watts: 4_000 });
        timeline.add(1_090, Set::Lights { on: false, watts: 4_000 });

        let energies = [999, 1_000, 1_001, 1_090, 5_000].map(|at| timeline.energy_mws(at));

        assert_eq!(energies, [0, 0, 4_000_000, 360_000_000, 360_000_000]);
        assert_eq!(
            [999, 1_000, 1_089, 1_090].map(|at| timeline.power_mw(at)),
            [0, 4_000_000, 4_000_000, 0]
        );
    }

    #[test]
    fn the_order_in_which_events_are_added_does_not_matter() {
        let events = [
            (10, Set::Silent { on: true }),
            (20, Set::Lights { on: true, watts: 7 }),
            (30, Set::Silent { on: false }),
            (35, Set::Lights { on: true, watts: 11 }),
        ];
        let (mut forwards, mut backwards) = (Timeline::default(), Timeline::default());
        for (at, set) in events {
            forwards.add(at, set);
        }
        for (at, set) in events.into_iter().rev() {
            backwards.add(at, set);
        }

        for at in 0..50 {
            assert_eq!(forwards.energy_mws(at), backwards.energy_mws(at));
            assert_eq!(forwards.faults(at), backwards.faults(at));
        }
        assert_eq!(forwards.energy_mws(40), 15 * 7_000 + 5 * 11_000);
        assert!(forwards.faults(29).silent && !forwards.faults(30).silent);
    }

    #[test]
    fn numbers_that_no_building_has_are_refused() {
        let too_bright = Set::Lights { on: true, watts: WATTS_MAX + 1 };
        assert_eq!(
            too_bright.check(),
            Err(ScriptError::TooMuch { key: "watts", value: WATTS_MAX + 1, most: WATTS_MAX })
        );
        assert_eq!(Set::DelayMs { ms: DELAY_MAX_MS }.check(), Ok(()));
    }
}
