//! When a watchdog is fed: as long as both executors get their turns.

use core::sync::atomic::{AtomicBool, Ordering};

use embassy_time::{Duration, Timer};

/// The bus has had a turn since the last look.
static BUS_TURNS: AtomicBool = AtomicBool::new(false);

/// Says each second that the bus's executor gets its turns.
pub async fn check_in() {
    loop {
        BUS_TURNS.store(true, Ordering::Relaxed);
        Timer::after(Duration::from_secs(1)).await;
    }
}

/// Feeds a watchdog of some seconds, for ever; runs in the other executor.
pub async fn feed(mut eat: impl FnMut()) {
    loop {
        if BUS_TURNS.swap(false, Ordering::Relaxed) {
            eat();
        }
        Timer::after(Duration::from_secs(2)).await;
    }
}
