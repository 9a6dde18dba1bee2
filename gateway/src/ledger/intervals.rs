//! Readings → consumption per quarter hour, remembered until a reading changes it.
//!
//! In: what the store holds, the site book's meters, their events. Out: the intervals of a
//! span.
//!
//! Consumption is a pure function of all readings and events, so what is remembered may be
//! forgotten at any time. What is remembered, and until when it holds, is told in
//! [`blocks`](super::blocks). A reading that comes in order is judged with the few that decide
//! what it means ([`Tail`]); after one that comes late, or an event, the next question works
//! the day out from the store.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use analysis::calendar::HolidayCalendar;
use analysis::interval::power::{self, PowerReading};
use analysis::interval::{
    Amounts, Consumption, CounterReading, CounterRules, Explanation, INTERVAL_S, IntervalAmount,
    MeterEvent, Shape, Span, consumption, explain, shares,
};
use analysis::profile::{OwnShape, TYPICAL_DAYS};
use analysis::site::Meter;
use jiff::tz::TimeZone;
use wire::{Name, Quantity, modbus};

use super::blocks::{Amounts as Kept, BLOCK_S, Block, Memory, block_of, span_of};
use super::events::{self, Events, Held};
use super::tail::Tail;
use super::window::{self, Window};
use crate::store::series::Mark;
use crate::store::{Store, StoreError};

/// The site's clock and calendar, which tell one kind of day from another.
#[derive(Clone, Copy)]
pub(super) struct Days<'a> {
    pub(super) zone: &'a TimeZone,
    pub(super) calendar: &'a HolidayCalendar,
}

/// The intervals of all meters of a store.
pub(super) struct Intervals {
    store: Store,
    events: Events,
    memory: Mutex<Memory>,
    judged: AtomicU64,
}

impl Intervals {
    pub(super) fn new(store: Store) -> Self {
        let (memory, judged) = (Mutex::default(), AtomicU64::new(0));
        Self { events: Events::new(store.clone()), store, memory, judged }
    }

    /// Returns the events of a meter that hold, oldest first.
    pub(super) fn events(&self, meter: &Name) -> Result<Held, StoreError> {
        self.events.of(meter)
    }

    /// Returns how many readings were judged so far, each as often as it was.
    pub(super) fn judged(&self) -> u64 {
        self.judged.load(Ordering::Relaxed)
    }

    /// Returns what went through a meter in each quarter hour of a span.
    pub(super) fn of(
        &self,
        meter: &Meter,
        span: Span,
        days: Days<'_>,
    ) -> Result<Vec<IntervalAmount>, StoreError> {
        let span = span.aligned();
        let mark = self.forget_what_changed()?;
        let held = self.events.of(&meter.id)?;
        let rules = rules(meter);
        self.catch_up(meter, (&held, rules), mark)?;
        let (first, last) = (block_of(span.from), block_of(span.to - 1));
        let mut known: Vec<Option<Kept>> = {
            let memory = self.memory();
            let block = |day| memory.block(&meter.id, day, (&held, rules));
            (first..=last).map(|day| block(day).map(|block| block.amounts.clone())).collect()
        };

        // Neighbours that are missing are worked out together: one read of the store.
        let mut at = 0;
        while at < known.len() {
            if known[at].is_some() {
                at += 1;
                continue;
            }
            let run = known[at..].iter().take_while(|block| block.is_none()).count();
            let begin = first + i64::try_from(at).unwrap_or_default();
            let end = begin + i64::try_from(run).unwrap_or_default() - 1;
            let (fresh, tail) = match self.work_out_of_tail(meter, begin, end, (&held, rules)) {
                Some(fresh) => (fresh, None),
                None => self.work_out(meter, begin, end, &held, days)?,
            };
            for (slot, block) in known[at..at + run].iter_mut().zip(&fresh) {
                *slot = Some(block.amounts.clone());
            }
            self.memory().remember(&meter.id, (begin..).zip(fresh).collect(), tail, mark);
            at += run;
        }

        let mut intervals = Vec::with_capacity(span.starts().size_hint().0);
        for (day, block) in (first..).zip(known.iter().flatten()) {
            block.put(day, span, &mut intervals);
        }
        Ok(intervals)
    }

