//! Readings → consumption per quarter hour, remembered until a reading changes it.
//!
//! In: what the store holds, the site book's meters. Out: the intervals of a span.
//!
//! Consumption is a pure function of all readings, so what is remembered may be forgotten
//! at any time. A block of one meter and one UTC day is forgotten as soon as a reading
//! arrives that could change it, however late; the next question works it out anew.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use analysis::calendar::HolidayCalendar;
use analysis::interval::{
    CounterReading, CounterRules, INTERVAL_S, IntervalAmount, Span, consumption,
};
use analysis::profile::{OwnShape, TYPICAL_DAYS};
use analysis::site::Meter;
use jiff::tz::TimeZone;
use wire::{Name, Quantity, modbus, models};

use crate::store::series::{ChangedSpan, Mark};
use crate::store::{Store, StoreError};

/// One UTC day: the length of a block, s. Intervals nest in it in every zone.
const BLOCK_S: i64 = 86_400;

/// Readings this far from a block can decide what a reading in it was worth.
const CONTEXT_S: i64 = 86_400;

/// A block takes 96 × 32 bytes; so many are 50 MiB.
const BLOCKS_MAX: usize = 16_384;

/// A bulk import changes so much that looking at it costs more than forgetting all.
const FORGET_ALL_S: i64 = 8 * 86_400;

type Block = Arc<[IntervalAmount]>;

#[derive(Default)]
struct Memory {
    mark: Mark,
    blocks: HashMap<(Name, i64), Block>,
    // In the order in which they were worked out; the oldest goes first.
    order: VecDeque<(Name, i64)>,
    // Of the meters that were asked for; the others have no blocks to forget.
    counters: HashMap<Name, Quantity>,
}

/// The intervals of all meters of a store.
pub(super) struct Intervals {
    store: Store,
    memory: Mutex<Memory>,
}

impl Intervals {
    pub(super) fn new(store: Store) -> Self {
        Self { store, memory: Mutex::default() }
    }

    /// Returns what went through a meter in each quarter hour of a span.
    pub(super) fn of(
        &self,
        meter: &Meter,
        span: Span,
        zone: &TimeZone,
        calendar: &HolidayCalendar,
    ) -> Result<Vec<IntervalAmount>, StoreError> {
        let span = span.aligned();
        let mark = self.forget_what_changed()?;
        self.memory().counters.insert(meter.id, meter.counter);
        let days: Vec<i64> =
            (span.from.div_euclid(BLOCK_S)..=(span.to - 1).div_euclid(BLOCK_S)).collect();
        let mut known: Vec<Option<Block>> = {
            let memory = self.memory();
            days.iter().map(|day| memory.blocks.get(&(meter.id, *day)).map(Arc::clone)).collect()
        };

        // Neighbours that are missing are worked out together: one read of the store.
        let mut at = 0;
        while at < days.len() {
            if known[at].is_some() {
                at += 1;
                continue;
            }
            let run = known[at..].iter().take_while(|block| block.is_none()).count();
            let fresh = self.work_out(meter, days[at], days[at + run - 1], zone, calendar)?;
            self.remember(meter, days[at], &fresh, mark);
            for (slot, block) in known[at..at + run].iter_mut().zip(fresh) {
                *slot = Some(block);
            }
            at += run;
        }

        let inside =
            |interval: &&IntervalAmount| span.from <= interval.start && interval.start < span.to;
        Ok(known.iter().flatten().flat_map(|block| block.iter().filter(inside)).copied().collect())
    }

