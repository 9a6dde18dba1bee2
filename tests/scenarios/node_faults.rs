//! The node's true image in the emulator, and everything that can go wrong around it.
//!
//! After each fault the packs that came are exactly those that were read: no hole in any
//! meter's sequence, in order, what came twice the same, nothing given up, and every counter
//! the one that its meter showed at that instant.

#![expect(clippy::print_stdout, reason = "each story prints its counts")]

use std::collections::BTreeSet;

use anyhow::{Context, Result};
use e2e::board::Board;
use e2e::broker::Broker;
use e2e::cable::{Cable, Faults};
use e2e::field::{Field, node};
use e2e::tap::{Count, METERS, Tap, is_of, is_whole};
use e2e::world::{Process, World, free_port, story, wait_for};
use serde_json::{Value, json};
use wire::message::Pack;
use wire::{Absence, Quantity};

const NODE: &str = "node-office";

/// How many boards lose their power beside each other, each with meters and a broker of its own.
/// Nearly all of a run is waiting for the next poll, so they cost little more than one.
const BOARDS: u32 = 5;

/// How often a board's emulator is killed, or a node on Linux: 200 times for all boards. Each
/// run takes a second or two.
const KILLS_OF_BOARD: u32 = 40;
const KILLS_ON_LINUX: u32 = 20;

/// What is around the board.
struct Bench {
    field: Field,
    cable: Cable,
    tap: Tap,
    broker: Option<Broker>,
    port: u16,
}

impl Bench {
    /// A minute passes in a second; everything is there but the board.
    fn set_up(world: &mut World) -> Result<Self> {
        world.at("2026-11-20T10:00:00+08:00", 60)?;
        let field = Field::start(world)?;
        let cable = Cable::lay(&field.office)?;
        let broker = Broker::start(world)?;
        let port = broker.port;
        Ok(Self { field, cable, tap: Tap::open(NODE, port)?, broker: Some(broker), port })
    }

    fn board(&self, world: &World) -> Result<Board> {
        Board::start(world, NODE, &self.cable.address, self.port)
    }

    fn stop_broker(&mut self) -> Result<()> {
        self.broker.take().context("a broker")?.stop()
    }

    fn start_broker(&mut self, world: &World) -> Result<()> {
        self.broker = Some(Broker::start_on(world, self.port)?);
        Ok(())
    }

    /// Waits until nothing is missing, looks at every pack, and prints the count.
    fn settle(&self, what: &str) -> Result<Count> {
        let count = self.tap.wait_until_complete()?;
        anyhow::ensure!(self.tap.dropped() == 0, "{} given up", self.tap.dropped());
        self.counters_are_the_meters_own(&self.tap.packs())?;
        println!(
            "{what}: {} packs in {} runs, {} repeated, {} lost",
            count.packs, count.runs, count.repeated, count.lost
        );
        Ok(count)
    }

    /// Compares every counter with what the simulator says its meter showed: between the poll's
    /// minute before its end and the second after.
    fn counters_are_the_meters_own(&self, packs: &[Pack]) -> Result<()> {
        let read = packs.iter().filter_map(|pack| {
            let of = |it: &&wire::Reading| it.quantity == Quantity::ActiveEnergyImport;
            match pack.readings.iter().find(of)?.value {
                wire::Value::Measured(value) => Some((pack, value)),
                wire::Value::Absent(_) => None,
            }
        });
        let read: Vec<_> = read.collect();
        let asked: Vec<Value> = read
            .iter()
            .flat_map(|(pack, _)| [pack.instant - 60, pack.instant + 1].map(|at| (pack.meter, at)))
            .map(|(meter, at)| json!({ "get": "counter", "meter": meter.as_str(), "at": at }))
            .collect();
        let told = self.field.tell_all(&asked)?;
        let (told, _) = told.as_chunks::<2>();
        for ((pack, value), [before, after]) in read.iter().zip(told) {
            let shown = |it: &Value| it["counter_mwh"].as_i64().context("a counter");
            let (before, after) = (shown(before)?, shown(after)?);
            // The register is a float of 24 bits.
            let step = value >> 23;
            anyhow::ensure!(
                before - step <= *value && *value <= after + step,
                "{}: {value} does not lie between {before} and {after}",
                pack.meter
            );
        }
        Ok(())
    }
}

