//! The time of the site, counted on from when somebody told it.

use core::cell::Cell;

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::CriticalSectionRawMutex;
use embassy_time::{Duration, Instant, Timer};
use wire::message::Clock as Quality;

/// A setting is as good as new for this long.
const FRESH: Duration = Duration::from_secs(86_400);

/// Nobody sleeps longer than this: the clock may be set meanwhile.
const LOOK_AGAIN: Duration = Duration::from_secs(60);

/// The time of the site.
pub struct SiteClock {
    /// When it was set last, and what it showed then, Unix milliseconds.
    set: Mutex<CriticalSectionRawMutex, Cell<Option<(Instant, i64)>>>,
    /// How many seconds pass in one: a demonstration may run its day in minutes.
    speed: u32,
}

impl SiteClock {
    /// Returns a clock that nobody has set.
    #[must_use]
    pub const fn new(speed: u32) -> Self {
        Self { set: Mutex::new(Cell::new(None)), speed }
    }

    /// Sets it, to Unix milliseconds.
    pub fn set(&self, now_ms: i64) {
        self.set.lock(|set| set.set(Some((Instant::now(), now_ms))));
    }

    fn now_ms(&self) -> Option<i64> {
        let (at, shown) = self.set.lock(Cell::get)?;
        let passed = at.elapsed().as_millis().saturating_mul(u64::from(self.speed));
        Some(shown.saturating_add_unsigned(passed))
    }
}

impl firmware::Clock for SiteClock {
    fn now(&self) -> Option<i64> {
        Some(self.now_ms()?.div_euclid(1000))
    }

    fn quality(&self) -> Quality {
        let fresh = self.set.lock(Cell::get).is_some_and(|(at, _)| at.elapsed() < FRESH);
        if fresh { Quality::Synced } else { Quality::Estimated }
    }

    async fn sleep_until(&self, instant: i64) {
        let Some(now_ms) = self.now_ms() else { return };
        let left = instant.saturating_mul(1000).saturating_sub(now_ms);
        let left = u64::try_from(left).unwrap_or(0);
        // Rounded up: a millisecond early would be the second before.
        let left = left.div_ceil(u64::from(self.speed.max(1)));
        Timer::after(Duration::from_millis(left).min(LOOK_AGAIN)).await;
    }
}
