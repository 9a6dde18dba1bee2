mod any_events;
mod any_readings;
mod events;
mod limits;
mod year_of_faults;

use super::*;

/// 2026-03-01T00:00:00Z, a quarter hour's start like any midnight.
const MONTH: i64 = 1_772_323_200;
const DAY_S: i64 = 86_400;

fn reading(instant: i64, value: i64) -> CounterReading {
    CounterReading { instant, value }
}

fn hour(index: i64) -> i64 {
    MONTH + index * 3600
}

fn span(from: i64, to: i64) -> Span {
    Span { from, to }
}

fn rules() -> CounterRules {
    CounterRules::polled_every(60)
}

fn totals(intervals: &[IntervalAmount]) -> (i64, i64, i64) {
    intervals.iter().fold((0, 0, 0), |(measured, estimated, missing), interval| {
        (
            measured + interval.measured,
            estimated + interval.estimated,
            missing + i64::from(interval.missing_s),
        )
    })
}

/// What a building's main meter has counted at an instant, mWh: nights at 2 kW, days at
/// up to 22 kW, with some restlessness, never standing still.
fn truth(instant: i64) -> i64 {
    let since = instant - MONTH + 40 * DAY_S;
    let (days, second) = (since / DAY_S, since % DAY_S);
    let by_day = 20_000_000 * 36_000 / 3600;
    let worked = (second - 28_800).clamp(0, 36_000);
    let restless = (since / 60 * 7_919) % 2_003;
    since * 2_000_000 / 3600 + days * by_day + worked * 20_000_000 / 3600 + restless
}

/// A month of readings, and as long again as it takes to decide the last of them.
fn month(poll_s: i64) -> Vec<CounterReading> {
    let polls = 31 * DAY_S / poll_s + 10;
    (-2..polls).map(|poll| MONTH + poll * poll_s + 7).map(|t| reading(t, truth(t))).collect()
}

fn month_span() -> Span {
    span(MONTH, MONTH + 31 * DAY_S)
}

/// Checks that the readings give the month's truth within 0.01 %, that no quarter hour is
/// far from its own truth, and that nothing is undecided.
#[track_caller]
fn check_month(readings: &[CounterReading], events: &[MeterEvent], rules: &CounterRules) {
    let found = consumption(readings, events, rules, None, month_span());

    let (measured, estimated, missing) = totals(&found.intervals);
    let true_total = truth(MONTH + 31 * DAY_S) - truth(MONTH);
    let error = (measured + estimated - true_total).abs();
    assert!(error * 10_000 <= true_total, "{error} of {true_total} mWh are wrong");
    assert_eq!(missing, 0);
    for interval in &found.intervals {
        let true_amount = truth(interval.end()) - truth(interval.start);
        assert!((interval.amount() - true_amount).abs() < 6_000_000, "{interval:?}, {true_amount}");
    }
    assert!(found.suspects.iter().all(|s| s.reason != SuspectReason::Undecided));
}

/// The poll periods of our meters: each minute, and each quarter hour.
const POLLS_S: [u32; 2] = [60, 900];

// --- what a counter says, plainly ---------------------------------------------------

#[test]
fn readings_on_the_borders_give_the_differences() {
    let readings =
        [reading(hour(0), 100), reading(hour(0) + 900, 130), reading(hour(0) + 1800, 190)];

    let found = consumption(&readings, &[], &rules(), None, span(hour(0), hour(0) + 1800));

    let amounts: Vec<_> = found.intervals.iter().map(IntervalAmount::known).collect();
    assert_eq!(amounts, [Some(30), Some(60)]);
    assert!(found.intervals.iter().all(|i| i.coverage() == Coverage::Measured));
}

#[test]
fn a_border_between_two_readings_is_interpolated_and_nothing_is_lost() {
    let readings = [reading(hour(0) + 600, 1000), reading(hour(0) + 1200, 1007)];

    let found = consumption(&readings, &[], &rules(), None, span(hour(0), hour(0) + 1800));

    let [first, second] = found.intervals[..] else { panic!("{found:?}") };
    assert_eq!((first.measured, first.missing_s), (3, 600));
    assert_eq!((second.measured, second.missing_s), (4, 600));
    assert_eq!(first.coverage(), Coverage::Partly);
}

#[test]
fn an_interval_without_readings_at_or_beyond_both_ends_is_missing_not_zero() {
    let readings = [reading(hour(1), 500), reading(hour(1) + 900, 600)];

    let found = consumption(&readings, &[], &rules(), None, span(hour(0), hour(2)));

    let known: Vec<_> = found.intervals.iter().map(IntervalAmount::known).collect();
    assert_eq!(known, [None, None, None, None, Some(100), None, None, None]);
}

