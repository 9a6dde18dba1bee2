//! What the line's time is spent on, and what dead meters cost the others.

use std::collections::{BTreeMap, BTreeSet};

use wire::models;
use wire::reading::Value;

use crate::bench::{Log, Meters, plan, read};

/// Shares in thousandths: how much of each round's time the wire itself needed (characters,
/// silent times, the meters' thinking and the rest that they ask for).
fn utilisation(log: &Log, silent_us: u64) -> u64 {
    // A pause of a second lies between two rounds.
    let mut rounds: Vec<Vec<(u64, u64)>> = Vec::new();
    for &(begun, end) in &log.answered {
        match rounds.last_mut() {
            Some(round) if begun < round.last().unwrap().1 + 1_000_000 => round.push((begun, end)),
            _ => rounds.push(vec![(begun, end)]),
        }
    }
    let took: u64 = rounds.iter().map(|round| round.last().unwrap().1 - round[0].0).sum();
    let silences: u64 = rounds.iter().map(|round| (round.len() as u64 - 1) * silent_us).sum();
    (log.needed_us + silences) * 1_000 / took
}

#[test]
fn the_line_carries_at_least_95_percent_of_what_the_wire_can() {
    println!("meters  model            baud   thinking  requests  the wire needs of the time");
    for (model, baud, thinking_ms) in [
        ("eastron-sdm630", 9_600, 20),
        ("eastron-sdm630", 9_600, 50),
        ("eastron-sdm630", 19_200, 20),
        ("eastron-sdm630", 19_200, 50),
        ("acrel-dtsd1352", 9_600, 20),
        ("acrel-dtsd1352", 19_200, 20),
    ] {
        let meters = living(thinking_ms * 1_000);

        let (packs, log) = read(&plan(model, 30, 60, baud), &meters, 600);

        // 3.5 characters of ten bits, but not less than 1.75 ms, or what the meter asks for.
        let pause_us = u64::from(models::by_id(model).unwrap().map.turnaround_ms) * 1_000;
        let silent_us = (35_000_000 / u64::from(baud)).max(1_750).max(pause_us);
        let share = utilisation(&log, silent_us);
        println!(
            "    30  {model:15} {baud:>6}  {thinking_ms:>5} ms  {:>8}  {:>4}.{} %",
            log.requests,
            share / 10,
            share % 10
        );
        assert!(950 <= share, "{model} at {baud}: {share} of 1000");
        assert!(270 <= packs.len(), "{}", packs.len());
    }
}

fn living(thinking_us: u64) -> Meters {
    Meters { thinking_us, dead: Vec::new(), babbling: Vec::new(), noise: None }
}

#[test]
fn five_dead_or_babbling_meters_of_thirty_leave_the_others_95_percent_of_their_schedule() {
    let failing = vec![3, 4, 11, 20, 29];
    let dead = Meters { dead: failing.clone(), ..living(50_000) };
    let babbling = Meters { babbling: failing, ..living(50_000) };
    println!("interval  baud   5 of 30   schedule kept: worst  mean   span  probes of one");
    for (name, meters) in [("dead", &dead), ("babbling", &babbling)] {
        for (interval_s, baud, span) in [(10, 9_600, 900), (60, 9_600, 1_800)] {
            let (packs, _) = read(&plan("eastron-sdm630", 30, interval_s, baud), meters, span);

            let mut kept: BTreeMap<_, BTreeSet<i64>> = BTreeMap::new();
            let mut probes: BTreeMap<_, usize> = BTreeMap::new();
            for pack in &packs {
                if pack.readings.iter().all(|reading| matches!(reading.value, Value::Absent(_))) {
                    *probes.entry(pack.meter).or_default() += 1;
                } else {
                    let slot = pack.instant / i64::from(interval_s);
                    kept.entry(pack.meter).or_default().insert(slot);
                }
            }
            // The last round begins a second before the end.
            let due = span / u64::from(interval_s) - 1;
            let shares = kept.values().map(|slots| (slots.len() as u64 * 1_000 / due).min(1_000));
            let shares: Vec<u64> = shares.collect();
            let worst = *shares.iter().min().unwrap();
            let mean = shares.iter().sum::<u64>() / shares.len() as u64;
            let most = *probes.values().max().unwrap();
            println!(
                "{interval_s:>6} s {baud:>6}  {name:8} {:>18}.{} % {:>4}.{} %  {span} s  {most:>5}",
                worst / 10,
                worst % 10,
                mean / 10,
                mean % 10
            );
            assert_eq!((shares.len(), probes.len()), (25, 5));
            assert!(950 <= worst, "{name}, each {interval_s} s: {worst} of 1000");
        }
    }
}
