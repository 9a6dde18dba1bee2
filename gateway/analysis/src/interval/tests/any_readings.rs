//! What holds for any readings: order, duplication, conservation, batch borders.

use proptest::prelude::*;

use super::*;

/// What may happen to a run of readings.
#[derive(Clone, Debug)]
enum Fault {
    Zeros(usize, usize),
    Dip(usize, usize, i64),
    Spike(usize, i64),
    Reset(usize),
    Lost(usize, usize),
}

fn fault() -> impl Strategy<Value = Fault> {
    let at = 0..300_usize;
    prop_oneof![
        (at.clone(), 1..20_usize).prop_map(|(at, count)| Fault::Zeros(at, count)),
        (at.clone(), 1..5_usize, 2..50_i64).prop_map(|(at, n, part)| Fault::Dip(at, n, part)),
        (at.clone(), 1..1_000_000_i64).prop_map(|(at, rise)| Fault::Spike(at, rise)),
        at.clone().prop_map(Fault::Reset),
        (at, 1..120_usize).prop_map(|(at, count)| Fault::Lost(at, count)),
    ]
}

/// Readings of one counter: any rates, any distances, any of the faults.
fn history() -> impl Strategy<Value = Vec<CounterReading>> {
    let steps = prop::collection::vec((1..2_000_i64, 0..500_i64), 30..300);
    (0..1_000_000_i64, steps, prop::collection::vec(fault(), 0..6)).prop_map(
        |(start, steps, faults)| {
            let mut now = reading(hour(1), start);
            let mut readings = vec![now];
            for (seconds, amount) in steps {
                now = reading(now.instant + seconds, now.value + amount);
                readings.push(now);
            }
            for fault in faults {
                apply(&mut readings, &fault);
            }
            readings
        },
    )
}

fn apply(readings: &mut Vec<CounterReading>, fault: &Fault) {
    let len = readings.len();
    let within = |from: usize, count: usize| from.min(len)..(from + count).min(len);
    match *fault {
        Fault::Zeros(at, count) => {
            readings[within(at, count)].iter_mut().for_each(|r| r.value = 0);
        }
        Fault::Dip(at, count, part) => {
            readings[within(at, count)].iter_mut().for_each(|r| r.value -= r.value / part);
        }
        Fault::Spike(at, rise) => {
            readings[within(at, 1)].iter_mut().for_each(|r| r.value += rise);
        }
        Fault::Reset(at) => {
            let first = readings.get(at).map_or(0, |r| r.value);
            readings[within(at, len)].iter_mut().for_each(|r| r.value = (r.value - first).max(0));
        }
        Fault::Lost(at, count) => {
            readings.drain(within(at, count));
        }
    }
}

/// Everything the history may say, and two hours on both sides.
fn whole(readings: &[CounterReading]) -> Span {
    let first = readings.iter().map(|r| r.instant).min().unwrap_or(hour(0));
    let last = readings.iter().map(|r| r.instant).max().unwrap_or(hour(0));
    span(first - 7200, last + 7200)
}

