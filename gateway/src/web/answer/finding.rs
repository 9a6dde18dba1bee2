//! Findings, and what people say to them.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::event::MeterEvent;
use super::place::Place;

/// One finding, as a row of a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FindingRow {
    /// Number of the finding.
    pub id: i64,
    /// What was found.
    pub kind: FindingKind,
    /// Whether it still holds.
    pub state: FindingState,
    /// The meter that shows it.
    pub meter: Place,
    /// The area that the meter serves.
    pub area: Place,
    /// The building that the area is in.
    pub building: Place,
    /// The floor, as people write it.
    pub floor: String,
    /// Start of the first interval that shows it.
    #[schema(format = DateTime)]
    pub opened_at: String,
    /// End of the last one; null while open.
    #[schema(required, format = DateTime)]
    pub closed_at: Option<String>,
    /// Power now, mW; null where the meter tells none.
    #[schema(required)]
    pub power_mw: Option<i64>,
    /// Power now above what never goes away there (the base load that `waste` is counted
    /// from), mW; null where the meter tells none.
    #[schema(required)]
    pub above_mw: Option<i64>,
    /// Waste so far, thousandths of `unit`.
    pub waste: i64,
    /// Unit of `waste`.
    pub unit: Unit,
    /// Cost of the waste so far, 1/10000 yuan.
    pub cost_e4: i64,
    /// What a day of it cost so far, 1/10000 yuan; of less than a day all of it, since nobody
    /// knows how it goes on. Null where it cost nothing or nothing is known of its price.
    #[schema(required)]
    pub cost_e4_per_day: Option<i64>,
    /// Power that was allowed, mW; null for findings without such a limit.
    #[schema(required)]
    pub limit_mw: Option<i64>,
    /// How much later than their date readings came, s, to the minute; less than nothing where
    /// they are dated ahead. Null but for a wrong clock.
    #[schema(required)]
    pub late_s: Option<i64>,
    /// What a person has said to it.
    #[schema(required)]
    pub mark: Option<Mark>,
    /// Key in the catalogue of the sentence that says what it means.
    pub meaning_text_code: String,
    /// Keys in the catalogue of what to do, in order.
    pub todo_text_codes: Vec<String>,
}

/// One finding with what made it.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FindingDetail {
    /// The row.
    #[serde(flatten)]
    pub row: FindingRow,
    /// What the evidence's numbers are.
    pub evidence_unit: EvidenceUnit,
    /// The intervals that made it, in order of time.
    pub evidence: Vec<EvidenceRow>,
    /// The meter events that amounts and limits rest on, oldest first; also those taken back
    /// since.
    pub events: Vec<MeterEvent>,
    /// Key in the catalogue of the sentence that says what this detector looks for.
    pub detector_text_code: String,
}

/// The days that prove a finding. All lists have one entry per step of those days.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FindingDays {
    /// Unit of the amounts.
    pub unit: Unit,
    /// Length of a step, s: a quarter hour of a few days, else an hour.
    pub step_s: u32,
    /// Start of each step.
    #[schema(format = DateTime)]
    pub start_at: Vec<String>,
    /// How many steps are over; the rest is to come.
    pub over: usize,
    /// Used in each step; null is a gap, or has not come yet.
    pub amount: Vec<Option<i64>>,
    /// Usual use (median) of the eight weeks before the finding; null while they are unknown.
    pub typical: Vec<Option<i64>>,
    /// Lower edge of what was usual.
    pub typical_low: Vec<Option<i64>>,
    /// Upper edge of what was usual.
    pub typical_high: Vec<Option<i64>>,
    /// First step within the finding's time.
    pub flagged_from: usize,
    /// First step after it; if it is open, the first that is not over.
    pub flagged_to: usize,
    /// Mean use of a step within the finding's time, of the steps that are known; null if none
    /// is.
    #[schema(required)]
    pub amount_mean: Option<i64>,
    /// What was usual in the same steps; null where nothing is known of that.
    #[schema(required)]
    pub typical_mean: Option<i64>,
    /// How many days of the finding's time are left out between its beginning, which is
    /// shown, and its end; 0 if all of it is shown.
    pub days_left_out: i64,
}

/// What the numbers of a finding's evidence are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EvidenceUnit {
    /// Thousandths of the finding's unit.
    Amount,
    /// Thousandths of one: a power factor.
    Factor,
    /// Thousandths of one: a share.
    Share,
    /// Seconds without a reading.
    Seconds,
}

