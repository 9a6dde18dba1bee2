//! The only place that asks what time it is.
//!
//! Everything else is handed a [`Clock`]: the system's, a fast one for the demo and the
//! stories, or one that a test moves by hand.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

/// Tells the time. Cheap to clone; all clones tell the same time.
#[derive(Clone, Debug)]
pub struct Clock(Arc<Kind>);

#[derive(Debug)]
enum Kind {
    System,
    Fast { start_ms: i64, anchor_ms: i64, speed: u32 },
    Manual(watch::Sender<i64>),
}

impl Clock {
    /// The clock of the machine.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(Kind::System))
    }

    /// A clock that shows `start` (Unix seconds) now and runs `speed` times as fast.
    #[must_use]
    pub fn fast(start: i64, speed: u32) -> Self {
        Self::anchored(start.saturating_mul(1000), machine_ms(), speed)
    }

    /// A clock that showed `start_ms` when the machine's clock showed `anchor_ms` (both Unix
    /// milliseconds) and runs `speed` times as fast: processes that agree on the three
    /// numbers tell the same time.
    #[must_use]
    pub fn anchored(start_ms: i64, anchor_ms: i64, speed: u32) -> Self {
        Self(Arc::new(Kind::Fast { start_ms, anchor_ms, speed: speed.max(1) }))
    }

    /// A clock that stands at `start` (Unix seconds) until [`Clock::set`] moves it.
    #[must_use]
    pub fn manual(start: i64) -> Self {
        Self(Arc::new(Kind::Manual(watch::Sender::new(start.saturating_mul(1000)))))
    }

    /// Moves a manual clock to an instant (Unix seconds) and wakes who sleeps until then.
    /// Any other clock goes its own way.
    pub fn set(&self, instant: i64) {
        if let Kind::Manual(time_ms) = &*self.0 {
            time_ms.send_replace(instant.saturating_mul(1000));
        }
    }

    /// Returns the instant now, in Unix seconds.
    #[must_use]
    pub fn now(&self) -> i64 {
        self.now_ms().div_euclid(1000)
    }

    /// Returns the instant now, in Unix milliseconds.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        match &*self.0 {
            Kind::System => machine_ms(),
            Kind::Fast { start_ms, anchor_ms, speed } => {
                let passed = machine_ms().saturating_sub(*anchor_ms);
                start_ms.saturating_add(passed.saturating_mul(i64::from(*speed)))
            }
            Kind::Manual(time_ms) => *time_ms.borrow(),
        }
    }

    /// Returns how many seconds of this clock pass in one second of the machine.
    #[must_use]
    pub fn speed(&self) -> u32 {
        match &*self.0 {
            Kind::Fast { speed, .. } => *speed,
            Kind::System | Kind::Manual(_) => 1,
        }
    }

    /// Returns once the clock shows `instant` (Unix seconds) or later.
    pub async fn sleep_until(&self, instant: i64) {
        let target_ms = instant.saturating_mul(1000);
        match &*self.0 {
            Kind::Manual(time_ms) => {
                let mut time_ms = time_ms.subscribe();
                // The sender lives in `self`, so waiting cannot fail.
                time_ms.wait_for(|&now| target_ms <= now).await.ok();
            }
            Kind::System | Kind::Fast { .. } => loop {
                let left_ms = target_ms.saturating_sub(self.now_ms());
                if left_ms <= 0 {
                    return;
                }
                let left = u64::try_from(left_ms).unwrap_or(0).div_ceil(u64::from(self.speed()));
                // The machine's clock may be set while we sleep, so look again each minute.
                tokio::time::sleep(Duration::from_millis(left.min(60_000))).await;
            },
        }
    }

    /// Returns after `seconds` of this clock.
    pub async fn sleep(&self, seconds: i64) {
        self.sleep_until(self.now().saturating_add(seconds)).await;
    }
}

fn machine_ms() -> i64 {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    let now = std::time::SystemTime::now();
    let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_manual_clock_wakes_who_sleeps_until_then() {
        let clock = Clock::manual(1_000);
        let sleeper = tokio::spawn({
            let clock = clock.clone();
            async move { clock.sleep_until(2_000).await }
        });

        clock.set(1_999);
        assert!(!sleeper.is_finished());
        clock.set(2_000);

        sleeper.await.unwrap();
        assert_eq!(clock.now(), 2_000);
    }

    #[tokio::test]
    async fn a_fast_clock_passes_an_hour_in_less() {
        let clock = Clock::fast(0, 1_000_000);

        clock.sleep(3_600).await;

        assert!(3_600 <= clock.now());
        assert_eq!(clock.speed(), 1_000_000);
    }
}
