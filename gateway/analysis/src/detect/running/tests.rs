use jiff::{civil::date, tz::TimeZone};
use proptest::prelude::*;
use wire::Name;

use super::*;
use crate::{
    calendar::HolidayCalendar,
    detect::{after_hours_limits, after_hours_load, weekend_limits, weekend_running},
    site::{Medium, Text},
    tariff::{DatedRule, Pricing, Rule, Tariff},
    track::Track,
};

/// A Monday, 2026-03-02.
const MONDAY: i64 = 1_772_409_600;
const DAY_S: i64 = 86_400;

/// An office by quarter hours: 4 kWh an hour at work, 1 kWh otherwise, each day a little
/// different; `more` adds to an hour of a day.
fn office(days: i64, more: impl Fn(i64, i64) -> i64) -> Track {
    let amount = |quarter: i64| {
        let (day, hour) = (quarter / 96, quarter % 96 / 4);
        let is_work = day % 7 < 5 && (8..18).contains(&hour);
        let base = if is_work { 4_000_000 } else { 1_000_000 };
        let unrest = (day * 7919 + hour * 104_729) % 41 * 1_000;
        Some((base + unrest + more(day, hour)) / 4)
    };
    Track { start: MONDAY, step_s: 900, amounts: (0..days * 96).map(amount).collect() }
}

fn look(track: &Track, at_weekends: bool, from: i64) -> Vec<Told> {
    let (name, calendar) = (Name::new("plug-2f").unwrap(), HolidayCalendar::weekdays());
    let load = Load {
        meter: &name,
        area: &name,
        track,
        zone: &TimeZone::UTC,
        calendar: &calendar,
        pricing: None,
    };
    if at_weekends {
        weekend_running(&load, &weekend_limits(), from)
    } else {
        after_hours_load(&load, &after_hours_limits(), from)
    }
}

/// Whether an hour, counted from midnight of a day, lies in the night that begins on it.
fn is_night(night: i64, day: i64, hour: i64) -> bool {
    (20..29).contains(&((day - night) * 24 + hour))
}

#[test]
fn a_night_that_runs_is_told_at_eight_with_what_it_wasted() {
    let track = office(80, |day, hour| if is_night(70, day, hour) { 1_800_000 } else { 0 });

    let found = look(&track, false, track.start);

    let [told] = &found[..] else { panic!("{found:?}") };
    assert_eq!(told.at, MONDAY + 71 * DAY_S + 8 * 3600);
    assert_eq!(told.finding.opened, MONDAY + 70 * DAY_S + 20 * 3600);
    assert_eq!(told.finding.closed, Some(MONDAY + 71 * DAY_S + 5 * 3600));
    let error = (told.finding.waste - 9 * 1_800_000).abs();
    assert!(error < 9 * 1_800_000 / 20, "{}", told.finding.waste);
    assert_eq!(told.finding.evidence.len(), 36);
    assert!(told.finding.evidence.iter().all(|it| it.limit < it.amount));
}

#[test]
fn faint_nights_are_told_when_there_are_several_in_a_row() {
    let faint = |nights: std::ops::Range<i64>| {
        let track = office(80, |day, hour| {
            if nights.clone().any(|night| is_night(night, day, hour)) { 600_000 } else { 0 }
        });
        look(&track, false, track.start)
    };

    assert_eq!(faint(70..71), []);
    let found = faint(70..75);
    let [told] = &found[..] else { panic!("{found:?}") };
    assert_eq!(told.finding.opened, MONDAY + 70 * DAY_S + 20 * 3600);
    assert!(MONDAY + 72 * DAY_S < told.at, "{}", told.at);
}

#[test]
fn nights_that_are_hardly_anything_waste_nothing_and_alone_are_no_finding() {
    let hardly = |one: i64| {
        let track = office(80, |day, hour| {
            let night = (70..75).find(|&night| is_night(night, day, hour));
            night.map_or(0, |night| if night == 72 { one } else { 300_000 })
        });
        look(&track, false, track.start)
    };

    assert_eq!(hardly(300_000), []);
    let found = hardly(900_000);
    let [told] = &found[..] else { panic!("{found:?}") };
    assert_eq!(told.finding.opened, MONDAY + 70 * DAY_S + 20 * 3600);
    let error = (told.finding.waste - 9 * 900_000).abs();
    assert!(error < 9 * 900_000 / 10, "{}", told.finding.waste);
}

