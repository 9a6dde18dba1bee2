//! Swaps, scales, corrections and estimates, one by one.

use super::*;

/// A day of a meter that counts 1,000 a minute, polled each quarter hour; from an hour before.
fn steady() -> Vec<CounterReading> {
    (-4..=100).map(|poll| reading(hour(0) + poll * 900, 1_000_000 + poll * 15_000)).collect()
}

fn quarter_hourly() -> CounterRules {
    CounterRules::polled_every(900)
}

fn day() -> Span {
    span(hour(0), hour(24))
}

fn correction(order: i64, from: i64, to: i64, amounts: Amounts) -> MeterEvent {
    MeterEvent::Correction { order, span: span(hour(from), hour(to)), amounts }
}

fn amounts(found: &Consumption) -> Vec<i64> {
    found.intervals.iter().map(IntervalAmount::amount).collect()
}

#[test]
fn a_correction_replaces_its_span_and_what_the_readings_say_stays_known() {
    let event = correction(1, 2, 4, Amounts::Total(8_003));

    let found = consumption(&steady(), &[event], &quarter_hourly(), None, day());

    let plain = consumption(&steady(), &[], &quarter_hourly(), None, day());
    assert_eq!(found.uncorrected, Some(plain.intervals));
    assert_eq!(
        amounts(&found)[7..17],
        [15_000, 1_000, 1_000, 1_001, 1_000, 1_000, 1_001, 1_000, 1_001, 15_000]
    );
    assert!(found.intervals[8..16].iter().all(|it| it.coverage() == Coverage::Estimated));
    assert_eq!(plain.uncorrected, None);
}

#[test]
fn the_later_made_of_two_corrections_lies_over_the_earlier_in_any_order_of_telling() {
    let early = correction(1, 0, 2, Amounts::Total(8_000));
    let late = correction(2, 1, 3, Amounts::Each(vec![1, 2, 3, 4, 5, 6, 7, 8]));

    let found =
        consumption(&steady(), &[early.clone(), late.clone()], &quarter_hourly(), None, day());
    let other = consumption(
        &steady(),
        &[late.clone(), early.clone(), late],
        &quarter_hourly(),
        None,
        day(),
    );

    assert_eq!(amounts(&found)[..13], [1_000, 1_000, 1_000, 1_000, 1, 2, 3, 4, 5, 6, 7, 8, 15_000]);
    assert_eq!(found, other);
}

#[test]
fn a_correction_takes_the_shape_of_the_meter() {
    let shape = |from: i64, start: i64| {
        assert_eq!(from, hour(2), "the shape is that of the days before the correction");
        Some(if start < hour(3) { 3 } else { 1 })
    };
    let event = correction(1, 2, 4, Amounts::Total(16_000));

    let found = consumption(&steady(), &[event], &quarter_hourly(), Some(&shape), day());

    assert_eq!(amounts(&found)[8..16], [3_000, 3_000, 3_000, 3_000, 1_000, 1_000, 1_000, 1_000]);
}

#[test]
fn an_estimate_fills_what_is_missing_and_gives_way_to_late_readings() {
    let all = steady();
    let begun: Vec<_> = all.iter().copied().filter(|it| hour(6) <= it.instant).collect();
    let event = MeterEvent::Estimate { order: 1, span: span(hour(4), hour(7)), amount: 12_000 };
    let events = [event];

    let found = consumption(&begun, &events, &quarter_hourly(), None, day());
    let late = consumption(&all, &events, &quarter_hourly(), None, day());

    assert_eq!(
        amounts(&found)[15..26],
        [0, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 1_000, 15_000, 15_000]
    );
    assert_eq!(found.intervals[15].known(), None);
    assert_eq!(late.intervals, consumption(&all, &[], &quarter_hourly(), None, day()).intervals);
}

#[test]
fn half_an_interval_that_is_missing_gets_half_its_share() {
    let begun: Vec<_> = std::iter::once(reading(hour(1) + 450, 1_000_000))
        .chain((1..40).map(|poll| reading(hour(1) + 450 + poll * 900, 1_000_000 + poll * 20_000)))
        .collect();
    let event = MeterEvent::Estimate { order: 1, span: span(hour(1), hour(2)), amount: 4_000 };

    let found = consumption(&begun, &[event], &quarter_hourly(), None, day());

    let first = found.intervals[4];
    assert_eq!((first.measured, first.estimated, first.estimated_s), (10_000, 500, 450));
}

#[test]
fn a_ratio_set_wrong_is_undone_by_its_scale_to_the_last_digit() {
    let truth = consumption(&steady(), &[], &quarter_hourly(), None, day());
    let mut wrong = steady();
    for reading in wrong.iter_mut().filter(|it| hour(10) < it.instant && it.instant <= hour(15)) {
        reading.value *= 40;
    }
    let (from, to) = (hour(10) + 1, Some(hour(15) + 1));
    let event = MeterEvent::Scale { from, to, num: 1, den: 40 };

    let found = consumption(&wrong, &[event.clone(), event], &quarter_hourly(), None, day());

    // Told twice, it holds twice: who undoes a wrong factor takes the event back.
    assert_ne!(found.intervals, truth.intervals);
    let event = MeterEvent::Scale { from, to, num: 1, den: 40 };
    let found = consumption(&wrong, &[event], &quarter_hourly(), None, day());
    assert_eq!(found.intervals, truth.intervals);
    assert!(found.suspects.is_empty() && found.breaks.is_empty());
}

