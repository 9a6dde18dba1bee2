//! Readings → consumption per quarter hour, remembered until a reading changes it.
//!
//! In: what the store holds, the site book's meters, their events. Out: the intervals of a
//! span.
//!
//! Consumption is a pure function of all readings and events, so what is remembered may be
//! forgotten at any time. A block is one meter's UTC day. It knows which readings it was
//! worked out from ([`Window`]) and is forgotten as soon as one of that stretch arrives,
//! however late, or an event of its meter is made or taken back; the next question works it
//! out anew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

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

use super::events::{self, Events, Held};
use super::window::{self, Window};
use crate::store::series::Mark;
use crate::store::{Store, StoreError};

/// One UTC day: the length of a block, s. Intervals nest in it in every zone.
const BLOCK_S: i64 = 86_400;

/// A block takes 96 × 32 bytes; so many are 50 MiB.
const BLOCKS_MAX: usize = 16_384;

#[derive(Clone)]
struct Block {
    intervals: Arc<[IntervalAmount]>,
    /// The readings that can change it.
    uses: Span,
    /// The events that it was worked out with.
    events: Held,
    rules: CounterRules,
}

#[derive(Default)]
struct Memory {
    mark: Mark,
    blocks: HashMap<(Name, i64), Block>,
    // In the order in which they were worked out; the oldest goes first.
    order: VecDeque<(Name, i64)>,
}

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
}

impl Intervals {
    pub(super) fn new(store: Store) -> Self {
        Self { events: Events::new(store.clone()), store, memory: Mutex::default() }
    }

    /// Returns the events of a meter that hold, oldest first.
    pub(super) fn events(&self, meter: &Name) -> Result<Held, StoreError> {
        self.events.of(meter)
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
        let numbers: Vec<i64> =
            (span.from.div_euclid(BLOCK_S)..=(span.to - 1).div_euclid(BLOCK_S)).collect();
        let mut known: Vec<Option<Arc<[IntervalAmount]>>> = {
            let memory = self.memory();
            let block = |day: &i64| memory.blocks.get(&(meter.id, *day));
            let holds = |block: &&Block| block.events == held && block.rules == rules;
            let found = numbers.iter().map(|day| block(day).filter(holds));
            found.map(|block| block.map(|block| Arc::clone(&block.intervals))).collect()
        };

        // Neighbours that are missing are worked out together: one read of the store.
        let mut at = 0;
        while at < numbers.len() {
            if known[at].is_some() {
                at += 1;
                continue;
            }
            let run = known[at..].iter().take_while(|block| block.is_none()).count();
            let fresh = self.work_out(meter, numbers[at], numbers[at + run - 1], &held, days)?;
            self.remember(meter, numbers[at], &fresh, mark);
            for (slot, block) in known[at..at + run].iter_mut().zip(fresh) {
                *slot = Some(block.intervals);
            }
            at += run;
        }

        let inside =
            |interval: &&IntervalAmount| span.from <= interval.start && interval.start < span.to;
        Ok(known.iter().flatten().flat_map(|block| block.iter().filter(inside)).copied().collect())
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

    fn work_out(
        &self,
        meter: &Meter,
        first: i64,
        last: i64,
        held: &Held,
        days: Days<'_>,
    ) -> Result<Vec<Block>, StoreError> {
        let span = Span { from: first * BLOCK_S, to: (last + 1) * BLOCK_S };
        let events = events::told(held, meter);
        let worked = self.worked(meter, span, &events, days)?;
        let per_block = usize::try_from(BLOCK_S / INTERVAL_S).unwrap_or(96);
        let blocks = worked.consumption.intervals.chunks(per_block);
        Ok((first..=last)
            .zip(blocks)
            .map(|(day, intervals)| {
                let own = Span { from: day * BLOCK_S, to: (day + 1) * BLOCK_S };
                let mut uses = worked.window.uses(own, &worked.consumption);
                if let Some(learnt) = worked.learnt
                    && intervals.iter().any(|it| 0 < it.estimated_s)
                {
                    uses.from = uses.from.min(learnt);
                }
                let (intervals, rules) = (Arc::from(intervals), rules(meter));
                Block { intervals, uses, events: Arc::clone(held), rules }
            })
            .collect())
    }

    fn worked(
        &self,
        meter: &Meter,
        span: Span,
        events: &[MeterEvent],
        days: Days<'_>,
    ) -> Result<Worked, StoreError> {
        let (window, mut consumption, error_bound) = self.window(meter, span, events)?;
        let Some(from) = shaped_from(span, &window, &consumption, events) else {
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
        consumption = consumed(meter, &window, events, Some(&shape), span).0;
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
        let judge = |window: &Window| consumed(meter, window, events, None, span);
        window::around(span, read, judge)
    }

    /// Forgets every block that a new reading may have changed; returns up to where.
    fn forget_what_changed(&self) -> Result<Mark, StoreError> {
        let before = self.memory().mark;
        let changes = self.store.series().changes_since(before)?;
        if changes.mark == before {
            return Ok(before);
        }
        let mut memory = self.memory();
        // Another question may have been quicker; forgetting twice is harmless.
        memory.mark = memory.mark.max(changes.mark);
        let Memory { blocks, order, .. } = &mut *memory;
        for change in &changes.spans {
            blocks.retain(|(meter, _), block| {
                *meter != change.meter
                    || change.last < block.uses.from
                    || block.uses.to < change.first
            });
        }
        order.retain(|key| blocks.contains_key(key));
        Ok(changes.mark)
    }

    fn remember(&self, meter: &Meter, first: i64, blocks: &[Block], mark: Mark) {
        let mut memory = self.memory();
        if memory.mark != mark {
            // A reading came while we worked; what we have may be of yesterday.
            return;
        }
        for (day, block) in (first..).zip(blocks) {
            let key = (meter.id, day);
            if memory.blocks.insert(key, block.clone()).is_none() {
                memory.order.push_back(key);
            }
        }
        while BLOCKS_MAX < memory.blocks.len() {
            let Some(oldest) = memory.order.pop_front() else { break };
            memory.blocks.remove(&oldest);
        }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
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
    span: Span,
    window: &Window,
    consumption: &Consumption,
    events: &[MeterEvent],
) -> Option<i64> {
    let gap = consumption.intervals.iter().find(|interval| 0 < interval.estimated_s);
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

/// What is known of a meter's counter before any reading of it. What can go through it at
/// most is not: the site book has no fuses, and a model's largest current times its ratio is
/// ten times what its circuit carries, so as a limit it would only cost.
pub(super) fn rules(meter: &Meter) -> CounterRules {
    let ratios = modbus::Ratios { pt: meter.pt, ct: meter.ct };
    let rollover = events::rollover_of(&meter.model, meter.counter, ratios);
    CounterRules::polled_every(meter.interval_s).rolling_over_at(rollover)
}