#[test]
fn a_day_that_is_high_throughout_is_no_load_left_running() {
    // Each day from noon to noon is warmer or cooler than others, day 100 the hottest.
    let heat = |noon: i64| if noon == 100 { 2_500_000 } else { (noon * 37 + 11) % 17 * 100_000 };
    let track = office(120, |day, hour| heat(day - i64::from(hour < 12)));

    let found = look(&track, false, MONDAY + 90 * DAY_S);

    assert_eq!(found, []);
}

#[test]
fn a_sum_that_came_late_is_no_waste() {
    let ran = |day, hour| if is_night(70, day, hour) { 1_800_000 } else { 0 };
    let late = |day, hour| ran(day, hour) + i64::from((day, hour) == (71, 2)) * 90_000_000;

    let plain = look(&office(80, ran), false, MONDAY);
    let lumpy = look(&office(80, late), false, MONDAY);

    let ([plain], [lumpy]) = (&plain[..], &lumpy[..]) else { panic!("{plain:?} {lumpy:?}") };
    let more = lumpy.finding.waste - plain.finding.waste;
    assert!((0..2 * 1_800_000).contains(&more), "{more}");
}

#[test]
fn an_evening_that_ends_is_no_night_that_runs() {
    let track =
        office(80, |day, hour| i64::from(day == 70 && (18..24).contains(&hour)) * 3_000_000);

    assert_eq!(look(&track, false, track.start), []);
}

#[test]
fn a_saturday_that_runs_is_told_at_midnight() {
    let track = office(80, |day, hour| i64::from(day == 75 && (7..19).contains(&hour)) * 1_800_000);

    let found = look(&track, true, track.start);

    let [told] = &found[..] else { panic!("{found:?}") };
    assert_eq!(told.at, MONDAY + 76 * DAY_S);
    assert_eq!(told.finding.opened, MONDAY + 75 * DAY_S + 7 * 3600);
    assert_eq!(told.finding.kind, FindingKind::WeekendRunning);
}

#[test]
fn a_missing_hour_takes_no_saturday_back() {
    // Three of the eleven hours that are looked at are low, and no more may be.
    let mut track =
        office(80, |day, hour| i64::from(day == 75 && (8..16).contains(&hour)) * 1_800_000);
    let whole = look(&track, true, track.start);
    let noon = usize::try_from(75 * 96 + 12 * 4).unwrap();
    track.amounts[noon..noon + 4].fill(None);

    let found = look(&track, true, track.start);

    let ([whole], [told]) = (&whole[..], &found[..]) else { panic!("{whole:?} {found:?}") };
    assert_eq!((told.at, told.finding.opened), (whole.at, whole.finding.opened));
    assert!(told.finding.waste < whole.finding.waste, "an hour that was not measured wasted");
}

#[test]
fn a_night_of_which_a_third_is_missing_says_nothing() {
    let mut track = office(80, |day, hour| if is_night(70, day, hour) { 1_800_000 } else { 0 });
    let first = usize::try_from(70 * 96 + 21 * 4).unwrap();
    track.amounts[first..first + 16].fill(None);

    assert_eq!(look(&track, false, track.start), []);
}

#[test]
fn nothing_is_said_before_usual_is_known() {
    let track = office(14, |day, hour| if is_night(9, day, hour) { 1_800_000 } else { 0 });

    assert_eq!(look(&track, false, track.start), []);
    assert_eq!(look(&track, true, track.start), []);
}

#[test]
fn hours_and_quarter_hours_give_the_same_finding() {
    let track = office(80, |day, hour| if is_night(70, day, hour) { 1_800_000 } else { 0 });
    let join = |quarters: &[Option<i64>]| quarters.iter().copied().sum();
    let amounts = track.amounts.chunks(4).map(join).collect();
    let hours = Track { start: track.start, step_s: 3600, amounts };

    let (fine, coarse) = (look(&track, false, track.start), look(&hours, false, hours.start));

    let key = |it: &Told| (it.at, it.finding.opened, it.finding.closed);
    assert_eq!(
        fine.iter().map(key).collect::<Vec<_>>(),
        coarse.iter().map(key).collect::<Vec<_>>()
    );
    assert_eq!(coarse.len(), 1);
}

