//! How many counters went from one instant to another, from their days' courses: a month
//! of 10,000 meters in one walk through the days' sums, without a reading.
//!
//! In: counters and two instants, each a day's start or its seam. Out: of each counter what
//! it showed around both, and whether it fell on the way; of a counter whose days do not
//! tell, nothing. What went through is for the caller to say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rusqlite::{Transaction, params};
use wire::{Name, Quantity};

use super::Engine;
use super::course::{Course, SEAM_S, Shown};
use super::memory::{Day, day_of};
use super::months::Month;
use super::quick::QuickMap;
use super::read::{Look, pin, sealed_now};
use super::rollup::{Found, course_in};
use super::snapshot::MeterState;
use super::stored::{day_and_meter, id_of};
use crate::store::error::{During, StoreError};

const DURING: &str = "read how counters went";

/// A counter from an instant to another, with the days on both sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rise {
    /// The first reading of the day before the first instant's.
    pub first: Shown,
    /// When the last reading of that day was.
    pub first_until: i64,
    /// How many readings of that day were more than the one before them.
    pub first_rises: u64,
    /// The last reading of all the days.
    pub last: Shown,
    /// Whether any reading of the days was less than the one before it.
    pub fell: bool,
    /// The longest time between two readings from the first instant's day on, s.
    pub widest_s: i64,
    /// The readings beside the first instant: the last up to it, the first after it.
    pub from: (Shown, Shown),
    /// The readings beside the second instant; the other is missing where time has not
    /// come so far.
    pub to: (Shown, Option<Shown>),
    /// Whether nothing of the meter is newer than the last reading.
    pub is_newest: bool,
}

/// A walk of one counter.
#[derive(Clone, Copy, Debug, Default)]
struct Walk {
    rise: Option<Partial>,
    /// The newest instant of the meter.
    newest: i64,
    /// A day of it does not tell.
    is_unknown: bool,
}

#[derive(Clone, Copy, Debug)]
struct Partial {
    first: Course,
    last: Shown,
    fell: bool,
    widest_s: i64,
    from: Beside,
    to: Beside,
}

#[derive(Clone, Copy, Debug, Default)]
struct Beside {
    before: Option<Shown>,
    after: Option<Shown>,
}

impl Beside {
    fn see(&mut self, course: &Course, border: i64) {
        let seen = [Some(course.first), course.before_seam, course.after_seam, Some(course.last)];
        for shown in seen.into_iter().flatten() {
            if shown.instant <= border {
                self.before = Some(shown);
            } else if self.after.is_none() {
                self.after = Some(shown);
            }
        }
    }
}

impl Walk {
    fn take(&mut self, day: Day, found: Found, from: i64, to: i64) {
        let course = match found {
            Found::Course(course) => course,
            Found::NoReading => return,
            Found::Unknown => {
                self.is_unknown = true;
                return;
            }
        };
        let rise = match &mut self.rise {
            Some(rise) => {
                rise.fell |= course.fell || course.first.value < rise.last.value;
                if day_of(from) <= day {
                    let night = course.first.instant.saturating_sub(rise.last.instant);
                    rise.widest_s = rise.widest_s.max(course.widest_s).max(night);
                }
                rise.last = course.last;
                rise
            }
            // What came before is only known from the day before on.
            None if day_of(from) <= day => {
                self.is_unknown = true;
                return;
            }
            None => self.rise.insert(Partial {
                first: course,
                last: course.last,
                fell: course.fell,
                widest_s: 0,
                from: Beside::default(),
                to: Beside::default(),
            }),
        };
        rise.from.see(&course, from);
        rise.to.see(&course, to);
    }

    fn end(self) -> Option<Rise> {
        let rise = self.rise.filter(|_| !self.is_unknown)?;
        Some(Rise {
            first: rise.first.first,
            first_until: rise.first.last.instant,
            first_rises: rise.first.rises,
            last: rise.last,
            fell: rise.fell,
            widest_s: rise.widest_s,
            from: (rise.from.before?, rise.from.after?),
            to: (rise.to.before?, rise.to.after),
            is_newest: self.newest <= rise.last.instant,
        })
    }
}

