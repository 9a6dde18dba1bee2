//! Commands against a bus that notes what is written on it.

use super::*;
use core::cell::Cell;
use embassy_futures::block_on;
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use std::vec::Vec;
use wire::message::{self, Action, PlannedSwitch};
use wire::modbus::{LineSettings, Parity};

use crate::host::Event;
use crate::node::Identity;
use crate::outbox::RamOutbox;

const NOW: i64 = 1_800_000_000;
const DEADLINE: i64 = NOW + 60;

struct Time(Option<i64>);

impl Clock for Time {
    fn now(&self) -> Option<i64> {
        self.0
    }

    fn quality(&self) -> message::Clock {
        message::Clock::Synced
    }

    async fn sleep_until(&self, _instant: i64) {}
}

#[derive(Default)]
struct Acts(Cell<u32>);

impl Host for Acts {
    fn tell(&self, _event: Event) {}

    fn act(&self, _action: Action) -> Outcome {
        self.0.set(self.0.get() + 1);
        Outcome::Done
    }
}

/// Unit 20 has relays; unit 3 a meter that refuses; nobody else answers.
#[derive(Default)]
struct Relays {
    on: bool,
    stuck: bool,
    written: Vec<(u64, u32, bool)>,
    line: LineSettings,
}

impl Bus for Relays {
    fn set_line(&mut self, line: LineSettings) {
        self.line = line;
    }

    async fn read(&mut self, request: &Request, out: &mut [u16]) -> Result<(), PollError> {
        out.fill(u16::from(self.on));
        match request.meter.number() {
            20 => Ok(()),
            3 => Err(PollError::Refused(2)),
            _ => Err(PollError::Silent),
        }
    }

    async fn write_coil(&mut self, request: &Request, on: bool) -> Result<(), PollError> {
        self.written.push((request.meter.number(), request.address, on));
        self.on = if self.stuck { self.on } else { on };
        Ok(())
    }

    fn heard(&self) -> &[u8] {
        &[3, 0x83, 2]
    }
}

type TestNode<O> = Node<NoopRawMutex, O>;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn node<O: Outbox>(outbox: O) -> TestNode<O> {
    let identity = Identity { site: name("site"), node: name("node"), boot: 5 };
    let node = Node::new(identity, outbox);
    let switch = PlannedSwitch { circuit: name("light"), unit_id: 20, coil: 4 };
    let switches = List::from_slice(&[switch]).unwrap();
    let line = LineSettings { baud: 19_200, ..LineSettings::default() };
    let plan = Plan { revision: 1, interval_s: 60, line, switches, ..Plan::empty() };
    let mut bytes = [0; Plan::BYTES_MAX];
    let len = plan.encode(&mut bytes).unwrap();
    assert_eq!(block_on(node.take_plan(&bytes[..len])).revision, 1);
    node
}

fn in_ram() -> TestNode<RamOutbox<Vec<u8>>> {
    node(RamOutbox::new(std::vec![0; 1000]))
}

/// Gives a command to a node and lets its bus loop see it; returns what it answers.
fn order<O: Outbox>(
    node: &TestNode<O>,
    relays: &mut Relays,
    now: Option<i64>,
    command: Command,
) -> CommandResult {
    let mut bytes = [0; Command::BYTES_MAX];
    let len = command.encode(&mut bytes).unwrap();
    let refused = block_on(node.hear_command(&bytes[..len], &Acts::default()));
    if let Some((id, outcome)) = refused {
        return CommandResult::of(id, outcome);
    }
    block_on(node.carry_out(relays, &Time(now), &Acts::default()));
    let result = node.orders.unsaid().expect("an answer");
    node.orders.said();
    result
}

fn switch(id: u32, circuit: &str, on: bool, until: i64) -> Command {
    Command { id, until, task: Task::Switch { circuit: name(circuit), on } }
}

#[test]
fn a_circuit_of_the_plan_is_switched_once_and_read_back() {
    let (node, mut relays) = (in_ram(), Relays::default());

    let on = order(&node, &mut relays, Some(NOW), switch(7, "light", true, DEADLINE));
    let off = order(&node, &mut relays, Some(NOW), switch(8, "light", false, DEADLINE));

    assert_eq!((on.id, on.outcome, on.data.as_slice()), (7, Outcome::Done, &[1][..]));
    assert_eq!((off.id, off.outcome, off.data.as_slice()), (8, Outcome::Done, &[0][..]));
    assert_eq!(relays.written, [(20, 4, true), (20, 4, false)]);
}

