//! What holds for any readings with any events.

use proptest::prelude::*;

use super::*;

/// Six hours of readings a minute apart, with holes.
fn readings() -> impl Strategy<Value = Vec<CounterReading>> {
    let steps = prop::collection::vec((0..4_000_i64, prop::bool::weighted(0.9)), 380);
    (0..1_000_000_i64, steps).prop_map(|(start, steps)| {
        let mut value = start;
        let mut readings = Vec::new();
        for (minute, (step, kept)) in (-10..).zip(steps) {
            value += step;
            if kept && !(100..160).contains(&minute) {
                readings.push(reading(hour(0) + minute * 60, value));
            }
        }
        readings
    })
}

fn event() -> impl Strategy<Value = MeterEvent> {
    let minute = 0..360_i64;
    prop_oneof![
        (minute.clone(), 0..2_000_000_i64, 0..2_000_000_i64)
            .prop_map(|(at, last, first)| { MeterEvent::swap(hour(0) + at * 60, last, first) }),
        (minute.clone(), prop::option::of(1..300_i64), 1..50_i64, 1..50_i64).prop_map(
            |(at, length, num, den)| {
                let from = hour(0) + at * 60;
                MeterEvent::Scale { from, to: length.map(|it| from + it * 60), num, den }
            }
        ),
        (0..9_i64, 0..24_i64, 1..12_i64, 0..1_000_000_i64).prop_map(
            |(order, at, length, amount)| {
                let from = hour(0) + at * 900;
                let amounts = Amounts::Total(amount);
                MeterEvent::Correction { order, span: span(from, from + length * 900), amounts }
            }
        ),
        (10..19_i64, 0..24_i64, 1..12_i64, 0..1_000_000_i64).prop_map(
            |(order, at, length, amount)| {
                let from = hour(0) + at * 900;
                MeterEvent::Estimate { order, span: span(from, from + length * 900), amount }
            }
        ),
    ]
}

/// Events as the journal has them: each its own number.
fn events() -> impl Strategy<Value = Vec<MeterEvent>> {
    prop::collection::vec(event(), 0..6).prop_map(|mut events| {
        for (number, event) in (0..).zip(&mut events) {
            match event {
                MeterEvent::Correction { order, .. } | MeterEvent::Estimate { order, .. } => {
                    *order = number;
                }
                MeterEvent::Swap { .. } | MeterEvent::Scale { .. } => {}
            }
        }
        events
    })
}

fn shuffled<T: Clone>(items: &[T], mut state: u64, doubled: bool) -> Vec<T> {
    let mut items = items.to_vec();
    if doubled {
        items.extend(items.clone().into_iter().step_by(3));
    }
    for index in (1..items.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let other = usize::try_from(state >> 33).unwrap() % (index + 1);
        items.swap(index, other);
    }
    items
}

fn six_hours() -> Span {
    span(hour(0), hour(6))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_readings_and_events_changes_nothing(
        readings in readings(),
        events in events(),
        seed in any::<u64>(),
    ) {
        let shape = |_: i64, start: i64| Some(start / 900 % 5);

        let found = consumption(&readings, &events, &rules(), Some(&shape), six_hours());
        let other = consumption(
            &shuffled(&readings, seed, true),
            &shuffled(&events, seed, false),
            &rules(),
            Some(&shape),
            six_hours(),
        );

        prop_assert_eq!(found, other);
    }

    #[test]
    fn amounts_stay_above_zero_and_seconds_add_up(readings in readings(), events in events()) {
        let found = consumption(&readings, &events, &rules(), None, six_hours());

        for interval in &found.intervals {
            prop_assert!(0 <= interval.measured && 0 <= interval.estimated, "{:?}", interval);
            prop_assert!(interval.missing_s + interval.estimated_s <= WHOLE_S, "{:?}", interval);
        }
    }

    #[test]
    fn a_span_split_at_any_border_gives_the_same(
        readings in readings(),
        events in events(),
        border in 1..24_i64,
    ) {
        let border = hour(0) + border * 900;
        let of = |span| consumption(&readings, &events, &rules(), None, span).intervals;

        let mut parts = of(span(hour(0), border));
        parts.extend(of(span(border, hour(6))));

        prop_assert_eq!(parts, of(six_hours()));
    }

    #[test]
    fn the_pieces_of_an_explanation_add_up_to_the_amount(
        readings in readings(),
        events in events(),
        from in 0..12_i64,
        length in 1..13_i64,
        shaped in any::<bool>(),
    ) {
        let shape = |_: i64, start: i64| Some(start / 900 % 5);
        let shape = shaped.then_some(&shape as Shape<'_>);
        let asked = span(hour(0) + from * 900, hour(0) + (from + length) * 900);

        let found = explain(&readings, &events, &rules(), shape, asked);

        let plain = consumption(&readings, &events, &rules(), shape, asked);
        prop_assert_eq!(&found.consumption, &plain);
        let before = plain.uncorrected.as_ref().unwrap_or(&plain.intervals);
        let laid: i64 = found.pieces.iter().map(|piece| piece.laid).sum();
        prop_assert_eq!(laid, before.iter().map(IntervalAmount::amount).sum::<i64>());
    }

    #[test]
    fn a_scale_of_a_whole_life_multiplies_it(
        readings in readings(),
        num in 1..1_000_i64,
    ) {
        let event = MeterEvent::Scale { from: hour(-100), to: None, num, den: 1 };
        let multiplied: Vec<_> =
            readings.iter().map(|it| reading(it.instant, it.value * num)).collect();

        let found = consumption(&readings, &[event], &rules(), None, six_hours());

        let expected = consumption(&multiplied, &[], &rules(), None, six_hours());
        prop_assert_eq!(found.intervals, expected.intervals);
    }
}