/// Meters whose days are not all in the table of sums.
type Waiting<'a> = BTreeMap<Day, Vec<(usize, Look<'a>)>>;

impl Engine {
    /// Returns how counters went from one instant to another, in their order; `None` of
    /// those whose days do not tell.
    pub(super) fn rises(
        &self,
        counters: &[(Name, Quantity)],
        from: i64,
        to: i64,
    ) -> Result<Vec<Option<Rise>>, StoreError> {
        let is_border = |instant: i64| matches!(instant.rem_euclid(86_400), 0 | SEAM_S);
        if !is_border(from) || !is_border(to) || to <= from {
            return Ok(vec![None; counters.len()]);
        }
        let days = day_of(from).saturating_sub(1)..=day_of(to).saturating_add(1);
        self.database.read(DURING, |tx| {
            let memory = self.memory();
            pin(tx)?;
            let sealed = sealed_now(tx, self.lock.is_some(), &memory)?;
            let registry = Arc::clone(&memory.registry);
            // Of a month that was given up nobody can say any more what lay beside a seam.
            let is_given_up = |day| Month::of(day).is_some_and(|it| memory.given_up.contains(&it));
            if days.clone().any(is_given_up) {
                return Ok(vec![None; counters.len()]);
            }
            // By the meter's number, which counters are its.
            let mut wanted: QuickMap<u32, Vec<usize>> = QuickMap::default();
            let mut waiting = Waiting::new();
            let mut walks = vec![Walk::default(); counters.len()];
            for (at, (name, _)) in counters.iter().enumerate() {
                let Some(meter) = registry.meter(name) else { continue };
                let Some(state) = memory.meter(meter) else { continue };
                if let Some(walk) = walks.get_mut(at) {
                    walk.newest = state.last_instant;
                }
                wanted.entry(meter).or_default().push(at);
                for day in buffered_days(state, *days.start(), *days.end()) {
                    let look = Look::new(tx, &memory, (meter, *name), state, &self.months, &sealed);
                    waiting.entry(day).or_default().push((at, look));
                }
            }
            drop(memory);

            for day in days.clone() {
                let later = waiting.remove(&day).unwrap_or_default();
                let waits: BTreeSet<usize> = later.iter().map(|(at, _)| *at).collect();
                each_day(tx, day, |meter, bytes| {
                    for &at in wanted.get(&meter).into_iter().flatten() {
                        let (Some(walk), Some((_, quantity))) =
                            (walks.get_mut(at), counters.get(at))
                        else {
                            continue;
                        };
                        if !waits.contains(&at) {
                            let found = course_in(bytes, id_of(day, meter), *quantity);
                            walk.take(day, found, from, to);
                        }
                    }
                })?;
                for (at, look) in later {
                    let (Some(walk), Some((_, quantity))) = (walks.get_mut(at), counters.get(at))
                    else {
                        continue;
                    };
                    walk.take(day, look.course(day, *quantity)?, from, to);
                }
            }
            Ok(walks.into_iter().map(Walk::end).collect())
        })
    }
}

fn buffered_days(state: &MeterState, first: Day, last: Day) -> impl Iterator<Item = Day> {
    state.buffered(first, last).map(|buffer| buffer.day)
}

/// Runs `each` on the sums of a day, of all meters.
fn each_day(
    tx: &Transaction<'_>,
    day: Day,
    mut each: impl FnMut(u32, &[u8]),
) -> Result<(), StoreError> {
    let sql = "SELECT id, data FROM rollup WHERE ?1 <= id AND id < ?2 ORDER BY id";
    let mut query = tx.prepare_cached(sql).during(DURING)?;
    let keys = params![id_of(day, 0), id_of(day.saturating_add(1), 0)];
    let mut rows = query.query(keys).during(DURING)?;
    while let Some(row) = rows.next().during(DURING)? {
        let data = row.get_ref(1).during(DURING)?.as_blob();
        let data = data.map_err(|error| StoreError::corrupt(DURING, error.to_string()))?;
        each(day_and_meter(row.get(0).during(DURING)?).1, data);
    }
    Ok(())
}
