use jiff::{civil::date, tz::TimeZone};

use super::*;
use crate::{
    calendar::HolidayCalendar,
    site::{Medium, Text},
    tariff::{DatedRule, Rule, Tariff},
};

const FIRST: i64 = 1_772_323_200;
const BASE: i64 = 100_000;
const ON: i64 = 1_000_000;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// One interval of a drawn profile: `#` lit, `.` dark, `?` missing, `~` estimated lit,
/// `p` lit for the part that is known, `d` dark for the part that is known.
fn drawn(index: i64, drawing: char) -> IntervalAmount {
    let start = FIRST + index * INTERVAL_S;
    let known = IntervalAmount { missing_s: 0, ..IntervalAmount::missing(start) };
    match drawing {
        '#' => IntervalAmount { measured: ON, ..known },
        '.' => IntervalAmount { measured: BASE, ..known },
        '?' => IntervalAmount::missing(start),
        '~' => IntervalAmount { estimated: ON, estimated_s: 900, ..known },
        'p' => IntervalAmount { measured: ON / 2, missing_s: 450, ..known },
        'd' => IntervalAmount { measured: BASE / 2, missing_s: 450, ..known },
        _ => panic!("`{drawing}` draws no interval"),
    }
}

fn found(hours: &str, profile: &str) -> Vec<Finding> {
    let (meter, area) = (name("light-2f-east"), name("2f-east"));
    let levels = Levels { base_load: Some(BASE), standby: None, working_p90: Some(ON) };
    let circuit = Circuit { meter: &meter, area: &area, floor_area_m2: None, levels };
    let intervals: Vec<_> =
        (0..).zip(profile.chars()).map(|(index, drawing)| drawn(index, drawing)).collect();
    let hours: Vec<_> = hours.chars().map(|hour| hour == 'o').collect();
    // Before the drawing it goes on as it begins.
    let is_open = |instant: i64| {
        let index = usize::try_from((instant - FIRST) / INTERVAL_S).unwrap_or(0);
        hours[index]
    };

    lights_left_on(&circuit, &intervals, is_open, &LightsLimits::default(), None)
}

/// Draws findings: `=` an interval of evidence, `-` one of the finding without, `>` at
/// the end if it is still open.
fn draw(findings: &[Finding], count: usize) -> String {
    let mut drawing = vec![' '; count];
    let index = |instant: i64| usize::try_from((instant - FIRST) / INTERVAL_S).unwrap();
    for finding in findings {
        let end = finding.closed.map_or(count, index);
        drawing[index(finding.opened)..end].fill('-');
        for evidence in &finding.evidence {
            drawing[index(evidence.start)] = '=';
        }
    }
    if findings.last().is_some_and(Finding::is_open) {
        drawing.push('>');
    }
    drawing.into_iter().collect::<String>().trim_end().to_owned()
}

#[track_caller]
fn check(hours: &str, profile: &str, expected: &str) {
    let findings = found(hours, profile);
    assert_eq!(draw(&findings, profile.len()), expected, "\n{hours}\n{profile}");
}

#[test]
fn lights_open_a_finding_that_holds_since_the_grace_was_over() {
    check(
        "oooo------------", //
        "##########......",
        "      ====",
    );
}

#[test]
fn lights_in_use_are_no_finding() {
    check(
        "oooooooo--------", //
        "########........",
        "",
    );
}

#[test]
fn lights_out_within_the_grace_are_no_finding() {
    check(
        "oooo------------", //
        "######..........",
        "",
    );
}

#[test]
fn a_single_quarter_hour_is_a_cleaner_looking_in() {
    check(
        "----------------", //
        "....#....#......",
        "",
    );
}

#[test]
fn two_quarter_hours_in_the_night_open_and_the_first_dark_one_closes() {
    check(
        "----------------", //
        "....##....###...",
        "    ==    ===",
    );
}

#[test]
fn a_finding_is_open_until_something_closes_it() {
    check(
        "----------------", //
        "..........######",
        "          ======>",
    );
}

#[test]
fn a_finding_closes_when_the_area_opens() {
    check(
        "----------oooooo", //
        "....############",
        "    ======",
    );
}

#[test]
fn overtime_closes_a_finding_and_its_end_gives_grace_anew() {
    check(
        "----------oo--------", //
        "....################",
        "    ======    ======>",
    );
}

#[test]
fn a_gap_neither_opens_nor_closes() {
    check(
        "----------------", //
        "??..##??##?.?...",
        "    ==--==-",
    );
    check(
        "----------------", //
        "...?????????????",
        "",
    );
    check(
        "----------------", //
        "...#????????#...",
        "   =--------=",
    );
}

#[test]
fn an_estimate_is_no_evidence() {
    check(
        "----------------", //
        "....~~~~~~~~....",
        "",
    );
    check(
        "----------------", //
        "....##~~~~##....",
        "    ==----==",
    );
}

#[test]
fn a_part_above_the_limit_is_evidence_and_a_part_below_it_is_not() {
    check(
        "----------------", //
        "....#pd#........",
        "    ==-=",
    );
}

#[test]
fn the_same_finding_comes_out_wherever_the_batch_ends() {
    let (hours, profile) = ("oooo----------------", "########??####......");

    let ends = |count| found(hours, &profile.chars().take(count).collect::<String>());

    let opened: Vec<_> = (8..=20).filter_map(|end| Some(ends(end).first()?.opened)).collect();
    assert_eq!(opened, [FIRST + 6 * INTERVAL_S; 13]);
    assert_eq!(ends(16), ends(20));
}

