use proptest::prelude::*;

use super::*;

const DAY: usize = 24;

/// A building of people: nobody draws water from 0 to 6, everybody a little by day, never
/// twice the same.
fn days(count: usize) -> Vec<i64> {
    (0..count * DAY)
        .map(|hour| match hour % DAY {
            0..6 => 0,
            of_day => 10_000 + i64::try_from((hour * 7_919 + of_day * 31) % 40).unwrap() * 1_000,
        })
        .collect()
}

fn hours(amounts: &[i64]) -> Track {
    Track { start: 0, step_s: 3_600, amounts: amounts.iter().copied().map(Some).collect() }
}

fn found(amounts: &[i64]) -> Water {
    water(&hours(amounts), &WaterLimits::default())
}

fn hour(spell: &Spell) -> (i64, i64, Option<i64>) {
    (spell.from / 3_600, spell.noticed / 3_600, spell.until.map(|it| it / 3_600))
}

#[test]
fn a_building_whose_nights_rest_has_no_finding() {
    assert_eq!(found(&days(120)), Water::default());
}

#[test]
fn a_leak_is_found_within_two_days_and_ends_with_the_repair() {
    let mut amounts = days(60);
    for amount in &mut amounts[30 * DAY..40 * DAY] {
        *amount += 5_000;
    }

    let found = found(&amounts);

    let leaks: Vec<_> = found.leaks.iter().map(hour).collect();
    // The last hours of the day before drew water too.
    assert_eq!(leaks, [(29 * 24 + 6, 29 * 24 + 6 + 36, Some(40 * 24))]);
    let lost = found.leaks[0].waste;
    assert!((1_150_000..1_350_000).contains(&lost), "{lost}: 10 days at 5 L/h are 1,200 L");
    assert_eq!((found.bursts.len(), found.toilets.len()), (0, 0));
}

#[test]
fn a_meter_that_never_rests_leaks_when_its_smallest_hour_rises() {
    let mut amounts: Vec<i64> = days(60).iter().map(|it| it + 20_000).collect();
    for amount in &mut amounts[40 * DAY..50 * DAY] {
        *amount += 8_000;
    }

    let found = found(&amounts);

    assert_eq!(found.leaks.len(), 1, "{found:?}");
    assert!((39 * 24..=40 * 24).contains(&hour(&found.leaks[0]).0));
}

#[test]
fn a_burst_is_found_within_three_hours_and_is_no_leak() {
    let mut amounts = days(60);
    for amount in &mut amounts[40 * DAY..42 * DAY] {
        *amount += 300_000;
    }

    let found = found(&amounts);

    let bursts: Vec<_> = found.bursts.iter().map(hour).collect();
    assert_eq!(bursts, [(960, 963, Some(1_008))]);
    assert!((14_000_000..16_000_000).contains(&found.bursts[0].waste), "{found:?}");
    assert_eq!((found.leaks.len(), found.toilets.len()), (0, 0));
}

#[test]
fn a_burst_is_found_beside_a_gap() {
    let mut amounts = days(60);
    for amount in &mut amounts[40 * DAY..41 * DAY] {
        *amount += 300_000;
    }
    let mut track = hours(&amounts);
    track.amounts[40 * DAY + 1] = None;

    let found = water(&track, &WaterLimits::default());

    assert_eq!(found.bursts.first().map(|it| it.noticed / 3_600), Some(963));
}

#[test]
fn a_toilet_that_runs_with_pauses_is_no_leak() {
    let mut amounts = days(60);
    for (hour, amount) in amounts.iter_mut().enumerate().take(43 * DAY).skip(40 * DAY) {
        if hour % 5 < 3 {
            *amount += 30_000;
        }
    }

    let found = found(&amounts);

    assert_eq!((found.leaks.len(), found.bursts.len(), found.toilets.len()), (0, 0, 1));
    let toilet = &found.toilets[0];
    assert!(toilet.noticed <= (40 * 24 + 30) * 3_600, "{toilet:?}");
    assert!(toilet.until.is_some_and(|it| it < 44 * 86_400), "{toilet:?}");
}

#[test]
fn nothing_is_said_while_it_learns() {
    let mut amounts = days(60);
    for amount in &mut amounts[..12 * DAY] {
        *amount += 300_000;
    }

    let found = found(&amounts[..13 * DAY]);

    assert_eq!(found, Water::default());
}

#[test]
fn quarter_hours_say_the_same_as_hours() {
    let mut amounts = days(60);
    for amount in &mut amounts[30 * DAY..40 * DAY] {
        *amount += 4_000;
    }
    for amount in &mut amounts[50 * DAY..51 * DAY] {
        *amount += 400_000;
    }
    let quarters = amounts.iter().flat_map(|it| [Some(it / 4); 4]).collect();
    let track = Track { start: 0, step_s: 900, amounts: quarters };

    assert_eq!(water(&track, &WaterLimits::default()), found(&amounts));
}

#[test]
fn nothing_panics_or_floods() {
    let lengths = [0, 1, 30 * DAY, 3_660 * DAY];
    for (length, amount) in lengths.iter().flat_map(|it| {
        [None, Some(0), Some(-5_000), Some(7_000), Some(i64::MAX), Some(i64::MIN)].map(|a| (*it, a))
    }) {
        let track = Track { start: 0, step_s: 3_600, amounts: vec![amount; length] };

        let found = water(&track, &WaterLimits::default());

        assert_eq!(found, Water::default(), "{length} times {amount:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 10))]

    // What was said of a part of the readings is said of all of them, from the same
    // beginning: nothing that comes later is needed, whatever the batch.
    #[test]
    fn nothing_after_the_notice_is_needed(
        added in proptest::collection::vec((14_usize..56, 1_usize..8, 0_i64..400), 0..4),
        gaps in proptest::collection::vec(0_usize..60 * DAY, 0..80),
        cut in 20_usize * DAY..60 * DAY,
    ) {
        let mut track = hours(&days(60));
        for (day, length, litres) in added {
            for cell in track.amounts.iter_mut().skip(day * DAY).take(length * DAY) {
                *cell = cell.map(|it| it + litres * 1_000);
            }
        }
        for gap in gaps {
            track.amounts[gap] = None;
        }
        let mut part = track.clone();
        part.amounts.truncate(cut);

        let (whole, part) = (water(&track, &WaterLimits::default()), water(&part, &WaterLimits::default()));

        let end = track.instant(cut);
        for (whole, part) in [
            (&whole.bursts, &part.bursts),
            (&whole.leaks, &part.leaks),
            (&whole.toilets, &part.toilets),
        ] {
            let said = |spells: &[Spell]| -> Vec<(i64, i64)> {
                spells.iter().filter(|it| it.noticed <= end).map(|it| (it.from, it.noticed)).collect()
            };
            prop_assert_eq!(said(whole), said(part));
        }
    }
}
