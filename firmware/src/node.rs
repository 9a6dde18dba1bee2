//! All of it together: two loops that share a plan and an outbox.

use core::sync::atomic::{AtomicU32, Ordering};

use embassy_futures::join::join;
use embassy_futures::select::select;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::mutex::Mutex;
use embassy_sync::signal::Signal;
use embassy_time::{Duration, Instant, Timer};
use wire::Name;
use wire::check::crc32;
use wire::message::{
    Applied, AppliedResult, Faults, INSTANT_MIN, MAPS_MAX, Pack, Plan, PlanFault, PlannedMeter,
    Version,
};
use wire::reading::Absence;

use crate::bus::{Bus, PollError};
use crate::compact;
use crate::host::{Clock, Dialer, Event, Host};
use crate::load::{FULL, Load, THINKING_MS};
use crate::orders::{Fault, Orders};
use crate::outbox::Outbox;
use crate::planner;
use crate::poll::{self, Manner, Polled};
use crate::schedule::{Outcome, Schedule, Turn};
use crate::update::Updates;
use crate::uplink::{Login, UplinkBuffers};

/// How often a node looks whether somebody has told it the time.
const CLOCK_LOOK: Duration = Duration::from_secs(1);

/// Who a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Where it is.
    pub site: Name,
    /// Which of the site's nodes it is.
    pub node: Name,
    /// Which run of it this is: random, or counted in flash.
    pub boot: u32,
}

/// The version of this program.
pub const VERSION: Version = Version {
    major: number(env!("CARGO_PKG_VERSION_MAJOR")),
    minor: number(env!("CARGO_PKG_VERSION_MINOR")),
    patch: number(env!("CARGO_PKG_VERSION_PATCH")),
};

#[expect(clippy::arithmetic_side_effects, reason = "an overflow stops the compiler")]
const fn number(text: &str) -> u16 {
    let mut number = 0;
    let mut rest = text.as_bytes();
    while let [digit, others @ ..] = rest {
        number = number * 10 + (*digit - b'0') as u16;
        rest = others;
    }
    number
}

/// The plan, and how often it was changed.
pub(crate) struct PlanSlot {
    /// Empty until there is one.
    pub(crate) plan: Plan,
    /// Of its bytes.
    sum: u32,
    changes: u32,
}

impl PlanSlot {
    /// Takes over a plan from its bytes if it is good and another one.
    ///
    /// Apart and never inlined: the plan that is looked at lies on the stack, once, and only
    /// as long as it is looked at.
    #[inline(never)]
    fn take(&mut self, bytes: &[u8], has_line: bool) -> Applied {
        let rejected = |revision, fault, load_permille| Applied {
            revision,
            result: AppliedResult::Rejected(fault),
            load_permille,
        };
        let mut plan = Plan::empty();
        if plan.read(bytes).is_err() {
            return rejected(0, PlanFault::Unreadable, 0);
        }
        let revision = plan.revision;
        if let Err(fault) = plan.check() {
            return rejected(revision, fault, 0);
        }
        let load_permille = Load::of(&plan, has_line, THINKING_MS).permille;
        if FULL < load_permille {
            return rejected(revision, PlanFault::Overload, load_permille);
        }
        let sum = crc32(0, bytes);
        if self.changes == 0 || self.sum != sum {
            self.plan = plan;
            self.sum = sum;
            self.changes = self.changes.saturating_add(1);
        }
        Applied { revision, result: AppliedResult::Ok, load_permille }
    }
}

/// A node's memory. `M` is the mutex that lets its two loops share it: one without a lock
/// if both run in one task, a critical section if they do not.
pub struct Node<M: RawMutex, O> {
    pub(crate) identity: Identity,
    pub(crate) started: Instant,
    pub(crate) outbox: Mutex<M, O>,
    pub(crate) pushed: Signal<M, ()>,
    pub(crate) revision: AtomicU32,
    pub(crate) orders: Orders<M>,
    pub(crate) plan: Mutex<M, PlanSlot>,
    /// The plan is another one, or there is something to do on the bus.
    bus_woken: Signal<M, ()>,
    has_line: bool,
}

impl<M: RawMutex, O: Outbox> Node<M, O> {
    /// Returns a node without a plan.
    pub fn new(identity: Identity, outbox: O) -> Self {
        Self {
            identity,
            started: Instant::now(),
            orders: Orders::new(outbox.last_command()),
            outbox: Mutex::new(outbox),
            pushed: Signal::new(),
            revision: AtomicU32::new(0),
            plan: Mutex::new(PlanSlot { plan: Plan::empty(), sum: 0, changes: 0 }),
            bus_woken: Signal::new(),
            has_line: true,
        }
    }

    /// Makes it a node whose bus has no line of its own (Modbus TCP): what a plan asks of it
    /// is less.
    #[must_use]
    pub fn without_line(self) -> Self {
        Self { has_line: false, ..self }
    }

    pub(crate) fn wake_bus(&self) {
        self.bus_woken.signal(());
    }

    /// Reads meters and publishes what they say, for ever.
    #[expect(clippy::too_many_arguments, reason = "the parts of a node, told apart by type")]
    pub async fn run<B: Bus, D: Dialer, C: Clock, H: Host, U: Updates>(
        &self,
        bus: &mut B,
        dialer: &mut D,
        clock: &C,
        host: &H,
        login: Option<Login<'_>>,
        buffers: &mut UplinkBuffers,
        updates: &mut U,
    ) {
        let publish = self.publish(dialer, host, login, buffers, updates);
        join(self.read_meters(bus, clock, host), publish).await;
    }