/// One interval that made a finding.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct EvidenceRow {
    /// Start of the interval.
    #[schema(format = DateTime)]
    pub start_at: String,
    /// What was measured in it, in the evidence's unit.
    pub amount: i64,
    /// What was allowed in it, in the evidence's unit.
    pub limit: i64,
}

/// Findings, in the order that was asked for.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Findings {
    /// What a day of the open ones among them costs so far, false alarms left out, 1/10000
    /// yuan; null where none has a price.
    #[schema(required)]
    pub cost_e4_per_day: Option<i64>,
    /// At most 500.
    pub findings: Vec<FindingRow>,
}

/// What a person has said to a finding.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Mark {
    /// What they said.
    pub kind: MarkKind,
    /// Who.
    pub by: String,
    /// When.
    #[schema(format = DateTime)]
    pub at: String,
    /// End of the overtime permit; null otherwise.
    #[schema(required, format = DateTime)]
    pub until: Option<String>,
    /// In their own words.
    #[schema(required)]
    pub note: Option<String>,
}

/// A mark to be made.
#[derive(Clone, Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MarkRequest {
    /// What the person says.
    pub kind: MarkKind,
    /// End of the overtime; needed for `overtime`, meaningless otherwise.
    #[schema(format = DateTime)]
    pub until: Option<String>,
    /// In their own words, at most 500 characters.
    #[schema(max_length = 500)]
    pub note: Option<String>,
}

/// The kinds of finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A load runs through the night that usually rests then.
    AfterHoursLoad,
    /// A pipe has burst.
    Burst,
    /// A clock dates readings wrongly.
    ClockWrong,
    /// A meter told nothing new for hours, and then all of it at once.
    DropoutWithCatchUp,
    /// Gas burns while the area is closed as if people were there.
    GasWhenClosed,
    /// The base load crept up over weeks.
    HighBaseLoad,
    /// Water never stops.
    Leak,
    /// Lights use power while their area is closed.
    LightsLeftOn,
    /// A demand above what the contract allows, or above all that was seen before.
    PeakDemand,
    /// Three phases are not loaded alike.
    PhaseImbalance,
    /// A power factor below what the tariff asks for.
    PowerFactorLow,
    /// A toilet runs now and then.
    RunningToilet,
    /// A meter counts in another unit or with another ratio than before.
    ScaleChange,
    /// Nothing was read from a meter for three poll intervals.
    SilentMeter,
    /// An amount that cannot be.
    Spike,
    /// A meter stands still: no amounts, or the same for ever.
    Stuck,
    /// A meter and those behind it no longer agree as they used to.
    SumMismatch,
    /// A load runs on a day off that usually rests then.
    WeekendRunning,
}

/// Whether a finding still holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FindingState {
    /// It holds and grows.
    Open,
    /// It is over.
    Closed,
}

/// What a person can say to a finding with one thumb.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// 已关: I have switched it off. The finding closes when the meter agrees.
    SwitchedOff,
    /// 加班: people are at work here until a given time.
    Overtime,
    /// 误报: this is as it should be. It raises the limit of this meter's detector.
    FalseAlarm,
    /// 已处理: the cause is gone. The finding closes when the meter agrees.
    Done,
}

impl FindingRow {
    /// Whether a person said that this is as it should be.
    #[must_use]
    pub fn is_false_alarm(&self) -> bool {
        self.mark.as_ref().is_some_and(|mark| mark.kind == MarkKind::FalseAlarm)
    }
}

/// Returns what a day of some findings costs together, false alarms left out; `None` where
/// none has a price.
#[must_use]
pub fn cost_per_day<'a>(findings: impl Iterator<Item = &'a FindingRow>) -> Option<i64> {
    let costs = findings.filter(|row| !row.is_false_alarm()).filter_map(|row| row.cost_e4_per_day);
    costs.reduce(i64::saturating_add)
}

impl MarkKind {
    /// Returns the word that stands for this mark in the API and in rows.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::SwitchedOff => "switched_off",
            Self::Overtime => "overtime",
            Self::FalseAlarm => "false_alarm",
            Self::Done => "done",
        }
    }

    /// Returns the mark that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::SwitchedOff, Self::Overtime, Self::FalseAlarm, Self::Done]
            .into_iter()
            .find(|kind| kind.code() == code)
    }
}

/// Unit of an amount; numbers are its thousandths.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub enum Unit {
    /// Energy.
    Wh,
    /// Volume.
    L,
}
