//! What a node is asked to do, once.
//!
//! In: commands as they come from the uplink, each with a number that grows. Out: one result
//! each. A number is noted in the outbox before anything is done, so nothing is done twice,
//! in this run or after a power cut; and what a node did not do it says.
//!
//! What concerns the bus is done by the loop that owns it, between two polls: a circuit is
//! switched only if the plan names it, before the command's deadline, and then read back.

use core::cell::Cell;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use embassy_sync::blocking_mutex::Mutex;
use embassy_sync::blocking_mutex::raw::RawMutex;
use embassy_sync::signal::Signal;
use embassy_time::Instant;
use wire::message::{
    Command, CommandResult, Faults, Outcome, Plan, SCAN_UNITS_MAX, Scan, TRACE_REGISTERS_MAX, Task,
    Trace,
};
use wire::modbus::Table;
use wire::{Address, List, Name};

use crate::bus::{Bus, Pace, PollError, Request};
use crate::host::{Clock, Host};
use crate::node::Node;
use crate::outbox::Outbox;

/// How long a relay may think.
const RELAY: Pace = Pace { answer_ms: 500, turnaround_ms: 0 };

/// What became of commands, and what was refused.
pub(crate) struct Orders<M: RawMutex> {
    /// For the loop that owns the bus; one at a time.
    for_bus: Signal<M, Command>,
    busy: AtomicBool,
    /// The last command that was carried out, in this run or an earlier one.
    last: AtomicU32,
    done: Mutex<M, Cell<Option<CommandResult>>>,
    /// Whether `done` is to be published.
    unsaid: AtomicBool,
    faults: [AtomicU32; 4],
}

/// What a node counts as refused.
#[derive(Clone, Copy)]
pub(crate) enum Fault {
    Plan,
    Command,
    Connection,
    Poll,
}

impl<M: RawMutex> Orders<M> {
    pub(crate) const fn new(last: u32) -> Self {
        Self {
            for_bus: Signal::new(),
            busy: AtomicBool::new(false),
            last: AtomicU32::new(last),
            done: Mutex::new(Cell::new(None)),
            unsaid: AtomicBool::new(false),
            faults: [const { AtomicU32::new(0) }; 4],
        }
    }

    pub(crate) fn count(&self, fault: Fault) {
        if let Some(counter) = self.faults.get(fault as usize) {
            let count = counter.load(Ordering::Relaxed);
            counter.store(count.saturating_add(1), Ordering::Relaxed);
        }
    }

    pub(crate) fn faults(&self) -> Faults {
        let [plans, commands, connections, polls] = &self.faults;
        let of = |counter: &AtomicU32| counter.load(Ordering::Relaxed);
        Faults {
            plans: of(plans),
            commands: of(commands),
            connections: of(connections),
            polls: of(polls),
        }
    }

    /// Returns the result that is to be published, if there is one.
    pub(crate) fn unsaid(&self) -> Option<CommandResult> {
        if self.unsaid.load(Ordering::Acquire) { self.done.lock(Cell::get) } else { None }
    }

    /// Notes that a result was published.
    pub(crate) fn said(&self) {
        self.unsaid.store(false, Ordering::Release);
    }

    fn answer(&self, result: CommandResult) {
        self.done.lock(|done| done.set(Some(result)));
        self.unsaid.store(true, Ordering::Release);
    }
}

impl<M: RawMutex, O: Outbox> Node<M, O> {
    /// Takes a command from its bytes. Returns the answer if it is not to be carried out; the
    /// other answers lie in [`Orders`] when they are there.
    pub(crate) async fn hear_command<H: Host>(
        &self,
        bytes: &[u8],
        host: &H,
    ) -> Option<(u32, Outcome)> {
        // One that this version does not know cannot be answered: its id may be of another
        // kind.
        let Ok(command) = Command::decode(bytes) else {
            self.orders.count(Fault::Command);
            return None;
        };
        let id = command.id;
        if id <= self.orders.last.load(Ordering::Relaxed) {
            self.orders.count(Fault::Command);
            let same = self.orders.done.lock(Cell::get).is_some_and(|done| done.id == id);
            if same {
                self.orders.unsaid.store(true, Ordering::Release);
                return None;
            }
            return Some((id, Outcome::Repeated));
        }
        let is_on_bus = !matches!(command.task, Task::Act(_));
        if is_on_bus && self.orders.busy.load(Ordering::Acquire) {
            return Some((id, Outcome::Refused));
        }
        // What cannot be noted could be done again.
        if !self.outbox.lock().await.keep_command(id).await {
            return Some((id, Outcome::Failed));
        }
        self.orders.last.store(id, Ordering::Relaxed);
        if let Task::Act(action) = command.task {
            self.orders.answer(CommandResult::of(id, host.act(action)));
        } else {
            self.orders.busy.store(true, Ordering::Release);
            self.orders.for_bus.signal(command);
            self.wake_bus();
        }
        None
    }

