use jiff::{civil::date, tz::TimeZone};
use proptest::prelude::*;

use super::*;
use crate::calendar::HolidayCalendar;

const HOUR_S: i64 = 3600;
const YEAR_H: i64 = 365 * 24;
// 2 January 2017, a Monday.
const START: i64 = 1_483_315_200;

/// Thousandths of °C: a year's and a day's swing.
fn degrees(hour: i64) -> i64 {
    let hour = number_of(hour);
    let season = (hour / 8760.0 * std::f64::consts::TAU).cos() * -10.0;
    let day = ((hour / 24.0).fract() * std::f64::consts::TAU).cos() * -4.0;
    amount((12.0 + season + day) * 1000.0)
}

fn number_of(it: i64) -> f64 {
    crate::least_squares::number(it)
}

/// Working hours, cooling above 18 °C, and a little noise that repeats never.
fn load(hour: i64) -> i64 {
    let (weekday, of_day) = (hour / 24 % 7, hour % 24);
    let works = weekday < 5 && (8..18).contains(&of_day);
    let cooling = (degrees(hour) - 18_000).max(0) * i64::from(works);
    let noise = (hour * 7919 + hour * hour * 31) % 401 - 200;
    10_000 + 30_000 * i64::from(works) + cooling + noise
}

fn track(hours: std::ops::Range<i64>, amount: impl Fn(i64) -> Option<i64>) -> Track {
    let start = START + hours.start * HOUR_S;
    Track { start, step_s: HOUR_S, amounts: hours.map(amount).collect() }
}

fn weather(hours: std::ops::Range<i64>) -> Track {
    track(hours, |it| Some(degrees(it)))
}

