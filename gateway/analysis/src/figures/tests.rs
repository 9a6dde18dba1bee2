use jiff::{
    civil::{Time, date, time},
    tz::TimeZone,
};
use proptest::prelude::*;
use wire::Quantity;

use super::*;
use crate::{
    calendar::{Holidays, OpeningHours},
    interval::WHOLE_S,
    site::{Area, Building, Load, Meter, Supply, Text},
    tariff::{Band, BandName, DatedRule, Days, Rate, Rule},
};

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn meter(id: &str, medium: Medium, area: &str, parent: Option<&str>, tariff: &str) -> Meter {
    Meter {
        id: name(id),
        name: Text::default(),
        model: "eastron-sdm630".to_owned(),
        medium,
        load: Load::Whole,
        area: name(area),
        parent: parent.map(name),
        node: name("node-1"),
        address: wire::Address::unit_id(1),
        pt: 1000,
        ct: 1000,
        interval_s: 60,
        counter: Quantity::ActiveEnergyImport,
        tariff: Some(name(tariff)),
        rate_max: None,
        supply: Supply::default(),
        formula: None,
        own_models: std::sync::Arc::default(),
    }
}

/// A house with a main meter, two floors below it, a socket circuit below one floor, and
/// water.
fn site(zone: &str) -> Site {
    let area = |id: &str| Area {
        id: name(id),
        name: Text::default(),
        building: name("house"),
        floor: "1F".to_owned(),
        walk_order: 1,
        hours: name("office"),
        floor_area_m2: None,
        owner: None,
    };
    let peak = Band {
        rate: Rate { name: BandName::Peak, rate_e4: 10_001 },
        months: Vec::new(),
        days: Days::Worked,
        times: vec![(time(10, 0, 0, 0), time(20, 0, 0, 0))],
    };
    let otherwise = Rate { name: BandName::Valley, rate_e4: 3_333 };
    let rule =
        |rule| vec![DatedRule { from: date(2026, 1, 1), source: "notice 1".to_owned(), rule }];
    let tariff =
        |id: &str, medium, rules| Tariff { id: name(id), name: Text::default(), medium, rules };
    Site {
        id: name("demo"),
        name: Text::default(),
        zone: TimeZone::get(zone).unwrap(),
        currency: "CNY".to_owned(),
        waste_min_e4: 0,
        buildings: vec![Building { id: name("house"), name: Text::default() }],
        areas: vec![area("whole-house"), area("floor-1"), area("floor-2")],
        hours: vec![OpeningHours {
            id: name("office"),
            name: Text::default(),
            week: std::array::from_fn(|_| vec![(Time::midnight(), Time::midnight())]),
            holidays: Holidays::Ignore,
        }],
        meters: vec![
            meter("main", Medium::Electricity, "whole-house", None, "power"),
            meter("floor-1", Medium::Electricity, "floor-1", Some("main"), "power"),
            meter("floor-1-plug", Medium::Electricity, "floor-1", Some("floor-1"), "power"),
            meter("floor-2", Medium::Electricity, "floor-2", Some("main"), "power"),
            meter("water", Medium::Water, "whole-house", None, "water"),
        ],
        tariffs: vec![
            tariff(
                "power",
                Medium::Electricity,
                rule(Rule::Banded { bands: vec![peak], otherwise }),
            ),
            tariff("water", Medium::Water, rule(Rule::Flat(41_000))),
        ],
        people: Vec::new(),
    }
}

fn intervals(site: &Site, month: Date, amount: impl Fn(i64) -> i64) -> Vec<IntervalAmount> {
    let measured = |(index, start)| IntervalAmount {
        start,
        measured: amount(index),
        estimated: 0,
        estimated_s: 0,
        missing_s: 0,
    };
    (0..).zip(month_span(site, month).starts()).map(measured).collect()
}

fn total(figures: &MonthFigures, medium: Medium) -> Figure {
    figures.totals.iter().find(|total| total.medium == medium).unwrap().figure
}

const NOVEMBER: Date = date(2026, 11, 1);