    /// Judges what came in order since the last question, if that is all that came.
    fn catch_up(
        &self,
        meter: &Meter,
        (held, rules): (&Held, CounterRules),
        mark: Mark,
    ) -> Result<(), StoreError> {
        let tail = self.memory().tail(&meter.id).filter(|tail| tail.is_behind).cloned();
        let Some(tail) = tail else { return Ok(()) };
        if tail.events != *held || tail.rules != rules {
            self.memory().forget_tail(&meter.id);
            return Ok(());
        }
        let newer = self.store.series().counter_since(&meter.id, meter.counter, tail.until + 1)?;
        let window = tail.with(newer);
        let (first, last) = (block_of(tail.from), block_of(tail.from.max(window.last_instant())));
        let span = Span { from: tail.from, to: span_of(last).to };
        let events = events::told(held, meter);
        let consumption = self.judge(meter, &window, &events, None, span).0;
        if shaped_from(meter, span, &window, &consumption, &events).is_some() {
            // What is spread takes weeks of history; that is not the tail's.
            self.memory().forget_tail(&meter.id);
            return Ok(());
        }
        let judge = |window: &Window, from| {
            self.judge(meter, window, &events, None, Span { from, to: from }).0
        };
        let next = Tail::of(&window, &consumption, (held, rules), judge);
        let as_of = window.until(&consumption);
        let mut memory = self.memory();
        let mut blocks = Vec::new();
        for day in first..=last {
            let own = span_of(day);
            let mut intervals = Vec::new();
            let mut uses = window.uses(own, &consumption);
            if own.from < tail.from {
                let settled = Span { from: own.from, to: tail.from };
                let Some(before) = memory.block_before(&meter.id, day, &tail) else { continue };
                before.amounts.put(day, settled, &mut intervals);
                uses.from = uses.from.min(before.uses.from);
            }
            let within = |it: &&IntervalAmount| own.from <= it.start && it.start < own.to;
            intervals.extend(consumption.intervals.iter().filter(within));
            let (amounts, events) = (Kept::of(&intervals), Held::clone(held));
            blocks.push((day, Block { amounts, uses, events, rules, as_of }));
        }
        memory.move_on(&meter.id, (&tail, next), blocks, mark);
        Ok(())
    }

    /// Works blocks out of the tail, if they lie within it.
    fn work_out_of_tail(
        &self,
        meter: &Meter,
        first: i64,
        last: i64,
        (held, rules): (&Held, CounterRules),
    ) -> Option<Vec<Block>> {
        let tail = self.memory().tail(&meter.id).cloned()?;
        let span = Span { from: span_of(first).from, to: span_of(last).to };
        let is_its_own = tail.events == *held && tail.rules == rules;
        if tail.is_behind || span.from < tail.from || !is_its_own {
            return None;
        }
        let events = events::told(held, meter);
        let consumption = self.judge(meter, &tail.window, &events, None, span).0;
        if shaped_from(meter, span, &tail.window, &consumption, &events).is_some() {
            return None;
        }
        Some(blocks_of(&tail.window, &consumption, &consumption.intervals, held, rules))
    }

    /// Returns what went through a meter in a span with other events than those that hold,
    /// remembering nothing.
    pub(super) fn with_events(
        &self,
        meter: &Meter,
        span: Span,
        events: &[MeterEvent],
        days: Days<'_>,
    ) -> Result<Vec<IntervalAmount>, StoreError> {
        Ok(self.worked(meter, span.aligned(), events, days)?.consumption.intervals)
    }

