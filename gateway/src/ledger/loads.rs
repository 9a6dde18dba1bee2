//! What detectors say of a meter over a span, as of its end: for the watchman's round and
//! for a preview alike.
//!
//! In: consumption, permits, what people said to earlier findings. Out: findings, and when
//! each could first be said. Nothing is written down here.
//!
//! A person who says that a finding was no waste raises the limits of that detector for that
//! meter: by a quarter each time, to the double at most, for a year. Taking the mark back
//! takes the raise back.

use analysis::calendar::{Exception, Opening};
use analysis::detect::{
    BASE_LOAD_BACK_DAYS, BaseLoadLimits, Circuit, GasLimits, LightsLimits, Load, Polled, Rises,
    RunningLimits, Spell, after_hours_limits, after_hours_load, base_rises, common_rise,
    gas_when_closed, high_base_load, lights_left_on, silent_meter, weekend_limits, weekend_running,
};
use analysis::finding::{Finding, FindingKind, Told};
use analysis::interval::Span;
use analysis::profile::{LEVEL_S, Levels, day_span, day_start, within};
use analysis::site::{Medium, Meter, Site};
use analysis::tariff::Pricing;
use analysis::track::Track;
use jiff::civil::Date;
use wire::Name;

use super::Ledger;
use crate::store::StoreError;
use crate::store::journal::{FindingFilter, FindingRow};

const DAY_S: i64 = 86_400;
const HOUR_S: i64 = 3_600;

/// From midnight to noon, s; an hour more or less at changes of the clock does not matter,
/// since nothing is decided at noon.
const HALF_DAY_S: i64 = 43_200;

/// So many meters tell how a site rises at large; more would tell no more.
const SITE_SAMPLE: usize = 16;

/// Where no tariff says what it costs, less than a kilowatt-hour or a cubic metre is worth
/// nobody's walk, thousandths.
const WASTE_MIN: i64 = 1_000_000;

/// How long a false alarm raises limits, s, by how much each, and how often.
const RAISED_S: i64 = 366 * DAY_S;
const RAISE_MILLI: i64 = 250;
const RAISES_MAX: usize = 4;

/// Until so much is known of a meter, the detectors of loads are learning, s.
pub const LEARNING_S: i64 = 35 * DAY_S;

/// By how much a detector's limits are raised for a meter, and what raised them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Raised {
    /// What was added to each limit, thousandths of it.
    pub milli: i64,
    /// The findings that people called false alarms.
    pub findings: Vec<i64>,
    /// The largest mean waste an hour of those, thousandths of the unit: so much is as it
    /// should be.
    pub rate: i64,
}

impl Raised {
    /// Returns what limits are multiplied with.
    pub(super) fn factor(&self) -> f64 {
        1.0 + f64::from(i32::try_from(self.milli).unwrap_or(0)) / 1000.0
    }

    fn running(&self, limits: RunningLimits) -> RunningLimits {
        RunningLimits {
            share_of_step: limits.share_of_step * self.factor(),
            spreads: limits.spreads * self.factor(),
            ..limits
        }
    }

    /// The limits of lights: all that say from where on it is light.
    pub(super) fn lights(&self) -> LightsLimits {
        let limits = LightsLimits::default();
        let more = |milli: u16| {
            let raised = i64::from(milli) * (1_000 + self.milli) / 1_000;
            u16::try_from(raised).unwrap_or(u16::MAX)
        };
        let density = i64::from(limits.density_mw_per_m2) * (1_000 + self.milli) / 1_000;
        LightsLimits {
            share_milli: more(limits.share_milli),
            density_mw_per_m2: u32::try_from(density).unwrap_or(u32::MAX),
            above_base_milli: more(limits.above_base_milli),
            weak_milli: more(limits.weak_milli),
            above_usual_milli: more(limits.above_usual_milli),
            ..limits
        }
    }

    fn base_load(&self) -> BaseLoadLimits {
        let limits = BaseLoadLimits::default();
        BaseLoadLimits {
            noise_min: limits.noise_min * self.factor(),
            sum_min: limits.sum_min * self.factor(),
            ..limits
        }
    }
}

/// How the base loads of some meters of a site rose.
pub type Risen = Vec<(Name, Rises)>;