#[test]
fn a_pulse_weight_set_wrong_changes_the_rate_and_not_what_was_counted_before() {
    let truth = consumption(&steady(), &[], &quarter_hourly(), None, day());
    let mut wrong = steady();
    let stand = 1_000_000 + 40 * 15_000;
    for reading in wrong.iter_mut().filter(|it| hour(10) < it.instant) {
        reading.value = stand + (reading.value - stand) * 10;
    }
    let event = MeterEvent::Scale { from: hour(10), to: None, num: 1, den: 10 };

    let found = consumption(&wrong, &[event], &quarter_hourly(), None, day());

    assert_eq!(found.intervals, truth.intervals);
}

#[test]
fn a_scale_that_begins_within_an_outage_leaves_all_of_the_outage_estimated() {
    let mut wrong = steady();
    wrong.retain(|it| it.instant <= hour(8) || hour(12) <= it.instant);
    let stand = 1_000_000 + 40 * 15_000;
    for reading in wrong.iter_mut().filter(|it| hour(10) < it.instant) {
        reading.value = stand + (reading.value - stand) * 10;
    }
    let event = MeterEvent::Scale { from: hour(10), to: None, num: 1, den: 10 };

    let found = consumption(&wrong, &[event], &quarter_hourly(), None, day());

    assert!(found.intervals[32..48].iter().all(|it| it.coverage() == Coverage::Estimated));
    let sum: i64 = amounts(&found).iter().sum();
    assert!(found.intervals.iter().all(|it| it.missing_s == 0));
    // Nobody told what the counter showed at ten: it is taken from the line between eight and
    // twelve, so all of the gap is known to no better than the two scales are apart.
    assert!(15_000 * 80 <= sum, "{sum}");
    assert_eq!(amounts(&found)[48..], [15_000; 48]);
}

#[test]
fn a_swap_for_a_wider_meter_rolls_over_where_each_of_them_does() {
    // The old one turns at 100,000, the new one at 1,000,000; both do so in this day.
    let mut readings: Vec<CounterReading> = Vec::new();
    for poll in -4..=100 {
        let since = poll * 1_500;
        let value = if poll < 48 {
            (70_000 + since + 100_000) % 100_000
        } else {
            (970_000 + since - 48 * 1_500) % 1_000_000
        };
        readings.push(reading(hour(0) + poll * 900, value));
    }
    let last = (70_000 + 48 * 1_500) % 100_000;
    let swap = MeterEvent::Swap {
        instant: hour(12),
        last,
        first: 970_000,
        old: Width::RollsOverAt(100_000),
        new: Width::AsRules,
    };
    let rules = quarter_hourly().rolling_over_at(Some(1_000_000));

    let found = consumption(&readings, &[swap], &rules, None, day());

    assert_eq!(amounts(&found), [1_500; 96]);
    assert_eq!(found.breaks.len(), 2);
    assert!(found.breaks.iter().all(|it| it.kind == BreakKind::Rollover));
}

#[test]
fn each_usual_width_is_counted_through() {
    for rollover in [100_000_i64, 1_000_000, 100_000_000, 1 << 16, 1 << 32, (1 << 32) * 1_000] {
        let step = rollover / 400;
        let readings: Vec<CounterReading> = (-4..=100)
            .map(|poll| {
                let value = (rollover - 50 * step + poll * step).rem_euclid(rollover);
                reading(hour(0) + poll * 900, value)
            })
            .collect();
        let rules = quarter_hourly().rolling_over_at(Some(rollover));

        let found = consumption(&readings, &[], &rules, None, day());

        assert_eq!(amounts(&found), vec![step; 96], "{rollover}");
    }
}

#[test]
fn an_explanation_lists_what_the_day_is_made_of() {
    let mut readings = steady();
    readings.retain(|it| it.instant <= hour(6) || hour(9) <= it.instant);
    let swapped = hour(18);
    for reading in readings.iter_mut().filter(|it| swapped <= it.instant) {
        reading.value -= 2_000_000;
    }
    let last = 1_000_000 + 72 * 15_000;
    let swap = MeterEvent::swap(swapped, last, last - 2_000_000);

    let found = explain(&readings, &[swap], &quarter_hourly(), None, day());

    let told: Vec<_> =
        found.pieces.iter().map(|it| (it.kind, it.amount, it.laid, it.links)).collect();
    assert_eq!(
        told,
        [
            (PieceKind::Counted, 360_000, 360_000, 24),
            (PieceKind::Gap, 180_000, 180_000, 1),
            (PieceKind::Counted, 540_000, 540_000, 36),
            (PieceKind::Swapped, 0, 0, 1),
            (PieceKind::Counted, 360_000, 360_000, 25),
        ]
    );
}
