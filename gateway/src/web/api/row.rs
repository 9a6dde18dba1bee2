//! Findings and meters as rows, with what their meters tell now.

use std::collections::BTreeMap;
use std::sync::Arc;

use analysis::finding::FindingKind as FoundKind;
use analysis::interval::{INTERVAL_S, IntervalAmount};
use analysis::site::{Meter, Site};
use wire::{Name, Value};

use crate::live::Newest;
use crate::store::journal::{WrittenEvidence, WrittenInterval};
use crate::store::{Arrival, journal};
use crate::web::answer::finding::{FindingRow, FindingState, Mark, MarkKind, Unit};
use crate::web::answer::meter::MeterState;
use crate::web::answer::place::{Place, Text};
use crate::web::error::ApiError;
use crate::web::{Rooms, fill, time};

/// Poll intervals without a value after which a meter is late.
const LATE_INTERVALS: i64 = 2;
/// Poll intervals without a value after which a meter is silent.
const SILENT_INTERVALS: i64 = 3;

const DAY_S: i64 = 86_400;

/// How many things to do the catalogue has for each kind.
const STEPS: usize = 3;

/// How far back a meter's newest value is looked for when its last polls gave none, s.
const LOOK_BACK_S: i64 = 3_600;

/// What rows are made from: the site book, and the newest pack of every meter.
pub(super) struct Rows {
    pub(super) site: Arc<Site>,
    pub(super) now: i64,
    last: BTreeMap<Name, Last>,
}

/// What a meter told last.
struct Last {
    /// The newest pack; that of a failed poll, it may be, which has reasons but no values.
    arrival: Arrival,
    /// When it last told a value, if that was within an hour of the newest pack.
    heard: Option<i64>,
}

/// Returns when the meter of a newest pack last told a value.
pub(super) fn heard(rooms: &Rooms, newest: &Arrival) -> Result<Option<i64>, ApiError> {
    if tells_something(newest) {
        return Ok(Some(newest.pack.instant));
    }
    let (meter, at) = (newest.pack.meter, newest.pack.instant);
    let before = rooms.store.series().packs(&meter, at - LOOK_BACK_S, at)?;
    Ok(before.iter().rev().find(|it| tells_something(it)).map(|it| it.pack.instant))
}

pub(super) fn tells_something(arrival: &Arrival) -> bool {
    arrival.pack.readings.iter().any(|it| matches!(it.value, Value::Measured(_)))
}

impl Rows {
    pub(super) fn read(rooms: &Rooms) -> Result<Self, ApiError> {
        let site = rooms.ledger.site().ok_or(ApiError::NoSiteBook)?;
        let mut newest = Vec::new();
        rooms.store.series().each_last(|arrival| newest.push(*arrival))?;
        let mut last = BTreeMap::new();
        for arrival in newest {
            let heard = heard(rooms, &arrival)?;
            last.insert(arrival.pack.meter, Last { arrival, heard });
        }
        Ok(Self { site, now: rooms.clock.now(), last })
    }

    /// Returns the newest pack of a meter, however old; one of a failed poll, it may be.
    pub(super) fn last(&self, meter: &Name) -> Option<&Arrival> {
        self.last.get(meter).map(|last| &last.arrival)
    }

    /// Returns when a meter last told a value.
    pub(super) fn heard(&self, meter: &Name) -> Option<i64> {
        self.last.get(meter).and_then(|last| last.heard)
    }

    /// Returns what a meter tells now: nothing, if it has been silent.
    pub(super) fn newest(&self, meter: &Meter) -> Option<Newest> {
        match self.state(meter) {
            MeterState::Live | MeterState::Late => {
                self.last(&meter.id).map(|last| Newest::of(&last.pack))
            }
            MeterState::Silent | MeterState::Never => None,
        }
    }