#[test]
fn a_board_that_wakes_before_everything_else_finds_it_and_one_bad_meter_is_its_own_affair() {
    story("node-alone", |world| {
        world.at("2026-11-20T10:00:00+08:00", 60)?;
        // Neither broker nor meters are there; the ports are known, as addresses are on site.
        let (port, line) = (free_port()?, free_port()?);
        let mut board = Board::start(world, NODE, &format!("127.0.0.1:{line}"), port)?;
        board.process.line("not connected")?;
        board.process.kill()?;
        let mut bench = Bench::set_up(world)?;
        bench.stop_broker()?;
        let mut board = bench.board(world)?;
        board.process.line("not connected")?;
        bench.start_broker(world)?;
        bench.tap.wait_for_whole_polls(2)?;

        // One falls silent, one refuses; six are read as before.
        let (silent, refusing) = (5, 2);
        let meter = METERS[silent];
        bench.field.tell(&json!({ "set": "silent", "meter": meter, "on": true }))?;
        bench.cable.order(Faults { refuses: Some(3), ..Faults::default() });
        let from = bench.tap.packs().len();
        bench.tap.wait_for_polls_of(&[0, 1, 3, 4, 6, 7], from, 5)?;
        let absent = |pack: &Pack, meter: usize, reason: Absence| {
            let value = wire::Value::Absent(reason);
            is_of(pack, meter) && pack.readings.iter().all(|it| it.value == value)
        };
        wait_for("what both of them say", || {
            let packs = bench.tap.packs();
            let said = packs.iter().any(|it| absent(it, silent, Absence::Timeout))
                && packs.iter().any(|it| absent(it, refusing, Absence::Refused));
            Ok(said.then_some(()))
        })?;

        bench.field.tell(&json!({ "set": "silent", "meter": meter, "on": false }))?;
        bench.cable.order(Faults::default());
        let from = bench.tap.packs().len();
        bench.tap.wait_for_polls_of(&[silent, refusing], from, 1)?;
        bench.settle("cold boot, silent meter, exception")?;
        println!("stack: {} bytes at most", board.stack_used(world)?);
        Ok(())
    });
}

#[test]
fn noise_split_frames_and_late_answers_spoil_no_value() {
    story("node-noise", |world| {
        let bench = Bench::set_up(world)?;
        let _board = bench.board(world)?;
        bench.tap.wait_for_whole_polls(1)?;

        // A frame in twenty: each is asked for again, so few polls are spoilt.
        bench.cable.order(Faults { noise_each: 20, ..Faults::default() });
        let from = bench.tap.packs().len();
        wait_for("fifteen broken answers", || Ok((15 <= bench.cable.broken()).then_some(())))?;
        let noisy = bench.tap.packs().split_off(from);
        let whole = noisy.iter().filter(|pack| is_whole(pack)).count();
        println!("noise: {whole} of {} polls whole", noisy.len());
        anyhow::ensure!(noisy.len() * 9 <= whole * 10, "{whole} of {}", noisy.len());

        bench.cable.order(Faults { split: true, ..Faults::default() });
        bench.tap.wait_for_whole_polls(3)?;

        // The answer of one meter comes when another is asked; it is nobody's.
        for unit in [1, 4, 8] {
            let broken = bench.cable.broken();
            bench.cable.order(Faults { late_once: Some(unit), ..Faults::default() });
            wait_for("the late answer", || Ok((broken < bench.cable.broken()).then_some(())))?;
            bench.tap.wait_for_whole_polls(2)?;
        }
        bench.settle("noise, split frames, late answers").map(drop)
    });
}

#[test]
fn a_network_that_comes_and_goes_costs_no_reading() {
    story("node-network", |world| {
        let mut bench = Bench::set_up(world)?;
        let mut board = bench.board(world)?;
        bench.tap.wait_for_whole_polls(1)?;

        // The cable is out long enough for both sides to notice, and the meters are read on.
        board.cable(false)?;
        let read = bench.cable.good();
        wait_for("twenty minutes of polls", || {
            Ok((read + 20 * 16 <= bench.cable.good()).then_some(()))
        })?;
        board.cable(true)?;
        bench.tap.wait_for_whole_polls(2)?;
        bench.settle("cable out and in")?;

        // The broker comes and goes, more often than a node is patient.
        for _ in 0..5 {
            bench.stop_broker()?;
            let read = bench.cable.good();
            wait_for("two minutes of polls", || {
                Ok((read + 2 * 16 <= bench.cable.good()).then_some(()))
            })?;
            bench.start_broker(world)?;
            bench.tap.wait_for_polls_of(&[0], bench.tap.packs().len(), 1)?;
        }
        bench.tap.wait_for_whole_polls(1)?;
        let count = bench.settle("broker restarted five times")?;
        anyhow::ensure!(count.runs == 1, "{} runs", count.runs);
        anyhow::ensure!(!board.process.log()?.contains("restarted after"), "it was reset");
        board.process.kill()
    });
}