#[test]
fn no_reading_at_all_is_a_span_of_gaps() {
    let found = consumption(&[], &[], &rules(), None, span(hour(0), hour(1)));

    assert!(found.intervals.iter().all(|i| i.coverage() == Coverage::Missing));
    assert_eq!((found.intervals.len(), found.settled_until), (4, None));
}

#[test]
fn a_span_off_the_quarter_hours_is_widened_to_them() {
    let found = consumption(&[], &[], &rules(), None, span(hour(0) + 1, hour(0) + 901));

    let starts: Vec<_> = found.intervals.iter().map(|i| i.start).collect();
    assert_eq!(starts, [hour(0), hour(0) + 900]);
}

#[test]
fn days_have_92_96_or_100_quarter_hours_and_each_month_adds_up() {
    let zone = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    let day = |date: jiff::civil::Date| {
        let start =
            |date: jiff::civil::Date| date.to_zoned(zone.clone()).unwrap().timestamp().as_second();
        span(start(date), start(date.tomorrow().unwrap()))
    };
    let readings: Vec<_> = (0..400)
        .map(|q| reading(MONTH + 27 * DAY_S + q * 900, truth(MONTH + 27 * DAY_S + q * 900)))
        .collect();

    let spring = consumption(&readings, &[], &rules(), None, day(jiff::civil::date(2026, 3, 29)));
    let usual = consumption(&readings, &[], &rules(), None, day(jiff::civil::date(2026, 3, 30)));
    let autumn = consumption(&[], &[], &rules(), None, day(jiff::civil::date(2026, 10, 25)));

    assert_eq!(
        (spring.intervals.len(), usual.intervals.len(), autumn.intervals.len()),
        (92, 96, 100)
    );
    let (from, to) =
        (day(jiff::civil::date(2026, 3, 29)).from, day(jiff::civil::date(2026, 3, 30)).to);
    let (spring, usual) = (totals(&spring.intervals), totals(&usual.intervals));
    assert_eq!(spring.0 + usual.0, truth(to) - truth(from));
}

// --- a month with a fault -----------------------------------------------------------

#[test]
fn a_sound_month_is_the_truth() {
    for poll_s in POLLS_S {
        check_month(&month(i64::from(poll_s)), &[], &CounterRules::polled_every(poll_s));
    }
}

#[test]
fn single_zeros_and_zeros_off_and_on_leave_the_month_alone() {
    for poll_s in POLLS_S {
        let mut readings = month(i64::from(poll_s));
        for index in [0, 500, 700, 702, 704, 705, 706, 709, 1200, 1201, 1202, 1203, 1204, 1205] {
            readings[index].value = 0;
        }

        check_month(&readings, &[], &CounterRules::polled_every(poll_s));
    }
}

#[test]
fn a_dip_under_ten_percent_leaves_the_month_alone() {
    for poll_s in POLLS_S {
        let mut readings = month(i64::from(poll_s));
        for index in [300, 301, 302, 900] {
            readings[index].value -= readings[index].value / 20;
        }

        check_month(&readings, &[], &CounterRules::polled_every(poll_s));
    }
}

#[test]
fn a_spike_leaves_the_month_alone() {
    for poll_s in POLLS_S {
        let mut readings = month(i64::from(poll_s));
        readings[400].value *= 1000;
        readings[900].value += 50_000_000_000;

        check_month(&readings, &[], &CounterRules::polled_every(poll_s));
    }
}

#[test]
fn a_spike_of_several_readings_needs_only_a_largest_rate() {
    let mut readings = month(60);
    for reading in &mut readings[400..440] {
        reading.value += 50_000_000_000;
    }

    check_month(&readings, &[], &rules().at_most(Some(100_000_000)));
}

#[test]
fn a_true_reset_leaves_the_month_alone() {
    for poll_s in POLLS_S {
        let mut readings = month(i64::from(poll_s));
        let cleared = truth(readings[1000].instant - 20);
        for reading in &mut readings[1000..] {
            reading.value -= cleared;
        }

        check_month(&readings, &[], &CounterRules::polled_every(poll_s));
    }
}

#[test]
fn a_meter_that_forgets_its_last_hour_leaves_the_month_alone() {
    for poll_s in POLLS_S {
        let mut readings = month(i64::from(poll_s));
        let forgotten = truth(readings[1000].instant) - truth(readings[1000].instant - 3600);
        for reading in &mut readings[1000..] {
            reading.value -= forgotten;
        }

        check_month(&readings, &[], &CounterRules::polled_every(poll_s));
    }
}