impl Ledger {
    /// Returns by how much people's words have raised a detector's limits for a meter.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if the journal cannot be read.
    pub fn raised(&self, meter: &Name, kind: FindingKind, now: i64) -> Result<Raised, StoreError> {
        let filter = FindingFilter {
            kind: Some(kind.code().to_owned()),
            meter: Some(*meter),
            from: Some(now - RAISED_S),
            to: Some(now),
            ..FindingFilter::default()
        };
        let rows = self.0.store.journal().view(|view| view.findings(&filter))?;
        let called = |row: &&FindingRow| row.is_called_false();
        let called: Vec<&FindingRow> = rows.iter().filter(called).take(RAISES_MAX).collect();
        let rate = |row: &&FindingRow| {
            let lasted_s = row.draft.closed.unwrap_or(now) - row.draft.opened;
            row.draft.waste.saturating_mul(HOUR_S) / lasted_s.max(HOUR_S)
        };
        let count = i64::try_from(called.len()).unwrap_or(0);
        Ok(Raised {
            milli: count * RAISE_MILLI,
            findings: called.iter().map(|row| row.id).collect(),
            rate: called.iter().map(rate).max().unwrap_or(0),
        })
    }

    /// Returns how the base loads of meters of one medium rose before an instant.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if readings cannot be read.
    pub fn risen(&self, site: &Site, medium: Medium, span: Span) -> Result<Risen, StoreError> {
        let meters = site.meters.iter().filter(|it| it.medium == medium && it.formula.is_none());
        meters
            .take(SITE_SAMPLE)
            .map(|meter| {
                let track = self.track(meter, span)?;
                Ok((meter.id, base_rises(&self.load(site, meter, &track))))
            })
            .collect()
    }

    /// Returns what the detectors of loads say of a meter: nights, days off, a rising base
    /// load and gas while nobody is there, those that could first be said within the span.
    /// `kinds` says which.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if readings or the journal cannot be read.
    pub fn loads(
        &self,
        site: &Site,
        meter: &Meter,
        kinds: &[FindingKind],
        risen: &Risen,
        span: Span,
    ) -> Result<Vec<Told>, StoreError> {
        // Water has detectors of its own.
        if meter.medium == Medium::Water {
            return Ok(Vec::new());
        }
        let track = self.track(meter, span)?;
        let pricing = self.pricing(site, meter);
        let load = Load { pricing: pricing.as_ref(), ..self.load(site, meter, &track) };
        let mut told = Vec::new();
        for &kind in kinds {
            let raised = self.raised(&meter.id, kind, span.to)?;
            match kind {
                FindingKind::AfterHoursLoad => {
                    let limits = raised.running(after_hours_limits());
                    told.extend(after_hours_load(&load, &limits, span.from));
                }
                FindingKind::WeekendRunning => {
                    let limits = raised.running(weekend_limits());
                    told.extend(weekend_running(&load, &limits, span.from));
                }
                FindingKind::GasWhenClosed => {
                    told.extend(self.gas(site, meter, &track, &raised, pricing.as_ref())?);
                }
                // What gas burns at night follows the weather: each autumn would be told.
                FindingKind::HighBaseLoad if meter.medium != Medium::Electricity => {}
                FindingKind::HighBaseLoad => {
                    let others = risen.iter().filter(|(other, _)| *other != meter.id);
                    let common = common_rise(&others.map(|(_, rises)| rises).collect::<Vec<_>>());
                    told.extend(high_base_load(&load, &common, &raised.base_load(), span.from));
                }
                FindingKind::Burst
                | FindingKind::ClockWrong
                | FindingKind::DropoutWithCatchUp
                | FindingKind::Leak
                | FindingKind::LightsLeftOn
                | FindingKind::PeakDemand
                | FindingKind::PhaseImbalance
                | FindingKind::PowerFactorLow
                | FindingKind::RunningToilet
                | FindingKind::ScaleChange
                | FindingKind::SilentMeter
                | FindingKind::Spike
                | FindingKind::Stuck
                | FindingKind::SumMismatch => {}
            }
        }
        told.retain(|it| span.from <= it.at && it.at <= span.to && is_worth(site, &it.finding));
        Ok(one_cause(told))
    }

    /// What burns of gas while the area is closed; of an area without hours nothing is said.
    fn gas(
        &self,
        site: &Site,
        meter: &Meter,
        track: &Track,
        raised: &Raised,
        pricing: Option<&Pricing<'_>>,
    ) -> Result<Vec<Told>, StoreError> {
        let hours = site.hours_of(&meter.area).filter(|_| meter.medium == Medium::Gas);
        let Some(hours) = hours else { return Ok(Vec::new()) };
        let span = Span { from: track.start, to: track.end() };
        let (exceptions, weather) = (self.exceptions(span)?, self.weather(span)?);
        let (area, calendar, zone) = (&meter.area, self.calendar(), &site.zone);
        let opening = Opening { area, hours, calendar, zone, exceptions: &exceptions };
        let limits = GasLimits::default();
        let limits = GasLimits { share: limits.share * raised.factor(), ..limits };
        let found = gas_when_closed(track, |at| opening.is_open(at), Some(&weather), &limits);
        let told = |spell: Spell| {
            let at = spell.noticed;
            let finding = spell.finding(FindingKind::GasWhenClosed, &meter.id, area, pricing);
            Told { at, finding }
        };
        Ok(found.into_iter().map(told).collect())
    }