    /// Returns whether a meter speaks.
    pub(super) fn state(&self, meter: &Meter) -> MeterState {
        let Some(last) = self.last.get(&meter.id) else { return MeterState::Never };
        let Some(heard) = last.heard else { return MeterState::Silent };
        let interval_s = i64::from(meter.interval_s);
        let age_s = self.now - heard;
        if SILENT_INTERVALS * interval_s < age_s {
            MeterState::Silent
        } else if LATE_INTERVALS * interval_s < age_s {
            MeterState::Late
        } else {
            MeterState::Live
        }
    }

    /// Returns findings as rows, those of kinds that this version does not know left out.
    pub(super) fn findings(
        &self,
        found: &[journal::FindingRow],
    ) -> Result<Vec<FindingRow>, ApiError> {
        let known = found.iter().filter(|row| FoundKind::from_code(&row.draft.kind).is_some());
        known.map(|row| self.finding(row)).collect()
    }

    pub(super) fn finding(&self, row: &journal::FindingRow) -> Result<FindingRow, ApiError> {
        let site = &*self.site;
        let zone = &site.zone;
        let draft = &row.draft;
        let kind = FoundKind::from_code(&draft.kind)
            .ok_or(ApiError::NotFound { what: "kind of finding" })?;
        let meter = site.meter(&draft.meter);
        let area = site.area(&draft.area);
        let power_mw = meter.and_then(|meter| self.newest(meter)).and_then(|it| it.power_mw);
        let evidence = match kind {
            FoundKind::AfterHoursLoad
            | FoundKind::ClockWrong
            | FoundKind::GasWhenClosed
            | FoundKind::HighBaseLoad
            | FoundKind::LightsLeftOn
            | FoundKind::WeekendRunning => WrittenEvidence::read(&draft.evidence)?.intervals,
            FoundKind::SilentMeter
            | FoundKind::Leak
            | FoundKind::Burst
            | FoundKind::DropoutWithCatchUp
            | FoundKind::PeakDemand
            | FoundKind::PhaseImbalance
            | FoundKind::PowerFactorLow
            | FoundKind::RunningToilet
            | FoundKind::Stuck
            | FoundKind::SumMismatch
            | FoundKind::Spike
            | FoundKind::ScaleChange => Vec::new(),
        };
        Ok(FindingRow {
            id: row.id,
            kind: kind.into(),
            state: match draft.closed {
                None => FindingState::Open,
                Some(_) => FindingState::Closed,
            },
            meter: fill::meter(site, &draft.meter),
            area: fill::area(site, &draft.area),
            building: area.map_or_else(nowhere, |area| fill::building(site, &area.building)),
            floor: area.map(|area| area.floor.clone()).unwrap_or_default(),
            opened_at: time::written(draft.opened, zone),
            closed_at: draft.closed.map(|closed| time::written(closed, zone)),
            power_mw,
            above_mw: match kind {
                FoundKind::LightsLeftOn | FoundKind::SilentMeter => {
                    power_mw.map(|power| (power - base_mw(&evidence, draft.waste)).max(0))
                }
                // They rest by day, when they may draw what they like.
                FoundKind::AfterHoursLoad
                | FoundKind::GasWhenClosed
                | FoundKind::HighBaseLoad
                | FoundKind::WeekendRunning
                | FoundKind::Leak
                | FoundKind::Burst
                | FoundKind::ClockWrong
                | FoundKind::DropoutWithCatchUp
                | FoundKind::PeakDemand
                | FoundKind::PhaseImbalance
                | FoundKind::PowerFactorLow
                | FoundKind::RunningToilet
                | FoundKind::Stuck
                | FoundKind::SumMismatch
                | FoundKind::Spike
                | FoundKind::ScaleChange => None,
            },
            waste: draft.waste,
            unit: meter.map_or(Unit::Wh, |meter| meter.medium.into()),
            cost_e4: draft.cost_e4,
            cost_e4_per_day: per_day(draft, self.now),
            limit_mw: match kind {
                FoundKind::LightsLeftOn => limit_mw(&evidence),
                // What is allowed differs from hour to hour: it stands with the evidence.
                FoundKind::AfterHoursLoad
                | FoundKind::GasWhenClosed
                | FoundKind::HighBaseLoad
                | FoundKind::SilentMeter
                | FoundKind::WeekendRunning
                | FoundKind::Leak
                | FoundKind::Burst
                | FoundKind::ClockWrong
                | FoundKind::DropoutWithCatchUp
                | FoundKind::PeakDemand
                | FoundKind::PhaseImbalance
                | FoundKind::PowerFactorLow
                | FoundKind::RunningToilet
                | FoundKind::Stuck
                | FoundKind::SumMismatch
                | FoundKind::Spike
                | FoundKind::ScaleChange => None,
            },
            late_s: evidence.first().filter(|_| kind == FoundKind::ClockWrong).map(|it| it.amount),
            mark: row.mark.as_ref().and_then(|row| {
                Some(Mark {
                    kind: MarkKind::from_code(&row.mark.kind)?,
                    by: row.mark.author.clone(),
                    at: time::written(row.mark.made, zone),
                    until: row.mark.until.map(|until| time::written(until, zone)),
                    note: row.mark.note.clone(),
                })
            }),
            meaning_text_code: format!("mail.{}.opened.lead", mail_word(kind)),
            todo_text_codes: (1..=STEPS)
                .map(|n| format!("mail.{}.opened.step.{n}", mail_word(kind)))
                .collect(),
        })
    }
}

