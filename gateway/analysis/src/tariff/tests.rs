use jiff::civil::{date, time};
use proptest::prelude::*;

use super::*;
use crate::interval::{INTERVAL_S, interval_start};

const SHARP: Rate = Rate { name: BandName::Sharp, rate_e4: 12_000 };
const PEAK: Rate = Rate { name: BandName::Peak, rate_e4: 10_000 };
const SHOULDER: Rate = Rate { name: BandName::Shoulder, rate_e4: 6_500 };
const VALLEY: Rate = Rate { name: BandName::Valley, rate_e4: 3_000 };

fn banded() -> Rule {
    let band = |rate, months: &[i8], times: &[(i8, i8)]| Band {
        rate,
        months: months.to_vec(),
        days: Days::All,
        times: times.iter().map(|&(a, b)| (time(a, 0, 0, 0), time(b, 0, 0, 0))).collect(),
    };
    Rule::Banded {
        bands: vec![
            band(SHARP, &[7, 8], &[(19, 21)]),
            band(PEAK, &[], &[(10, 12), (16, 22)]),
            band(VALLEY, &[], &[(23, 7)]),
        ],
        otherwise: SHOULDER,
    }
}

fn tariff(rules: Vec<(Date, Rule)>) -> Tariff {
    let rules = rules
        .into_iter()
        .map(|(from, rule)| DatedRule { from, source: "notice".to_owned(), rule })
        .collect();
    Tariff {
        id: Name::new("agency").unwrap(),
        name: Text::default(),
        medium: Medium::Electricity,
        rules,
    }
}

fn measured(start: i64, amount: i64) -> IntervalAmount {
    IntervalAmount { start, measured: amount, estimated: 0, estimated_s: 0, missing_s: 0 }
}

#[test]
fn the_bands_of_a_day_are_those_printed() {
    let tariff = tariff(vec![(date(2026, 1, 1), banded())]);
    let calendar = HolidayCalendar::china();

    let at = |month, hour, minute| {
        tariff.rate(date(2026, month, 10).at(hour, minute, 0, 0), &calendar).unwrap()
    };

    assert_eq!(at(3, 6, 59), VALLEY);
    assert_eq!(at(3, 7, 0), SHOULDER);
    assert_eq!(at(3, 10, 0), PEAK);
    assert_eq!(at(3, 20, 0), PEAK);
    assert_eq!(at(7, 20, 0), SHARP);
    assert_eq!(at(7, 21, 0), PEAK);
    assert_eq!(at(3, 22, 0), SHOULDER);
    assert_eq!(at(3, 23, 0), VALLEY);
    assert_eq!(at(3, 0, 0), VALLEY);
}

#[test]
fn bands_of_days_off_follow_the_holiday_calendar() {
    let weekend = Band {
        rate: VALLEY,
        months: Vec::new(),
        days: Days::Off,
        times: vec![(Time::midnight(), Time::midnight())],
    };
    let rule = Rule::Banded { bands: vec![weekend], otherwise: PEAK };
    let tariff = tariff(vec![(date(2026, 1, 1), rule)]);
    let calendar = HolidayCalendar::china();

    let on = |month, day| tariff.rate(date(2026, month, day).at(12, 0, 0, 0), &calendar).unwrap();

    assert_eq!(on(10, 1), VALLEY);
    assert_eq!(on(10, 10), PEAK);
    assert_eq!(on(10, 11), VALLEY);
}

#[test]
fn each_day_is_paid_by_the_rule_of_its_own_time() {
    let tariff =
        tariff(vec![(date(2026, 3, 1), Rule::Flat(7_000)), (date(2026, 2, 1), Rule::Flat(6_000))]);

    let rule = |month, day| tariff.rule_on(date(2026, month, day)).map(|rule| &rule.rule);

    assert_eq!(rule(1, 31), None);
    assert_eq!(rule(2, 28), Some(&Rule::Flat(6_000)));
    assert_eq!(rule(3, 1), Some(&Rule::Flat(7_000)));
}

#[test]
fn what_lies_before_the_first_rule_is_unpriced_and_said_so() {
    let tariff = tariff(vec![(date(2026, 3, 1), Rule::Flat(7_000))]);
    let (zone, calendar) = (TimeZone::UTC, HolidayCalendar::china());
    let pricing = Pricing { tariff: &tariff, zone: &zone, calendar: &calendar };
    let march = 1_772_323_200;

    let bill = pricing.bill(&[measured(march - 900, 5), measured(march, 1_000_000)]);

    assert_eq!((bill.unpriced, bill.cost().e4()), (5, 7_000));
}

#[test]
fn a_bill_of_water_counts_cubic_metres() {
    let tariff = tariff(vec![(date(2026, 1, 1), Rule::Flat(41_000))]);
    let (zone, calendar) = (TimeZone::UTC, HolidayCalendar::china());
    let pricing = Pricing { tariff: &tariff, zone: &zone, calendar: &calendar };

    // 2.5 m³ at 4.10 yuan.
    assert_eq!(pricing.cost_at(1_772_323_200, 2_500_000).unwrap().e4(), 102_500);
}

proptest! {
    #[test]
    fn the_rows_of_a_bill_are_the_whole_profile_and_its_whole_cost(
        amounts in prop::collection::vec(0..2_000_000_i64, 1..400),
        offset in 0..40_000_i64,
    ) {
        let tariff = tariff(vec![(date(2020, 1, 1), banded())]);
        let zone = TimeZone::get("Asia/Shanghai").unwrap();
        let calendar = HolidayCalendar::china();
        let pricing = Pricing { tariff: &tariff, zone: &zone, calendar: &calendar };
        let first = interval_start(1_767_225_600) + offset * INTERVAL_S;
        let intervals: Vec<_> = (0..)
            .zip(&amounts)
            .map(|(index, &amount)| measured(first + index * INTERVAL_S, amount))
            .collect();

        let bill = pricing.bill(&intervals);

        let one_by_one: Cost =
            intervals.iter().map(|i| pricing.cost_at(i.start, i.measured).unwrap()).sum();
        prop_assert_eq!(bill.cost(), one_by_one);
        prop_assert_eq!(
            bill.rows.iter().map(|row| row.amount).sum::<i64>(),
            amounts.iter().sum::<i64>()
        );
    }
}
