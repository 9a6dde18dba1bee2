//! A clock that is wrong: readings come at once, and say that they are of another time.
//!
//! # What it means
//!
//! For an hour each newest reading of a meter was dated the same time away from when it came,
//! and further than two minutes. What lies in it is right and stands at the wrong time: the
//! night's use is booked on the day, the peak in another quarter hour. Eight hours (or as many
//! as the place is from Greenwich) are a device that sends local time and calls it universal
//! time, or the other way round; minutes are a clock that nobody sets; years are an empty
//! battery. Readings dated more than five minutes ahead are not booked at all but kept aside.
//!
//! Readings that were held back are no wrong clock: while they are sent, newer ones come
//! between them or the distance shrinks. Nor is a device that sends a whole day at once.
//!
//! # What to do
//!
//! Set the clock of the device, and enter a time server that it reaches; see that its time
//! zone is the one that its settings name. What was dated wrongly stays where it was booked.
//!
//! Not here: readings that the sender itself dates by their receipt; when a node is away
//! ([`super::silent_meter()`]).

use crate::finding::Evidence;

use super::spell::Spell;

/// When a reading was taken by its sender's clock, and when it came by ours, Unix seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// By its sender's clock.
    pub instant: i64,
    /// By ours.
    pub received: i64,
}

impl Heard {
    /// Returns how much later than its date it came, s; less than nothing where it is dated
    /// ahead.
    #[must_use]
    pub const fn late_s(&self) -> i64 {
        self.received.saturating_sub(self.instant)
    }
}

/// From when a clock is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClockLimits {
    /// How far readings may be dated from when they came, either way, s.
    pub off_s: i64,
    /// How much that may differ from one to the next and still be the same, s.
    pub alike_s: i64,
    /// How long it must have been the same, s, and in how many polls.
    pub lasting_s: i64,
    /// See [`Self::lasting_s`].
    pub polls: usize,
}

impl Default for ClockLimits {
    fn default() -> Self {
        Self { off_s: 120, alike_s: 60, lasting_s: 3_600, polls: 6 }
    }
}

/// Finds spans in which readings were dated wrongly, by our clock.
///
/// `heard` are the readings of one meter that is polled every `interval_s`, in any order, with
/// those that were not booked for their date. Evidence is how much later than their date
/// readings came when it was noticed (less than nothing: earlier), to the minute, and what is
/// allowed, s. A span ends when a reading comes that is dated rightly.
#[must_use]
pub fn clock_wrong(heard: &[Heard], interval_s: u32, limits: &ClockLimits) -> Vec<Spell> {
    let polls = newest_of_polls(heard, i64::from(interval_s.max(1)));
    let mut spells = Vec::new();
    let mut open: Option<Spell> = None;
    // The polls from this one on were dated wrongly, all alike.
    let mut first = 0;
    for (at, poll) in polls.iter().enumerate() {
        if poll.late_s.saturating_abs() <= limits.off_s {
            if let Some(spell) = open.take() {
                spells.push(Spell { until: Some(poll.received), ..spell });
            }
            first = at + 1;
        }
        if open.is_some() || at < first {
            continue;
        }
        let is_alike =
            |it: &Poll| it.late_s.saturating_sub(poll.late_s).saturating_abs() <= limits.alike_s;
        first = (first..=at).rev().take_while(|&it| is_alike(&polls[it])).last().unwrap_or(at);
        let lasted_s = poll.received - polls[first].received;
        let count = at + 1 - first;
        // Half of the polls may be missing: a day's readings in one message are no poll each.
        let due = usize::try_from(lasted_s / i64::from(interval_s.max(1))).unwrap_or(usize::MAX);
        if limits.lasting_s <= lasted_s && limits.polls.max(due / 2) <= count {
            open = Some(Spell {
                from: polls[first].received,
                noticed: poll.received,
                until: None,
                waste: 0,
                evidence: vec![Evidence {
                    start: poll.received,
                    amount: to_the_minute(poll.late_s),
                    limit: limits.off_s,
                }],
            });
        }
    }
    spells.extend(open);
    spells
}

/// A message is under way for seconds, and a time zone is whole hours.
const fn to_the_minute(seconds: i64) -> i64 {
    seconds.saturating_add(30).div_euclid(60).saturating_mul(60)
}

/// The reading with the newest date of those that came within a poll's time.
struct Poll {
    received: i64,
    /// How much later than its date it came.
    late_s: i64,
}

fn newest_of_polls(heard: &[Heard], interval_s: i64) -> Vec<Poll> {
    let mut heard = heard.to_vec();
    heard.sort_by_key(|it| (it.received, it.instant));
    let mut polls: Vec<(i64, Poll)> = Vec::new();
    for it in heard {
        let number = it.received.div_euclid(interval_s);
        let late_s = it.late_s();
        match polls.last_mut() {
            Some((same, poll)) if *same == number => {
                if late_s < poll.late_s {
                    poll.late_s = late_s;
                    poll.received = it.received;
                }
            }
            _ => polls.push((number, Poll { received: it.received, late_s })),
        }
    }
    polls.into_iter().map(|it| it.1).collect()
}

#[cfg(test)]
mod tests;
