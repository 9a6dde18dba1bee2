use proptest::prelude::*;

use super::*;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// What three meters behind a main one take in an hour: an office, a kitchen, a server room.
fn parts(hour: i64) -> [i64; 3] {
    let (day, of_day) = (hour / 24, hour % 24);
    let is_work = (8..18).contains(&of_day) && day % 7 < 5;
    let noise = |size: i64| (hour * 7_919 % 97) * size / 97;
    let office = if is_work { 8_000 } else { 1_500 };
    let kitchen = if is_work && (10..13).contains(&of_day) { 12_000 } else { 300 };
    [office + noise(900), kitchen + noise(200), 4_000 + noise(100)]
}

/// The corridors have no meter of their own.
fn rest(hour: i64) -> i64 {
    if (6..22).contains(&(hour % 24)) { 1_500 } else { 600 }
}

fn track(days: i64, amount: impl Fn(i64) -> Option<i64>) -> Track {
    Track { start: 0, step_s: HOUR, amounts: (0..days * 24).map(amount).collect() }
}

/// What is found if the meters behind show this of what they take.
fn found(days: i64, shown: impl Fn(usize, i64, i64) -> Option<i64>) -> Vec<Mismatch> {
    let main = track(days, |hour| Some(parts(hour).iter().sum::<i64>() + rest(hour)));
    let behind: Vec<Track> =
        (0..3).map(|part| track(days, |hour| shown(part, hour, parts(hour)[part]))).collect();
    sum_mismatch(&main, &behind, &SumLimits::default())
}

#[test]
fn meters_that_agree_as_ever_are_no_finding() {
    assert_eq!(found(90, |_, _, amount| Some(amount)), []);
}

#[test]
fn a_meter_that_lost_a_phase_is_named_after_three_days_and_over_after_its_repair() {
    let lost = |part: usize, hour: i64, amount: i64| {
        let is_lost = part == 2 && (40 * 24..50 * 24).contains(&hour);
        Some(if is_lost { amount * 2 / 3 } else { amount })
    };

    let early = found(42, lost);
    let open = found(43, lost);
    let over = found(60, lost);

    assert_eq!(early, []);
    let [mismatch] = &open[..] else { panic!("{open:?}") };
    assert_eq!((mismatch.spell.from, mismatch.spell.noticed), (40 * DAY, 43 * DAY));
    assert_eq!((mismatch.spell.until, mismatch.part), (None, Some(2)));
    assert!(mismatch.spell.evidence.iter().all(|it| it.limit < it.amount), "{mismatch:?}");
    let [mismatch] = &over[..] else { panic!("{over:?}") };
    assert_eq!((mismatch.spell.until, mismatch.part), (Some(50 * DAY), Some(2)));
}

#[test]
fn a_load_past_its_meter_is_found_and_nobody_is_named() {
    let main = track(50, |hour| {
        let past = if 40 * 24 <= hour { 4_000 } else { 0 };
        Some(parts(hour).iter().sum::<i64>() + rest(hour) + past)
    });
    let behind: Vec<Track> = (0..3).map(|part| track(50, |hour| Some(parts(hour)[part]))).collect();

    let found = sum_mismatch(&main, &behind, &SumLimits::default());

    let [mismatch] = &found[..] else { panic!("{found:?}") };
    assert_eq!((mismatch.spell.from, mismatch.part), (40 * DAY, None));
}

#[test]
fn a_main_meter_that_counts_less_than_those_behind_it_is_found_too() {
    let main = track(50, |hour| {
        let all = parts(hour).iter().sum::<i64>() + rest(hour);
        Some(if 40 * 24 <= hour { all * 2 / 3 } else { all })
    });
    let behind: Vec<Track> = (0..3).map(|part| track(50, |hour| Some(parts(hour)[part]))).collect();

    let found = sum_mismatch(&main, &behind, &SumLimits::default());

    let [mismatch] = &found[..] else { panic!("{found:?}") };
    assert_eq!((mismatch.spell.from, mismatch.part), (40 * DAY, None));
    assert!(mismatch.spell.evidence.iter().all(|it| it.amount < it.limit), "{mismatch:?}");
}

#[test]
fn a_rest_that_is_large_is_told_only_if_a_meter_explains_it() {
    let winter = |hour: i64| if 40 * 24 <= hour { 9_000 } else { 4_000 };
    let main = track(50, |hour| Some(parts(hour).iter().sum::<i64>() + rest(hour) + winter(hour)));
    let behind: Vec<Track> = (0..3).map(|part| track(50, |hour| Some(parts(hour)[part]))).collect();

    assert_eq!(sum_mismatch(&main, &behind, &SumLimits::default()), []);
}

#[test]
fn of_a_meter_that_is_silent_nothing_is_said() {
    let silent = |part: usize, hour: i64, amount: i64| {
        (part != 0 || hour < 40 * 24 || 3 < hour % 24).then_some(amount)
    };
    let gone = |part: usize, hour: i64, amount: i64| {
        (part != 0 || hour < 40 * 24 || 20 < hour % 24).then_some(amount)
    };

    assert_eq!(found(50, silent), []);
    assert_eq!(found(50, gone), []);
}

#[test]
fn nothing_panics_or_floods() {
    for (length, amount) in [(0, Some(1)), (1, Some(1)), (5_000, None), (5_000, Some(-4))] {
        for part in [Some(0), Some(i64::MAX), amount] {
            let main = Track { start: 0, step_s: HOUR, amounts: vec![amount; length] };
            let part = Track { start: 0, step_s: HOUR, amounts: vec![part; length] };

            assert_eq!(sum_mismatch(&main, &[part], &SumLimits::default()), []);
            assert_eq!(sum_mismatch(&main, &[], &SumLimits::default()), []);
        }
    }
}

proptest! {
    #[test]
    fn what_was_said_is_not_changed_by_what_comes_later(
        from in 15_i64..45, length in 1_i64..20, part in 0_usize..3, tenths in 0_i64..30, cut in 10_i64..60,
    ) {
        let wrong = |at: usize, hour: i64, amount: i64| {
            let is_wrong = at == part && (from * 24..(from + length) * 24).contains(&hour);
            Some(if is_wrong { amount * tenths / 10 } else { amount })
        };
        let told = |days: i64| -> Vec<(i64, Option<usize>)> {
            let seen = found(days, wrong).into_iter();
            let seen = seen.filter(|it| it.spell.noticed <= cut * DAY);
            seen.map(|it| (it.spell.from, it.part)).collect()
        };

        prop_assert_eq!(told(60), told(cut));
    }
}
