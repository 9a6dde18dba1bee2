use proptest::prelude::*;

use super::*;

const DAY_S: i64 = 86_400;
const KWH: i64 = 1_000_000;

/// Days of hours of 10 kWh each, and of so much reactive energy for each of them.
fn tracks(per_hour: &[Option<i64>]) -> (Track, Track) {
    let hours = |amount: &dyn Fn(usize) -> Option<i64>| Track {
        start: 0,
        step_s: 3_600,
        amounts: (0..per_hour.len() * 24).map(amount).collect(),
    };
    (hours(&|_| Some(10 * KWH)), hours(&|hour| per_hour[hour / 24].map(|it| it * KWH)))
}

fn look((active, reactive): &(Track, Track)) -> Vec<Spell> {
    power_factor_low(active, reactive, &TimeZone::UTC, &FactorLimits::default())
}

#[test]
fn two_days_below_the_limit_are_found_and_a_good_one_ends_it() {
    // 10 and 4 make 0.928, 10 and 6 make 0.857.
    let found =
        look(&tracks(&[Some(4), Some(6), Some(4), Some(6), Some(6), None, Some(6), Some(4)]));

    let [spell] = &found[..] else { panic!("{found:?}") };
    assert_eq!((spell.from, spell.noticed), (3 * DAY_S, 5 * DAY_S));
    assert_eq!(spell.until, Some(7 * DAY_S));
    assert_eq!(spell.evidence.iter().map(|it| it.amount).collect::<Vec<_>>(), [857, 857, 857]);
    // 0.9 allows 4.843 for each 10.
    let expected = 3 * 24 * 1_157_000;
    assert!((spell.waste - expected).abs() < expected / 100, "{}", spell.waste);
}

#[test]
fn the_day_under_way_and_a_day_without_load_are_not_judged() {
    let mut under_way = tracks(&[Some(6), Some(6)]);
    for track in [&mut under_way.0, &mut under_way.1] {
        track.amounts.truncate(40);
    }
    let mut idle = tracks(&[Some(6), Some(6), Some(6)]);
    idle.0.amounts.fill(Some(1));

    assert_eq!(look(&under_way), []);
    assert_eq!(look(&idle), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 4))]

    #[test]
    fn absurd_series_do_not_panic_and_what_comes_later_changes_no_beginning(
        active in proptest::collection::vec(proptest::option::of(any::<i64>()), 0..300),
        reactive in proptest::collection::vec(proptest::option::of(any::<i64>()), 0..300),
        start in prop_oneof![Just(0_i64), Just(i64::MAX), Just(i64::MIN)],
        until in 0_usize..300,
    ) {
        let track = |amounts: &[Option<i64>]| Track { start, step_s: 3_600, amounts: amounts.to_vec() };
        let both = (track(&active), track(&reactive));
        let cut = |amounts: &[Option<i64>]| track(&amounts[..until.min(amounts.len())]);
        let before = (cut(&active), cut(&reactive));

        let (whole, part) = (look(&both), look(&before));

        let begins = |spells: &[Spell]| -> Vec<_> {
            spells.iter().map(|it| (it.from, it.noticed)).collect()
        };
        prop_assert_eq!(begins(&part), begins(&whole[..part.len()]));
    }
}
