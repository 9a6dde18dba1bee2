//! Expected, received, late and lost packs, from sequence numbers.
//!
//! A node numbers the packs of each meter from 0 at every boot, failed polls included.
//! So a number that never came is a pack that was lost, and it is known in which span:
//! between its neighbours. Pure.

use std::collections::BTreeMap;

use super::row::Head;

/// A pack counts as late if it reached the gateway this many seconds after its instant,
/// or later: a quarter hour, after which the interval it belongs to was already shown.
pub const LATE_AFTER_S: i64 = 900;

/// The boot of packs whose sender numbers nothing: other people's devices. What of them
/// was lost nobody can know; a clock that is not synced means that the gateway's own time
/// of receipt stands for the instant.
pub const UNNUMBERED: u32 = 0;

/// The number of the first pack of a meter after a boot.
const FIRST_SEQ: i64 = 0;

/// How complete a span of one meter is. `expected = received + lost`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Packs that the node made, as far as the sequence tells.
    pub expected: u64,
    /// Packs that are stored, each counted once.
    pub received: u64,
    /// Of the received, those that came [`LATE_AFTER_S`] or more after their instant.
    pub late: u64,
    /// Packs missing from the sequence.
    pub lost: u64,
    /// Arrivals of packs that were stored already.
    pub duplicate: u64,
    /// Of the received, those whose sender numbers nothing. With any of them, `expected`
    /// and `lost` count only what is known: nobody can say what is missing.
    pub unnumbered: u64,
}

/// The time of a span in which no sequence of numbers tells what a node made: it was off, it
/// started anew, or nothing has come since. Before the first pack that a meter ever sent
/// there is none: nothing was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Untold {
    /// How many stretches end with a pack, which is not itself untold.
    pub ended: u64,
    /// How long all stretches are together, s.
    pub seconds: u64,
}

impl Untold {
    /// Returns how many packs a node that polls at an interval would have made in them. Of a
    /// span that reaches to now the newest may still be under way.
    #[must_use]
    pub fn due(&self, interval_s: u32, reaches_now: bool) -> u64 {
        let polls = self.seconds / u64::from(interval_s.max(1));
        polls.saturating_sub(self.ended + u64::from(reaches_now))
    }
}

/// What was counted in a span, and the time that the numbers leave out.
pub(super) type Told = (Counts, Untold);

/// What counting needs of a stored pack.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) node: u32,
    pub(super) boot: u32,
    pub(super) seq: u32,
    pub(super) instant: i64,
    pub(super) received: i64,
}

impl Counted {
    pub(super) fn of(head: &Head) -> Self {
        let Head { node, boot, seq, instant, received, .. } = *head;
        Self { node, boot, seq, instant, received }
    }
}

/// Counts within `[from, to)`. `packs` are those of the span in any order, with the
/// neighbours on both sides, so that a gap across an end is seen from both spans. What
/// came again is for the caller to add.
///
/// A gap's missing packs are taken to lie evenly between its neighbours. So each of
/// them falls into one span only, and the days of a month add up to the month.
pub(super) fn count(mut packs: Vec<Counted>, from: i64, to: i64) -> Counts {
    let mut counts = Counts::default();
    let within = |instant: i64| from <= instant && instant < to;
    for pack in packs.iter().filter(|pack| within(pack.instant)) {
        counts.received += 1;
        counts.unnumbered += u64::from(pack.boot == UNNUMBERED);
        if LATE_AFTER_S <= pack.received - pack.instant {
            counts.late += 1;
        }
    }
    // A boot's number says nothing about its place in time.
    let mut first_instants: BTreeMap<(u32, u32), i64> = BTreeMap::new();
    for pack in &packs {
        let first = first_instants.entry((pack.node, pack.boot)).or_insert(pack.instant);
        *first = (*first).min(pack.instant);
    }
    packs.sort_by_key(|pack| {
        let first = first_instants.get(&(pack.node, pack.boot)).copied();
        (pack.node, first, pack.boot, pack.seq, pack.instant)
    });
    for (before, after) in packs.iter().zip(packs.iter().skip(1)) {
        if before.node != after.node || after.boot == UNNUMBERED {
            continue;
        }
        let missing = if before.boot == after.boot {
            i64::from(after.seq) - i64::from(before.seq) - 1
        } else {
            // What the earlier boot made after `before` nobody can know.
            i64::from(after.seq) - FIRST_SEQ
        };
        counts.lost += lost_within(before.instant, after.instant, missing, from, to);
    }
    counts.expected = counts.received + counts.lost;
    counts
}

