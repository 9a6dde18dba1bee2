use proptest::prelude::*;

use super::*;

const KW: i64 = 1_000_000;

/// Quarter hours of so many kilowatts each.
fn track(kilowatts: &[Option<i64>]) -> Track {
    let amounts = kilowatts.iter().map(|it| it.map(|it| it * KW / 4)).collect();
    Track { start: 0, step_s: 900, amounts }
}

#[test]
fn what_lies_above_the_contract_is_found_and_ends() {
    let limits = DemandLimits { contract_mw: Some(100 * KW), ..DemandLimits::default() };
    let track = track(&[Some(90), Some(100), Some(101), None, Some(120), Some(99), Some(105)]);

    let found = peak_demand(&track, &limits);

    let spans: Vec<_> = found.iter().map(|it| (it.from, it.noticed, it.until)).collect();
    assert_eq!(spans, [(1_800, 2_700, Some(4_500)), (5_400, 6_300, None)]);
    assert_eq!(found[0].evidence.len(), 2);
    assert_eq!(found[0].evidence[0].limit, 25 * KW);
}

#[test]
fn without_a_contract_the_past_is_the_limit_and_is_learnt_first() {
    let mut kilowatts: Vec<Option<i64>> = (0..60 * 96).map(|it| Some(50 + it % 50)).collect();
    kilowatts[10] = Some(500);
    kilowatts.extend([Some(102), Some(103), Some(104)]);

    let found = peak_demand(&track(&kilowatts), &DemandLimits::default());

    // 99 kW and a twentieth of it: 103.95 kW.
    let limit = demand_limit(&track(&kilowatts[..60 * 96]), &DemandLimits::default());
    assert!(limit.is_some_and(|it| (103 * KW..105 * KW).contains(&it)), "{limit:?}");
    assert_eq!(demand_limit(&track(&kilowatts[..9]), &DemandLimits::default()), None);
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].from, (60 * 96 + 2) * 900);
}

#[test]
fn a_quarter_hour_is_warned_of_while_it_can_still_be_saved() {
    // Ten minutes at 120 kW are 20 kWh; the contract allows 25 in the quarter hour.
    let warning = quarter_so_far(20 * KW, 600, 120 * KW, 900, 100 * KW).unwrap();

    assert_eq!(warning.forecast_mw, 120 * KW);
    // 5 kWh are left for five minutes: 60 kW.
    assert!((warning.shed_mw - 60 * KW).abs() <= 1, "{}", warning.shed_mw);
    let saved = quarter_so_far(20 * KW, 600, 120 * KW - warning.shed_mw, 900, 100 * KW);
    assert_eq!(saved, None);
    assert_eq!(quarter_so_far(20 * KW, 900, 120 * KW, 900, 100 * KW), None);
    // It is foretold also while it stays within.
    assert_eq!(quarter_forecast(10 * KW, 600, 60 * KW, 900), Some(60 * KW));
}

proptest! {
    #[test]
    fn absurd_series_do_not_panic_and_what_comes_later_changes_no_beginning(
        amounts in proptest::collection::vec(proptest::option::of(any::<i64>()), 0..400),
        step_s in prop_oneof![Just(900_i64), Just(3_600), Just(0), Just(-1)],
        contract in proptest::option::of(any::<i64>()),
        until in 0_usize..400,
    ) {
        let limits = DemandLimits { contract_mw: contract, past_min_s: 3_600, ..DemandLimits::default() };
        let track = Track { start: 0, step_s, amounts };
        let mut before = track.clone();
        before.amounts.truncate(until);

        let (whole, part) = (peak_demand(&track, &limits), peak_demand(&before, &limits));

        let begins = |spells: &[Spell]| -> Vec<_> {
            spells.iter().map(|it| (it.from, it.noticed)).collect()
        };
        prop_assert_eq!(begins(&part), begins(&whole[..part.len()]));
    }

    #[test]
    fn a_warning_says_what_to_shed_whatever_is_asked(
        so_far in any::<i64>(),
        elapsed in any::<i64>(),
        power in any::<i64>(),
        limit in any::<i64>(),
    ) {
        if let Some(warning) = quarter_so_far(so_far, elapsed, power, 900, limit) {
            prop_assert!(limit < warning.forecast_mw);
        }
    }
}
