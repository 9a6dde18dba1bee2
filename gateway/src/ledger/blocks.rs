//! What is remembered of consumption: blocks of a UTC day, and each meter's [`Tail`].
//!
//! A block knows which readings can change it, and with which events and rules it was worked
//! out. One that a further reading in order can change is *open*: it holds as long as the
//! tail is as it was then.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use analysis::interval::{CounterRules, Coverage, INTERVAL_S, IntervalAmount, Span};
use wire::Name;

use super::events::Held;
use super::tail::Tail;
use crate::store::series::{Changes, Mark};

/// One UTC day: the length of a block, s. Intervals nest in it in every zone.
pub(super) const BLOCK_S: i64 = 86_400;

/// What blocks may take together, bytes: a week of 2,000 meters, all of it measured. More is
/// asked for by the walks through weeks only, which no cache of a gateway would hold.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// Places in the order in which blocks were worked out that are kept without a look at them.
const ORDER_MIN: usize = 1_024;

/// Returns the number of the block in which an instant lies.
pub(super) fn block_of(instant: i64) -> i64 {
    instant.div_euclid(BLOCK_S)
}

/// Returns the span of a block.
pub(super) fn span_of(block: i64) -> Span {
    Span { from: block * BLOCK_S, to: (block + 1) * BLOCK_S }
}

/// What went through a meter in the quarter hours of a UTC day, as small as may be: of 2,000
/// meters a month is 62,000 days.
#[derive(Clone)]
pub(super) enum Amounts {
    /// Nothing is known of any.
    Missing,
    /// All of it was measured.
    Measured(Arc<[u32]>),
    /// Anything.
    Any(Arc<[IntervalAmount]>),
}

impl Amounts {
    /// Takes the intervals of one block.
    pub(super) fn of(intervals: &[IntervalAmount]) -> Self {
        if intervals.iter().all(|it| *it == IntervalAmount::missing(it.start)) {
            return Self::Missing;
        }
        let measured = |it: &IntervalAmount| {
            let amount = u32::try_from(it.measured).ok()?;
            (it.coverage() == Coverage::Measured).then_some(amount)
        };
        match intervals.iter().map(measured).collect::<Option<Vec<u32>>>() {
            Some(amounts) => Self::Measured(amounts.into()),
            None => Self::Any(intervals.into()),
        }
    }

    /// Adds the intervals of a block within a span.
    pub(super) fn put(&self, day: i64, within: Span, to: &mut Vec<IntervalAmount>) {
        let own = span_of(day);
        let part = Span { from: own.from.max(within.from), to: own.to.min(within.to) };
        let missing = part.starts().map(IntervalAmount::missing);
        let skipped = usize::try_from((part.from - own.from) / INTERVAL_S).unwrap_or_default();
        match self {
            Self::Missing => to.extend(missing),
            Self::Measured(amounts) => {
                let amounts = amounts.iter().skip(skipped).map(|amount| i64::from(*amount));
                let measured = missing.zip(amounts);
                to.extend(measured.map(|(missing, measured)| IntervalAmount {
                    measured,
                    missing_s: 0,
                    ..missing
                }));
            }
            Self::Any(intervals) => {
                to.extend(intervals.iter().skip(skipped).zip(missing).map(|(it, _)| *it));
            }
        }
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Missing => 0,
            Self::Measured(amounts) => size_of_val(&**amounts),
            Self::Any(intervals) => size_of_val(&**intervals),
        }
    }
}

/// What went through a meter in a UTC day.
#[derive(Clone)]
pub(super) struct Block {
    pub(super) amounts: Amounts,
    /// The readings that can change it; up to the end of time if a further one in order can.
    pub(super) uses: Span,
    /// The events that it was worked out with.
    pub(super) events: Held,
    pub(super) rules: CounterRules,
    /// What came in order after this instant is not in it.
    pub(super) as_of: i64,
}

impl Block {
    /// What it takes, with its place among the others and in their order.
    fn bytes(&self) -> usize {
        self.amounts.bytes() + size_of::<(i64, Self)>() + 2 * size_of::<Place>()
    }

    fn is_open(&self) -> bool {
        self.uses.to == i64::MAX
    }

    fn is_met_by(&self, first: i64, last: i64) -> bool {
        self.uses.from <= last && first <= self.uses.to
    }
}

/// What is remembered of one meter.
#[derive(Default)]
struct Kept {
    /// In order of days. Most meters have two: a tree's node has room for eleven.
    blocks: Vec<(i64, Block)>,
    tail: Option<Tail>,
    /// The newest change that touched it.
    changed: Mark,
}

impl Kept {
    /// Gives back what room there is for many more: a walk through weeks leaves it behind.
    fn fit(&mut self) {
        let usual = self.blocks.len() + self.blocks.len() / 4 + 2;
        if 2 * usual < self.blocks.capacity() {
            self.blocks.shrink_to(usual);
        }
    }

