//! Whether somebody hears of a finding, and who. Pure.

use analysis::finding::FindingKind;
use analysis::site::{Area, Person, Role};

use super::Change;
use crate::store::journal::FindingChange;

/// A finding older than this when we first see it is history, unless it takes longer to be
/// sure of its kind: nobody can act on it today.
pub const NEWS_S: i64 = 24 * 3_600;

/// How long after its beginning a finding is news: several nights, or weeks of a slow rise,
/// can be what it takes to be sure, and it can still be ended today.
const fn news_s(kind: FindingKind) -> i64 {
    match kind {
        FindingKind::Burst
        | FindingKind::DropoutWithCatchUp
        | FindingKind::LightsLeftOn
        | FindingKind::PeakDemand
        | FindingKind::PhaseImbalance
        | FindingKind::SilentMeter
        | FindingKind::Spike => NEWS_S,
        FindingKind::Leak | FindingKind::RunningToilet => 3 * NEWS_S,
        // A spare meter is told after a week, a changed unit two weeks after an outage.
        // Two days in a row, and the day after them.
        FindingKind::PowerFactorLow => 4 * NEWS_S,
        // Six polls, also of a meter that is read once a day; three days that count, of a week.
        FindingKind::ClockWrong | FindingKind::SumMismatch => 7 * NEWS_S,
        FindingKind::Stuck => 9 * NEWS_S,
        FindingKind::ScaleChange => 16 * NEWS_S,
        FindingKind::AfterHoursLoad | FindingKind::GasWhenClosed | FindingKind::WeekendRunning => {
            14 * NEWS_S
        }
        FindingKind::HighBaseLoad => 60 * NEWS_S,
    }
}

/// What a mail tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Occasion {
    /// The finding opened.
    Opened,
    /// It closed.
    Closed,
}

impl Occasion {
    /// Returns the word that stands for it in a mail's key.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Closed => "closed",
        }
    }
}

/// Returns what a change is worth a mail for, if anything.
///
/// One for the opening and one for the closing, whatever happens in between: a finding
/// that grows, or closes and opens again, is the same matter, and the mail's key keeps it
/// from being told twice. Who was not told of the opening is not told of the closing.
#[must_use]
pub fn occasion(change: &Change<'_>, now: i64) -> Option<Occasion> {
    let finding = change.finding;
    match change.what {
        FindingChange::Opened | FindingChange::Reopened => {
            // A spike, or a sum that came late, is over when it can first be told; what it left
            // in the figures is not.
            let is_over = is_told_when_over(finding.kind);
            let since = finding.closed.filter(|_| is_over).unwrap_or(finding.opened);
            let news = (finding.is_open() || is_over) && now - since <= news_s(finding.kind);
            news.then_some(Occasion::Opened)
        }
        FindingChange::Closed if is_told_when_over(finding.kind) => None,
        FindingChange::Closed => {
            let told = change.recorded - finding.opened <= news_s(finding.kind);
            told.then_some(Occasion::Closed)
        }
        FindingChange::Grew | FindingChange::Corrected | FindingChange::Unchanged => None,
    }
}

const fn is_told_when_over(kind: FindingKind) -> bool {
    matches!(kind, FindingKind::DropoutWithCatchUp | FindingKind::Spike)
}

/// Returns who hears of a finding, and at which address.
///
/// Lights and water that runs away: who answers for the area, else every caretaker. Meters
/// that are silent or count wrongly, and loads that it takes a look into a cabinet to
/// explain: every engineer. Where there is none of these with an address, the other of the
/// two roles: a finding that nobody hears of helps nobody.
#[must_use]
pub fn recipients<'a>(
    kind: FindingKind,
    area: Option<&Area>,
    people: &'a [Person],
) -> Vec<(&'a Person, &'a str)> {
    let reachable = || people.iter().filter_map(|one| Some((one, one.email.as_deref()?)));
    let with = |role: Role| reachable().filter(|(one, _)| one.role == role).collect::<Vec<_>>();
    let owner = area.and_then(|area| area.owner);
    let (owner, first, second) = match kind {
        FindingKind::Burst
        | FindingKind::Leak
        | FindingKind::LightsLeftOn
        | FindingKind::RunningToilet => (owner, Role::Caretaker, Role::Engineer),
        FindingKind::AfterHoursLoad
        | FindingKind::ClockWrong
        | FindingKind::DropoutWithCatchUp
        | FindingKind::GasWhenClosed
        | FindingKind::HighBaseLoad
        | FindingKind::PeakDemand
        | FindingKind::PhaseImbalance
        | FindingKind::PowerFactorLow
        | FindingKind::ScaleChange
        | FindingKind::SilentMeter
        | FindingKind::Spike
        | FindingKind::Stuck
        | FindingKind::SumMismatch
        | FindingKind::WeekendRunning => (None, Role::Engineer, Role::Caretaker),
    };
    let owners: Vec<_> = reachable().filter(|(one, _)| Some(one.id) == owner).collect();
    [owners, with(first), with(second)]
        .into_iter()
        .find(|group| !group.is_empty())
        .unwrap_or_default()
}