/// Returns under which word the catalogue has what a mail says of a kind: a page says no
/// other thing than the mail that led to it.
const fn mail_word(kind: FoundKind) -> &'static str {
    match kind {
        FoundKind::LightsLeftOn => "lights",
        FoundKind::SilentMeter => "silent",
        FoundKind::AfterHoursLoad
        | FoundKind::Burst
        | FoundKind::ClockWrong
        | FoundKind::DropoutWithCatchUp
        | FoundKind::GasWhenClosed
        | FoundKind::HighBaseLoad
        | FoundKind::Leak
        | FoundKind::PeakDemand
        | FoundKind::PhaseImbalance
        | FoundKind::PowerFactorLow
        | FoundKind::RunningToilet
        | FoundKind::ScaleChange
        | FoundKind::Spike
        | FoundKind::Stuck
        | FoundKind::SumMismatch
        | FoundKind::WeekendRunning => kind.code(),
    }
}

/// Returns what a day of a finding cost, 1/10000 yuan; of less than a day all of it.
fn per_day(draft: &journal::FindingDraft, now: i64) -> Option<i64> {
    let lasted_s = draft.closed.unwrap_or(now) - draft.opened;
    let a_day = i128::from(draft.cost_e4) * i128::from(DAY_S) / i128::from(lasted_s.max(DAY_S));
    i64::try_from(a_day).ok().filter(|_| draft.cost_e4 != 0)
}

/// Returns the power that the newest evidence allowed, mW.
fn limit_mw(evidence: &[WrittenInterval]) -> Option<i64> {
    let last = evidence.last()?;
    let interval = IntervalAmount {
        measured: last.limit,
        missing_s: 0,
        ..IntervalAmount::missing(last.start)
    };
    interval.demand()
}

/// Returns the base load that a finding's waste was counted from, mW: each of its quarter
/// hours wasted what lay above the same base, so the rest, spread evenly, is that base.
fn base_mw(evidence: &[WrittenInterval], waste: i64) -> i64 {
    let used: i64 = evidence.iter().map(|it| it.amount).sum();
    let quarters = i64::try_from(evidence.len()).unwrap_or(i64::MAX);
    let base = (used - waste).max(0).checked_div(quarters).unwrap_or(0);
    base * (3600 / INTERVAL_S)
}

/// What stands where a site book no longer knows the area of an old finding.
fn nowhere() -> Place {
    Place { id: String::new(), name: Text { zh: String::new(), en: String::new() } }
}