#[test]
fn a_rollover_is_counted_through_even_amid_zeros() {
    for poll_s in POLLS_S {
        let rollover = truth(MONTH + 10 * DAY_S);
        let mut readings = month(i64::from(poll_s));
        for reading in &mut readings {
            reading.value %= rollover;
        }
        let first = readings.windows(2).position(|pair| pair[1].value < pair[0].value).unwrap();
        readings[first + 2].value = 0;
        readings[first + 5].value = 0;

        let rules = CounterRules::polled_every(poll_s).rolling_over_at(Some(rollover));
        check_month(&readings, &[], &rules);
        let found = consumption(&readings, &[], &rules, None, month_span());
        assert_eq!(found.breaks.len(), 1);
        assert_eq!(found.breaks[0].kind, BreakKind::Rollover);
    }
}

#[test]
fn a_swapped_meter_is_counted_through_by_its_event() {
    for poll_s in POLLS_S {
        let mut readings = month(i64::from(poll_s));
        let instant = readings[1000].instant - 15;
        for reading in &mut readings[1000..] {
            reading.value -= truth(instant) - 12_345;
        }
        let swap = MeterEvent::swap(instant, truth(instant), 12_345);

        check_month(&readings, &[swap.clone(), swap.clone()], &CounterRules::polled_every(poll_s));
        let found = consumption(&readings, &[swap], &rules(), None, month_span());
        assert_eq!(found.breaks, []);
    }
}

#[test]
fn all_of_them_in_one_month_leave_it_alone() {
    let mut readings = month(60);
    let swapped = readings[20_000].instant - 15;
    for reading in &mut readings[20_000..] {
        reading.value -= truth(swapped) - 777;
    }
    let cleared = readings[30_000].value - 200;
    for reading in &mut readings[30_000..] {
        reading.value -= cleared;
    }
    for index in (5..44_000).step_by(97) {
        readings[index].value = 0;
    }
    for index in (60..44_000).step_by(1_013) {
        readings[index].value -= readings[index].value / 11;
    }
    let swap = MeterEvent::swap(swapped, truth(swapped), 777);

    check_month(&readings, &[swap], &rules());
}

// --- suspects -----------------------------------------------------------------------

#[test]
fn a_fall_at_the_very_end_is_undecided_and_its_intervals_are_missing() {
    let mut readings: Vec<_> = (0..60).map(|m| reading(hour(0) + m * 60, 1_000 + m)).collect();
    for reading in &mut readings[46..] {
        reading.value = 0;
    }

    let found = consumption(&readings, &[], &rules(), None, span(hour(0), hour(1)));

    let undecided = found.suspects.iter().filter(|s| s.reason == SuspectReason::Undecided).count();
    assert_eq!(undecided, 14);
    assert_eq!(found.intervals[2].coverage(), Coverage::Measured);
    assert_eq!(found.intervals[3].coverage(), Coverage::Missing);
    assert_eq!(found.settled_until, Some(hour(0) + 44 * 60));
}

#[test]
fn zeros_for_hours_are_a_gap_that_the_recovery_fills_as_estimated() {
    let mut readings = month(60);
    for reading in &mut readings[600..780] {
        reading.value = 0;
    }

    let found = consumption(&readings, &[], &rules(), None, month_span());

    check_month(&readings, &[], &rules());
    let (_, estimated, _) = totals(&found.intervals);
    assert_eq!(estimated, readings[780].value - readings[599].value);
    assert_eq!(found.breaks, []);
}

#[test]
fn a_zero_as_the_first_thing_ever_said_is_no_consumption_of_a_lifetime() {
    let readings: Vec<_> =
        (0..90).map(|m| reading(hour(0) + m * 60, if m < 3 { 0 } else { 5_000_000 + m })).collect();

    let found = consumption(&readings, &[], &rules(), None, span(hour(0), hour(1)));

    assert_eq!(totals(&found.intervals).0, 57);
    assert_eq!(found.suspects.len(), 3);
}

#[test]
fn a_new_meter_that_starts_at_zero_is_believed() {
    let readings: Vec<_> =
        (0..90).map(|m| reading(hour(0) + m * 60, (m - 5).max(0) * 10)).collect();

    let found = consumption(&readings, &[], &rules(), None, span(hour(0), hour(1)));

    assert_eq!(totals(&found.intervals), (550, 0, 0));
    assert_eq!(found.suspects, []);
}

#[test]
fn what_no_counter_of_this_width_shows_is_out_of_range() {
    let mut readings: Vec<_> = (0..60).map(|m| reading(hour(0) + m * 60, 1_000 + m)).collect();
    readings[10].value = -1;
    readings[20].value = 100_000;

    let rules = rules().rolling_over_at(Some(100_000));
    let found = consumption(&readings, &[], &rules, None, span(hour(0), hour(1)));

    let reasons: Vec<_> = found.suspects.iter().map(|suspect| suspect.reason).collect();
    assert_eq!(reasons, [SuspectReason::OutOfRange; 2]);
    assert_eq!(totals(&found.intervals).0, 59);
}

