use proptest::prelude::*;

use super::*;

const DAY: usize = 24;

/// An office: a quiet night, a busy day, quieter weekends, never twice the same.
fn days(count: usize) -> Vec<i64> {
    (0..count * DAY)
        .map(|hour| {
            let noise = i64::try_from((hour * 7_919) % 97).unwrap() * 50;
            let (of_day, weekday) = (hour % DAY, hour / DAY % 7);
            match (of_day, weekday) {
                (7..19, 0..5) => 100_000 + noise * 4,
                (_, 0..5) => 30_000 + noise,
                _ => 25_000 + noise,
            }
        })
        .collect()
}

fn hours(amounts: &[i64]) -> Track {
    Track { start: 0, step_s: 3_600, amounts: amounts.iter().copied().map(Some).collect() }
}

fn found(track: &Track) -> MeterFaults {
    meter_faults(track, None, &MeterLimits::default())
}

fn hour(spell: &Spell) -> (i64, i64, Option<i64>) {
    (spell.from / 3_600, spell.noticed / 3_600, spell.until.map(|it| it / 3_600))
}

#[test]
fn an_ordinary_office_has_no_fault() {
    assert_eq!(found(&hours(&days(200))), MeterFaults::default());
}

#[test]
fn a_rest_with_its_sum_after_it_is_one_finding_and_no_spike() {
    let mut amounts = days(60);
    let missing: i64 = amounts[960..980].iter().sum();
    amounts[960..980].fill(0);
    amounts[980] += missing;

    let faults = found(&hours(&amounts));

    let [Standstill::Rest(spell, true)] = faults.standstills.as_slice() else {
        panic!("{faults:?}");
    };
    assert_eq!(hour(spell), (960, 966, Some(981)));
    assert_eq!((faults.spikes.len(), faults.scales.len()), (0, 0));
}

#[test]
fn hours_too_few_for_a_standstill_with_their_sum_after_them_are_no_spike() {
    let mut amounts = days(60);
    let missing: i64 = amounts[1066..1070].iter().sum();
    amounts[1066..1070].fill(0);
    amounts[1070] += missing;

    let faults = found(&hours(&amounts));

    let [spell] = faults.catch_ups.as_slice() else { panic!("{faults:?}") };
    assert_eq!(hour(spell), (1066, 1072, Some(1071)));
    let evidence = spell.evidence[0];
    assert_eq!((evidence.start, evidence.amount), (1070 * 3_600, amounts[1070]));
    assert!((evidence.limit - missing).abs() < missing / 10, "{evidence:?} {missing}");
    assert_eq!((faults.spikes.len(), faults.standstills.len()), (0, 0));
}

#[test]
fn far_more_than_was_missing_is_a_spike_and_no_sum() {
    let mut amounts = days(60);
    amounts[1066..1070].fill(0);
    amounts[1070] = 50_000_000;

    let faults = found(&hours(&amounts));

    assert_eq!((faults.spikes.len(), faults.catch_ups.len()), (1, 0));
}

#[test]
fn a_rest_without_its_sum_is_told_as_such() {
    let mut amounts = days(60);
    amounts[960..980].fill(0);

    let faults = found(&hours(&amounts));

    assert!(matches!(faults.standstills.as_slice(), [Standstill::Rest(_, false)]), "{faults:?}");
}

#[test]
fn ten_days_of_absence_are_not_what_is_usual_afterwards() {
    let mut amounts = days(100);
    amounts[3 * DAY..13 * DAY].fill(0);
    amounts[60 * DAY..65 * DAY].fill(0);
    let limits =
        MeterLimits { standstill: StandstillLimits::by_people(), ..MeterLimits::default() };

    let faults = meter_faults(&hours(&amounts), None, &limits);

    let rests = faults.standstills.iter().map(|it| it.spell().from / 3_600);
    assert!(rests.eq([60 * 24]), "{faults:?}");
}

#[test]
fn a_meter_that_rests_every_night_is_not_accused() {
    let mut amounts = days(60);
    for (hour, amount) in amounts.iter_mut().enumerate() {
        if !(7..19).contains(&(hour % DAY)) {
            *amount = 0;
        }
    }

    assert_eq!(found(&hours(&amounts)), MeterFaults::default());
}

#[test]
fn the_same_amount_for_a_day_and_a_night_is_stuck() {
    let mut amounts = days(60);
    let stuck = amounts[959];
    amounts[960..996].fill(stuck);

    let faults = found(&hours(&amounts));

    let [Standstill::Same(spell)] = faults.standstills.as_slice() else { panic!("{faults:?}") };
    assert_eq!(hour(spell), (960, 984, Some(996)));
}

#[test]
fn a_meter_that_never_counted_is_told_after_a_week() {
    let faults = found(&hours(&[0; 10 * DAY]));

    let [Standstill::Rest(spell, false)] = faults.standstills.as_slice() else {
        panic!("{faults:?}");
    };
    assert_eq!(hour(spell), (0, 168, None));
}

#[test]
fn an_hour_of_six_times_the_most_is_a_spike_as_soon_as_it_is_over() {
    let mut amounts = days(60);
    amounts[1_000] = 720_000;

    let faults = found(&hours(&amounts));

    assert_eq!(faults.spikes.iter().map(hour).collect::<Vec<_>>(), [(1_000, 1_002, Some(1_001))]);
    assert_eq!((faults.standstills.len(), faults.scales.len()), (0, 0));
}