    /// Keeps the blocks that are wanted; returns the bytes of the others.
    fn keep(&mut self, is_wanted: impl Fn(i64, &Block) -> bool) -> Sum {
        let mut gone = Sum::default();
        self.blocks.retain(|(day, block)| {
            let is_wanted = is_wanted(*day, block);
            if !is_wanted {
                gone.add(block);
            }
            is_wanted
        });
        gone
    }

    fn block(&self, day: i64) -> Option<&Block> {
        let at = self.blocks.binary_search_by_key(&day, |(known, _)| *known).ok()?;
        self.blocks.get(at).map(|(_, block)| block)
    }

    /// Puts a block in its place; returns the one that was there.
    fn insert(&mut self, day: i64, block: Block) -> Option<Block> {
        match self.blocks.binary_search_by_key(&day, |(known, _)| *known) {
            Ok(at) => self.blocks.get_mut(at).map(|(_, known)| std::mem::replace(known, block)),
            Err(at) => {
                self.blocks.insert(at, (day, block));
                None
            }
        }
    }

    fn remove(&mut self, day: i64) -> Option<Block> {
        let at = self.blocks.binary_search_by_key(&day, |(known, _)| *known).ok()?;
        Some(self.blocks.remove(at).1)
    }
}

/// Blocks, counted.
#[derive(Clone, Copy, Default)]
struct Sum {
    count: usize,
    bytes: usize,
}

impl Sum {
    fn add(&mut self, block: &Block) {
        self.count += 1;
        self.bytes += block.bytes();
    }

    fn of(block: &Block) -> Self {
        Self { count: 1, bytes: block.bytes() }
    }

    fn less(&mut self, gone: Self) {
        self.count -= gone.count;
        self.bytes -= gone.bytes;
    }
}

/// A block by the place of its meter in [`Memory`], and its day: a name takes four times as
/// much.
type Place = (u32, i32);

fn index(meter: u32) -> usize {
    usize::try_from(meter).unwrap_or(usize::MAX)
}

/// What is remembered of all meters.
#[derive(Default)]
pub(super) struct Memory {
    mark: Mark,
    places: HashMap<Name, u32>,
    meters: Vec<Kept>,
    /// How many blocks there are, and what they take.
    held: Sum,
    // In the order in which they were worked out; the oldest goes first. A block that was
    // forgotten may still stand here.
    order: VecDeque<Place>,
}

impl Memory {
    fn kept(&self, meter: &Name) -> Option<&Kept> {
        self.meters.get(index(*self.places.get(meter)?))
    }

    fn kept_mut(&mut self, meter: &Name) -> Option<&mut Kept> {
        self.meters.get_mut(index(*self.places.get(meter)?))
    }

    /// Makes a place for a meter that has none.
    fn admit(&mut self, meter: &Name) {
        if !self.places.contains_key(meter)
            && let Ok(place) = u32::try_from(self.meters.len())
        {
            self.places.insert(*meter, place);
            self.meters.push(Kept::default());
        }
    }

    /// Returns up to where changes are taken up.
    pub(super) fn mark(&self) -> Mark {
        self.mark
    }

    /// Forgets every block that new readings may have changed. Where they came in order after
    /// all that the tail has, what rests on the tail stays to be caught up.
    pub(super) fn forget(&mut self, changes: &Changes) {
        self.mark = changes.mark;
        for change in &changes.spans {
            self.admit(&change.meter);
            let Some(kept) = self.kept_mut(&change.meter) else { continue };
            kept.changed = changes.mark;
            let is_met = |block: &Block| block.is_met_by(change.first, change.last);
            let in_order = kept.tail.as_mut().filter(|tail| tail.is_before(change.first));
            let gone = if let Some(tail) = in_order {
                tail.is_behind = true;
                let from = tail.from;
                let rests_on_it = |day, block: &Block| block.is_open() && from < span_of(day).to;
                kept.keep(|day, block| !is_met(block) || rests_on_it(day, block))
            } else {
                kept.tail.take_if(|tail| tail.is_met_by(change.last));
                kept.keep(|_, block| !is_met(block))
            };
            self.held.less(gone);
        }
    }

    /// Returns a block that holds, worked out with these events and rules.
    pub(super) fn block(
        &self,
        meter: &Name,
        day: i64,
        (held, rules): (&Held, CounterRules),
    ) -> Option<&Block> {
        let kept = self.kept(meter)?;
        let block = kept.block(day)?;
        let is_current =
            |tail: &Tail| !block.is_open() || (!tail.is_behind && block.as_of == tail.until);
        let is_current = kept.tail.as_ref().is_none_or(is_current);
        (is_current && block.events == *held && block.rules == rules).then_some(block)
    }

    /// Returns a block as it was when the tail was, whatever came in order since.
    pub(super) fn block_before(&self, meter: &Name, day: i64, tail: &Tail) -> Option<&Block> {
        let block = self.kept(meter)?.block(day)?;
        let is_same = block.events == tail.events && block.rules == tail.rules;
        (is_same && (!block.is_open() || block.as_of == tail.until)).then_some(block)
    }

    /// Returns the tail of a meter.
    pub(super) fn tail(&self, meter: &Name) -> Option<&Tail> {
        self.kept(meter)?.tail.as_ref()
    }

