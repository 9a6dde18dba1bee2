use jiff::tz::TimeZone;
use proptest::prelude::*;
use wire::Name;

use super::*;
use crate::{calendar::HolidayCalendar, track::Track};

/// A Monday, 2026-03-02.
const MONDAY: i64 = 1_772_409_600;
const DAY_S: i64 = 86_400;

/// Hours of 1 kWh at night and 3 kWh by day, each night a little different, times a factor
/// of each day.
fn site(days: i64, factor: impl Fn(i64) -> f64) -> Track {
    let amount = |hour: i64| {
        let (day, of_day) = (hour / 24, hour % 24);
        let base = if (8..18).contains(&of_day) { 3_000_000 } else { 1_000_000 };
        let unrest = (day * 7919) % 41 * 1_000;
        Some(whole(super::super::days::real(base + unrest) * factor(day)))
    };
    Track { start: MONDAY, step_s: 3600, amounts: (0..days * 24).map(amount).collect() }
}

fn with_load<T>(track: &Track, then: impl FnOnce(&Load<'_>) -> T) -> T {
    let (name, calendar) = (Name::new("main").unwrap(), HolidayCalendar::weekdays());
    then(&Load {
        meter: &name,
        area: &name,
        track,
        zone: &TimeZone::UTC,
        calendar: &calendar,
        pricing: None,
    })
}

fn look(track: &Track, common: &Rises, from: i64) -> Vec<Told> {
    with_load(track, |load| high_base_load(load, common, &BaseLoadLimits::default(), from))
}

/// Rises to a quarter more over three weeks from day 60 on.
fn creeping(day: i64) -> f64 {
    1.0 + 0.25 * super::super::days::real((day - 60).clamp(0, 21)) / 21.0
}

#[test]
fn a_load_that_creeps_up_is_told_before_it_has_risen_by_half_of_it() {
    let track = site(130, creeping);

    let found = look(&track, &Rises::new(), track.start);

    let [told] = &found[..] else { panic!("{found:?}") };
    assert!((60..72).contains(&((told.at - MONDAY) / DAY_S)), "{}", (told.at - MONDAY) / DAY_S);
    assert!((MONDAY + 58 * DAY_S..told.at).contains(&told.finding.opened));
    assert!(0 < told.finding.waste);
    // Six weeks after it was told the new level is usual.
    let closed = told.finding.closed.unwrap();
    assert!((40..=43).contains(&((closed - told.at) / DAY_S)), "{closed}");
}

#[test]
fn a_load_that_falls_back_ends_its_finding() {
    let track = site(130, |day| if (60..80).contains(&day) { 1.25 } else { 1.0 });

    let found = look(&track, &Rises::new(), track.start);

    let [told] = &found[..] else { panic!("{found:?}") };
    let closed = (told.finding.closed.unwrap() - MONDAY) / DAY_S;
    assert!((80..84).contains(&closed), "{closed}");
    // A quarter of a kilowatt, around the clock, for twenty days.
    let expected = 20 * 24 * 250_000;
    assert!((told.finding.waste - expected).abs() < expected / 5, "{}", told.finding.waste);
}

#[test]
fn a_further_rise_is_told_anew_and_the_first_ends_where_it_begins() {
    let track = site(150, |day| creeping(day) * creeping(day - 36));

    let found = look(&track, &Rises::new(), track.start);

    let [first, second] = &found[..] else { panic!("{found:?}") };
    let told = (second.at - MONDAY) / DAY_S;
    assert!((100..112).contains(&told), "{told}");
    assert_eq!(first.finding.closed, Some(second.finding.opened));
}

#[test]
fn a_rise_of_a_twentieth_is_not_told() {
    let track = site(130, |day| if day < 60 { 1.0 } else { 1.05 });

    assert_eq!(look(&track, &Rises::new(), track.start), []);
}

#[test]
fn a_meter_that_never_went_with_its_site_is_not_excused_by_it() {
    let track = site(160, |day| creeping(day - 50));
    let swing = |day: i64| (0.3 * (super::super::days::real(day) / 10.0).sin()).exp();
    let others = |day: i64| if day < 100 { swing(day) } else { creeping(day - 50) };
    let rises: Vec<Rises> = (0..4).map(|_| with_load(&site(160, others), base_rises)).collect();

    let found = look(&track, &common_rise(&rises.iter().collect::<Vec<_>>()), track.start);

    assert!(!found.is_empty());
}

#[test]
fn waste_is_what_its_rows_say() {
    let track = site(130, creeping);

    let found = look(&track, &Rises::new(), track.start);

    let finding = &found[0].finding;
    let above = |it: &Evidence| (it.amount - it.limit).max(0);
    let rows: i64 = finding.evidence.iter().map(above).sum();
    assert_eq!(finding.waste, 24 * rows);
}

#[test]
fn hours_that_are_missing_change_neither_the_saying_nor_waste_anything() {
    let track = site(130, creeping);
    let mut gappy = track.clone();
    for hour in (0..gappy.amounts.len()).filter(|hour| hour * 7919 % 20 == 0) {
        gappy.amounts[hour] = None;
    }

    let (whole, gappy) = (look(&track, &Rises::new(), MONDAY), look(&gappy, &Rises::new(), MONDAY));

    let ([whole], [told]) = (&whole[..], &gappy[..]) else { panic!("{whole:?} {gappy:?}") };
    assert_eq!((told.at, told.finding.opened), (whole.at, whole.finding.opened));
    let measured = whole.finding.waste * 19 / 20;
    assert!((told.finding.waste - measured).abs() < measured / 50, "{}", told.finding.waste);
}

#[test]
fn a_meter_that_wanders_as_far_by_itself_wastes_nothing_that_could_be_told() {
    let wandering = |day: i64| {
        let swing = (0.25 * (super::super::days::real(day) / 8.0).sin()).exp();
        (if day < 120 { swing } else { 1.0 }) * creeping(day - 110)
    };
    let (wild, calm) = (site(230, wandering), site(230, |day| creeping(day - 110)));
    let from = MONDAY + 160 * DAY_S;

    let (wild, calm) = (look(&wild, &Rises::new(), from), look(&calm, &Rises::new(), from));

    let ([wild], [calm]) = (&wild[..], &calm[..]) else { panic!("{wild:?} {calm:?}") };
    assert_eq!((wild.at, wild.finding.opened), (calm.at, calm.finding.opened));
    assert_eq!((wild.finding.waste, 0 < calm.finding.waste), (0, true));
}

#[test]
fn nights_on_which_something_runs_and_a_doubled_scale_are_no_creeping_base_load() {
    let doubled = site(130, |day| if (60..75).contains(&day) { 2.0 } else { 1.0 });
    let mut running = site(130, |_| 1.0);
    for night in 60..67 {
        let hours = night * 24 - 3..night * 24 + 5;
        for hour in hours {
            running.amounts[hour] = running.amounts[hour].map(|amount| amount + 400_000);
        }
    }

    assert_eq!(look(&doubled, &Rises::new(), MONDAY), []);
    assert_eq!(look(&running, &Rises::new(), MONDAY), []);
}

#[test]
fn a_season_in_which_every_meter_rises_is_no_finding() {
    let track = site(130, creeping);
    let rises: Vec<Rises> = (0..4).map(|_| with_load(&site(130, creeping), base_rises)).collect();

    let common = common_rise(&rises.iter().collect::<Vec<_>>());
    let too_few = common_rise(&[&rises[0], &rises[1]]);

    assert_eq!(look(&track, &common, track.start), []);
    assert_eq!(too_few, Rises::new());
}

#[test]
fn others_that_fall_excuse_nobody() {
    let falling: Vec<Rises> =
        (0..4).map(|_| with_load(&site(130, |day| 2.0 - creeping(day)), base_rises)).collect();

    let common = common_rise(&falling.iter().collect::<Vec<_>>());

    assert!(common.values().all(|&rise| 0.0 <= rise));
    assert_eq!(look(&site(130, |_| 1.0), &common, MONDAY), []);
}

#[test]
fn a_quiet_meter_and_a_new_one_say_nothing() {
    assert_eq!(look(&site(400, |_| 1.0), &Rises::new(), MONDAY), []);
    assert_eq!(look(&site(30, creeping), &Rises::new(), MONDAY), []);
    let flat = Track { start: MONDAY, step_s: 3600, amounts: vec![Some(0); 10 * 8_766] };
    assert_eq!(look(&flat, &Rises::new(), MONDAY), []);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 16))]

    #[test]
    fn absurd_series_neither_panic_nor_flood(
        start in prop_oneof![Just(MONDAY), Just(i64::MIN), Just(i64::MAX)],
        step_s in prop_oneof![Just(900), Just(3600), Just(86_400), Just(0), Just(-60)],
        amounts in proptest::collection::vec(
            prop_oneof![Just(None), Just(Some(0)), any::<i64>().prop_map(Some)],
            0..3_000,
        ),
    ) {
        let track = Track { start, step_s, amounts };

        let found = look(&track, &Rises::new(), i64::MIN);

        prop_assert!(found.len() <= track.amounts.len() / (24 * 7), "{}", found.len());
    }

    #[test]
    fn findings_do_not_depend_on_where_a_quiet_past_begins(earlier in 0_i64..60) {
        let creeping = |day: i64| creeping(day - 60);
        let track = site(220, creeping);
        let cut = usize::try_from(earlier * 24).unwrap();
        let later = Track {
            start: track.instant(cut),
            amounts: track.amounts[cut..].to_vec(),
            ..track.clone()
        };

        prop_assert_eq!(
            look(&later, &Rises::new(), MONDAY),
            look(&track, &Rises::new(), MONDAY)
        );
    }

    #[test]
    fn what_comes_later_takes_no_saying_back(until in 66_i64..130) {
        let track = site(130, creeping);
        let mut before = track.clone();
        before.amounts.truncate(usize::try_from(until * 24).unwrap());

        let whole = look(&track, &Rises::new(), MONDAY);
        for told in look(&before, &Rises::new(), MONDAY) {
            let same = |it: &Told| it.at == told.at && it.finding.opened == told.finding.opened;
            prop_assert!(whole.iter().any(same), "{told:?}");
        }
    }
}