#[test]
fn twice_as_much_at_every_hour_is_a_change_of_scale_until_it_is_back() {
    let mut amounts = days(90);
    for amount in &mut amounts[45 * DAY..55 * DAY] {
        *amount *= 2;
    }

    let faults = found(&hours(&amounts));

    let scales: Vec<_> = faults.scales.iter().map(hour).collect();
    let [(from, noticed, Some(until))] = scales.as_slice() else { panic!("{scales:?}") };
    assert_eq!(*from, 45 * 24);
    assert!(*noticed <= 48 * 24 && (54 * 24..57 * 24).contains(until), "{scales:?}");
    let evidence = faults.scales[0].evidence[0];
    let factor = evidence.amount * 100 / evidence.limit;
    assert!((185..215).contains(&factor), "{factor}");
}

#[test]
fn a_change_of_scale_is_found_on_a_meter_that_is_accused_of_one_already() {
    let mut amounts = days(110);
    for (hour, amount) in amounts.iter_mut().enumerate() {
        match hour / DAY {
            60..70 | 80.. => *amount = *amount * 17 / 10,
            70..80 => *amount = *amount * 34 / 10,
            _ => {}
        }
    }

    let faults = found(&hours(&amounts));

    let scales: Vec<_> = faults.scales.iter().map(hour).collect();
    let [(1_440, _, _), (from, noticed, Some(until))] = scales.as_slice() else {
        panic!("{scales:?}")
    };
    assert_eq!(*from, 70 * 24);
    assert!((74 * 24..=75 * 24).contains(noticed), "{scales:?}");
    assert!((79 * 24..82 * 24).contains(until), "{scales:?}");
}

#[test]
fn twice_as_much_by_day_alone_is_use_and_no_change_of_scale() {
    let mut amounts = days(90);
    for (hour, amount) in amounts.iter_mut().enumerate().skip(45 * DAY) {
        if (7..19).contains(&(hour % DAY)) {
            *amount *= 2;
        }
    }

    assert_eq!(found(&hours(&amounts)).scales, []);
}

#[test]
fn a_unit_that_changed_in_an_outage_of_a_year_is_found_by_season_and_by_temperature() {
    // Heating: the colder, the more; the year after the outage in another unit.
    let degrees = |day: usize| -> i64 {
        let of_year = i64::try_from(day % 365).unwrap();
        let from_summer = (of_year - 182).abs();
        20_000 - from_summer * 110 + i64::try_from(day * 37 % 11).unwrap() * 300
    };
    let mut track = hours(&vec![0; 1_200 * DAY]);
    let mut temperature = track.clone();
    for hour in 0..1_200 * DAY {
        let cold = (18_000 - degrees(hour / DAY)).max(500) + i64::try_from(hour % 7).unwrap() * 50;
        temperature.amounts[hour] = Some(degrees(hour / DAY));
        track.amounts[hour] = match hour / DAY {
            0..500 => Some(cold * 100),
            500..865 => None,
            _ => Some(cold * 100 / 28),
        };
    }

    for temperature in [None, Some(&temperature)] {
        let limits = MeterLimits { scale: ScaleLimits::weather_driven(), ..Default::default() };
        let faults = meter_faults(&track, temperature, &limits);

        let scales: Vec<_> = faults.scales.iter().map(hour).collect();
        let [(from, noticed, None)] = scales.as_slice() else { panic!("{scales:?}") };
        assert_eq!(*from, 865 * 24);
        assert!(*noticed <= (865 + 14) * 24, "{scales:?}");
        assert!(matches!(faults.standstills.as_slice(), [Standstill::Gap(_)]));
    }
}

#[test]
fn nothing_panics_or_floods() {
    let lengths = [0, 1, 30 * DAY, 3_660 * DAY];
    for (length, amount) in lengths.iter().flat_map(|it| {
        [None, Some(0), Some(-5_000), Some(7_000), Some(i64::MAX), Some(i64::MIN)].map(|a| (*it, a))
    }) {
        let track = Track { start: 0, step_s: 3_600, amounts: vec![amount; length] };

        let faults = found(&track);

        let count = faults.standstills.len() + faults.spikes.len() + faults.scales.len();
        assert!(count <= 1, "{length} times {amount:?}: {faults:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 10))]

    #[test]
    fn nothing_after_the_notice_is_needed(
        factors in proptest::collection::vec((14_usize..85, 1_usize..20, 0_i64..5), 0..4),
        gaps in proptest::collection::vec(0_usize..90 * DAY, 0..80),
        cut in 20_usize * DAY..90 * DAY,
    ) {
        let mut track = hours(&days(90));
        for (day, length, factor) in factors {
            for cell in track.amounts.iter_mut().skip(day * DAY).take(length * DAY / 4) {
                *cell = cell.map(|it| it * factor);
            }
        }
        for gap in gaps {
            track.amounts[gap] = None;
        }
        let mut part = track.clone();
        part.amounts.truncate(cut);

        let (whole, part) = (found(&track), found(&part));

        let end = track.instant(cut);
        let said = |faults: &MeterFaults| -> Vec<(i64, i64)> {
            let stood = faults.standstills.iter().map(Standstill::spell);
            let all = stood.chain(&faults.spikes).chain(&faults.scales);
            all.filter(|it| it.noticed <= end).map(|it| (it.from, it.noticed)).collect()
        };
        prop_assert_eq!(said(&whole), said(&part));
    }
}
