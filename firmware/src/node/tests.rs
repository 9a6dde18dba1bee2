//! A node's reading loop on a bus and a clock of the test's making.

use super::*;
use core::cell::{Cell, RefCell};
use core::future::pending;
use embassy_futures::block_on;
use embassy_futures::select::{Either, select as first_of};
use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use std::vec::Vec;
use wire::message::{self, Action, PlanMap};
use wire::modbus::{Entry, LineSettings, RegisterMap, Scale, Type};
use wire::reading::{Absence, Value};
use wire::{Address, List, Quantity};

use crate::bus::Request;
use crate::outbox::{RamOutbox, Ticket};

/// Time that passes while somebody sleeps, up to a last instant.
struct Time {
    now: Cell<Option<i64>>,
    last: i64,
}

impl Time {
    fn until(last: i64) -> Self {
        Self { now: Cell::new(Some(1_800_000_000)), last }
    }
}

impl Clock for Time {
    fn now(&self) -> Option<i64> {
        self.now.get()
    }

    fn quality(&self) -> message::Clock {
        message::Clock::Synced
    }

    async fn sleep_until(&self, instant: i64) {
        if self.last < instant {
            pending::<()>().await;
        }
        self.now.set(Some(instant));
    }
}

/// Meter 1 answers 7 after two seconds, meter 2 is silent for three; the line is noted.
struct Meters<'a> {
    time: &'a Time,
    line: Option<LineSettings>,
}

impl Bus for Meters<'_> {
    fn set_line(&mut self, line: LineSettings) {
        self.line = Some(line);
    }

    async fn read(&mut self, request: &Request, out: &mut [u16]) -> Result<(), PollError> {
        let (takes, outcome) = if request.meter == Address::unit_id(1) {
            (2, Ok(()))
        } else {
            (3, Err(PollError::Silent))
        };
        self.time.now.set(self.time.now.get().map(|now| now + takes));
        out.fill(7);
        outcome
    }
}

#[derive(Default)]
struct Log(RefCell<Vec<Event>>);

impl Host for Log {
    fn tell(&self, event: Event) {
        self.0.borrow_mut().push(event);
    }