#[test]
fn waste_is_what_lies_above_the_base_load_and_costs_its_tariff() {
    let (meter, area) = (name("light-2f-east"), name("2f-east"));
    let levels = Levels { base_load: Some(BASE), standby: None, working_p90: Some(ON) };
    let circuit = Circuit { meter: &meter, area: &area, floor_area_m2: None, levels };
    let intervals: Vec<_> =
        (0..).zip("..###...".chars()).map(|(index, drawing)| drawn(index, drawing)).collect();
    let tariff = Tariff {
        id: name("agency"),
        name: Text::default(),
        medium: Medium::Electricity,
        rules: vec![DatedRule {
            from: date(2026, 1, 1),
            source: String::new(),
            rule: Rule::Flat(8_000),
        }],
    };
    let (zone, calendar) = (TimeZone::UTC, HolidayCalendar::china());
    let pricing = Pricing { tariff: &tariff, zone: &zone, calendar: &calendar };

    let limits = LightsLimits::default();
    let findings = lights_left_on(&circuit, &intervals, |_| false, &limits, Some(&pricing));

    assert_eq!(findings[0].waste, 3 * (ON - BASE));
    assert_eq!(findings[0].cost_e4, Some(21_600));
    assert_eq!(findings[0].evidence[0].limit, 200_000);
}

#[test]
fn the_limit_is_the_largest_of_its_three() {
    let (meter, area) = (name("light-2f-east"), name("2f-east"));
    let energy_max = |base_load, working_p90, floor_area_m2| {
        let levels = Levels { base_load, standby: None, working_p90 };
        let circuit = Circuit { meter: &meter, area: &area, floor_area_m2, levels };
        LightsLimits::default().energy_max(&circuit)
    };

    assert_eq!(energy_max(Some(10_000), Some(ON), None), Some(200_000));
    assert_eq!(energy_max(Some(10_000), Some(ON), Some(4_000)), Some(500_000));
    assert_eq!(energy_max(Some(600_000), Some(ON), Some(1_000)), Some(640_000));
    assert_eq!(energy_max(Some(600_000), None, Some(1_000)), Some(600_000));
    assert_eq!(energy_max(None, None, Some(1_000)), Some(125_000));
    assert_eq!(energy_max(Some(10_000), None, None), None);
}

#[test]
fn a_circuit_nothing_is_known_of_is_left_in_peace() {
    let (meter, area) = (name("light-2f-east"), name("2f-east"));
    let levels = Levels::default();
    let circuit = Circuit { meter: &meter, area: &area, floor_area_m2: None, levels };
    let intervals = [drawn(0, '#'), drawn(1, '#'), drawn(2, '#')];

    let limits = LightsLimits::default();
    assert_eq!(lights_left_on(&circuit, &intervals, |_| false, &limits, None), []);
}

/// What is missing, as an amount.
const GAP: i64 = -1;

fn faint(hours: &str, amounts: &[(i64, usize)], usual: Option<i64>) -> Vec<Finding> {
    let (meter, area) = (name("light-2f-east"), name("2f-east"));
    let levels = Levels { base_load: Some(BASE), standby: Some(BASE), working_p90: Some(ON) };
    let circuit = Circuit { meter: &meter, area: &area, floor_area_m2: None, levels };
    let amounts = amounts.iter().flat_map(|&(amount, count)| std::iter::repeat_n(amount, count));
    let intervals: Vec<_> = (0..)
        .zip(amounts)
        .map(|(index, amount)| match amount {
            GAP => drawn(index, '?'),
            measured => IntervalAmount { measured, ..drawn(index, '.') },
        })
        .collect();
    let hours: Vec<_> = hours.chars().map(|hour| hour == 'o').collect();
    let is_open = |instant: i64| {
        let index = usize::try_from((instant - FIRST) / INTERVAL_S).unwrap_or(0);
        hours.get(index).copied().unwrap_or(false)
    };
    let limits = LightsLimits::default();
    lights_left_on_by_habit(&circuit, &intervals, is_open, |_| usual, &limits, None)
}

#[test]
fn a_few_lights_are_found_when_they_stay_on_for_six_hours() {
    // A tenth of the way from 100,000 to 1,000,000 is 190,000; the other limit is 200,000.
    let visit = faint("-", &[(BASE, 8), (195_000, 23), (BASE, 8)], None);
    let night = faint("-", &[(BASE, 8), (195_000, 24), (BASE, 8)], None);

    assert_eq!(visit, []);
    assert_eq!(night.len(), 1);
    assert_eq!(night[0].waste, 24 * 95_000);
}

#[test]
fn an_hour_that_is_missing_shortens_no_night_unless_a_third_is() {
    let night = |gap| {
        faint("-", &[(BASE, 8), (195_000, 8), (GAP, gap), (195_000, 16 - gap), (BASE, 8)], None)
    };

    let ([one], none) = (&night(4)[..], night(9)) else { panic!("{:?}", night(4)) };
    assert_eq!((one.waste, none), (20 * 95_000, Vec::new()));
}

#[test]
fn bright_lights_within_faint_ones_are_one_finding() {
    let found = faint("-", &[(BASE, 4), (195_000, 12), (ON, 4), (195_000, 12), (BASE, 4)], None);

    assert_eq!(found.len(), 1);
    assert_eq!(found[0].opened, FIRST + 16 * INTERVAL_S);
}

#[test]
fn what_is_usual_at_an_hour_is_no_finding_where_no_hours_are_known() {
    let cleaners = [(BASE, 4), (600_000, 8), (BASE, 4)];

    assert_eq!(faint("-", &cleaners, Some(600_000)), []);
    assert_eq!(faint("-", &cleaners, Some(BASE)).len(), 1);
    assert_eq!(faint("-", &cleaners, None).len(), 1);
}
