//! How a counter went through a day: enough to tell later what went through the meter
//! between two midnights without reading the day again.
//!
//! A day is a UTC day; the midnights that people mean lie within. So a course keeps the
//! readings on both sides of its *seam*, [`SEAM_S`] after its start: midnight in China.
//! Sites elsewhere are answered from the readings themselves.
//!
//! ```text
//! quantity   flags: 1 it fell, 2 has a reading up to the seam, 4 has one after it
//! first.instant - start   last.instant - first.instant   first.value   last.value - first.value
//! widest   rises
//! 2: seam - instant, value - first.value     4: instant - seam, value - first.value
//! ```
//!
//! All are varints.

use wire::Quantity;

use super::memory::{Day, start_of};
use crate::store::codec::{Cursor, put_signed, put_varint};

/// Seconds after the start of a UTC day at which it is midnight in China, all year.
pub const SEAM_S: i64 = 16 * 3_600;

const FELL: u8 = 1;
const BEFORE: u8 = 2;
const AFTER: u8 = 4;

/// What a counter showed at an instant, in thousandths of its unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// When.
    pub instant: i64,
    /// What.
    pub value: i64,
}

/// A counter on one UTC day, as readers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// The counter.
    pub quantity: Quantity,
    /// The first reading of the day.
    pub first: Shown,
    /// The last one.
    pub last: Shown,
    /// Whether any reading was less than the one before it.
    pub fell: bool,
    /// The longest time between two readings of the day, s.
    pub widest_s: i64,
    /// How many readings were more than the one before them.
    pub rises: u64,
    /// The last reading up to the seam.
    pub before_seam: Option<Shown>,
    /// The first reading after the seam.
    pub after_seam: Option<Shown>,
}

impl Course {
    /// Returns a course of one reading.
    pub(super) fn new(quantity: Quantity, shown: Shown, seam: i64) -> Self {
        let mut course = Self {
            quantity,
            first: shown,
            last: shown,
            fell: false,
            widest_s: 0,
            rises: 0,
            before_seam: None,
            after_seam: None,
        };
        course.see(shown, seam);
        course
    }

    /// Goes on with the next reading.
    pub(super) fn add(&mut self, shown: Shown, seam: i64) {
        self.fell |= shown.value < self.last.value;
        self.rises += u64::from(self.last.value < shown.value);
        self.widest_s = self.widest_s.max(shown.instant.saturating_sub(self.last.instant));
        self.last = shown;
        self.see(shown, seam);
    }

    fn see(&mut self, shown: Shown, seam: i64) {
        if shown.instant <= seam {
            self.before_seam = Some(shown);
        } else if self.after_seam.is_none() {
            self.after_seam = Some(shown);
        }
    }

    pub(super) fn put(&self, out: &mut Vec<u8>, day: Day) {
        let seam = seam_of(day);
        let flag = |is: bool, bit: u8| if is { bit } else { 0 };
        out.push(self.quantity.id());
        out.push(
            flag(self.fell, FELL)
                | flag(self.before_seam.is_some(), BEFORE)
                | flag(self.after_seam.is_some(), AFTER),
        );
        put_signed(out, self.first.instant.wrapping_sub(start_of(day)));
        put_signed(out, self.last.instant.wrapping_sub(self.first.instant));
        put_signed(out, self.first.value);
        put_signed(out, self.last.value.wrapping_sub(self.first.value));
        put_signed(out, self.widest_s);
        put_varint(out, self.rises);
        for shown in self.before_seam.iter().chain(&self.after_seam) {
            put_signed(out, shown.instant.wrapping_sub(seam));
            put_signed(out, shown.value.wrapping_sub(self.first.value));
        }
    }

    /// Takes what [`Course::put`] wrote.
    pub(super) fn take(cursor: &mut Cursor<'_>, day: Day) -> Option<Self> {
        let seam = seam_of(day);
        let quantity = Quantity::from_id(cursor.byte()?)?;
        let flags = cursor.byte()?;
        let first = start_of(day).wrapping_add(cursor.signed()?);
        let last = first.wrapping_add(cursor.signed()?);
        let first = Shown { instant: first, value: cursor.signed()? };
        let last = Shown { instant: last, value: first.value.wrapping_add(cursor.signed()?) };
        let (widest_s, rises) = (cursor.signed()?, cursor.varint()?);
        let mut beside = |bit: u8| {
            if flags & bit == 0 {
                return Some(None);
            }
            let instant = seam.wrapping_add(cursor.signed()?);
            Some(Some(Shown { instant, value: first.value.wrapping_add(cursor.signed()?) }))
        };
        let (before_seam, after_seam) = (beside(BEFORE)?, beside(AFTER)?);
        let fell = flags & FELL != 0;
        Some(Self { quantity, first, last, fell, widest_s, rises, before_seam, after_seam })
    }
}

/// Returns the seam of a day.
pub(super) fn seam_of(day: Day) -> i64 {
    start_of(day).saturating_add(SEAM_S)
}