#[test]
fn a_meter_below_another_is_in_no_total_twice() {
    let site = site("Asia/Shanghai");
    let profile = intervals(&site, NOVEMBER, |_| 1000);
    let profiles: Vec<_> = site
        .meters
        .iter()
        .map(|meter| MeterProfile { meter: meter.id, intervals: &profile })
        .collect();

    let figures =
        month_figures(&site, &HolidayCalendar::china(), NOVEMBER, i64::MAX, &profiles, &[]);

    let each = 30 * 96 * 1000;
    assert_eq!(total(&figures, Medium::Electricity).amount, each);
    assert_eq!(total(&figures, Medium::Water).amount, each);
    let areas: Vec<_> =
        figures.areas.iter().map(|row| (row.area, row.medium, row.figure.amount)).collect();
    assert_eq!(
        areas,
        [
            (name("whole-house"), Medium::Electricity, each),
            (name("whole-house"), Medium::Water, each),
            (name("floor-1"), Medium::Electricity, each),
            (name("floor-2"), Medium::Electricity, each),
        ]
    );
    assert_eq!(figures.days.len(), 60);
}

#[test]
fn a_meter_without_a_profile_is_missing_and_not_zero() {
    let site = site("Asia/Shanghai");

    let figures = month_figures(&site, &HolidayCalendar::china(), NOVEMBER, i64::MAX, &[], &[]);

    let figure = total(&figures, Medium::Electricity);
    assert_eq!((figure.amount, figure.missing_s), (0, 30 * 86_400));
    assert_eq!(figure.shares().missing_milli, 1000);
}

#[test]
fn a_month_that_is_not_over_counts_what_is() {
    let site = site("Asia/Shanghai");
    let profile = intervals(&site, NOVEMBER, |_| 1000);
    let profiles = [MeterProfile { meter: name("main"), intervals: &profile }];
    let as_of = month_span(&site, NOVEMBER).from + 86_400 + 3600 + 17;

    let figures = month_figures(&site, &HolidayCalendar::china(), NOVEMBER, as_of, &profiles, &[]);

    let figure = total(&figures, Medium::Electricity);
    assert_eq!((figure.amount, figure.missing_s), (100 * 1000, 0));
    let dates: Vec<_> = figures
        .days
        .iter()
        .filter(|day| day.medium == Medium::Electricity)
        .map(|day| day.date)
        .collect();
    assert_eq!(dates, [date(2026, 11, 1), date(2026, 11, 2)]);
}

#[test]
fn a_month_with_a_change_of_the_clock_has_all_its_hours() {
    let site = site("Europe/Berlin");
    let march = date(2026, 3, 17);
    let profile = intervals(&site, march, |_| 1000);
    let profiles = [MeterProfile { meter: name("main"), intervals: &profile }];

    let figures = month_figures(&site, &HolidayCalendar::china(), march, i64::MAX, &profiles, &[]);

    assert_eq!(total(&figures, Medium::Electricity).amount, (31 * 96 - 4) * 1000);
    let last_sunday = figures.days.iter().find(|day| day.date == date(2026, 3, 29)).unwrap();
    assert_eq!(last_sunday.figure.amount, 92 * 1000);
    assert_eq!(figures.month, date(2026, 3, 1));
}

#[test]
fn a_day_is_paid_by_its_bands_and_rounded_once() {
    let site = site("Asia/Shanghai");
    // One third of a watt-hour each quarter hour; 16 November 2026 is a Monday.
    let profile = intervals(&site, NOVEMBER, |_| 333);
    let profiles = [MeterProfile { meter: name("main"), intervals: &profile }];

    let figures =
        month_figures(&site, &HolidayCalendar::china(), NOVEMBER, i64::MAX, &profiles, &[]);

    let cost = |day| {
        let row = figures.days.iter().find(|row| row.date == date(2026, 11, day)).unwrap();
        row.figure.cost_e4
    };
    let exact =
        |peak: i64, valley: i64| (333 * (peak * 10_001 + valley * 3_333) + 500_000) / 1_000_000;
    assert_eq!((cost(16), cost(15)), (exact(40, 56), exact(0, 96)));
}

#[test]
fn a_tariff_of_another_medium_prices_nothing() {
    let mut site = site("Asia/Shanghai");
    site.meters[0].tariff = Some(name("water"));
    let profile = intervals(&site, NOVEMBER, |_| 1000);
    let profiles = [MeterProfile { meter: name("main"), intervals: &profile }];

    let figures =
        month_figures(&site, &HolidayCalendar::china(), NOVEMBER, i64::MAX, &profiles, &[]);

    let figure = total(&figures, Medium::Electricity);
    assert_eq!((figure.cost_e4, figure.unpriced), (0, figure.amount));
}