    fn load<'a>(&'a self, site: &'a Site, meter: &'a Meter, track: &'a Track) -> Load<'a> {
        Load {
            meter: &meter.id,
            area: &meter.area,
            track,
            zone: &site.zone,
            calendar: self.calendar(),
            pricing: None,
        }
    }

    /// What was measured until the end of a span, and as long before it as detectors look.
    fn track(&self, meter: &Meter, span: Span) -> Result<Track, StoreError> {
        let back = i64::try_from(BASE_LOAD_BACK_DAYS).unwrap_or(0) * DAY_S;
        let intervals = self.intervals(meter, Span { from: span.from - back, to: span.to })?;
        let mut track = Track::of_intervals(&intervals);
        // What lies before the first reading teaches nothing and takes its time.
        let first = track.amounts.iter().position(Option::is_some).unwrap_or(track.amounts.len());
        track.start = track.instant(first);
        track.amounts.drain(..first);
        Ok(track)
    }

    /// Returns what the detector of lights says of the round that began on a day, noon to
    /// noon, as of `end`.
    ///
    /// What a circuit usually draws is learnt from before that noon, whenever this runs: so
    /// a finding keeps its limit and its beginning, and the lights of a week that nobody
    /// switched off do not become usual.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if readings cannot be read.
    pub fn lights_of(
        &self,
        site: &Site,
        meter: &Meter,
        exceptions: &[Exception],
        day: Date,
        end: i64,
    ) -> Result<Vec<Finding>, StoreError> {
        let Some(hours) = site.hours_of(&meter.area) else { return Ok(Vec::new()) };
        let calendar = self.calendar();
        let opening = Opening { area: &meter.area, hours, calendar, zone: &site.zone, exceptions };
        let noon = day_start(day, &site.zone) + HALF_DAY_S;
        let next_noon = day_span(day, &site.zone).to + HALF_DAY_S;
        // From the noon before, so that lights that were on already began on that day.
        let profile = Span { from: noon - 2 * HALF_DAY_S, to: end };
        if profile.to <= noon {
            return Ok(Vec::new());
        }
        let learnt = Span { from: noon - LEVEL_S, to: end };
        let intervals = self.intervals(meter, learnt)?;
        let levels = Levels::learn(&intervals, noon, |at| opening.is_open_by_hours(at));
        let floor_area_m2 = site.area(&meter.area).and_then(|area| area.floor_area_m2);
        let circuit = Circuit { meter: &meter.id, area: &meter.area, floor_area_m2, levels };
        let pricing = self.pricing(site, meter);
        let profile = within(&intervals, profile);
        let is_open = |at| opening.is_open(at);
        // What was called false before that evening: a mark does not undo what it is about.
        let limits = self.raised(&meter.id, FindingKind::LightsLeftOn, noon)?.lights();
        let mut found = lights_left_on(&circuit, profile, is_open, &limits, pricing.as_ref());
        found.retain(|finding| noon <= finding.opened && finding.opened < next_noon);
        Ok(found)
    }

    /// Returns the silences of a meter between two instants; `to` is now, less the time a
    /// message may take.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if readings cannot be read.
    pub fn silences(&self, meter: &Meter, span: Span) -> Result<Vec<Finding>, StoreError> {
        let series = self.0.store.series();
        let values = series.counter(&meter.id, meter.counter, span.from, span.to)?;
        let instants: Vec<i64> = values.iter().map(|&(instant, _)| instant).collect();
        let Some(&first) = instants.first() else { return Ok(Vec::new()) };
        let polled = Polled {
            meter: &meter.id,
            area: &meter.area,
            interval_s: meter.interval_s,
            expected_since: first,
        };
        Ok(silent_meter(&polled, &instants, span.to))
    }
}

/// Returns whether a finding wasted enough to be told: money where a tariff prices it.
#[must_use]
pub fn is_worth(site: &Site, finding: &Finding) -> bool {
    finding.cost_e4.map_or(WASTE_MIN <= finding.waste, |cost| site.waste_min_e4 <= cost)
}

/// How soon after another finding's evidence one of another kind is the same running load, s.
const SAME_LOAD_S: i64 = 4 * 3_600;

