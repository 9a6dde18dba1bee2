use proptest::prelude::*;

use super::*;

/// Readings each five minutes, amperes of three phases.
fn readings(phases: &[[i64; 3]]) -> Vec<Currents> {
    let reading = |(at, phases): (i64, &[i64; 3])| Currents {
        instant: at * 300,
        phases_ma: phases.map(|phase| phase * 1_000),
    };
    (0..).zip(phases).map(reading).collect()
}

#[test]
fn a_phase_that_carries_more_for_half_an_hour_is_found() {
    let (even, uneven) = ([100, 101, 99], [130, 85, 85]);
    let mut phases = vec![even; 3];
    phases.extend([uneven; 8]);
    phases.extend([even; 2]);

    let found = phase_imbalance(&readings(&phases), &ImbalanceLimits::default());

    let [spell] = &found[..] else { panic!("{found:?}") };
    assert_eq!((spell.from, spell.noticed, spell.until), (900, 2_700, Some(3_300)));
    assert_eq!(spell.evidence[0].amount, 300);
}

#[test]
fn a_motor_that_starts_and_small_currents_are_no_imbalance() {
    let mut start = vec![[100, 100, 100]; 3];
    start.extend([[200, 100, 100]; 5]);
    start.push([100, 100, 100]);

    assert_eq!(phase_imbalance(&readings(&start), &ImbalanceLimits::default()), []);
    assert_eq!(phase_imbalance(&readings(&[[6, 0, 0]; 30]), &ImbalanceLimits::default()), []);
}

#[test]
fn a_gap_begins_the_count_anew() {
    let mut readings = readings(&[[130, 85, 85]; 10]);
    for reading in &mut readings[5..] {
        reading.instant += 3_600;
    }

    assert_eq!(phase_imbalance(&readings, &ImbalanceLimits::default()), []);
}

#[test]
fn a_lost_phase_is_as_far_from_the_mean_as_it_can_be() {
    assert_eq!(imbalance_milli([0, 30_000, 30_000], 10_000), Some(1_000));
    assert_eq!(imbalance_milli([0, 0, 90_000], 10_000), Some(2_000));
    assert_eq!(imbalance_milli([-30_000, 30_000, 30_000], 10_000), Some(0));
    assert_eq!(imbalance_milli([0, 0, 0], 0), None);
}

proptest! {
    #[test]
    fn absurd_readings_do_not_panic_and_what_comes_later_changes_no_beginning(
        readings in proptest::collection::vec((any::<i64>(), any::<[i64; 3]>()), 0..200),
        until in 0_usize..200,
        in_order in any::<bool>(),
    ) {
        let mut readings: Vec<Currents> = readings
            .into_iter()
            .map(|(instant, phases_ma)| Currents { instant, phases_ma })
            .collect();
        if in_order {
            readings.sort_by_key(|it| it.instant);
        }
        let limits = ImbalanceLimits::default();

        let whole = phase_imbalance(&readings, &limits);
        let part = phase_imbalance(&readings[..until.min(readings.len())], &limits);

        let begins = |spells: &[Spell]| -> Vec<_> {
            spells.iter().map(|it| (it.from, it.noticed)).collect()
        };
        prop_assert_eq!(begins(&part), begins(&whole[..part.len()]));
    }
}