    fn work_out(
        &self,
        meter: &Meter,
        first: i64,
        last: i64,
        zone: &TimeZone,
        calendar: &HolidayCalendar,
    ) -> Result<Vec<Block>, StoreError> {
        let span = Span { from: first * BLOCK_S, to: (last + 1) * BLOCK_S };
        let (readings, rules) = (self.readings(meter, span)?, rules(meter));
        let mut intervals = consumption(&readings, &[], &rules, None, span).intervals;
        if let Some(gap) = intervals.iter().find(|interval| 0 < interval.estimated_s) {
            // The gap may have begun before the span: what went through then is spread by
            // the meter's own days before that.
            let before = readings.iter().map(|it| it.instant).filter(|it| *it <= gap.start).max();
            let learnt = before.unwrap_or(gap.start) - i64::from(TYPICAL_DAYS) * BLOCK_S;
            let history = Span { from: learnt - BLOCK_S, to: span.to };
            let earlier = self.readings(meter, history)?;
            let history = consumption(&earlier, &[], &rules, None, history).intervals;
            let own = OwnShape::new(&history, zone, calendar);
            let shape = |gap_from, start| own.weight(gap_from, start);
            intervals = consumption(&readings, &[], &rules, Some(&shape), span).intervals;
        }
        let per_block = usize::try_from(BLOCK_S / INTERVAL_S).unwrap_or(96);
        Ok(intervals.chunks(per_block).map(Block::from).collect())
    }

    /// Readings of a span with a day on either side, and with two readings before that.
    fn readings(&self, meter: &Meter, span: Span) -> Result<Vec<CounterReading>, StoreError> {
        let series = self.store.series();
        let (from, to) = (span.from - CONTEXT_S, span.to + CONTEXT_S);
        let mut values = series.counter(&meter.id, meter.counter, from, to)?;
        if let Some(&(first, _)) = values.first()
            && first < from
        {
            values.extend(series.counter(&meter.id, meter.counter, first, first)?);
        }
        Ok(values.into_iter().map(|(instant, value)| CounterReading { instant, value }).collect())
    }

    /// Forgets every block that a new reading may have changed; returns up to where.
    fn forget_what_changed(&self) -> Result<Mark, StoreError> {
        let (before, counters) = {
            let memory = self.memory();
            (memory.mark, memory.counters.clone())
        };
        let changes = self.store.series().changes_since(before)?;
        if changes.mark == before {
            return Ok(before);
        }
        let mut stale = Vec::new();
        for change in &changes.spans {
            if let Some(&counter) = counters.get(&change.meter) {
                stale.push((change.meter, self.reach(change, counter)?));
            }
        }
        let mut memory = self.memory();
        // Another question may have been quicker; forgetting twice is harmless.
        memory.mark = memory.mark.max(changes.mark);
        memory.blocks.retain(|(meter, day), _| {
            let touched = |(changed, (from, to)): &(Name, (i64, i64))| {
                changed == meter && *from <= (day + 1) * BLOCK_S && day * BLOCK_S <= *to
            };
            !stale.iter().any(touched)
        });
        let Memory { blocks, order, .. } = &mut *memory;
        order.retain(|key| blocks.contains_key(key));
        Ok(changes.mark)
    }

    /// How far a change reaches: to the readings around it, because what lies between
    /// readings is theirs, and their context beyond.
    fn reach(&self, change: &ChangedSpan, counter: Quantity) -> Result<(i64, i64), StoreError> {
        if FORGET_ALL_S < change.last - change.first {
            return Ok((i64::MIN, i64::MAX));
        }
        let series = self.store.series();
        let values = series.counter(&change.meter, counter, change.first, change.last + 1)?;
        let from = values.first().map_or(change.first, |&(first, _)| first.min(change.first));
        let to = values.last().map_or(change.last, |&(last, _)| last.max(change.last));
        Ok((from - CONTEXT_S, to + CONTEXT_S))
    }

    fn remember(&self, meter: &Meter, first: i64, blocks: &[Block], mark: Mark) {
        let mut memory = self.memory();
        if memory.mark != mark {
            // A reading came while we worked; what we have may be of yesterday.
            return;
        }
        for (day, block) in (first..).zip(blocks) {
            let key = (meter.id, day);
            if memory.blocks.insert(key, Arc::clone(block)).is_none() {
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

/// What is known of a meter's counter before any reading of it.
fn rules(meter: &Meter) -> CounterRules {
    let entry = models::by_id(&meter.model)
        .and_then(|model| model.map.entries.iter().find(|entry| entry.quantity == meter.counter));
    let ratios = modbus::Ratios { pt: meter.pt, ct: meter.ct };
    let rollover = entry.and_then(|entry| modbus::rollover(entry, ratios));
    CounterRules::polled_every(meter.interval_s).rolling_over_at(rollover)
}
