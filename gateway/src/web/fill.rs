//! From what the rooms say to what the API answers. Only words and shapes; the one
//! sum is that of powers which meters tell at the same time.

use analysis::calendar::{self, Day};
use analysis::finding::FindingKind as FoundKind;
use analysis::interval::Coverage;
use analysis::site::{self, Site};
use wire::Name;

use super::answer::finding::{FindingKind, Unit};
use super::answer::meter::{DayType, IntervalQuality, Load, Medium};
use super::answer::place::{Place, Text};
use super::answer::session::Role;
use super::answer::status::{Notice, NoticeCode, NoticeLevel};
use crate::health::{self, Health};

impl From<&site::Text> for Text {
    fn from(text: &site::Text) -> Self {
        Self {
            zh: text.get(site::Language::Zh).to_owned(),
            en: text.get(site::Language::En).to_owned(),
        }
    }
}

impl From<FoundKind> for FindingKind {
    fn from(kind: FoundKind) -> Self {
        match kind {
            FoundKind::AfterHoursLoad => Self::AfterHoursLoad,
            FoundKind::Burst => Self::Burst,
            FoundKind::ClockWrong => Self::ClockWrong,
            FoundKind::DropoutWithCatchUp => Self::DropoutWithCatchUp,
            FoundKind::GasWhenClosed => Self::GasWhenClosed,
            FoundKind::HighBaseLoad => Self::HighBaseLoad,
            FoundKind::Leak => Self::Leak,
            FoundKind::LightsLeftOn => Self::LightsLeftOn,
            FoundKind::PeakDemand => Self::PeakDemand,
            FoundKind::PhaseImbalance => Self::PhaseImbalance,
            FoundKind::PowerFactorLow => Self::PowerFactorLow,
            FoundKind::RunningToilet => Self::RunningToilet,
            FoundKind::ScaleChange => Self::ScaleChange,
            FoundKind::SilentMeter => Self::SilentMeter,
            FoundKind::Spike => Self::Spike,
            FoundKind::Stuck => Self::Stuck,
            FoundKind::SumMismatch => Self::SumMismatch,
            FoundKind::WeekendRunning => Self::WeekendRunning,
        }
    }
}

impl From<FindingKind> for FoundKind {
    fn from(kind: FindingKind) -> Self {
        match kind {
            FindingKind::AfterHoursLoad => Self::AfterHoursLoad,
            FindingKind::Burst => Self::Burst,
            FindingKind::ClockWrong => Self::ClockWrong,
            FindingKind::DropoutWithCatchUp => Self::DropoutWithCatchUp,
            FindingKind::GasWhenClosed => Self::GasWhenClosed,
            FindingKind::HighBaseLoad => Self::HighBaseLoad,
            FindingKind::Leak => Self::Leak,
            FindingKind::LightsLeftOn => Self::LightsLeftOn,
            FindingKind::PeakDemand => Self::PeakDemand,
            FindingKind::PhaseImbalance => Self::PhaseImbalance,
            FindingKind::PowerFactorLow => Self::PowerFactorLow,
            FindingKind::RunningToilet => Self::RunningToilet,
            FindingKind::ScaleChange => Self::ScaleChange,
            FindingKind::SilentMeter => Self::SilentMeter,
            FindingKind::Spike => Self::Spike,
            FindingKind::Stuck => Self::Stuck,
            FindingKind::SumMismatch => Self::SumMismatch,
            FindingKind::WeekendRunning => Self::WeekendRunning,
        }
    }
}

impl From<site::Role> for Role {
    fn from(role: site::Role) -> Self {
        match role {
            site::Role::Caretaker => Self::Caretaker,
            site::Role::Engineer => Self::Engineer,
            site::Role::Leader => Self::Leader,
            site::Role::Auditor => Self::Auditor,
        }
    }
}

impl From<site::Medium> for Medium {
    fn from(medium: site::Medium) -> Self {
        match medium {
            site::Medium::Electricity => Self::Electricity,
            site::Medium::Water => Self::Water,
            site::Medium::Gas => Self::Gas,
            site::Medium::Heat => Self::Heat,
        }
    }
}

impl From<site::Medium> for Unit {
    fn from(medium: site::Medium) -> Self {
        match medium {
            site::Medium::Electricity | site::Medium::Heat => Self::Wh,
            site::Medium::Water | site::Medium::Gas => Self::L,
        }
    }
}