#[test]
fn a_board_that_loses_its_power_again_and_again_loses_no_reading() {
    std::thread::scope(|boards| {
        for number in 0..BOARDS {
            boards.spawn(move || {
                story(&format!("node-power-{number}"), |world| {
                    let kills = Kills { of: "board", times: KILLS_OF_BOARD, shift: number };
                    let bench = Bench::set_up(world)?;
                    power_goes(bench, world, kills, |bench, world| Ok(bench.board(world)?.process))
                });
            });
        }
    });
}

#[test]
fn a_node_on_linux_that_is_killed_again_and_again_loses_no_reading() {
    story("node-killed", |world| {
        let bench = Bench::set_up(world)?;
        let kills = Kills { of: "node on Linux", times: KILLS_ON_LINUX, shift: 0 };
        power_goes(bench, world, kills, |bench, world| {
            let bus = format!("rtu-over-tcp:{}", bench.cable.address);
            node(world, NODE, &bus, &format!("127.0.0.1:{}", bench.port))
        })
    });
}

/// What is killed how often; `shift` sets the moments apart from those of others.
#[derive(Clone, Copy)]
struct Kills {
    of: &'static str,
    times: u32,
    shift: u32,
}

/// Ends a node's run again and again while nobody can be told of what is read, and in the midst
/// of it. The moments are those of a machine with other work: as random as any.
fn power_goes(
    mut bench: Bench,
    world: &World,
    kills: Kills,
    start: impl Fn(&Bench, &World) -> Result<Process>,
) -> Result<()> {
    let mut run = start(&bench, world)?;
    bench.tap.wait_for_whole_polls(1)?;
    bench.stop_broker()?;
    for kill in 0..kills.times {
        let read = bench.cable.good();
        // Half of the meters at least, so that each run has something to lose.
        let more = 8 + (kill * 7 + kills.shift * 5) % 23;
        wait_for("some polls", || Ok((read + more <= bench.cable.good()).then_some(())))?;
        run.kill()?;
        run = start(&bench, world)?;
    }
    bench.start_broker(world)?;
    let runs_in_all = usize::try_from(kills.times)? + 1;
    wait_for("two polls of each meter in the last of all runs", || {
        let packs = bench.tap.packs();
        let runs: BTreeSet<u32> = packs.iter().map(|pack| pack.boot).collect();
        let of_last = packs.iter().filter(|pack| Some(&pack.boot) == runs.last());
        let of_last: Vec<_> = of_last.collect();
        let polls = |meter| of_last.iter().filter(|pack| is_of(pack, meter)).count();
        let all = runs_in_all <= runs.len() && (0..METERS.len()).all(|meter| 2 <= polls(meter));
        Ok(all.then_some(()))
    })?;
    let answered: Vec<u32> = (1..=8).map(|unit| bench.cable.good_of(unit)).collect();
    let cut_off = wait_for("all that was answered", || {
        let cut_off = not_there(&bench.tap.packs(), &answered)?;
        Ok((cut_off < runs_in_all).then_some(cut_off))
    })?;

    let Kills { of, times, .. } = kills;
    let count = bench.settle(&format!("{of}, {times} power cuts with the broker away"))?;
    println!("{cut_off} polls were answered and not yet in flash when the power went");
    anyhow::ensure!(count.runs == runs_in_all, "{} runs", count.runs);
    Ok(())
}

/// Counts the polls whose two answers came and of which there is no pack: those under way when
/// the power went, at most one each time, which no flash had seen.
fn not_there(packs: &[Pack], answered: &[u32]) -> Result<usize> {
    let mut missing = 0;
    for (meter, answers) in answered.iter().enumerate() {
        let whole = packs.iter().filter(|pack| is_of(pack, meter) && is_whole(pack));
        let known: BTreeSet<_> = whole.map(|pack| (pack.boot, pack.seq)).collect();
        missing += (usize::try_from(*answers)? / 2).saturating_sub(known.len());
    }
    Ok(missing)
}
