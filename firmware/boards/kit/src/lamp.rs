//! One lamp that says how the node is.
//!
//! It burns while the gateway is there, blinks slowly while it is not, and quickly for a
//! while when somebody asks which node this is.

use core::sync::atomic::{AtomicBool, AtomicU8, Ordering};

use embassy_time::{Duration, Timer};
use embedded_hal::digital::OutputPin;
use firmware::{Event, Host};
use wire::message::{Action, Outcome};

const QUICK: Duration = Duration::from_millis(120);
const SLOW: Duration = Duration::from_secs(1);
/// A node that is to start again has so long to say that it will.
const FAREWELL: Duration = Duration::from_secs(2);
/// So many quick blinks: some ten seconds.
const BLINKS: u8 = 40;

/// What the lamp is to say.
pub struct Lamp {
    connected: AtomicBool,
    blinks: AtomicU8,
    start_again: AtomicBool,
}

impl Lamp {
    /// Returns a lamp of a node without a gateway.
    #[must_use]
    pub const fn new() -> Self {
        let (connected, start_again) = (AtomicBool::new(false), AtomicBool::new(false));
        Self { connected, blinks: AtomicU8::new(0), start_again }
    }

    /// Switches a pin, until the node is to start again; high is on.
    pub async fn burn(&self, mut pin: impl OutputPin) {
        let mut on = false;
        loop {
            if self.start_again.load(Ordering::Relaxed) {
                Timer::after(FAREWELL).await;
                cortex_m::peripheral::SCB::sys_reset();
            }
            let blinks = self.blinks.load(Ordering::Relaxed);
            on = !on || (blinks == 0 && self.connected.load(Ordering::Relaxed));
            // A lamp that cannot be switched stops nobody.
            if on {
                pin.set_high().ok()
            } else {
                pin.set_low().ok()
            };
            if blinks == 0 {
                Timer::after(SLOW).await;
            } else {
                self.blinks.store(blinks.saturating_sub(1), Ordering::Relaxed);
                Timer::after(QUICK).await;
            }
        }
    }
}

impl Default for Lamp {
    fn default() -> Self {
        Self::new()
    }
}

impl Host for Lamp {
    const INSTALLS: bool = cfg!(feature = "tls");

    fn tell(&self, event: Event) {
        match event {
            Event::Connected => self.connected.store(true, Ordering::Relaxed),
            Event::Disconnected(_) => self.connected.store(false, Ordering::Relaxed),
            Event::PlanApplied(_)
            | Event::PlanRejected(_)
            | Event::PollFailed { .. }
            | Event::MeterAnswers(_) => {}
        }
    }

    fn act(&self, action: Action) -> Outcome {
        match action {
            Action::Identify => {
                self.blinks.store(BLINKS, Ordering::Relaxed);
                Outcome::Done
            }
            Action::Reboot => {
                self.start_again.store(true, Ordering::Relaxed);
                Outcome::Done
            }
        }
    }
}
