//! The short times of the line: an `embassy-time` driver over two CMSDK timers of 25 MHz.
//!
//! Timer 0 runs down for ever and is the time; timer 1 runs down once and wakes who waits.

use core::cell::RefCell;
use core::task::Waker;

use critical_section::{CriticalSection, Mutex};
use embassy_time_driver::Driver;
use embassy_time_queue_utils::Queue;

use crate::interrupt::{self, Interrupt};
use crate::register::Register;

const TIMER_0: usize = 0x4000_0000;
const TIMER_1: usize = 0x4000_1000;
const CONTROL: usize = 0x0;
const VALUE: usize = 0x4;
const RELOAD: usize = 0x8;
const INTERRUPT: usize = 0xC;

const ENABLE: u32 = 1;
const ENABLE_INTERRUPT: u32 = 1 << 3;

/// Cycles in a tick of `embassy-time`, a microsecond.
const CYCLES: u64 = 25;

struct State {
    /// How often timer 0 went through all of its 2³² cycles, each time 172 s.
    wraps: u32,
    queue: Queue,
}

struct Timers(Mutex<RefCell<State>>);

embassy_time_driver::time_driver_impl!(static TIMERS: Timers =
    Timers(Mutex::new(RefCell::new(State { wraps: 0, queue: Queue::new() }))));

/// Starts the time.
pub(crate) fn start() {
    Register::at(TIMER_0, RELOAD).write(u32::MAX);
    Register::at(TIMER_0, VALUE).write(u32::MAX);
    Register::at(TIMER_0, CONTROL).write(ENABLE | ENABLE_INTERRUPT);
    interrupt::allow(Interrupt::TIMER_0);
    interrupt::allow(Interrupt::TIMER_1);
}

fn now(state: &State) -> u64 {
    let value = Register::at(TIMER_0, VALUE);
    let (mut wraps, mut left) = (state.wraps, value.read());
    // It has wrapped, and the interrupt waits for us to get out of the critical section.
    if Register::at(TIMER_0, INTERRUPT).read() != 0 {
        wraps = wraps.wrapping_add(1);
        left = value.read();
    }
    (u64::from(wraps) << 32 | u64::from(u32::MAX - left)) / CYCLES
}

/// Sets timer 1 for whoever comes next, and wakes who is due.
fn wake_and_set(state: &mut State) {
    loop {
        let now = now(state);
        let next = state.queue.next_expiration(now);
        if next == u64::MAX {
            Register::at(TIMER_1, CONTROL).write(0);
            return;
        }
        if now < next {
            // Farther away than the timer counts: it wakes early, and is set again.
            let cycles = (next - now).saturating_mul(CYCLES).min(u64::from(u32::MAX));
            let cycles = u32::try_from(cycles).unwrap_or(u32::MAX);
            Register::at(TIMER_1, CONTROL).write(0);
            Register::at(TIMER_1, RELOAD).write(cycles);
            Register::at(TIMER_1, VALUE).write(cycles);
            Register::at(TIMER_1, CONTROL).write(ENABLE | ENABLE_INTERRUPT);
            return;
        }
    }
}

impl Timers {
    fn with<R>(&self, act: impl FnOnce(&mut State) -> R) -> R {
        critical_section::with(|token: CriticalSection<'_>| {
            act(&mut self.0.borrow(token).borrow_mut())
        })
    }
}

impl Driver for Timers {
    fn now(&self) -> u64 {
        self.with(|state| now(state))
    }

    fn schedule_wake(&self, at: u64, waker: &Waker) {
        self.with(|state| {
            if state.queue.schedule_wake(at, waker) {
                wake_and_set(state);
            }
        });
    }
}

/// Interrupt of timer 0.
pub(crate) fn wrapped() {
    TIMERS.with(|state| {
        Register::at(TIMER_0, INTERRUPT).write(1);
        state.wraps = state.wraps.wrapping_add(1);
    });
}

/// Interrupt of timer 1.
pub(crate) fn alarm() {
    TIMERS.with(|state| {
        Register::at(TIMER_1, INTERRUPT).write(1);
        Register::at(TIMER_1, CONTROL).write(0);
        wake_and_set(state);
    });
}
