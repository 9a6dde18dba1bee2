//! What was found, on what evidence, at what waste.
//!
//! A finding is a statement of a detector; it opens, grows and closes. Who saw it, who
//! said what about it and who was written to is the journal's business.

use wire::Name;

/// What a finding says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
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
    /// A lighting circuit stays on while its area is closed.
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
    /// Nothing was accepted from a meter for three poll intervals.
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

impl FindingKind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::AfterHoursLoad,
        Self::Burst,
        Self::ClockWrong,
        Self::DropoutWithCatchUp,
        Self::GasWhenClosed,
        Self::HighBaseLoad,
        Self::Leak,
        Self::LightsLeftOn,
        Self::PeakDemand,
        Self::PhaseImbalance,
        Self::PowerFactorLow,
        Self::RunningToilet,
        Self::ScaleChange,
        Self::SilentMeter,
        Self::Spike,
        Self::Stuck,
        Self::SumMismatch,
        Self::WeekendRunning,
    ];

    /// Returns the word that stands for this kind in the API and in rows.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::AfterHoursLoad => "after_hours_load",
            Self::Burst => "burst",
            Self::ClockWrong => "clock_wrong",
            Self::DropoutWithCatchUp => "dropout_with_catch_up",
            Self::GasWhenClosed => "gas_when_closed",
            Self::HighBaseLoad => "high_base_load",
            Self::Leak => "leak",
            Self::LightsLeftOn => "lights_left_on",
            Self::PeakDemand => "peak_demand",
            Self::PhaseImbalance => "phase_imbalance",
            Self::PowerFactorLow => "power_factor_low",
            Self::RunningToilet => "running_toilet",
            Self::ScaleChange => "scale_change",
            Self::SilentMeter => "silent_meter",
            Self::Spike => "spike",
            Self::Stuck => "stuck",
            Self::SumMismatch => "sum_mismatch",
            Self::WeekendRunning => "weekend_running",
        }
    }

    /// Returns the kind that a word stands for, if there is one.
    #[must_use]
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.code() == code)
    }
}

/// One statement of waste or fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What it says.
    pub kind: FindingKind,
    /// The meter it was found on.
    pub meter: Name,
    /// The area that meter serves.
    pub area: Name,
    /// Since when it holds. The same readings give the same instant whenever the
    /// detector runs, so kind, meter and this instant together name the cause.
    pub opened: i64,
    /// Since when it no longer holds; `None` while it is open.
    pub closed: Option<i64>,
    /// Energy or volume above what ought to have been, in thousandths of the meter's unit.
    pub waste: i64,
    /// What the waste came to, in 1/10000 of the currency; `None` without a tariff.
    pub cost_e4: Option<i64>,
    /// The intervals and limits that made it, in order of time.
    pub evidence: Vec<Evidence>,
}

/// A finding, and when it could first be said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The end of the last interval that was needed to say it.
    pub at: i64,
    /// What is said.
    pub finding: Finding,
}

impl Finding {
    /// Returns whether it is still open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.closed.is_none()
    }

    /// Returns a text that names the cause: the same for every run of the detector over
    /// the same readings, different for every other finding.
    #[must_use]
    pub fn cause(&self) -> String {
        format!("{}/{}/{}", self.kind.code(), self.meter, self.opened)
    }
}

/// One interval that made a finding, and the limit it broke.
///
/// Of a power factor, of an imbalance of phases and of a sum that does not agree (the share of
/// the main meter that is left) amount and limit are thousandths.
/// For [`FindingKind::DropoutWithCatchUp`]: the step that brought the sum, the sum, and what
/// had been missing by the days before. For [`FindingKind::LightsLeftOn`]: amount and limit of
/// that quarter hour in thousandths of the meter's unit. For [`FindingKind::SilentMeter`]:
/// `start` is the last accepted reading (or when the meter was first expected), `amount` the
/// seconds nothing came, `limit` the seconds that were allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// Start of the interval.
    pub start: i64,
    /// What was measured.
    pub amount: i64,
    /// What was allowed.
    pub limit: i64,
}