    /// Carries out what was ordered for the bus, if anything was. Afterwards the line is set as
    /// the plan says.
    pub(crate) async fn carry_out<B: Bus, C: Clock, H: Host>(
        &self,
        bus: &mut B,
        clock: &C,
        _host: &H,
    ) {
        let Some(command) = self.orders.for_bus.try_take() else { return };
        let mut result = CommandResult::of(command.id, Outcome::Refused);
        if 0 < command.until && clock.now().is_none_or(|now| command.until < now) {
            result.outcome = Outcome::Expired;
        } else {
            let slot = self.plan.lock().await;
            match command.task {
                Task::Switch { .. } if command.until <= 0 => {}
                Task::Switch { circuit, on } => {
                    switch(bus, &slot.plan, circuit, on, &mut result).await;
                }
                Task::Scan(task) if H::INSTALLS => scan(bus, task, &mut result).await,
                Task::Trace(task) if H::INSTALLS => trace(bus, task, &mut result).await,
                Task::Act(_) | Task::Scan(_) | Task::Trace(_) => {}
            }
            bus.set_line(slot.plan.line);
        }
        if matches!(result.outcome, Outcome::Expired | Outcome::Refused) {
            self.orders.count(Fault::Command);
        }
        self.orders.answer(result);
        self.orders.busy.store(false, Ordering::Release);
        self.pushed.signal(());
    }
}

async fn switch<B: Bus>(
    bus: &mut B,
    plan: &Plan,
    circuit: Name,
    on: bool,
    result: &mut CommandResult,
) {
    let Some(switch) = plan.switches.iter().find(|switch| switch.circuit == circuit) else {
        return;
    };
    let (unit_id, address) = (switch.unit_id, switch.coil);
    let (meter, address) = (Address::unit_id(unit_id), u32::from(address));
    let request = Request { meter, table: Table::Coil, address, pace: RELAY };
    // Once: whether a relay that did not answer has switched is for the read-back to say.
    let written = bus.write_coil(&request, on).await;
    let mut state = [0];
    let read = bus.read(&request, &mut state).await;
    let [state] = state;
    result.outcome = Outcome::Failed;
    if read.is_ok() {
        result.data.push(u8::from(state != 0)).ok();
        if (state != 0) == on && !matches!(written, Err(PollError::Refused(_))) {
            result.outcome = Outcome::Done;
        }
    }
}

async fn scan<B: Bus>(bus: &mut B, scan: Scan, result: &mut CommandResult) {
    let Scan { line, first, last, table, address } = scan;
    let units = last.saturating_sub(first).saturating_add(1);
    if first == 0 || last < first || 247 < last || SCAN_UNITS_MAX < units || !line_is_good(&line) {
        return;
    }
    bus.set_line(line);
    result.outcome = Outcome::Done;
    let address = u32::from(address);
    for unit_id in first..=last {
        let meter = Address::unit_id(unit_id);
        match bus.read(&Request { meter, table, address, pace: Pace::UNKNOWN }, &mut [0]).await {
            Ok(()) | Err(PollError::Refused(_)) => {
                // There is room for more units than one scan asks.
                result.data.push(unit_id).ok();
            }
            Err(PollError::BusDown) => result.outcome = Outcome::Failed,
            Err(_) => {}
        }
    }
}

async fn trace<B: Bus>(bus: &mut B, trace: Trace, result: &mut CommandResult) {
    let Trace { line, unit_id, table, address, count } = trace;
    let mut words = [0; TRACE_REGISTERS_MAX as usize];
    let words = words.get_mut(..usize::from(count)).filter(|words| !words.is_empty());
    let (Some(words), true) = (words, line_is_good(&line)) else { return };
    bus.set_line(line);
    let begun = Instant::now();
    let (meter, address) = (Address::unit_id(unit_id), u32::from(address));
    let read = bus.read(&Request { meter, table, address, pace: Pace::UNKNOWN }, words).await;
    result.answer_ms = u16::try_from(begun.elapsed().as_millis()).unwrap_or(u16::MAX);
    let is_answer = matches!(read, Ok(()) | Err(PollError::Refused(_)));
    result.outcome = if is_answer { Outcome::Done } else { Outcome::Failed };
    let heard = bus.heard();
    let heard = heard.get(..heard.len().min(wire::message::RESULT_DATA_MAX));
    result.data = List::from_slice(heard.unwrap_or_default()).unwrap_or_default();
}

fn line_is_good(line: &wire::modbus::LineSettings) -> bool {
    (1_200..=115_200).contains(&line.baud) && (1..=2).contains(&line.stop_bits)
}

#[cfg(test)]
mod tests;