impl From<Day> for DayType {
    fn from(day: Day) -> Self {
        match day {
            Day::Known(calendar::DayType::Working) => Self::Working,
            Day::Known(calendar::DayType::Weekend) => Self::Weekend,
            Day::Known(calendar::DayType::Holiday) => Self::Holiday,
            Day::Known(calendar::DayType::MakeUp) => Self::MakeUp,
            Day::Guessed(_) => Self::Unknown,
        }
    }
}

impl From<Coverage> for IntervalQuality {
    fn from(coverage: Coverage) -> Self {
        match coverage {
            Coverage::Measured => Self::Measured,
            Coverage::Partly => Self::Partly,
            Coverage::Estimated => Self::Estimated,
            Coverage::Missing => Self::Missing,
        }
    }
}

impl From<health::Code> for NoticeCode {
    fn from(code: health::Code) -> Self {
        match code {
            health::Code::DiskFull => Self::DiskFull,
            health::Code::DiskReadOnly => Self::DiskReadOnly,
            health::Code::StoreDamaged => Self::StoreDamaged,
            health::Code::BackupFailing => Self::BackupFailing,
            health::Code::BrokerAway => Self::BrokerAway,
            health::Code::BrokerUntrusted => Self::BrokerUntrusted,
            health::Code::BrokerRefuses => Self::BrokerRefuses,
            health::Code::BrokerSilent => Self::BrokerSilent,
            health::Code::BrokerDrops => Self::BrokerDrops,
            health::Code::MailFailing => Self::MailFailing,
            health::Code::CalendarMissing => Self::CalendarMissing,
            health::Code::SiteBookMissing => Self::SiteBookMissing,
            health::Code::NodeGone => Self::NodeGone,
            health::Code::UpdateFailed => Self::UpdateFailed,
            health::Code::PayloadsRejected => Self::PayloadsRejected,
            health::Code::WorkFailing => Self::WorkFailing,
            health::Code::InfluxAway => Self::InfluxAway,
            health::Code::InfluxRefuses => Self::InfluxRefuses,
            health::Code::InfluxLinesRefused => Self::InfluxLinesRefused,
        }
    }
}

impl From<site::Load> for Load {
    fn from(load: site::Load) -> Self {
        match load {
            site::Load::Whole => Self::Whole,
            site::Load::Lighting => Self::Lighting,
            site::Load::LightingAndSockets => Self::LightingAndSockets,
            site::Load::Hvac => Self::Hvac,
            site::Load::Plug => Self::Plug,
            site::Load::It => Self::It,
            site::Load::Process => Self::Process,
        }
    }
}

/// Returns a building as the site book names it; by its identifier if it is no longer there.
pub(crate) fn building(site: &Site, id: &Name) -> Place {
    place(id, site.building(id).map(|building| &building.name))
}

/// Returns an area as the site book names it; by its identifier if it is no longer there.
pub(crate) fn area(site: &Site, id: &Name) -> Place {
    place(id, site.area(id).map(|area| &area.name))
}

/// Returns a meter as the site book names it; by its identifier if it is no longer there.
pub(crate) fn meter(site: &Site, id: &Name) -> Place {
    place(id, site.meter(id).map(|meter| &meter.name))
}

fn place(id: &Name, name: Option<&site::Text>) -> Place {
    let id = id.as_str().to_owned();
    let name = match name {
        Some(name) => name.into(),
        None => Text { zh: id.clone(), en: id.clone() },
    };
    Place { id, name }
}

/// Returns the power of several meters together, mW; none if one of them tells none.
pub(crate) fn together(powers_mw: &[Option<i64>]) -> Option<i64> {
    powers_mw.iter().copied().sum()
}

/// Returns what is wrong right now, gravest first.
pub(crate) fn notices(health: &Health) -> Vec<Notice> {
    let all = health.all().into_iter().map(|notice| Notice {
        code: notice.code.into(),
        level: match notice.level {
            health::Level::Info => NoticeLevel::Info,
            health::Level::Warn => NoticeLevel::Warn,
            health::Level::Error => NoticeLevel::Error,
        },
        params: notice.params.into_iter().map(|(key, text)| (key.to_owned(), text)).collect(),
    });
    all.collect()
}
