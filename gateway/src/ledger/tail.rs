//! What is left open of a meter's readings, so that a new one adds only itself.
//!
//! A meter that is read each minute has 1,440 readings a day, and all but the newest have said
//! what they have to say: what ends before the last but one that counts is settled, whatever
//! comes next. So of a window that nothing follows the end is kept: from the first interval
//! that is not settled, with as many readings before it as decide it. A reading that comes in
//! order is added there; one that comes late, an event or another rule ends the tail, and the
//! day is worked out from the store again.
//!
//! A tail is kept only if it judges its readings as the whole window did. From there on both
//! go on alike: what a reading is worth depends on the last two that counted and on what comes
//! after.

use analysis::interval::{Consumption, CounterReading, CounterRules, interval_start};

use super::events::Held;
use super::window::Window;

/// Readings of the longest tail. It is a few as a rule; it grows while a counter shows
/// nothing that counts, and then the day is worked out from the store.
const READINGS_MAX: usize = 4_000;

/// The newest readings of one meter.
#[derive(Clone)]
pub(super) struct Tail {
    pub(super) window: Window,
    /// The start of the first interval that is not settled.
    pub(super) from: i64,
    /// What comes after this instant comes in order.
    pub(super) until: i64,
    /// Something has come since.
    pub(super) is_behind: bool,
    pub(super) events: Held,
    pub(super) rules: CounterRules,
}

impl Tail {
    /// Returns the tail of a window that nothing follows; `None` if it has none that says the
    /// same. `judge` says what readings are worth.
    pub(super) fn of(
        window: &Window,
        consumption: &Consumption,
        (events, rules): (&Held, CounterRules),
        judge: impl Fn(&Window, i64) -> Consumption,
    ) -> Option<Self> {
        let settled = consumption.settled_until.filter(|_| window.is_last)?;
        let from = interval_start(settled);
        let begin = match window.firm_before(from, consumption) {
            Some(at) => at,
            None if window.is_first => 0,
            None => return None,
        };
        let readings = window.readings.get(begin..)?.to_vec();
        if READINGS_MAX < readings.len() {
            return None;
        }
        let tail = Window { readings, is_first: window.is_first && begin == 0, is_last: true };
        let first = *tail.readings.first()?;
        let again = judge(&tail, from);
        let is_same = again.settled_until == consumption.settled_until
            && again
                .suspects
                .iter()
                .eq(consumption.suspects.iter().filter(|it| first <= it.reading))
            && again.breaks.iter().eq(consumption.breaks.iter().filter(|it| first <= it.before));
        is_same.then(|| Self {
            until: window.until(consumption),
            window: tail,
            from,
            is_behind: false,
            events: Held::clone(events),
            rules,
        })
    }

    /// Returns whether readings from `first` on come after all that is known.
    pub(super) fn is_before(&self, first: i64) -> bool {
        self.until < first
    }

    /// Returns whether something that came late, up to `last`, lies among its readings.
    pub(super) fn is_met_by(&self, last: i64) -> bool {
        self.window.is_first || self.window.from().is_none_or(|first| first <= last)
    }

    /// Returns its window with the readings that came since.
    pub(super) fn with(&self, newer: Vec<(i64, i64)>) -> Window {
        let mut window = self.window.clone();
        let newer = newer.into_iter().map(|(instant, value)| CounterReading { instant, value });
        window.readings.extend(newer);
        window
    }
}