    /// Returns what went through a meter in a span, with all steps, and what each correction
    /// and estimate says of each interval.
    pub(super) fn explain(
        &self,
        meter: &Meter,
        span: Span,
        events: &[MeterEvent],
        days: Days<'_>,
    ) -> Result<Explained, StoreError> {
        let span = span.aligned();
        let worked = self.worked(meter, span, events, days)?;
        let rules = rules(meter);
        let readings = &worked.window.readings;
        let explained = |shape: Option<Shape<'_>>| Explained {
            explanation: if meter.counter == Quantity::ActivePower {
                Explanation { consumption: worked.consumption.clone(), ..Explanation::default() }
            } else {
                let (known, rules) = worked.window.known(events, rules);
                explain(readings, &known, &rules, shape, span)
            },
            shares: laid_in(span, events, shape),
            error_bound: worked.error_bound.iter().sum(),
        };
        Ok(match &worked.history {
            Some(history) => {
                let own = OwnShape::new(history, days.zone, days.calendar);
                explained(Some(&|gap_from, start| own.weight(gap_from, start)))
            }
            None => explained(None),
        })
    }

    /// Returns what another counter of a meter counted in a span: worked out anew, since only
    /// the counter that consumption is taken from is remembered, and without its events.
    pub(super) fn of_counter(
        &self,
        meter: &Meter,
        counter: Quantity,
        span: Span,
    ) -> Result<Vec<IntervalAmount>, StoreError> {
        let other = Meter { counter, ..meter.clone() };
        Ok(self.window(&other, span.aligned(), &[])?.1.intervals)
    }

    fn work_out(
        &self,
        meter: &Meter,
        first: i64,
        last: i64,
        held: &Held,
        days: Days<'_>,
    ) -> Result<(Vec<Block>, Option<Tail>), StoreError> {
        let span = Span { from: span_of(first).from, to: span_of(last).to };
        let events = events::told(held, meter);
        let rules = rules(meter);
        let Worked { window, consumption, learnt, .. } = self.worked(meter, span, &events, days)?;
        let mut blocks = blocks_of(&window, &consumption, &consumption.intervals, held, rules);
        if let Some(learnt) = learnt {
            let chunks = consumption.intervals.chunks(PER_BLOCK);
            for (block, intervals) in blocks.iter_mut().zip(chunks) {
                if intervals.iter().any(|it| 0 < it.estimated_s) {
                    block.uses.from = block.uses.from.min(learnt);
                }
            }
        }
        let judge = |window: &Window, from| {
            self.judge(meter, window, &events, None, Span { from, to: from }).0
        };
        let tail = Tail::of(&window, &consumption, (held, rules), judge);
        Ok((blocks, tail))
    }

    fn worked(
        &self,
        meter: &Meter,
        span: Span,
        events: &[MeterEvent],
        days: Days<'_>,
    ) -> Result<Worked, StoreError> {
        let (window, mut consumption, error_bound) = self.window(meter, span, events)?;
        let Some(from) = shaped_from(meter, span, &window, &consumption, events) else {
            return Ok(Worked { window, consumption, error_bound, history: None, learnt: None });
        };
        // A gap may have begun before the span: what went through then is spread by the
        // meter's own days before that, as the counter had them, whatever was corrected.
        let learnt = from - (i64::from(TYPICAL_DAYS) + 1) * BLOCK_S;
        let past = Span { from: learnt, to: span.to.max(from) }.aligned();
        let counted: Vec<MeterEvent> =
            events.iter().filter(|event| event.laid_over().is_none()).cloned().collect();
        let (past, history, _) = self.window(meter, past, &counted)?;
        let own = OwnShape::new(&history.intervals, days.zone, days.calendar);
        let shape = |gap_from, start| own.weight(gap_from, start);
        consumption = self.judge(meter, &window, events, Some(&shape), span).0;
        // A reading of the history's own context may teach another shape, too.
        let learnt = Some(past.from().unwrap_or(learnt).min(learnt));
        let history = Some(history.intervals);
        Ok(Worked { window, consumption, error_bound, history, learnt })
    }

    /// Reads as much around a span as it takes to be sure of it; returns it, and what it says
    /// without a shape.
    fn window(
        &self,
        meter: &Meter,
        span: Span,
        events: &[MeterEvent],
    ) -> Result<(Window, Consumption, Vec<i64>), StoreError> {
        let series = self.store.series();
        let read = |from: i64, to: i64| series.counter(&meter.id, meter.counter, from, to);
        window::around(span, read, |window| self.judge(meter, window, events, None, span))
    }

    /// Returns what a window says of a span, and how far each interval may be off where only
    /// power is known.
    fn judge(
        &self,
        meter: &Meter,
        window: &Window,
        events: &[MeterEvent],
        shape: Option<Shape<'_>>,
        span: Span,
    ) -> (Consumption, Vec<i64>) {
        let count = u64::try_from(window.readings.len()).unwrap_or(u64::MAX);
        self.judged.fetch_add(count, Ordering::Relaxed);
        consumed(meter, window, events, shape, span)
    }

    /// Forgets every block that a new reading may have changed; returns up to where.
    fn forget_what_changed(&self) -> Result<Mark, StoreError> {
        let mut memory = self.memory();
        // Asked while nobody else may take changes up: each is taken up once, in its order.
        let changes = self.store.series().changes_since(memory.mark())?;
        if changes.mark != memory.mark() {
            memory.forget(&changes);
        }
        Ok(changes.mark)
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Intervals of a block.
const PER_BLOCK: usize = 96;
const _: () = assert!(96 * INTERVAL_S == BLOCK_S);

/// Returns the blocks of intervals, which are whole UTC days.
fn blocks_of(
    window: &Window,
    consumption: &Consumption,
    intervals: &[IntervalAmount],
    held: &Held,
    rules: CounterRules,
) -> Vec<Block> {
    let as_of = window.until(consumption);
    let block = |own: &[IntervalAmount]| {
        let span = own.first().map_or(Span { from: 0, to: 0 }, |it| span_of(block_of(it.start)));
        let (amounts, uses) = (Kept::of(own), window.uses(span, consumption));
        Block { amounts, uses, events: Held::clone(held), rules, as_of }
    };
    intervals.chunks(PER_BLOCK).map(block).collect()
}

/// What went through a meter, with all steps.
pub(super) struct Explained {
    pub(super) explanation: Explanation,
    /// What each correction and estimate says of each interval of its own span, by number.
    pub(super) shares: Vec<(i64, Span, Vec<i64>)>,
    /// Of power alone: how far the amount may be off either way.
    pub(super) error_bound: i64,
}

/// Returns what a window says of a span, and how far each interval may be off where only power
/// is known.
fn consumed(
    meter: &Meter,
    window: &Window,
    events: &[MeterEvent],
    shape: Option<Shape<'_>>,
    span: Span,
) -> (Consumption, Vec<i64>) {
    let rules = rules(meter);
    if meter.counter == Quantity::ActivePower {
        let power = |reading: &CounterReading| PowerReading {
            instant: reading.instant,
            power_mw: reading.value,
        };
        let readings: Vec<PowerReading> = window.readings.iter().map(power).collect();
        return power::consumption(&readings, events, rules.gap_s_max, shape, span);
    }
    let (known, rules) = window.known(events, rules);
    (consumption(&window.readings, &known, &rules, shape, span), Vec::new())
}

/// Returns what the corrections and estimates that touch a span say, by their number.
fn laid_in(
    span: Span,
    events: &[MeterEvent],
    shape: Option<Shape<'_>>,
) -> Vec<(i64, Span, Vec<i64>)> {
    let share = |event: &MeterEvent| {
        let (order, own) = event.laid_over()?;
        let touches = own.from < span.to && span.from < own.to;
        let shares = match event {
            MeterEvent::Correction { amounts: Amounts::Each(each), .. } => each.clone(),
            MeterEvent::Correction { amounts: Amounts::Total(amount), .. }
            | MeterEvent::Estimate { amount, .. } => shares(own, *amount, shape),
            MeterEvent::Swap { .. } | MeterEvent::Scale { .. } => return None,
        };
        touches.then_some((order, own, shares))
    };
    events.iter().filter_map(share).collect()
}

/// A span worked out.
struct Worked {
    window: Window,
    consumption: Consumption,
    error_bound: Vec<i64>,
    /// What the meter's own shape was learnt from, where something had to be spread.
    history: Option<Vec<IntervalAmount>>,
    /// The first instant whose readings may change that shape.
    learnt: Option<i64>,
}

/// Returns the earliest instant from which something in the span is spread by the meter's own
/// shape; `None` if nothing is.
fn shaped_from(
    meter: &Meter,
    span: Span,
    window: &Window,
    consumption: &Consumption,
    events: &[MeterEvent],
) -> Option<i64> {
    // Power is estimated throughout, and nothing of it is spread.
    let is_counter = meter.counter != Quantity::ActivePower;
    let gap = consumption.intervals.iter().find(|interval| is_counter && 0 < interval.estimated_s);
    // A gap's beginning is a reading that counts: at latest the last one before it.
    let gap = gap.map(|gap| {
        let before = window.readings.partition_point(|reading| reading.instant <= gap.start);
        let counting = window.readings[..before].iter().rev().find(|reading| {
            consumption.suspects.iter().all(|suspect| suspect.reading != **reading)
        });
        counting.map_or(gap.start, |reading| reading.instant)
    });
    let laid = events.iter().filter_map(MeterEvent::laid_over).map(|(_, laid)| laid);
    let laid = laid.filter(|laid| laid.from < span.to && span.from < laid.to);
    gap.into_iter().chain(laid.map(|laid| laid.from)).min()
}

/// What is known of a meter's counter before any reading of it: what its model and the site
/// book tell.
pub(super) fn rules(meter: &Meter) -> CounterRules {
    let ratios = modbus::Ratios { pt: meter.pt, ct: meter.ct };
    let rollover = events::rollover_of(&meter.model, meter, ratios);
    CounterRules::polled_every(meter.interval_s).rolling_over_at(rollover).at_most(meter.rate_max)
}
