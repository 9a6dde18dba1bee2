//! What a largest rate tells: a dip whose end stands above its level, and a jump.

use proptest::prelude::*;

use super::*;

/// A quarter hour's readings of 900 each, where 1,000 is the most.
fn near_the_limit() -> Vec<CounterReading> {
    (0..16).map(|q| reading(hour(0) + q * 900, 9_000 + 900 * q)).collect()
}

fn limited() -> CounterRules {
    rules().at_most(Some(4_000))
}

#[test]
fn the_end_of_a_dip_that_stands_above_its_level_is_no_return() {
    // Two readings lack 1,000; the second of them stands above the level before the dip.
    let mut readings = near_the_limit();
    readings[5].value -= 1_000;
    readings[6].value -= 1_000;

    let found = consumption(&readings, &[], &limited(), None, span(hour(0), hour(3)));

    let suspects: Vec<_> = found.suspects.iter().map(|it| (it.reading, it.reason)).collect();
    let dips = [readings[5], readings[6]].map(|it| (it, SuspectReason::Dip));
    assert_eq!((suspects, found.breaks), (dips.to_vec(), vec![]));
    let (measured, estimated, missing) = totals(&found.intervals);
    // From the reading before the dip to the one after it there are 45 minutes: a gap.
    assert_eq!((measured, estimated, missing), (9 * 900, 3 * 900, 0));
}

#[test]
fn a_jump_after_a_sound_reading_stays_a_jump() {
    // Six hours without a reading, one sound one, and a meter that was swapped for another:
    // that the jump would fit into the six hours is no reason to doubt the sound one.
    let mut readings: Vec<_> =
        (0..4).map(|q| reading(hour(0) + q * 900, 9_000 + 200 * q)).collect();
    readings.push(reading(hour(7), 9_000 + 200 * 28));
    readings.extend((29..40).map(|q| reading(hour(0) + q * 900, 15_000 + 200 * q)));

    let found = consumption(&readings, &[], &limited(), None, span(hour(0), hour(10)));

    let kinds: Vec<_> = found.breaks.iter().map(|it| it.kind).collect();
    assert_eq!((kinds, found.suspects.len()), (vec![BreakKind::Jump], 0));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_dip_that_ends_above_its_level_is_no_jump(
        steps in prop::collection::vec(400..=1_000_i64, 20..60),
        poll_s in prop::sample::select(vec![60_i64, 900]),
        outage in 0..40_i64,
        at in 4..12_usize,
        share in 0..1000_i64,
    ) {
        // What can go through at most between two polls is 1000.
        let rules = CounterRules::polled_every(900).at_most(Some(1_000 * 3_600 / poll_s));
        let mut now = reading(hour(1), 50_000);
        let mut readings = vec![now];
        for (index, step) in steps.iter().enumerate() {
            // Nothing was read for a while before the dip.
            let polls = if index + 1 == at { 1 + outage } else { 1 };
            now = reading(now.instant + polls * poll_s, now.value + polls * step);
            readings.push(now);
        }
        let level = readings[at - 1].value;
        let (first, second) = (readings[at].value, readings[at + 1].value);
        let depth = (first - level + 1) + (second - first - 2) * share / 1000;
        for dipped in &mut readings[at..at + 2] {
            dipped.value -= depth;
        }

        let found = consumption(&readings, &[], &rules, None, span(hour(0), readings[readings.len() - 1].instant + 7_200));

        let last = readings.last().unwrap();
        let (measured, estimated, _) = totals(&found.intervals);
        let undecided = found.suspects.iter().any(|it| it.reason == SuspectReason::Undecided);
        prop_assert!(readings[at].value < level && level < readings[at + 1].value);
        prop_assert_eq!(&found.breaks, &[]);
        if !undecided {
            prop_assert_eq!(measured + estimated, last.value - readings[0].value);
        }
    }
}