fn in_zone<T>(work: impl FnOnce(&Place<'_>) -> T) -> T {
    let (zone, calendar) = (TimeZone::UTC, HolidayCalendar::weekdays());
    work(&Place { zone: &zone, calendar: Some(&calendar) })
}

fn fitted(training: &Track, method: Method) -> Baseline {
    in_zone(|place| {
        Baseline::fit(training, &weather(0..2 * YEAR_H), place, Modes::default(), method).unwrap()
    })
}

#[test]
fn a_saving_is_found_and_told_as_certain() {
    let baseline = fitted(&track(0..YEAR_H, |it| Some(load(it))), Method::Hourly(Recipe::RECENT));
    let after = track(YEAR_H..2 * YEAR_H, |it| Some(load(it) * 4 / 5));

    let found =
        in_zone(|place| avoided(&baseline, &after, &weather(0..2 * YEAR_H), place)).unwrap();

    assert_eq!(baseline.sufficient(), Ok(()));
    assert!((found.avoided * 100 / found.expected - 20).abs() <= 1, "{found:?}");
    assert_eq!(found.avoided, found.expected - found.measured);
    assert_eq!(found.certain(), Ok(()));
}

#[test]
fn a_saving_that_may_be_chance_is_refused() {
    let baseline = fitted(&track(0..YEAR_H, |it| Some(load(it))), Method::Hourly(Recipe::RECENT));
    let after = track(YEAR_H..2 * YEAR_H, |it| Some(load(it) * 95 / 100));

    let found =
        in_zone(|place| avoided(&baseline, &after, &weather(0..2 * YEAR_H), place)).unwrap();

    let Err(Refusal::Uncertain { avoided, uncertainty }) = found.certain() else {
        panic!("{found:?}");
    };
    assert!(avoided < 2 * uncertainty, "{found:?}");
}

#[test]
fn a_training_that_is_too_short_or_has_holes_is_refused_with_the_reason() {
    let sufficient = |hours: i64, amount: &dyn Fn(i64) -> Option<i64>| {
        fitted(&track(0..hours, amount), Method::Hourly(Recipe::RECENT)).sufficient()
    };
    let every = |it: i64| Some(load(it));

    assert_eq!(sufficient(300 * 24, &every), Err(Refusal::TooShort { days: 300 }));
    assert_eq!(sufficient(400 * 24, &every), Err(Refusal::TooLong { days: 400 }));
    let holes = |it: i64| (it % 5 != 0).then(|| load(it));
    assert_eq!(sufficient(YEAR_H, &holes), Err(Refusal::Holes { percent: 80 }));
    // Five days of March are away: the year has enough, the month has not.
    let march = |it: i64| (!(1500..1620).contains(&it)).then(|| load(it));
    let month = date(2017, 3, 1);
    assert_eq!(sufficient(YEAR_H, &march), Err(Refusal::MonthWithHoles { month, percent: 83 }));
    let chance = |it: i64| Some(if it * it % 97 == 1 { 1_000_000 } else { 1 });
    assert!(matches!(sufficient(YEAR_H, &chance), Err(Refusal::PoorModel { .. })));
}

#[test]
fn nothing_known_is_no_model() {
    let nothing = track(0..YEAR_H, |_| None);

    let found = in_zone(|place| {
        let method = Method::Hourly(Recipe::RECENT);
        Baseline::fit(&nothing, &weather(0..YEAR_H), place, Modes::default(), method).err()
    });

    assert_eq!(found, Some(Refusal::NoData));
}

#[test]
fn weather_that_the_training_never_saw_is_refused() {
    let baseline = fitted(&track(0..YEAR_H, |it| Some(load(it))), Method::Hourly(Recipe::RECENT));
    let after = track(YEAR_H..YEAR_H + 24 * 60, |it| Some(load(it)));
    let cold = track(YEAR_H..YEAR_H + 24 * 60, |it| Some(degrees(it) - 30_000));

    let found = in_zone(|place| avoided(&baseline, &after, &cold, place));

    assert_eq!(found, Err(Refusal::WeatherBeyond { percent: 100 }));
}

#[test]
fn a_period_that_was_not_measured_is_refused() {
    let baseline = fitted(&track(0..YEAR_H, |it| Some(load(it))), Method::Hourly(Recipe::RECENT));
    let after = track(YEAR_H..YEAR_H + 24 * 60, |it| (it % 2 == 0).then(|| load(it)));

    let found = in_zone(|place| avoided(&baseline, &after, &weather(0..2 * YEAR_H), place));

    assert_eq!(found, Err(Refusal::PeriodWithHoles { percent: 50 }));
}

#[test]
fn quarter_hours_tell_what_their_hours_tell() {
    let hours = track(0..YEAR_H, |it| Some(load(it) / 4 * 4));
    let quarters = Track {
        step_s: 900,
        amounts: hours.amounts.iter().flat_map(|it| [it.map(|it| it / 4); 4]).collect(),
        ..hours.clone()
    };

    let method = Method::Hourly(Recipe::RECENT);

    assert_eq!(fitted(&hours, method).accuracy(), fitted(&quarters, method).accuracy());
}

#[test]
fn days_off_of_nobodys_calendar_are_learned_and_come_again() {
    // 25 and 26 December 2017 are a Monday and a Tuesday, and so is 28 August a Monday.
    let is_off = |it: i64| matches!(it / 24, 238 | 357 | 358);
    let as_sunday = |it: i64| if is_off(it) { 10_000 } else { load(it) };
    let training = track(0..YEAR_H, |it| Some(as_sunday(it)));
    let zone = TimeZone::UTC;
    let place = Place { zone: &zone, calendar: None };
    let all = weather(0..2 * YEAR_H);

    let method = Method::Hourly(Recipe::RECENT);
    let baseline = Baseline::fit(&training, &all, &place, Modes::default(), method).unwrap();

    let learned = [date(2017, 8, 28), date(2017, 12, 25), date(2017, 12, 26)];
    assert_eq!(baseline.days_off(), learned);
    // 27 August 2018 is a Monday, 25 December 2018 a Tuesday: off; the day after is not.
    for (day, is_off) in [(602, true), (603, false), (722, true), (724, false)] {
        let noon = track(day * 24 + 12..day * 24 + 13, |it| Some(load(it)));
        let expected = baseline.expect(&noon, &all, &place)[0].amount;
        assert_eq!(expected < 20_000, is_off, "{day}: {expected}");
    }
}

#[test]
fn lines_over_temperature_find_where_cooling_begins() {
    let days = |it: i64| Some(500_000 + (degrees(it / 24 * 24 + 12) - 16_000).max(0) * 20);
    let at_noon = Track {
        start: START,
        step_s: 86_400,
        amounts: (0..365).map(|day| days(day * 24)).collect(),
    };
    let temperature = Track {
        amounts: (0..365).map(|day| Some(degrees(day * 24 + 12))).collect(),
        ..at_noon.clone()
    };

    let baseline = in_zone(|place| {
        Baseline::fit(&at_noon, &temperature, place, Modes::default(), Method::ChangePoint)
    })
    .unwrap();

    assert!(baseline.accuracy().cv_rmse < 0.01, "{:?}", baseline.accuracy());
    let Model::ChangePoint(model) = &baseline.model else { panic!("another model") };
    assert_eq!(model.heating_below(), None);
    assert!((model.cooling_above().unwrap() - 16.0).abs() <= 1.0, "{model:?}");
}

#[test]
fn nothing_after_the_training_teaches() {
    let training = track(0..YEAR_H, |it| Some(load(it)));
    let baseline = fitted(&training, Method::Hourly(Recipe::RECENT));
    let all = weather(0..2 * YEAR_H);
    let told = |amount: i64| {
        let after = track(YEAR_H..YEAR_H + 500, |_| Some(amount));
        let told = in_zone(|place| baseline.expect(&after, &all, place));
        told.iter().map(|it| it.amount).collect::<Vec<_>>()
    };

    assert_eq!(told(0), told(1_000_000_000));
}

proptest! {
    // Each fits three models: a tenth of the usual cases, in `make soak` too.
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 10))]

    #[test]
    fn no_series_is_too_absurd(
        amounts in prop::collection::vec(prop::option::weighted(0.9, prop_oneof![
            Just(0_i64), -1_000..1_000_000_i64, any::<i64>(),
        ]), 0..1200),
        step_s in prop_oneof![Just(900_i64), Just(3600), Just(86_400)],
        start in (-10_000_000_000..10_000_000_000_i64, any::<bool>()).prop_map(|(start, on_the_hour)| {
            if on_the_hour { start - start.rem_euclid(3600) } else { start }
        }),
        level in prop_oneof![Just(0_i64), any::<i64>()],
    ) {
        let any = Track { start, step_s, amounts };
        let weather = Track {
            start: start - 7_000,
            step_s: 3600,
            amounts: (0..any.amounts.len()).map(|at| {
                let at = i64::try_from(at).unwrap();
                Some(degrees(at).saturating_add(level * i64::from(at % 50 == 0)))
            }).collect(),
        };

        for method in [Method::Hourly(Recipe::RECENT), Method::Daily(Recipe::PLAIN), Method::ChangePoint] {
            let found = in_zone(|place| {
                let baseline = Baseline::fit(&any, &weather, place, Modes::default(), method)?;
                avoided(&baseline, &any, &weather, place)
            });
            if let Ok(found) = found {
                prop_assert!(0 <= found.uncertainty);
            }
        }
    }
}