#[test]
fn waste_costs_its_tariff() {
    let track = office(80, |day, hour| if is_night(70, day, hour) { 1_800_000 } else { 0 });
    let (name, calendar) = (Name::new("plug-2f").unwrap(), HolidayCalendar::weekdays());
    let tariff = Tariff {
        id: name,
        name: Text::default(),
        medium: Medium::Electricity,
        rules: vec![DatedRule {
            from: date(2026, 1, 1),
            source: String::new(),
            rule: Rule::Flat(10_000),
        }],
    };
    let pricing = Pricing { tariff: &tariff, zone: &TimeZone::UTC, calendar: &calendar };
    let load = Load {
        meter: &name,
        area: &name,
        track: &track,
        zone: &TimeZone::UTC,
        calendar: &calendar,
        pricing: Some(&pricing),
    };

    let found = after_hours_load(&load, &after_hours_limits(), track.start);

    // One yuan a kilowatt-hour: what was wasted in kWh is what it cost in yuan.
    let finding = &found[0].finding;
    assert_eq!(finding.cost_e4.map(|cost| cost / 100), Some(finding.waste / 10_000));
}

/// A series that no meter has, or only a broken one.
fn absurd() -> impl Strategy<Value = Track> {
    let amount = prop_oneof![
        Just(None),
        Just(Some(0)),
        Just(Some(1_000)),
        any::<i64>().prop_map(Some),
        (-5_000_i64..50_000).prop_map(Some),
    ];
    let step = prop_oneof![Just(900), Just(3600), Just(86_400), Just(0), Just(-900), Just(7_000)];
    let start =
        prop_oneof![Just(MONDAY), Just(i64::MIN), Just(i64::MAX), -9_000_000..9_000_000_i64];
    (start, step, proptest::collection::vec(amount, 0..3_000))
        .prop_map(|(start, step_s, amounts)| Track { start, step_s, amounts })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(ProptestConfig::default().cases / 16))]

    #[test]
    fn absurd_series_neither_panic_nor_flood(track in absurd()) {
        for at_weekends in [false, true] {
            let found = look(&track, at_weekends, i64::MIN);

            prop_assert!(found.len() <= track.amounts.len() / 24, "{}", found.len());
        }
    }

    #[test]
    fn findings_do_not_depend_on_where_the_batch_begins(
        unrest in proptest::collection::vec(0_i64..2_000_000, 130),
        earlier in 0_i64..20,
    ) {
        let at = |day: i64| unrest[usize::try_from(day).unwrap_or(0) % unrest.len()];
        let track = office(130, |day, hour| if !(6..20).contains(&hour) { at(day) } else { 0 });
        let back = i64::try_from(RUNNING_BACK_DAYS).unwrap();
        let from = MONDAY + (back + 20) * DAY_S;
        let cut = usize::try_from((20 - earlier) * 96).unwrap();
        let later = Track {
            start: track.instant(cut),
            amounts: track.amounts[cut..].to_vec(),
            ..track.clone()
        };

        for at_weekends in [false, true] {
            prop_assert_eq!(look(&later, at_weekends, from), look(&track, at_weekends, from));
        }
    }

    #[test]
    fn what_comes_later_takes_no_finding_back(
        unrest in proptest::collection::vec(0_i64..1_500_000, 120),
        until in 80_i64..120,
    ) {
        let at = |day: i64| unrest[usize::try_from(day).unwrap_or(0) % unrest.len()];
        let track = office(120, |day, hour| if !(6..20).contains(&hour) { at(day) } else { 0 });
        let mut before = track.clone();
        before.amounts.truncate(usize::try_from(until * 96).unwrap());

        let whole = look(&track, false, track.start);
        for told in look(&before, false, track.start) {
            let is_kept = whole.iter().any(|it| {
                it.at <= told.at && it.finding.opened <= told.finding.opened
                    && it.finding.closed.is_none_or(|closed| told.finding.opened < closed)
            });
            prop_assert!(is_kept, "{told:?}");
        }
    }
}

#[test]
fn a_flat_line_for_ten_years_says_nothing() {
    let track = Track { start: MONDAY, step_s: 3600, amounts: vec![Some(1_000); 10 * 8_766] };

    assert_eq!(look(&track, false, track.start), []);
    assert_eq!(look(&track, true, track.start), []);
}