fn any_rules() -> impl Strategy<Value = CounterRules> {
    (
        prop_oneof![Just(None), Just(Some(1_200_000_i64))],
        prop_oneof![Just(None), Just(Some(3_000_000_i64))],
    )
        .prop_map(|(rollover, rate_max)| rules().rolling_over_at(rollover).at_most(rate_max))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn order_and_duplication_change_nothing(
        readings in history(),
        rules in any_rules(),
        seed in any::<u64>(),
    ) {
        let mut shuffled = readings.clone();
        shuffled.extend(readings.iter().step_by(3).copied());
        let mut state = seed;
        for index in (1..shuffled.len()).rev() {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let other = usize::try_from(state >> 33).unwrap() % (index + 1);
            shuffled.swap(index, other);
        }

        prop_assert_eq!(
            consumption(&shuffled, &[], &rules, None, whole(&readings)),
            consumption(&readings, &[], &rules, None, whole(&readings))
        );
    }

    #[test]
    fn the_intervals_add_up_to_the_last_reading_minus_the_first(
        readings in history(),
        rules in any_rules(),
    ) {
        let shape = |_: i64, start: i64| Some(start / 900 % 7);
        for shape in [None, Some(&shape as Shape<'_>)] {
            let found = consumption(&readings, &[], &rules, shape, whole(&readings));

            let dismissed: Vec<_> = found.suspects.iter().map(|s| s.reading).collect();
            let counting: Vec<_> =
                readings.iter().filter(|r| !dismissed.contains(r)).collect();
            let (Some(first), Some(last)) = (counting.first(), counting.last()) else {
                prop_assert_eq!(totals(&found.intervals).0, 0);
                continue;
            };
            let broken: i64 = found
                .breaks
                .iter()
                .map(|b| b.amount.unwrap_or(0) - (b.after.value - b.before.value))
                .sum();
            let (measured, estimated, _) = totals(&found.intervals);
            prop_assert_eq!(measured + estimated, last.value - first.value + broken);
        }
    }

    #[test]
    fn amounts_are_never_negative_and_seconds_add_up(
        readings in history(),
        rules in any_rules(),
    ) {
        let found = consumption(&readings, &[], &rules, None, whole(&readings));

        for interval in &found.intervals {
            prop_assert!(0 <= interval.measured && 0 <= interval.estimated, "{:?}", interval);
            prop_assert!(interval.missing_s + interval.estimated_s <= WHOLE_S, "{:?}", interval);
            prop_assert!(interval.missing_s < WHOLE_S || interval.amount() == 0, "{:?}", interval);
        }
    }

    #[test]
    fn a_span_split_at_any_border_gives_the_same_intervals(
        readings in history(),
        rules in any_rules(),
        share in 0..1000_i64,
    ) {
        let all = whole(&readings).aligned();
        let border = interval_start(all.from + (all.to - all.from) * share / 1000);

        let mut parts =
            consumption(&readings, &[], &rules, None, span(all.from, border)).intervals;
        parts.extend(consumption(&readings, &[], &rules, None, span(border, all.to)).intervals);

        prop_assert_eq!(parts, consumption(&readings, &[], &rules, None, all).intervals);
    }

    #[test]
    fn later_readings_change_nothing_that_was_settled(
        readings in history(),
        rules in any_rules(),
        share in 0..1000_usize,
    ) {
        let known = readings.len() * share / 1000;

        let early = consumption(&readings[..known], &[], &rules, None, whole(&readings));
        let late = consumption(&readings, &[], &rules, None, whole(&readings));

        if let Some(settled) = early.settled_until {
            let settled = |found: &Consumption| {
                found.intervals.iter().copied().filter(|i| i.end() <= settled).collect::<Vec<_>>()
            };
            prop_assert_eq!(settled(&early), settled(&late));
        }
    }

    #[test]
    fn a_batch_that_begins_two_counting_readings_earlier_gives_the_same(
        readings in history(),
        rules in any_rules(),
        share in 0..1000_usize,
    ) {
        let all = consumption(&readings, &[], &rules, None, whole(&readings));
        let dismissed: Vec<_> = all.suspects.iter().map(|s| s.reading).collect();
        let counting: Vec<_> = (0..readings.len())
            .filter(|&index| !dismissed.contains(&readings[index]) && readings[index].value != 0)
            .collect();
        let begin = counting.len() * share / 1000;
        let Some(&[first, second]) = counting.get(begin..begin + 2) else { return Ok(()) };
        let asked = Span { from: readings[second].instant, to: whole(&readings).to };
        let asked = span(interval_start(asked.from) + INTERVAL_S, asked.to).aligned();

        let part = consumption(&readings[first..], &[], &rules, None, asked);

        let same = all.intervals.iter().copied().filter(|i| asked.from <= i.start);
        prop_assert_eq!(part.intervals, same.collect::<Vec<_>>());
    }

    #[test]
    fn a_swap_with_its_event_changes_nothing(
        steps in prop::collection::vec((1..2_000_i64, 1..500_i64), 2..200),
        share in 0..1000_usize,
        first in 0..1_000_000_i64,
    ) {
        let mut now = reading(hour(1), 1_000);
        let mut readings = vec![now];
        for (seconds, amount) in steps {
            now = reading(now.instant + seconds, now.value + amount);
            readings.push(now);
        }
        let swapped = readings[1 + (readings.len() - 1) * share / 1000];
        let mut with_swap = readings.clone();
        for reading in with_swap.iter_mut().filter(|r| swapped.instant <= r.instant) {
            reading.value = reading.value - swapped.value + first;
        }
        let swap = MeterEvent::swap(swapped.instant, swapped.value, first);

        let found = consumption(&with_swap, &[swap], &rules(), None, whole(&readings));

        let expected = consumption(&readings, &[], &rules(), None, whole(&readings));
        prop_assert_eq!(found.intervals, expected.intervals);
        prop_assert_eq!((found.suspects, found.breaks), (vec![], vec![]));
    }

    #[test]
    fn any_numbers_at_all_are_survived(
        numbers in prop::collection::vec((any::<i32>(), any::<i64>()), 0..60),
        swap in (any::<i32>(), any::<i64>(), any::<i64>()),
        rules in any_rules(),
    ) {
        let readings: Vec<_> =
            numbers.iter().map(|&(instant, value)| reading(i64::from(instant), value)).collect();
        let swap = MeterEvent::swap(i64::from(swap.0), swap.1, swap.2);

        let found = consumption(&readings, &[swap], &rules, None, span(0, DAY_S));

        prop_assert_eq!(found.intervals.len(), 96);
    }
}