/// Finds the stretches of `[from, to)` of which no numbers tell. `packs` are as in [`count`].
pub(super) fn untold(packs: &[Counted], from: i64, to: i64) -> Untold {
    let mut packs: Vec<&Counted> = packs.iter().collect();
    packs.sort_by_key(|pack| (pack.instant, pack.node, pack.boot, pack.seq));
    let mut untold = Untold::default();
    // All of time is a span, too: it has no end that could be subtracted from another.
    let mut add = |start: i64, end: i64, is_ended: bool| {
        let seconds = end.min(to).saturating_sub(start.max(from));
        if let Some(seconds) = u64::try_from(seconds).ok().filter(|&it| 0 < it) {
            untold.ended += u64::from(is_ended);
            untold.seconds = untold.seconds.saturating_add(seconds);
        }
    };
    for (before, after) in packs.iter().zip(packs.iter().skip(1)) {
        let numbered = before.boot != UNNUMBERED;
        if !(numbered && before.node == after.node && before.boot == after.boot) {
            add(before.instant, after.instant, after.instant < to);
        }
    }
    add(packs.last().map_or(from, |last| last.instant), to, false);
    untold
}

/// Returns how many of `missing` packs, evenly between two instants, lie in `[from, to)`.
fn lost_within(before: i64, after: i64, missing: i64, from: i64, to: i64) -> u64 {
    if missing <= 0 {
        return 0;
    }
    // The k-th (from 1) lies at before + k * span / (missing + 1), rounded down. Those
    // before a limit are counted in closed form: a gap may be of millions.
    let span = i128::from(after) - i128::from(before);
    let parts = i128::from(missing) + 1;
    let below = |limit: i64| -> i128 {
        let room = i128::from(limit) - i128::from(before);
        if span <= 0 {
            // A clock that was set back between the two: all at the later one's instant.
            return if i128::from(limit) > i128::from(after) { i128::from(missing) } else { 0 };
        }
        // floor(k * span / parts) < room  ⇔  k * span < room * parts
        let whole = room * parts;
        if whole <= 0 { 0 } else { ((whole - 1) / span).min(i128::from(missing)) }
    };
    u64::try_from(below(to) - below(from)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn pack(boot: u32, seq: u32, instant: i64) -> Counted {
        Counted { node: 0, boot, seq, instant, received: instant + 1 }
    }

    #[test]
    fn a_missing_number_is_a_lost_pack() {
        let packs = vec![pack(1, 0, 0), pack(1, 1, 60), pack(1, 4, 240)];

        let counts = count(packs, 0, 86_400);

        assert_eq!(counts, Counts { expected: 5, received: 3, lost: 2, ..Counts::default() });
    }

    #[test]
    fn between_two_packs_of_a_boot_the_numbers_tell_all() {
        // An hour at another pace than the plan of today says; nothing came since.
        let packs = [pack(1, 0, 0), pack(1, 1, 900), pack(1, 2, 1_800), pack(1, 3, 2_700)];

        assert_eq!(untold(&packs, 0, 2_700), Untold::default());
        assert_eq!(untold(&packs, 0, 3_600), Untold { ended: 0, seconds: 900 });
        assert_eq!(untold(&packs, 0, 3_600).due(60, true), 14);
    }

    #[test]
    fn what_a_node_that_was_off_would_have_made_is_due() {
        let packs = [pack(1, 0, 0), pack(1, 1, 60), pack(2, 0, 660), pack(2, 1, 720)];

        let off = untold(&packs, 0, 730);

        // Nine polls between minute 1 and minute 11.
        assert_eq!(off, Untold { ended: 1, seconds: 610 });
        assert_eq!(off.due(60, false), 9);
        assert_eq!(untold(&packs, 120, 600), Untold { ended: 0, seconds: 480 });
    }

    #[test]
    fn before_the_first_pack_ever_nothing_was_due_and_without_any_all_of_it() {
        assert_eq!(untold(&[pack(1, 0, 600), pack(1, 1, 660)], 0, 660), Untold::default());
        assert_eq!(untold(&[], 0, 660).due(60, false), 11);
        assert_eq!(untold(&[], i64::MIN, i64::MAX).seconds, u64::MAX / 2);
    }

    #[test]
    fn a_gap_over_midnight_is_split_and_adds_up() {
        let packs = vec![pack(1, 0, 0), pack(1, 10, 1_000)];

        let lost = |from, to| count(packs.clone(), from, to).lost;

        assert_eq!((lost(0, 450), lost(450, 2_000), lost(0, 2_000)), (4, 5, 9));
        assert_eq!((0..1_001).map(|second| lost(second, second + 1)).sum::<u64>(), 9);
    }

    #[test]
    fn a_restart_loses_what_was_numbered_before_its_first_arrival() {
        let packs = vec![pack(1, 7, 0), pack(2, 2, 100), pack(2, 3, 160)];

        assert_eq!(count(packs, 0, 1_000).lost, 2);
    }

    #[test]
    fn boots_follow_each_other_in_time_and_not_by_number() {
        let packs = vec![pack(9, 0, 0), pack(9, 1, 60), pack(4, 0, 120), pack(4, 1, 180)];

        assert_eq!(count(packs, 0, 1_000).lost, 0);
    }

    #[test]
    fn of_a_sender_that_numbers_nothing_nobody_knows_what_was_lost() {
        let packs = vec![pack(UNNUMBERED, 0, 0), pack(UNNUMBERED, 7, 600)];

        let counts = count(packs, 0, 1_000);

        assert_eq!((counts.received, counts.unnumbered, counts.lost), (2, 2, 0));
    }

    #[test]
    fn the_first_pack_ever_says_nothing_about_earlier_ones() {
        assert_eq!(count(vec![pack(9, 5_000, 0)], 0, 1_000).lost, 0);
    }

    #[test]
    fn a_quarter_hour_after_its_instant_a_pack_is_late() {
        let late = Counted { received: 900, ..pack(1, 0, 0) };

        let counts = count(vec![late, pack(1, 1, 60)], 0, 1_000);

        assert_eq!((counts.received, counts.late), (2, 1));
    }

    #[test]
    fn a_clock_set_back_makes_no_negative_count() {
        let packs = vec![pack(1, 0, 1_000), pack(1, 3, 400)];

        assert_eq!((count(packs.clone(), 0, 2_000).lost, count(packs, 0, 401).lost), (2, 2));
    }

    /// Runs of a node, each with whether its packs came; and those that came, in the order
    /// in which they arrived.
    fn runs() -> impl Strategy<Value = (Vec<Vec<bool>>, Vec<Counted>)> {
        prop::collection::vec(prop::collection::vec(any::<bool>(), 1..40), 1..5).prop_flat_map(
            |runs| {
                let mut came = Vec::new();
                let mut instant = 0;
                for (run, boot) in runs.iter().zip([77, 3, 900, 12]) {
                    for (&did_come, seq) in run.iter().zip(0..) {
                        instant += 60;
                        if did_come {
                            came.push(pack(boot, seq, instant));
                        }
                    }
                }
                (Just(runs), Just(came).prop_shuffle())
            },
        )
    }

    /// Of each run what is missing up to its last pack that came; of the first run that is
    /// known only what is missing after its first one.
    fn missing(runs: &[Vec<bool>]) -> usize {
        let known = runs.iter().filter(|run| run.contains(&true));
        let of_run = |(number, run): (usize, &Vec<bool>)| {
            let first = run.iter().position(|came| *came).unwrap_or(0);
            let last = run.iter().rposition(|came| *came).unwrap_or(0);
            let begin = if number == 0 { first } else { 0 };
            run[begin..=last].iter().filter(|came| !**came).count()
        };
        known.enumerate().map(of_run).sum()
    }

    proptest! {
        #[test]
        fn what_is_counted_as_lost_is_what_did_not_come_whatever_the_order(
            (runs, came) in runs(),
            border in 0..10_000_i64,
        ) {
            let whole = count(came.clone(), 0, 10_000);
            let days = [count(came.clone(), 0, border), count(came.clone(), border, 10_000)];

            prop_assert_eq!(whole.received, came.len() as u64);
            prop_assert_eq!(whole.lost, missing(&runs) as u64);
            prop_assert_eq!(whole.expected, whole.received + whole.lost);
            prop_assert_eq!(days[0].expected + days[1].expected, whole.expected);
            prop_assert_eq!(days[0].lost + days[1].lost, whole.lost);
        }
    }
}