/// Of findings of different kinds that speak of the same hours, keeps the one that was said
/// first: what runs from Friday night into Saturday is one load, and nights that are high
/// because the base load rose are that rise.
fn one_cause(mut told: Vec<Told>) -> Vec<Told> {
    // Of what was said at the same time, gas with nobody there says most.
    let is_other = |it: &Told| it.finding.kind != FindingKind::GasWhenClosed;
    told.sort_by_key(|it| (it.at, is_other(it), it.finding.opened, it.finding.kind));
    let mut kept: Vec<Told> = Vec::new();
    for it in told {
        let until = |it: &Told| it.finding.closed.unwrap_or(i64::MAX).saturating_add(SAME_LOAD_S);
        // Gas counts from two hours after closing, a night from when the load did not fall: the
        // same boiler seems to run at night some hours before it burns with nobody there.
        let begins_before = |other: &Told, it: &Told| {
            let is_gas = other.finding.kind == FindingKind::GasWhenClosed;
            other.finding.opened <= it.finding.opened + if is_gas { SAME_LOAD_S } else { 0 }
        };
        let is_told = kept.iter().any(|other| {
            other.finding.kind != it.finding.kind
                && it.finding.kind != FindingKind::HighBaseLoad
                && begins_before(other, &it)
                && it.finding.opened < until(other)
        });
        if !is_told {
            kept.push(it);
        }
    }
    // A rise takes weeks to be sure of: nights and days off that were told meanwhile are its
    // beginning, once it is told.
    let rises: Vec<(i64, i64)> = kept
        .iter()
        .filter(|it| it.finding.kind == FindingKind::HighBaseLoad)
        .map(|it| (it.finding.opened, it.finding.closed.unwrap_or(i64::MAX)))
        .collect();
    kept.retain(|it| {
        let opened = it.finding.opened;
        it.finding.kind == FindingKind::HighBaseLoad
            || !rises.iter().any(|&(from, until)| from <= opened && opened < until)
    });
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOK: &str =
        "[site]\nid = \"school\"\nname = \"学校\"\nzone = \"Asia/Shanghai\"\nwaste_min = 0.5\n";

    fn told(kind: FindingKind, opened: i64, closed: Option<i64>, at: i64) -> Told {
        let name = Name::new("plug-2f").unwrap();
        let finding = Finding {
            kind,
            meter: name,
            area: name,
            opened,
            closed,
            waste: 1,
            cost_e4: None,
            evidence: Vec::new(),
        };
        Told { at, finding }
    }

    #[test]
    fn what_runs_from_friday_night_into_saturday_is_one_finding() {
        let night = told(FindingKind::AfterHoursLoad, 0, Some(8 * 3600), 11 * 3600);
        let day = told(FindingKind::WeekendRunning, 11 * 3600, Some(22 * 3600), 27 * 3600);
        let later = told(FindingKind::WeekendRunning, 80 * 3600, None, 90 * 3600);

        let kept = one_cause(vec![later.clone(), day, night.clone()]);

        assert_eq!(kept, [night, later]);
    }

    #[test]
    fn gas_that_burns_with_nobody_there_is_no_night_that_ran_as_well() {
        let gas = told(FindingKind::GasWhenClosed, 2 * 3600, None, 14 * 3600);
        let night = told(FindingKind::AfterHoursLoad, 0, Some(11 * 3600), 14 * 3600);
        let day = told(FindingKind::WeekendRunning, 14 * 3600, None, 30 * 3600);

        assert_eq!(one_cause(vec![day, gas.clone(), night]), [gas]);
    }

    #[test]
    fn what_is_worth_telling_is_money_where_there_is_a_price() {
        let book = crate::site_book::parse(BOOK).unwrap();
        let mut finding = told(FindingKind::AfterHoursLoad, 0, None, 0).finding;
        let mut is_worth = |waste: i64, cost_e4: Option<i64>| {
            finding.waste = waste;
            finding.cost_e4 = cost_e4;
            super::is_worth(&book.site, &finding)
        };

        // Half a yuan is asked for, whatever it is in kilowatt-hours.
        assert!(is_worth(600_000, Some(5_000)));
        assert!(!is_worth(90_000_000, Some(4_999)));
        assert!(is_worth(1_000_000, None));
        assert!(!is_worth(999_999, None));
    }

    #[test]
    fn nights_within_a_risen_base_load_are_that_rise_but_a_rise_is_never_hidden() {
        let rise = told(FindingKind::HighBaseLoad, 0, None, 10 * DAY_S);
        let night = told(FindingKind::AfterHoursLoad, 12 * DAY_S, None, 13 * DAY_S);
        let before = told(FindingKind::AfterHoursLoad, -2 * DAY_S, Some(9 * DAY_S), 0);

        assert_eq!(one_cause(vec![night, rise.clone()]), std::slice::from_ref(&rise));
        // It was told on the third day, when nobody could know of the rise yet.
        let early = told(FindingKind::AfterHoursLoad, 2 * DAY_S, None, 3 * DAY_S);
        assert_eq!(one_cause(vec![early, rise.clone()]), std::slice::from_ref(&rise));
        assert_eq!(one_cause(vec![rise.clone(), before.clone()]), [before, rise]);
    }
}