#[test]
fn of_waste_that_went_on_beyond_the_month_its_part_counts() {
    let site = site("Asia/Shanghai");
    let span = month_span(&site, NOVEMBER);
    let as_of = span.to + 900;
    let finding = |opened, closed| Finding {
        kind: FindingKind::LightsLeftOn,
        meter: name("floor-1"),
        area: name("floor-1"),
        opened,
        closed,
        waste: 700,
        cost_e4: Some(5),
        evidence: Vec::new(),
    };
    let findings = [
        finding(span.from - 900, Some(span.from)),
        finding(span.from - 600, Some(span.from + 100)),
        finding(span.from, Some(span.from + 900)),
        finding(span.to - 900, None),
        finding(span.to, None),
    ];

    let figures = month_figures(&site, &HolidayCalendar::china(), NOVEMBER, as_of, &[], &findings);

    // A seventh of the second, all of the third, half of the fourth.
    let expected = WasteFigure {
        kind: FindingKind::LightsLeftOn,
        medium: Medium::Electricity,
        count: 3,
        open: 1,
        amount: 100 + 700 + 350,
        cost_e4: 1 + 5 + 2,
    };
    assert_eq!(figures.waste, [expected]);
}

#[test]
fn a_loop_among_parents_costs_an_answer_and_not_the_process() {
    let mut site = site("Asia/Shanghai");
    site.meters[0].parent = Some(name("floor-1"));

    let figures = month_figures(&site, &HolidayCalendar::china(), NOVEMBER, i64::MAX, &[], &[]);

    assert_eq!(figures.meters.len(), 5);
}

#[test]
fn the_references_are_the_rules_that_held_and_the_notice_of_the_year() {
    let mut site = site("Asia/Shanghai");
    for (from, source) in [(date(2026, 11, 16), "notice 3"), (date(2026, 10, 1), "notice 2")] {
        let rule = Rule::Flat(1);
        site.tariffs[0].rules.push(DatedRule { from, source: source.to_owned(), rule });
    }

    let found = references(&site, &HolidayCalendar::china(), NOVEMBER);

    let rule = |tariff: &str, from, source: &str| Reference::TariffRule {
        tariff: name(tariff),
        from,
        source: source.to_owned(),
    };
    assert_eq!(
        found[..3],
        [
            rule("power", date(2026, 10, 1), "notice 2"),
            rule("power", date(2026, 11, 16), "notice 3"),
            rule("water", date(2026, 1, 1), "notice 1"),
        ]
    );
    let Reference::Holidays { year: 2026, notice: Some(notice) } = &found[3] else {
        panic!("{found:?}")
    };
    assert!(notice.contains("2026"));
}

#[test]
fn a_little_that_is_missing_is_never_rounded_to_nothing() {
    let figure =
        Figure { measured_s: 31 * 86_400 - 2, missing_s: 1, estimated_s: 1, ..Figure::default() };

    let shares = Shares { measured_milli: 998, estimated_milli: 1, missing_milli: 1 };
    assert_eq!(figure.shares(), shares);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn rows_equal_totals_to_the_last_digit(
        seeds in prop::array::uniform5(1..5_000_000_i64),
        gap in 0..2_880_usize,
        late in 0..2_880_usize,
    ) {
        let site = site("Asia/Shanghai");
        let lists: Vec<_> = seeds
            .iter()
            .map(|&seed| {
                let mut list = intervals(&site, NOVEMBER, |index| (seed * (index + 7)) % 4_999_993);
                for interval in list.iter_mut().skip(gap).take(50) {
                    *interval = IntervalAmount::missing(interval.start);
                }
                for interval in list.iter_mut().skip(late).take(70) {
                    interval.estimated = std::mem::take(&mut interval.measured);
                    interval.estimated_s = WHOLE_S - interval.missing_s;
                }
                list
            })
            .collect();
        let profiles: Vec<_> = site
            .meters
            .iter()
            .zip(&lists)
            .map(|(meter, list)| MeterProfile { meter: meter.id, intervals: list })
            .collect();

        let figures =
            month_figures(&site, &HolidayCalendar::china(), NOVEMBER, i64::MAX, &profiles, &[]);

        for total in &figures.totals {
            let mut meters = Figure::default();
            for row in figures.meters.iter().filter(|row| row.medium == total.medium) {
                if row.counts_in_total {
                    meters += row.figure;
                }
            }
            let mut days = Figure::default();
            for row in figures.days.iter().filter(|row| row.medium == total.medium) {
                days += row.figure;
            }
            prop_assert_eq!(meters, total.figure);
            prop_assert_eq!(days, total.figure);
            let Shares { measured_milli, estimated_milli, missing_milli } = total.figure.shares();
            prop_assert_eq!(measured_milli + estimated_milli + missing_milli, 1000);
        }
    }
}
