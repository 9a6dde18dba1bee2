//! What was flagged against what was labelled: hits, delays, false episodes.

use analysis::detect::Spell;
use analysis::track::Track;

use crate::label::Label;
use crate::resample;
use crate::score::{Goal, Score};

/// A day, s.
pub const DAY_S: i64 = 86_400;

/// One flagged episode of one meter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Flag {
    /// What was said.
    pub kind: &'static str,
    /// Since when it is said to hold.
    pub from: i64,
    /// When it could first be said.
    pub noticed: i64,
    /// Until when it is said to hold.
    pub until: i64,
}

impl Flag {
    /// Returns the flag of a spell; one that is open lasts to the end of the table.
    #[must_use]
    pub fn of(kind: &'static str, spell: &Spell, end: i64) -> Self {
        let until = spell.until.unwrap_or(end).max(spell.noticed);
        Self { kind, from: spell.from, noticed: spell.noticed, until }
    }
}

/// What a label must look like to be found by a flag.
#[derive(Clone, Copy, Debug)]
pub struct Asked {
    /// The figure's name: `recall_` goes before it.
    pub name: &'static str,
    /// Kinds of labels.
    pub labels: &'static [&'static str],
    /// Kinds of flags that count; empty: any.
    pub flags: &'static [&'static str],
    /// How long after the label's beginning it must have been noticed at the latest, s;
    /// `None`: until a day after its end.
    pub within_s: Option<i64>,
    /// What was promised.
    pub goal: Goal,
}

/// One meter with its labels and flags.
#[derive(Clone, Debug)]
pub struct Judged {
    /// Its labels, of every kind.
    pub labels: Vec<Label>,
    /// What was flagged after warm-up.
    pub flags: Vec<Flag>,
    /// Length of a step, s.
    pub step_s: i64,
    /// Time scored, s.
    pub scored_s: i64,
}

impl Judged {
    /// Returns a meter's flags against its labels. Scored is from the end of the warm-up,
    /// which begins with the first reading, to the last reading; flags noticed before are
    /// left out.
    #[must_use]
    pub fn new(track: &Track, labels: Vec<Label>, flags: Vec<Flag>, warm_up_s: i64) -> Self {
        let measured = |at: Option<usize>| at.map_or(track.start, |at| track.instant(at));
        let first = measured(track.amounts.iter().position(Option::is_some));
        let last = measured(track.amounts.iter().rposition(Option::is_some));
        let from = first + warm_up_s;
        let flags = flags.into_iter().filter(|it| from <= it.noticed).collect();
        Self { labels, flags, step_s: track.step_s, scored_s: (last - from).max(0) }
    }

    /// Returns when a label was noticed, s after its beginning, if it was.
    ///
    /// The flag must begin no earlier than a day before the label: one that was open for
    /// weeks has found nothing new. It must be noticed after the label begins.
    #[must_use]
    pub fn delay(&self, label: &Label, asked: &Asked) -> Option<i64> {
        let end = label.last + self.step_s;
        let latest = asked.within_s.map_or(end + DAY_S, |within| label.start + within);
        self.flags
            .iter()
            .filter(|it| asked.flags.is_empty() || asked.flags.contains(&it.kind))
            .filter(|it| label.start - DAY_S <= it.from && it.from < end)
            .filter(|it| label.start < it.noticed && it.noticed <= latest)
            .map(|it| it.noticed - label.start)
            .min()
    }

    /// Returns how many flags touch no label of any kind of this meter.
    #[must_use]
    pub fn false_count(&self) -> usize {
        let touches = |flag: &Flag| {
            self.labels
                .iter()
                .any(|label| flag.from <= label.last + self.step_s && label.start <= flag.until)
        };
        self.flags.iter().filter(|it| !touches(it)).count()
    }
}

/// Returns the share of labels found and the median delay, h.
#[must_use]
pub fn recall(meters: &[Judged], asked: &Asked) -> Vec<Score> {
    let found = |meter: &Judged| -> Vec<Option<i64>> {
        let asked_for = meter.labels.iter().filter(|label| label.is_of(asked.labels));
        asked_for.map(|label| meter.delay(label, asked)).collect()
    };
    let share = |drawn: &[&Vec<Option<i64>>]| {
        let all = drawn.iter().map(|it| it.len()).sum::<usize>();
        let hits = drawn.iter().flat_map(|it| it.iter()).flatten().count();
        (0 < all).then(|| real(hits) / real(all))
    };
    let each: Vec<_> = meters.iter().map(found).collect();
    let Some(value) = share(&each.iter().collect::<Vec<_>>()) else { return Vec::new() };
    let within = resample::interval(&each, share);
    let mut delays: Vec<i64> = each.iter().flatten().flatten().copied().collect();
    delays.sort_unstable();
    let mut scores = vec![
        Score::new(format!("recall_{}", asked.name), value, "1")
            .with_goal(asked.goal)
            .with_interval(within),
    ];
    if let Some(&median) = delays.get(delays.len() / 2) {
        scores.push(Score::new(format!("delay_{}", asked.name), hours(median), "h"));
    }
    scores
}

/// Returns false episodes per meter-month, of all kinds together.
#[must_use]
pub fn false_rate(meters: &[Judged], key: &str, goal: Goal) -> Score {
    let rate = |drawn: &[&Judged]| {
        let months: f64 = drawn.iter().map(|it| months(it.scored_s)).sum();
        let count: usize = drawn.iter().map(|it| it.false_count()).sum();
        (0.0 < months).then(|| real(count) / months)
    };
    let value = rate(&meters.iter().collect::<Vec<_>>()).unwrap_or(0.0);
    Score::new(key, value, "1/month")
        .with_goal(goal)
        .with_interval(resample::interval(meters, rate))
}

/// Returns how many years a track spans.
#[must_use]
pub fn years(track: &Track) -> f64 {
    hours(track.end() - track.start) / 8_766.0
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "years of seconds are far below 2^53")]
pub(crate) fn hours(seconds: i64) -> f64 {
    seconds as f64 / 3_600.0
}

/// Seconds as months, a twelfth of 365.25 days each.
pub(crate) fn months(seconds: i64) -> f64 {
    hours(seconds) / 730.5
}
