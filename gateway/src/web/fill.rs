//! From what the rooms say to what the API answers. No arithmetic: only words and shapes.

use std::collections::BTreeMap;

use analysis::calendar::Day;
use analysis::finding::FindingKind as FoundKind;
use analysis::interval::Coverage;
use analysis::site::{self, Site};
use jiff::tz::TimeZone;
use wire::{Name, Unit as WireUnit};

use super::answer::finding::{FindingKind, Unit};
use super::answer::meter::{DayType, IntervalQuality, Load, Medium};
use super::answer::place::{Place, Text};
use super::answer::session::Role;
use super::answer::status::{Notice, NoticeCode, NoticeLevel};
use crate::health::{self, Health};

impl From<&site::Text> for Text {
    fn from(text: &site::Text) -> Self {
        Self { zh: text.get(site::Language::Zh).to_owned(), en: text.get(site::Language::En).to_owned() }
    }
}

impl From<FoundKind> for FindingKind {
    fn from(kind: FoundKind) -> Self {
        match kind {
            FoundKind::LightsLeftOn => Self::LightsLeftOn,
            FoundKind::SilentMeter => Self::SilentMeter,
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
        }
    }
}

impl From<site::Medium> for Unit {
    fn from(medium: site::Medium) -> Self {
        match medium {
            site::Medium::Electricity => Self::Wh,
            site::Medium::Water | site::Medium::Gas => Self::L,
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
