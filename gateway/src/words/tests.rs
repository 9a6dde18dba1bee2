use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const LANGUAGES: [Language; 2] = [Language::Zh, Language::En];

fn placeholders(pattern: &str) -> BTreeSet<&str> {
    let names = pattern.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
    names.map(|(name, _)| name).collect()
}

#[test]
fn both_catalogues_have_the_same_keys_and_place_holders() {
    let shapes = LANGUAGES.map(|language| {
        let pairs = catalogue(language).iter();
        pairs.map(|(key, pattern)| (key.clone(), placeholders(pattern))).collect::<Vec<_>>()
    });

    assert!(!shapes[0].is_empty());
    assert_eq!(shapes[0], shapes[1]);
}

#[test]
fn both_catalogue_files_are_sorted_so_that_two_hands_can_add_to_them() {
    for json in [
        include_str!("../../../dashboards/locales/zh-CN.json"),
        include_str!("../../../dashboards/locales/en.json"),
    ] {
        let keys: Vec<&str> =
            json.lines().filter_map(|line| line.trim().strip_prefix('"')).collect();
        let keys: Vec<&str> = keys.iter().filter_map(|line| line.split('"').next()).collect();

        assert!(keys.is_sorted(), "{:?}", keys.windows(2).find(|pair| pair[1] < pair[0]));
    }
}

#[test]
fn a_parameter_with_braces_is_not_filled_again() {
    let filled = fill("{area}: {since}, {unknown} {", &[("area", "{since}"), ("since", "19:10")]);

    assert_eq!(filled, "{since}: 19:10, {unknown} {");
}

#[test]
fn a_missing_key_stands_for_itself() {
    assert_eq!(text(Language::En, "no.such.key", &[]), "no.such.key");
}

#[test]
fn energies_are_printed_with_as_many_digits_as_one_reads_at_a_glance() {
    let print = |mwh| energy(Language::Zh, mwh);

    let printed = [0, 4_000, 840_000, 4_249_999, 4_250_000, 99_960_000, 1_234_567_890].map(print);

    assert_eq!(
        printed,
        ["0 kWh", "0.00 kWh", "0.84 kWh", "4.2 kWh", "4.3 kWh", "100.0 kWh", "1,235 kWh"]
    );
    assert_eq!(print(123_456_000_000), "12.3 万 kWh");
    assert_eq!(energy(Language::En, 123_456_000_000), "123,456 kWh");
}

#[test]
fn money_names_its_currency() {
    assert_eq!(money(Language::Zh, 33_649, "CNY"), "3.36 元");
    assert_eq!(money(Language::En, 12_345_650_000, "CNY"), "CNY 1,234,565.00");
    assert_eq!(money(Language::Zh, -50, "EUR"), "-0.01 EUR");
}

#[test]
fn a_share_short_of_the_whole_is_never_100_percent() {
    assert_eq!(share(1_000), "100.0%");
    assert_eq!(share(999), "99.9%");
}

#[test]
fn powers_and_volumes_carry_their_unit() {
    assert_eq!(power(40_400), "40 W");
    assert_eq!(power(1_234_567), "1.2 kW");
    assert_eq!(volume(250_000), "0.25 m³");
}

#[test]
fn a_moment_is_told_in_the_zone_of_the_site() {
    let zone = TimeZone::get("Asia/Shanghai").unwrap();
    let instant = 1_795_518_600; // 2026-11-24T11:10:00Z

    let told = LANGUAGES.map(|language| moment(language, &zone, instant, instant + 86_400));
    let next_year = LANGUAGES.map(|language| moment(language, &zone, instant, instant + 5_000_000));

    assert_eq!(told, ["11月24日 19:10", "24 Nov 19:10"]);
    assert_eq!(next_year, ["2026年11月24日 19:10", "24 Nov 2026 19:10"]);
    assert_eq!(time_of_day(&zone, instant), "19:10");
    assert_eq!(month(Language::Zh, 2026, 10), "2026年10月");
    assert_eq!(month(Language::En, 2026, 10), "October 2026");
}

#[test]
fn a_duration_shows_its_two_largest_parts() {
    let told = [59, 2_159, 7_500, 3 * 86_400 + 4 * 3_600 + 120, 86_400]
        .map(|seconds| duration(Language::Zh, seconds));

    assert_eq!(told, ["0 分钟", "35 分钟", "2 小时 5 分钟", "3 天 4 小时", "1 天"]);
    assert_eq!(duration(Language::En, 7_500), "2 h 5 min");
}

proptest! {
    #[test]
    fn a_cell_prints_every_digit_of_the_integer(value in -999_999_999_999_999_i64..=999_999_999_999_999) {
        let cell = exact(value, 6).unwrap();

        let printed = format!("{cell:.6}");

        let digits: String = printed.chars().filter(|c| *c != '.').collect();
        prop_assert_eq!(digits.parse::<i64>().unwrap(), value);
    }
}

#[test]
fn a_cell_that_would_lose_a_digit_is_refused() {
    assert_eq!(exact(1_000_000_000_000_000, 6), None);
    assert_eq!(exact(i64::MIN, 6), None);
}