#[test]
fn a_lasting_jump_is_no_consumption_if_the_largest_rate_is_known() {
    let readings: Vec<_> = (0..180)
        .map(|m| reading(hour(0) + m * 60, 1_000 + 10 * m + if m < 90 { 0 } else { 7_000_000 }))
        .collect();

    let found =
        consumption(&readings, &[], &rules().at_most(Some(100_000)), None, span(hour(0), hour(3)));

    assert_eq!(found.breaks.len(), 1);
    assert_eq!((found.breaks[0].kind, found.breaks[0].amount), (BreakKind::Jump, Some(10)));
    let (measured, estimated, _) = totals(&found.intervals);
    assert_eq!(measured + estimated, 1_790);
}

#[test]
fn a_reset_within_a_long_gap_stays_missing() {
    let before = (0..30).map(|m| reading(hour(0) + m * 60, 50_000 + m));
    let after = (0..90).map(|m| reading(hour(4) + m * 60, m));
    let readings: Vec<_> = before.chain(after).collect();

    let found = consumption(&readings, &[], &rules(), None, span(hour(0), hour(5)));

    assert_eq!((found.breaks[0].kind, found.breaks[0].amount), (BreakKind::Reset, None));
    assert_eq!(found.intervals[8].coverage(), Coverage::Missing);
    assert_eq!(totals(&found.intervals).0, 29 + 60);
}

// --- gaps ---------------------------------------------------------------------------

#[test]
fn a_six_hour_outage_is_spread_over_itself_and_makes_no_spike() {
    let mut readings = month(60);
    readings.retain(|r| !(hour(60) + 120 < r.instant && r.instant < hour(66) + 240));

    let found = consumption(&readings, &[], &rules(), None, month_span());

    check_month(&readings, &[], &rules());
    let back = found.intervals[66 * 4];
    assert!(back.amount() < 6_000_000, "{back:?}");
    let (measured, estimated, _) = totals(&found.intervals);
    let whole = found.intervals.iter().filter(|i| i.estimated_s == WHOLE_S).count();
    assert_eq!(whole, 23);
    assert_eq!(measured + estimated, truth_by_readings(&readings));
}

fn truth_by_readings(readings: &[CounterReading]) -> i64 {
    let all = consumption(readings, &[], &rules(), None, month_span());
    let at = |instant: i64| {
        let next = readings.partition_point(|r| r.instant < instant);
        let (a, b) = (readings[next - 1], readings[next]);
        a.value + (b.value - a.value) * (instant - a.instant) / (b.instant - a.instant)
    };
    assert_eq!(all.intervals.len(), 31 * 96);
    at(MONTH + 31 * DAY_S) - at(MONTH)
}

#[test]
fn a_gap_takes_the_shape_it_is_given() {
    let readings = [reading(hour(0), 0), reading(hour(0) + 1, 1), reading(hour(1), 1_001)];
    let shape = |gap: i64, start: i64| {
        assert_eq!(gap, hour(0) + 1);
        Some(match start - hour(0) {
            900 => 3,
            1800 => 1,
            _ => 0,
        })
    };

    let found = consumption(&readings, &[], &rules(), Some(&shape), span(hour(0), hour(1)));

    let estimated: Vec<_> = found.intervals.iter().map(|i| i.estimated).collect();
    assert_eq!(estimated, [0, 750, 250, 0]);
    assert_eq!(found.intervals[0].measured, 1);
}

#[test]
fn a_shape_that_does_not_know_all_of_the_gap_gives_a_straight_line() {
    let readings = [reading(hour(0), 5), reading(hour(1), 1_005)];
    let shape = |_: i64, start: i64| (start != hour(0)).then_some(7);

    let found = consumption(&readings, &[], &rules(), Some(&shape), span(hour(0), hour(1)));

    let estimated: Vec<_> = found.intervals.iter().map(|i| i.estimated).collect();
    assert_eq!(estimated, [250; 4]);
}

#[test]
fn a_shape_without_any_weight_gives_a_straight_line() {
    let readings = [reading(hour(0), 5), reading(hour(1), 1_005)];

    let found =
        consumption(&readings, &[], &rules(), Some(&|_, _| Some(0)), span(hour(0), hour(1)));

    let estimated: Vec<_> = found.intervals.iter().map(|i| i.estimated).collect();
    assert_eq!(estimated, [250; 4]);
}

#[test]
fn two_polls_of_a_rarely_polled_meter_are_no_gap() {
    let readings: Vec<_> = (0..6).map(|h| reading(hour(h), h * 400)).collect();

    let found = consumption(
        &readings,
        &[],
        &CounterRules::polled_every(3600),
        None,
        span(hour(0), hour(5)),
    );

    assert!(found.intervals.iter().all(|i| i.coverage() == Coverage::Measured));
    assert!(found.intervals.iter().all(|i| i.amount() == 100));
}
