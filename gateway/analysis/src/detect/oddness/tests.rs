use jiff::tz::TimeZone;
use wire::Name;

use super::*;
use crate::{calendar::HolidayCalendar, track::Track};

const MONDAY: i64 = 1_772_409_600;

fn site(days: i64, change: impl Fn(i64, i64) -> i64) -> Track {
    let amount = |hour: i64| {
        let base = if (8..18).contains(&(hour % 24)) { 3_000_000 } else { 1_000_000 };
        Some(change(hour, base + (hour * 7919) % 41 * 1_000))
    };
    Track { start: MONDAY, step_s: 3600, amounts: (0..days * 24).map(amount).collect() }
}

fn scores(track: &Track) -> Vec<Odd> {
    let (name, calendar) = (Name::new("main").unwrap(), HolidayCalendar::weekdays());
    oddness(&Load {
        meter: &name,
        area: &name,
        track,
        zone: &TimeZone::UTC,
        calendar: &calendar,
        pricing: None,
    })
}

fn at(found: &[Odd], hour: i64) -> f64 {
    let start = MONDAY + hour * 3600;
    found.iter().find(|it| it.start == start).unwrap().score
}

#[test]
fn a_spike_a_stuck_meter_and_a_doubled_scale_are_odd_and_other_hours_are_not() {
    let spike = site(60, |hour, amount| if hour == 1_210 { 9_000_000 } else { amount });
    let stuck =
        site(60, |hour, amount| if (1_210..1_230).contains(&hour) { 1_234_567 } else { amount });
    let doubled = site(60, |hour, amount| if 1_210 <= hour { 2 * amount } else { amount });

    let calm = at(&scores(&site(60, |_, amount| amount)), 1_210);

    assert!(calm < 3.0, "{calm}");
    assert!(8.0 <= at(&scores(&spike), 1_210));
    assert!(10.0 <= at(&scores(&stuck), 1_229));
    assert!(10.0 <= at(&scores(&doubled), 1_233));
}

#[test]
fn a_score_uses_nothing_after_its_hour() {
    let track = site(60, |hour, amount| if 1_300 <= hour { 5 * amount } else { amount });
    let mut before = track.clone();
    before.amounts.truncate(1_250);

    let (whole, part) = (scores(&track), scores(&before));

    assert_eq!(part, whole[..part.len()]);
    assert_eq!(part.last().map(|it| it.start), Some(MONDAY + 1_249 * 3600));
}

#[test]
fn a_meter_that_always_repeats_itself_is_not_odd_for_it() {
    let track = Track { start: MONDAY, step_s: 3600, amounts: vec![Some(5_000); 24 * 90] };

    let found = scores(&track);

    assert!(found.iter().all(|it| it.score < 13.0), "bounded");
    assert!(at(&found, 24 * 20) <= 12.0);
    let absurd = Track {
        amounts: (0..24 * 40)
            .map(|it| Some(if it % 2 == 0 { i64::MAX } else { i64::MIN }))
            .collect(),
        ..track
    };
    assert!(scores(&absurd).iter().all(|it| it.score.is_finite()));
}
