//! How many counters went from one instant to another, from their days' courses: a month
//! of 10,000 meters in one walk through the days' sums, without a reading.
//!
//! In: counters and two instants, each a day's start or its seam. Out: of each counter what
//! it showed around both, and whether it fell on the way; of a counter whose days do not
//! tell, nothing. What went through is for the caller to say.

use std::panic::resume_unwind;
use std::sync::{RwLockReadGuard, mpsc};

use rusqlite::{Transaction, params};
use wire::{Name, Quantity};

use super::Engine;
use super::course::{Course, SEAM_S, Shown};
use super::memory::{Day, Memory, day_of};
use super::months::Month;
use super::read::{Look, pin, sealed_now};
use super::rollup::{Found, course_in};
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

/// A counter that is asked for.
struct Wanted {
    meter: u32,
    quantity: Quantity,
    /// Its place among the answers.
    place: usize,
    walk: Walk,
    /// Its days that are in buffers, and so not in the table of sums.
    later: Vec<Day>,
}

/// From so many counters on a second thread takes half of them.
const SHARED_MIN: usize = 1_000;

/// The days that are walked through, and the instants on both sides.
#[derive(Clone, Copy)]
struct Stretch {
    first: Day,
    last: Day,
    from: i64,
    to: i64,
}

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
        let (first, last) = (day_of(from).saturating_sub(1), day_of(to).saturating_add(1));
        let stretch = Stretch { first, last, from, to };
        self.database.read(DURING, |tx| {
            let memory = self.memory();
            pin(tx)?;
            let sealed = sealed_now(tx, self.lock.is_some(), &memory)?;
            // Of a month that was given up nobody can say any more what lay beside a seam.
            let is_given_up = |day| Month::of(day).is_some_and(|it| memory.given_up.contains(&it));
            if (first..=last).any(is_given_up) {
                return Ok(vec![None; counters.len()]);
            }
            let mut plain = Vec::with_capacity(counters.len());
            let mut later = Vec::new();
            for (place, &(name, quantity)) in counters.iter().enumerate() {
                let Some(meter) = memory.registry.meter(&name) else { continue };
                let Some(state) = memory.meter(meter) else { continue };
                let walk = Walk { newest: state.last_instant, ..Walk::default() };
                let days: Vec<Day> = state.buffered(first, last).map(|it| it.day).collect();
                let look = (!days.is_empty())
                    .then(|| Look::new(tx, &memory, (meter, name), state, &self.months, &sealed));
                let wanted = Wanted { meter, quantity, place, walk, later: days };
                match look {
                    Some(look) => later.push((wanted, look)),
                    None => plain.push(wanted),
                }
            }
            // In the order in which the table has them: a day is one walk along both.
            plain.sort_unstable_by_key(|it| it.meter);
            self.take_shared(tx, memory, &mut plain, stretch)?;
            later.sort_by_key(|(it, _)| it.meter);
            let (mut later, looks): (Vec<_>, Vec<_>) = later.into_iter().unzip();
            take_later(tx, &mut later, &looks, stretch)?;

            let mut rises = vec![None; counters.len()];
            for wanted in plain.into_iter().chain(later) {
                if let Some(rise) = rises.get_mut(wanted.place) {
                    *rise = wanted.walk.end();
                }
            }
            Ok(rises)
        })
    }

    /// Walks through the days of counters that have none in buffers; of many, a half at the
    /// same time on a thread of its own. That reads the same state: nobody writes days
    /// between the beginning of both transactions, while `memory` is held.
    fn take_shared(
        &self,
        tx: &Transaction<'_>,
        memory: RwLockReadGuard<'_, Memory>,
        wanted: &mut [Wanted],
        stretch: Stretch,
    ) -> Result<(), StoreError> {
        if wanted.len() < SHARED_MIN {
            drop(memory);
            return take_plain(tx, wanted, stretch);
        }
        // Counters of one meter may be on both sides: each side looks at its own.
        let (own, other) = wanted.split_at_mut(wanted.len() / 2);
        std::thread::scope(|scope| {
            let (begins, begun) = mpsc::sync_channel(1);
            let helper = scope.spawn(move || {
                self.database.read(DURING, |tx| {
                    pin(tx)?;
                    begins.send(()).ok();
                    take_plain(tx, other, stretch)
                })
            });
            // One that fails before it begins hangs up.
            begun.recv().ok();
            drop(memory);
            let taken = take_plain(tx, own, stretch);
            let helped = helper.join().unwrap_or_else(|panic| resume_unwind(panic));
            taken.and(helped)
        })
    }
}

/// Walks through the days of counters, which are in order of their meters.
fn take_plain(
    tx: &Transaction<'_>,
    wanted: &mut [Wanted],
    stretch: Stretch,
) -> Result<(), StoreError> {
    (stretch.first..=stretch.last).try_for_each(|day| take_day(tx, day, wanted, stretch))
}

/// Walks through the days of counters that have some in buffers, each with its look.
fn take_later(
    tx: &Transaction<'_>,
    wanted: &mut [Wanted],
    looks: &[Look<'_>],
    stretch: Stretch,
) -> Result<(), StoreError> {
    for day in stretch.first..=stretch.last {
        take_day(tx, day, wanted, stretch)?;
        let pairs = wanted.iter_mut().zip(looks);
        for (own, look) in pairs.filter(|(own, _)| own.later.contains(&day)) {
            own.walk.take(day, look.course(day, own.quantity)?, stretch.from, stretch.to);
        }
    }
    Ok(())
}

/// Goes on with what the table has of a day.
fn take_day(
    tx: &Transaction<'_>,
    day: Day,
    wanted: &mut [Wanted],
    stretch: Stretch,
) -> Result<(), StoreError> {
    let (Some(first), Some(last)) = (wanted.first(), wanted.last()) else { return Ok(()) };
    let meters = (first.meter, last.meter);
    let mut at = 0;
    each_day(tx, day, meters, |meter, bytes| {
        while wanted.get(at).is_some_and(|it| it.meter < meter) {
            at += 1;
        }
        // Of one meter several counters may be asked for.
        for own in wanted.iter_mut().skip(at).take_while(|it| it.meter == meter) {
            if !own.later.contains(&day) {
                let found = course_in(bytes, id_of(day, meter), own.quantity);
                own.walk.take(day, found, stretch.from, stretch.to);
            }
        }
    })
}

/// Runs `each` on the sums of a day, of the meters from the first to the last, in order.
fn each_day(
    tx: &Transaction<'_>,
    day: Day,
    (first, last): (u32, u32),
    mut each: impl FnMut(u32, &[u8]),
) -> Result<(), StoreError> {
    let sql = "SELECT id, data FROM rollup WHERE ?1 <= id AND id <= ?2 ORDER BY id";
    let mut query = tx.prepare_cached(sql).during(DURING)?;
    let mut rows = query.query(params![id_of(day, first), id_of(day, last)]).during(DURING)?;
    while let Some(row) = rows.next().during(DURING)? {
        let data = row.get_ref(1).during(DURING)?.as_blob();
        let data = data.map_err(|error| StoreError::corrupt(DURING, error.to_string()))?;
        each(day_and_meter(row.get(0).during(DURING)?).1, data);
    }
    Ok(())
}