    fn act(&self, _action: Action) -> message::Outcome {
        message::Outcome::Refused
    }
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn plan(revision: u32) -> Plan {
    let entry = Entry {
        quantity: Quantity::ActivePower,
        ty: Type::U16,
        scale: Scale::thousandths(1000),
        ..Entry::default()
    };
    let map = RegisterMap {
        entries: &[entry],
        read_limit: 10,
        answer_ms: 100,
        turnaround_ms: 0,
        forbidden: &[],
    };
    let meter = |text, unit_id| PlannedMeter {
        meter: name(text),
        address: Address::unit_id(unit_id),
        ..Default::default()
    };
    Plan {
        revision,
        interval_s: 60,
        line: LineSettings { baud: 19_200, ..LineSettings::default() },
        maps: List::from_slice(&[PlanMap::new(&map).unwrap()]).unwrap(),
        meters: List::from_slice(&[meter("good", 1), meter("dead", 2)]).unwrap(),
        switches: List::new(),
    }
}

type TestNode = Node<NoopRawMutex, RamOutbox<Vec<u8>>>;

fn node() -> TestNode {
    let identity = Identity { site: name("site"), node: name("node"), boot: 5 };
    Node::new(identity, RamOutbox::new(std::vec![0; 10_000]))
}

fn take(node: &TestNode, plan: &Plan) -> Applied {
    let mut bytes = [0; Plan::BYTES_MAX];
    let len = plan.encode(&mut bytes).unwrap();
    block_on(node.take_plan(&bytes[..len]))
}

/// Reads meters until time stands still, and returns what lies in the outbox then.
fn run(node: &TestNode, time: &Time, log: &Log) -> Vec<Pack> {
    let mut bus = Meters { time, line: None };
    let mut turns = 0;
    let stop = core::future::poll_fn(|_| {
        turns += 1;
        if turns < 3 { core::task::Poll::Pending } else { core::task::Poll::Ready(()) }
    });
    let ended = block_on(first_of(node.read_meters(&mut bus, time, log), stop));
    assert!(matches!(ended, Either::Second(())));

    let mut packs = Vec::new();
    let mut from = Ticket::FIRST;
    let mut bytes = [0; compact::BYTES_MAX];
    let mut outbox = block_on(node.outbox.lock());
    while let Some((ticket, len)) = block_on(outbox.peek(from, &mut bytes)) {
        packs.push(compact::read(&bytes[..len]).unwrap());
        from = ticket.next();
    }
    packs
}

fn packs_of<'a>(packs: &'a [Pack], meter: &'a str) -> impl Iterator<Item = &'a Pack> {
    packs.iter().filter(move |pack| pack.meter.as_str() == meter)
}

#[test]
fn a_pack_carries_the_instant_of_the_answer_and_a_growing_number() {
    let (node, log) = (node(), Log::default());
    let time = Time::until(1_800_000_180);
    take(&node, &plan(1));

    let packs = run(&node, &time, &log);

    let seen = packs_of(&packs, "good").map(|pack| (pack.instant, pack.seq)).collect::<Vec<_>>();
    assert_eq!(seen, [(1_800_000_062, 0), (1_800_000_122, 1), (1_800_000_182, 2)]);
    let pack = packs_of(&packs, "good").next().unwrap();
    assert_eq!((pack.boot, pack.clock), (5, message::Clock::Synced));
    assert_eq!(pack.readings[0].value, Value::Measured(7000));
}

#[test]
fn a_failed_poll_is_a_pack_too_and_the_host_hears_which_was_the_first() {
    let (node, log) = (node(), Log::default());
    let time = Time::until(1_800_000_600);
    take(&node, &plan(1));

    let packs = run(&node, &time, &log);

    let dead = packs_of(&packs, "dead").collect::<Vec<_>>();
    assert!(dead.iter().all(|p| p.readings[0].value == Value::Absent(Absence::Timeout)));
    assert_eq!(dead.iter().map(|pack| pack.seq).collect::<Vec<_>>(), [0, 1, 2, 3]);
    let told = log.0.borrow();
    let failed = |first| Event::PollFailed { meter: name("dead"), error: PollError::Silent, first };
    assert_eq!(*told, [failed(true), failed(false), failed(false), failed(false)]);
}

#[test]
fn a_node_that_does_not_know_the_time_reads_nothing() {
    let (node, log) = (node(), Log::default());
    let time = Time { now: Cell::new(None), last: i64::MAX };
    take(&node, &plan(1));
    assert!(run(&node, &time, &log).is_empty());
}

fn rejected(revision: u32, fault: PlanFault) -> (u32, AppliedResult) {
    (revision, AppliedResult::Rejected(fault))
}

#[test]
fn a_plan_that_asks_more_of_the_bus_than_there_is_is_refused_with_its_load() {
    let node = node();
    take(&node, &plan(4));
    let meter = |n| PlannedMeter {
        meter: name(&std::format!("meter-{n}")),
        address: Address::unit_id(n),
        ..Default::default()
    };
    let meters = List::from_slice(&(1..=30).map(meter).collect::<Vec<_>>()).unwrap();

    let hasty = take(&node, &Plan { interval_s: 1, meters, ..plan(5) });
    let calm = take(&node, &Plan { interval_s: 10, meters, ..plan(6) });

    assert_eq!((hasty.revision, hasty.result), rejected(5, PlanFault::Overload));
    // 30 requests of 2 ms silence, 13 + 2 characters at 19,200 baud and 50 ms of thinking.
    assert!((1_700..1_900).contains(&hasty.load_permille), "{hasty:?}");
    assert_eq!(
        (calm.result, calm.load_permille),
        (AppliedResult::Ok, hasty.load_permille.div_ceil(10))
    );
    assert_eq!(node.orders.faults().plans, 1);
}

#[test]
fn a_plan_that_is_no_good_leaves_the_one_before() {
    let node = node();
    assert_eq!(take(&node, &plan(4)).result, AppliedResult::Ok);

    let no_interval = Plan { interval_s: 0, ..plan(5) };
    let applied = take(&node, &no_interval);
    assert_eq!((applied.revision, applied.result), rejected(5, PlanFault::Interval));
    let applied = block_on(node.take_plan(b"not a plan"));
    assert_eq!((applied.revision, applied.result), rejected(0, PlanFault::Unreadable));

    assert_eq!(node.revision.load(Ordering::Relaxed), 4);
    assert_eq!(block_on(node.plan.lock()).plan, plan(4));
}

#[test]
fn the_same_plan_again_changes_nothing() {
    let node = node();
    take(&node, &plan(4));
    take(&node, &plan(4));
    assert_eq!(block_on(node.plan.lock()).changes, 1);
}
