use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60;
const HOUR: i64 = 60 * MINUTE;
const NOON: i64 = 1_763_000_000;

/// A meter that is read each minute from noon on, each reading a second under way; `off` says
/// how far the clock is ahead in each minute.
fn read(minutes: std::ops::Range<i64>, off: impl Fn(i64) -> i64) -> Vec<Heard> {
    minutes
        .map(|minute| {
            let taken = NOON + minute * MINUTE;
            Heard { instant: taken + off(minute), received: taken + 1 }
        })
        .collect()
}

fn found(heard: &[Heard]) -> Vec<(i64, i64, Option<i64>, i64)> {
    let at = |instant: i64| (instant - NOON).div_euclid(MINUTE);
    clock_wrong(heard, 60, &ClockLimits::default())
        .iter()
        .map(|it| (at(it.from), at(it.noticed), it.until.map(at), it.evidence[0].amount))
        .collect()
}

#[test]
fn a_clock_that_is_right_or_a_minute_off_is_not_spoken_of() {
    assert_eq!(found(&read(0..600, |_| 0)), []);
    assert_eq!(found(&read(0..600, |_| 110)), []);
    assert_eq!(found(&read(0..600, |_| -110)), []);
}

#[test]
fn local_time_that_is_called_universal_is_found_within_an_hour_and_ends_when_set() {
    let heard = read(0..300, |minute| if minute < 200 { 8 * HOUR } else { 0 });

    assert_eq!(found(&heard), [(0, 60, Some(200), -8 * HOUR)]);
}

#[test]
fn a_clock_that_was_set_wrongly_is_wrong_from_then_on() {
    let heard = read(0..300, |minute| if minute < 100 { 0 } else { -10 * MINUTE });

    assert_eq!(found(&heard), [(100, 160, None, 10 * MINUTE)]);
}

#[test]
fn a_clock_that_loses_a_second_a_minute_is_found_while_it_does() {
    // Two minutes behind after two hours, and an hour to be sure.
    let heard = read(0..300, |minute| -minute);

    let found = found(&heard);

    assert_eq!(found.len(), 1);
    assert_eq!((found[0].0, found[0].1, found[0].2), (120, 180, None));
}

#[test]
fn what_was_held_back_for_three_days_is_no_wrong_clock() {
    // The newest first and old ones between, as our nodes send them.
    let held = (0..4_000).map(|minute| Heard {
        instant: NOON - 72 * HOUR + minute * MINUTE,
        received: NOON + minute * 2,
    });
    let mut heard = read(0..200, |_| 0);
    heard.extend(held.clone());
    assert_eq!(found(&heard), []);

    // In order, as others do.
    assert_eq!(found(&held.collect::<Vec<_>>()), []);
}

#[test]
fn a_device_that_sends_a_day_at_once_is_no_wrong_clock() {
    let day = |day: i64| {
        (0..96).map(move |quarter| Heard {
            instant: NOON + day * 24 * HOUR + quarter * 15 * MINUTE,
            received: NOON + (day * 24 + 27) * HOUR,
        })
    };
    let heard: Vec<Heard> = (0..30).flat_map(day).collect();

    assert_eq!(clock_wrong(&heard, 900, &ClockLimits::default()), []);
}

#[test]
fn the_evidence_is_how_late_and_what_is_allowed() {
    let heard = read(0..61, |_| -HOUR);

    let spells = clock_wrong(&heard, 60, &ClockLimits::default());

    let evidence = Evidence { start: NOON + HOUR + 1, amount: HOUR, limit: 120 };
    assert_eq!(spells[0].evidence, [evidence]);
    assert_eq!(spells[0].waste, 0);
}

proptest! {
    #[test]
    fn order_and_repetition_say_nothing_and_nothing_panics(
        mut heard in proptest::collection::vec((any::<i64>(), 0..1_000_000_i64), 0..200),
        turn in any::<usize>(),
        interval_s in 0..100_000_u32,
    ) {
        let of = |it: &[(i64, i64)]| {
            let heard: Vec<Heard> =
                it.iter().map(|&(instant, received)| Heard { instant, received }).collect();
            clock_wrong(&heard, interval_s, &ClockLimits::default())
        };
        let once = of(&heard);
        let count = heard.len().max(1);
        heard.rotate_left(turn % count);
        heard.extend_from_within(..heard.len() / 2);

        prop_assert_eq!(of(&heard), once);
    }
}
