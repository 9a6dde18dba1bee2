//! The short times of a node's line on Linux: what `embassy-time` waits by.
//!
//! Real time for a node that runs: one thread wakes whoever is due, and holds one entry for
//! each task that waits, however often it asks, so a process may have hundreds of nodes.
//! (`embassy-time`'s own driver holds 128 at most, and wakes the others for nothing.)
//!
//! Virtual time for a test, in [`virtually`]: it stands still while anything can go on, and
//! then jumps to whoever is due next. A minute on a line takes milliseconds, and comes out the
//! same on each machine. There is one time in a process, so such tests have a binary of their
//! own.
#![warn(missing_docs)]

use std::collections::{BTreeSet, HashMap};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, Once, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// Virtual time begins a second after zero: zero says that time is real.
const BEGINNING: u64 = 1_000_000;

/// Who waits, and until when.
#[derive(Default)]
struct Waiting {
    /// By the task's own address; a task that is woken looks at all its deadlines anew, so
    /// the earliest is enough.
    tasks: HashMap<usize, (u64, Waker)>,
    order: BTreeSet<(u64, usize)>,
}

impl Waiting {
    fn insert(&mut self, at: u64, waker: &Waker) {
        let task = waker.data() as usize;
        let mut at = at;
        if let Some((earlier, _)) = self.tasks.get(&task) {
            self.order.remove(&(*earlier, task));
            at = at.min(*earlier);
        }
        self.tasks.insert(task, (at, waker.clone()));
        self.order.insert((at, task));
    }

    /// Takes out whoever is due at an instant.
    fn due(&mut self, now: u64) -> Vec<Waker> {
        let mut due = Vec::new();
        while let Some(&(at, task)) = self.order.first()
            && at <= now
        {
            self.order.pop_first();
            due.extend(self.tasks.remove(&task).map(|(_, waker)| waker));
        }
        due
    }

    fn next(&self) -> Option<u64> {
        self.order.first().map(|&(at, _)| at)
    }
}

struct Driver {
    /// The virtual instant, µs; 0 for real time.
    virtual_us: AtomicU64,
    waiting: OnceLock<Mutex<Waiting>>,
    earlier: Condvar,
    thread: Once,
}

embassy_time_driver::time_driver_impl!(static DRIVER: Driver = Driver {
    virtual_us: AtomicU64::new(0),
    waiting: OnceLock::new(),
    earlier: Condvar::new(),
    thread: Once::new(),
});

#[expect(clippy::disallowed_methods, reason = "this is the clock")]
fn real_us() -> u64 {
    static BEGUN: OnceLock<Instant> = OnceLock::new();
    let begun = *BEGUN.get_or_init(Instant::now);
    u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX)
}

impl embassy_time_driver::Driver for Driver {
    fn now(&self) -> u64 {
        match self.virtual_us.load(Ordering::Acquire) {
            0 => real_us(),
            now => now,
        }
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        let is_first = {
            let mut waiting = self.waiting();
            let before = waiting.next();
            waiting.insert(at, waker);
            before.is_none_or(|before| at < before)
        };
        if self.virtual_us.load(Ordering::Acquire) == 0 {
            self.thread.call_once(|| {
                std::thread::Builder::new()
                    .name("line-time".to_owned())
                    .spawn(|| DRIVER.wake_for_ever())
                    .map(drop)
                    .unwrap_or_default();
            });
            if is_first {
                self.earlier.notify_one();
            }
        }
    }
}

impl Driver {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake_for_ever(&self) {
        let mut waiting = self.waiting();
        loop {
            let now = real_us();
            let due = waiting.due(now);
            if !due.is_empty() {
                // A waker may come back at once with another deadline.
                drop(waiting);
                due.into_iter().for_each(Waker::wake);
                waiting = self.waiting();
                continue;
            }
            let pause = waiting.next().map_or(Duration::from_secs(3_600), |at| {
                Duration::from_micros(at.saturating_sub(now))
            });
            let woken = self.earlier.wait_timeout(waiting, pause);
            waiting = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Jumps to the next instant at which somebody is due; returns whether there is one.
    fn jump(&self) -> bool {
        let mut waiting = self.waiting();
        let Some(next) = waiting.next() else { return false };
        let now = self.virtual_us.load(Ordering::Acquire).max(next);
        self.virtual_us.store(now, Ordering::Release);
        let due = waiting.due(now);
        drop(waiting);
        due.into_iter().for_each(Waker::wake);
        true
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

/// Runs a future in virtual time, to its end; another that runs already is waited for.
///
/// Each run begins at the same instant, so an instant of one means nothing in another.
///
/// # Panics
///
/// If everything waits, and for something that no time brings.
pub fn virtually<F: Future>(future: F) -> F::Output {
    static ONE: Mutex<()> = Mutex::new(());
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    DRIVER.virtual_us.store(BEGINNING, Ordering::Release);
    let woken = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            // What the future left waiting waits for nobody.
            *DRIVER.waiting() = Waiting::default();
            return output;
        }
        if !woken.0.swap(false, Ordering::AcqRel) {
            assert!(DRIVER.jump(), "everything waits, and no time will end it");
        }
    }
}