    /// Forgets the tail of a meter, and what rests on it.
    pub(super) fn forget_tail(&mut self, meter: &Name) {
        let Some(kept) = self.kept_mut(meter) else { return };
        kept.tail = None;
        let gone = kept.keep(|_, block| !block.is_open());
        self.held.less(gone);
    }

    /// Puts another tail in the place of one, with the blocks that go with it.
    pub(super) fn move_on(
        &mut self,
        meter: &Name,
        (from, to): (&Tail, Option<Tail>),
        blocks: Vec<(i64, Block)>,
        mark: Mark,
    ) {
        let Some(kept) = self.kept_mut(meter) else { return };
        let is_it =
            kept.tail.as_ref().is_some_and(|tail| tail.is_behind && tail.until == from.until);
        if !is_it || mark < kept.changed {
            // Somebody was quicker, or something came meanwhile.
            return;
        }
        // Without a tail, what is open must be as of now.
        let is_kept = to.is_some();
        kept.tail = to;
        let gone = kept.keep(|_, block| is_kept || !block.is_open());
        self.held.less(gone);
        self.put(meter, blocks);
    }

    /// Remembers blocks that were worked out as of a mark, and the tail they came with if
    /// there is none yet.
    pub(super) fn remember(
        &mut self,
        meter: &Name,
        blocks: Vec<(i64, Block)>,
        tail: Option<Tail>,
        mark: Mark,
    ) {
        self.admit(meter);
        let Some(kept) = self.kept_mut(meter) else { return };
        if mark < kept.changed {
            // A reading came while we worked; what we have may be of yesterday.
            return;
        }
        if kept.tail.is_none() {
            kept.tail = tail;
        }
        self.put(meter, blocks);
    }

    fn put(&mut self, meter: &Name, blocks: Vec<(i64, Block)>) {
        let Some(&place) = self.places.get(meter) else { return };
        let Some(kept) = self.meters.get_mut(index(place)) else { return };
        for (day, block) in blocks {
            // No day of ours is further away; one that was would be worked out each time.
            let Ok(short) = i32::try_from(day) else { continue };
            self.held.add(&block);
            match kept.insert(day, block) {
                Some(before) => self.held.less(Sum::of(&before)),
                None => self.order.push_back((place, short)),
            }
        }
        kept.fit();
        while BYTES_MAX < self.held.bytes {
            let Some((place, day)) = self.order.pop_front() else { break };
            let Some(kept) = self.meters.get_mut(index(place)) else { continue };
            let gone = kept.remove(day.into());
            kept.fit();
            self.held.less(gone.as_ref().map(Sum::of).unwrap_or_default());
        }
        // What was forgotten and worked out again stands here twice: of 2,000 meters read each
        // minute such places took 12 MB in three hours.
        if ORDER_MIN.max(2 * self.held.count) < self.order.len() {
            let meters = &self.meters;
            let mut seen = HashSet::with_capacity(self.held.count);
            self.order.retain(|&(place, day)| {
                let is_there =
                    meters.get(index(place)).is_some_and(|kept| kept.block(day.into()).is_some());
                is_there && seen.insert((place, day))
            });
            self.order.shrink_to(ORDER_MIN.max(2 * self.held.count));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::series::ChangedSpan;

    fn block(day: i64) -> Block {
        Block {
            amounts: Amounts::Measured(vec![1; 96].into()),
            uses: span_of(day),
            events: Held::from([]),
            rules: CounterRules { rollover: None, gap_s_max: 3_600, rate_max: None },
            as_of: day * BLOCK_S,
        }
    }

    #[test]
    fn what_is_forgotten_and_worked_out_again_leaves_nothing_behind() {
        let mut memory = Memory::default();
        let meter = Name::new("office-main").unwrap();
        for round in 0..20_000 {
            let mark = Mark(round);
            memory.remember(&meter, vec![(7, block(7)), (8, block(8))], None, mark);
            let instant = 8 * BLOCK_S + 900;
            let span = ChangedSpan { meter, first: instant, last: instant };
            memory.forget(&Changes { mark, spans: vec![span] });
        }

        assert!(memory.order.len() <= 2 * ORDER_MIN, "{}", memory.order.len());
        let held = (memory.held.count, memory.held.bytes);
        assert_eq!(held, (1, block(7).bytes()));
    }

    #[test]
    fn the_oldest_blocks_go_once_all_take_more_than_they_may() {
        let mut memory = Memory::default();
        let meter = Name::new("office-main").unwrap();
        let fit = i64::try_from(BYTES_MAX / block(0).bytes()).unwrap();
        for day in 0..fit + 100 {
            memory.remember(&meter, vec![(day, block(day))], None, Mark(0));
        }

        let kept: Vec<i64> =
            memory.kept(&meter).unwrap().blocks.iter().map(|(day, _)| *day).collect();
        assert_eq!(kept, (100..fit + 100).collect::<Vec<_>>());
        assert!(memory.held.bytes <= BYTES_MAX);
    }
}