#[test]
fn nothing_is_written_that_the_plan_does_not_name_or_after_the_deadline() {
    let (node, mut relays) = (in_ram(), Relays::default());
    let mut outcome = |now, command| order(&node, &mut relays, now, command).outcome;

    assert_eq!(outcome(Some(NOW), switch(1, "heating", true, DEADLINE)), Outcome::Refused);
    assert_eq!(outcome(Some(DEADLINE + 1), switch(2, "light", true, DEADLINE)), Outcome::Expired);
    assert_eq!(outcome(None, switch(3, "light", true, DEADLINE)), Outcome::Expired);
    assert_eq!(outcome(Some(NOW), switch(4, "light", true, 0)), Outcome::Refused);

    assert!(relays.written.is_empty());
    assert_eq!(node.orders.faults().commands, 4);
}

#[test]
fn a_relay_that_does_not_switch_is_told_by_what_was_read_back() {
    let (node, mut relays) = (in_ram(), Relays { stuck: true, ..Relays::default() });
    let result = order(&node, &mut relays, Some(NOW), switch(7, "light", true, DEADLINE));
    assert_eq!((result.outcome, result.data.as_slice()), (Outcome::Failed, &[0][..]));
}

#[test]
fn a_command_that_is_played_again_is_refused_and_counted_also_after_a_power_cut() {
    let mut relays = Relays::default();
    let open = |flash| block_on(crate::FlashOutbox::open(flash, 1)).unwrap();
    let node_before = node(open(crate::flash::tests::flash(12)));
    let command = switch(70, "light", true, DEADLINE);
    order(&node_before, &mut relays, Some(NOW), command);
    order(&node_before, &mut relays, Some(NOW), switch(71, "light", false, DEADLINE));
    let again = order(&node_before, &mut relays, Some(NOW), command);
    assert_eq!((again.id, again.outcome), (70, Outcome::Repeated));
    assert_eq!(node_before.orders.faults().commands, 1);
    // A page further on the number stands in the page's head.
    let mut outbox = node_before.into_outbox();
    for _ in 0..40 {
        block_on(outbox.push(&[7; 200]));
    }

    let node_after = node(open(outbox.into_flash()));
    let again = order(&node_after, &mut relays, Some(NOW), command);
    let last = order(&node_after, &mut relays, Some(NOW), switch(71, "light", true, DEADLINE));
    let next = order(&node_after, &mut relays, Some(NOW), switch(72, "light", true, DEADLINE));

    assert_eq!((again.outcome, last.outcome), (Outcome::Repeated, Outcome::Repeated));
    assert_eq!(next.outcome, Outcome::Done);
    assert_eq!(relays.written.len(), 3);
    assert_eq!(node_after.orders.faults().commands, 2);
}

#[test]
fn a_scan_tells_who_answers_and_leaves_the_line_as_the_plan_has_it() {
    let (node, mut relays) = (in_ram(), Relays::default());
    let line = LineSettings { baud: 2_400, parity: Parity::Even, stop_bits: 1 };
    let scan = Scan { line, first: 1, last: 32, table: Table::Holding, address: 0 };

    let found =
        order(&node, &mut relays, None, Command { id: 1, until: 0, task: Task::Scan(scan) });
    let all = Scan { last: 247, ..scan };
    let all = order(&node, &mut relays, None, Command { id: 2, until: 0, task: Task::Scan(all) });

    assert_eq!((found.outcome, found.data.as_slice()), (Outcome::Done, &[3, 20][..]));
    assert_eq!(all.outcome, Outcome::Refused);
    assert_eq!(relays.line.baud, 19_200);
}

#[test]
fn a_trace_brings_each_byte_that_came() {
    let (node, mut relays) = (in_ram(), Relays::default());
    let line = LineSettings::default();
    let trace = Trace { line, unit_id: 3, table: Table::Input, address: 0, count: 2 };

    let heard =
        order(&node, &mut relays, None, Command { id: 1, until: 0, task: Task::Trace(trace) });
    let none = Trace { count: 0, ..trace };
    let none =
        order(&node, &mut relays, None, Command { id: 2, until: 0, task: Task::Trace(none) });

    assert_eq!((heard.outcome, heard.data.as_slice()), (Outcome::Done, &[3, 0x83, 2][..]));
    assert_eq!(none.outcome, Outcome::Refused);
}

#[test]
fn a_second_command_for_the_bus_waits_for_nobody() {
    let (node, host) = (in_ram(), Acts::default());
    let mut bytes = [0; Command::BYTES_MAX];
    let mut hear = |command: Command| {
        let len = command.encode(&mut bytes).unwrap();
        block_on(node.hear_command(&bytes[..len], &host))
    };

    assert_eq!(hear(switch(1, "light", true, DEADLINE)), None);
    assert_eq!(hear(switch(2, "light", false, DEADLINE)), Some((2, Outcome::Refused)));
    // What needs no bus is done at once.
    assert_eq!(hear(Command { id: 3, until: 0, task: Task::Act(Action::Identify) }), None);
    assert_eq!(host.0.get(), 1);
}