    /// Takes over a plan from its bytes, and says what became of it. One that is no good, or
    /// more than its bus can do, leaves the node with what it has.
    pub async fn take_plan(&self, bytes: &[u8]) -> Applied {
        let mut slot = self.plan.lock().await;
        let before = slot.changes;
        let applied = slot.take(bytes, self.has_line);
        if slot.changes != before {
            self.revision.store(applied.revision, Ordering::Relaxed);
            self.wake_bus();
        }
        if applied.result != AppliedResult::Ok {
            self.orders.count(Fault::Plan);
        }
        applied
    }

    /// Returns which run of the node this is.
    pub const fn boot(&self) -> u32 {
        self.identity.boot
    }

    /// Returns what it refused in this run.
    pub fn faults(&self) -> Faults {
        self.orders.faults()
    }

    /// Returns how many packs wait for their acknowledgement.
    pub async fn waiting(&self) -> usize {
        self.outbox.lock().await.len()
    }

    /// Lets the uplink look into the outbox again: for a host whose outbox shows what was
    /// pushed only once it is there for good.
    pub fn look_again(&self) {
        self.pushed.signal(());
    }

    /// Gives the outbox back, as a power cut would.
    pub fn into_outbox(self) -> O {
        self.outbox.into_inner()
    }

    /// Reads the meters of the plan, each when it is due, for ever.
    pub async fn read_meters<B: Bus, C: Clock, H: Host>(&self, bus: &mut B, clock: &C, host: &H) {
        let mut schedule = Schedule::new();
        let mut gaps_refused = [false; MAPS_MAX];
        let mut followed = 0;
        loop {
            self.carry_out(bus, clock, host).await;
            let Some(now) = clock.now() else {
                select(Timer::after(CLOCK_LOOK), self.bus_woken.wait()).await;
                continue;
            };
            let slot = self.plan.lock().await;
            if slot.changes == 0 {
                drop(slot);
                self.bus_woken.wait().await;
                continue;
            }
            let plan = &slot.plan;
            if followed != slot.changes {
                followed = slot.changes;
                gaps_refused = [false; MAPS_MAX];
                bus.set_line(plan.line);
                schedule.follow(plan, now);
            }
            match schedule.next(now) {
                Some(turn) if turn.due <= now => {
                    let Some(meter) = plan.meters.get(turn.index) else { continue };
                    let gaps = gaps_refused.get_mut(usize::from(meter.map));
                    self.read_one(bus, clock, host, plan, meter, &turn, gaps, &mut schedule).await;
                }
                Some(turn) => {
                    drop(slot);
                    select(clock.sleep_until(turn.due), self.bus_woken.wait()).await;
                }
                None => {
                    drop(slot);
                    self.bus_woken.wait().await;
                }
            }
        }
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one loop, told apart by type")]
    async fn read_one<B: Bus, C: Clock, H: Host>(
        &self,
        bus: &mut B,
        clock: &C,
        host: &H,
        plan: &Plan,
        meter: &PlannedMeter,
        turn: &Turn,
        gaps_refused: Option<&mut bool>,
        schedule: &mut Schedule,
    ) {
        let Some(map) = plan.maps.get(usize::from(meter.map)) else { return };
        let bridge = gaps_refused.as_deref() != Some(&true);
        // A meter that was silent gets one chance: another costs the others their time.
        let manner = Manner {
            gap_max: if bridge { planner::GAP_MAX } else { 0 },
            attempts: if turn.failures == 0 { 2 } else { 1 },
        };
        let mut instant = None;
        let answered = || instant = clock.now();
        let polled =
            poll::poll(bus, &map.as_map(), meter.address, meter.ratios, manner, answered).await;
        if let Some(refused) = gaps_refused {
            *refused |= polled.gaps_refused;
        }

        let now = clock.now().unwrap_or(turn.due);
        let outcome = match polled.error {
            None => Outcome::Whole,
            // A line that is away says nothing about the meters on it.
            Some(error) if polled.answered || error == PollError::BusDown => Outcome::Partly,
            Some(_) => Outcome::Silent,
        };
        if polled.error.is_some_and(|error| error.absence() == Absence::Garbled) {
            self.orders.count(Fault::Poll);
        }
        tell(host, meter.meter, turn, &polled);
        schedule.taken(turn, outcome, now);
        self.push(&Pack {
            meter: meter.meter,
            instant: instant.unwrap_or(now),
            boot: self.identity.boot,
            seq: turn.seq,
            clock: clock.quality(),
            readings: polled.readings,
        })
        .await;
    }

    pub(crate) async fn push(&self, pack: &Pack) {
        let mut bytes = [0; compact::BYTES_MAX];
        // The room is enough for any pack, and a clock that shows the seventies is wrong.
        if INSTANT_MIN <= pack.instant
            && let Some(len) = compact::write(pack, &mut bytes)
        {
            let payload = bytes.get(..len).unwrap_or_default();
            self.outbox.lock().await.push(payload).await;
            self.pushed.signal(());
        }
    }
}

fn tell<H: Host>(host: &H, meter: Name, turn: &Turn, polled: &Polled) {
    match polled.error {
        Some(error) => host.tell(Event::PollFailed { meter, error, first: !turn.failing }),
        None if turn.failing => host.tell(Event::MeterAnswers(meter)),
        None => {}
    }
}

#[cfg(test)]
mod tests;
