//! Lighting that stays on while its area is closed.
//!
//! The limit is the largest of three, so that neither emergency lighting nor a small
//! circuit's noise is taken for lights left on:
//!
//! - a share of what the circuit draws when people work (its 90th percentile),
//! - a power per floor area,
//! - a share of the way from its base load to what it draws when people work.
//!
//! Not here: who is told, and when (`gateway::alert`); presence sensors.

use wire::Name;

use crate::{
    finding::{Evidence, Finding, FindingKind},
    interval::{Coverage, INTERVAL_S, IntervalAmount},
    money::Cost,
    profile::Levels,
    tariff::Pricing,
};

/// A lighting circuit, as far as the detector must know it.
#[derive(Clone, Copy, Debug)]
pub struct Circuit<'a> {
    /// Its meter.
    pub meter: &'a Name,
    /// The area that meter serves.
    pub area: &'a Name,
    /// Floor area of that area, m².
    pub floor_area_m2: Option<u32>,
    /// What it draws when the area is closed and when it is in use, from the weeks before.
    pub levels: Levels,
}

/// What is allowed on a lighting circuit while its area is closed.
///
/// # Source
///
/// The defaults are a proposal of our own (20 % of the working level, 0.5 W/m², 30
/// minutes): an ordinary office has 8 W/m² (GB 55015-2021), emergency lighting well under
/// a twentieth of that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LightsLimits {
    /// Share of the circuit's working level, thousandths.
    pub share_milli: u16,
    /// Power per floor area, mW/m².
    pub density_mw_per_m2: u32,
    /// Share of the way from base load to working level, thousandths.
    pub above_base_milli: u16,
    /// How many quarter hours in a row must lie above the limit.
    pub intervals_min: usize,
    /// How long after closing nothing is counted yet, s.
    pub grace_s: i64,
}

impl Default for LightsLimits {
    fn default() -> Self {
        Self {
            share_milli: 200,
            density_mw_per_m2: 500,
            above_base_milli: 100,
            intervals_min: 2,
            grace_s: 1800,
        }
    }
}

impl LightsLimits {
    /// Returns how long after closing a first verdict is possible, s: nothing found before
    /// that says nothing.
    #[must_use]
    pub fn verdict_after_s(&self) -> i64 {
        let intervals = i64::try_from(self.intervals_min.max(1)).unwrap_or(i64::MAX);
        self.grace_s + intervals.saturating_mul(INTERVAL_S)
    }

    /// Returns the largest energy that a quarter hour may have, mWh; `None` if neither the
    /// circuit's working level nor its floor area is known, so nothing can be said.
    #[must_use]
    pub fn energy_max(&self, circuit: &Circuit<'_>) -> Option<i64> {
        let Levels { base_load, working_p90 } = circuit.levels;
        let base = base_load.unwrap_or(0);
        let by_share = working_p90.map(|p90| p90 * i64::from(self.share_milli) / 1000);
        let by_area = circuit
            .floor_area_m2
            .map(|area| i64::from(area) * i64::from(self.density_mw_per_m2) * INTERVAL_S / 3600);
        let above_base = working_p90
            .map(|p90| base + (p90 - base).max(0) * i64::from(self.above_base_milli) / 1000);
        let limit = by_share.max(by_area).max(above_base)?;
        Some(limit.max(base))
    }
}

/// Finds lighting circuits that stay on while their area is closed.
///
/// Opens after `limits.intervals_min` intervals in a row above the limit, of which the
/// first began at least the grace after closing; holds since the first of them. Closes
/// with the first interval at or below the limit, or when the area opens (overtime that
/// was permitted is open). A gap neither opens nor closes; an estimate is a gap; part of
/// an interval counts if it is above the limit already. Waste is the energy above the
/// circuit's base load.
///
/// `profile` is complete and in order of time, as [`crate::interval::consumption`] gives
/// it. It should begin no later than the area last closed, so that a finding is given the
/// instant it truly began at.
#[must_use]
pub fn lights_left_on(
    circuit: &Circuit<'_>,
    profile: &[IntervalAmount],
    is_open: impl Fn(i64) -> bool,
    limits: &LightsLimits,
    pricing: Option<&Pricing<'_>>,
) -> Vec<Finding> {
    let Some(limit) = limits.energy_max(circuit) else { return Vec::new() };
    let is_in_grace = |start: i64| {
        (1..=limits.grace_s / INTERVAL_S).any(|step| is_open(start - step * INTERVAL_S))
    };
    let mut findings = Vec::new();
    let mut run: Vec<Evidence> = Vec::new();
    let mut end_run = |run: &mut Vec<Evidence>, closed: Option<i64>| {
        if limits.intervals_min.max(1) <= run.len() {
            findings.push(finding(circuit, std::mem::take(run), closed, pricing));
        }
        run.clear();
    };
    for interval in profile {
        let start = interval.start;
        if is_open(start) || is_in_grace(start) {
            end_run(&mut run, Some(start));
            continue;
        }
        let amount = interval.measured;
        match interval.coverage() {
            Coverage::Measured | Coverage::Partly if limit < amount => {
                run.push(Evidence { start, amount, limit });
            }
            Coverage::Measured => end_run(&mut run, Some(start)),
            Coverage::Partly | Coverage::Estimated | Coverage::Missing => {}
        }
    }
    end_run(&mut run, None);
    findings
}

fn finding(
    circuit: &Circuit<'_>,
    evidence: Vec<Evidence>,
    closed: Option<i64>,
    pricing: Option<&Pricing<'_>>,
) -> Finding {
    let base = circuit.levels.base_load.unwrap_or(0);
    let above = |evidence: &Evidence| (evidence.amount - base).max(0);
    let cost: Option<Cost> = pricing.and_then(|pricing| {
        evidence.iter().map(|quarter| pricing.cost_at(quarter.start, above(quarter))).sum()
    });
    Finding {
        kind: FindingKind::LightsLeftOn,
        meter: *circuit.meter,
        area: *circuit.area,
        opened: evidence.first().map_or(0, |first| first.start),
        closed,
        waste: evidence.iter().map(above).sum(),
        cost_e4: cost.map(Cost::e4),
        evidence,
    }
}

#[cfg(test)]
mod tests {
    use jiff::{civil::date, tz::TimeZone};

    use super::*;
    use crate::{
        calendar::HolidayCalendar,
        site::{Medium, Text},
        tariff::{DatedRule, Rule, Tariff},
    };

    const FIRST: i64 = 1_772_323_200;
    const BASE: i64 = 100_000;
    const ON: i64 = 1_000_000;

    fn name(text: &str) -> Name {
        Name::new(text).unwrap()
    }

    /// One interval of a drawn profile: `#` lit, `.` dark, `?` missing, `~` estimated lit,
    /// `p` lit for the part that is known, `d` dark for the part that is known.
    fn drawn(index: i64, drawing: char) -> IntervalAmount {
        let start = FIRST + index * INTERVAL_S;
        let known = IntervalAmount { missing_s: 0, ..IntervalAmount::missing(start) };
        match drawing {
            '#' => IntervalAmount { measured: ON, ..known },
            '.' => IntervalAmount { measured: BASE, ..known },
            '?' => IntervalAmount::missing(start),
            '~' => IntervalAmount { estimated: ON, estimated_s: 900, ..known },
            'p' => IntervalAmount { measured: ON / 2, missing_s: 450, ..known },
            'd' => IntervalAmount { measured: BASE / 2, missing_s: 450, ..known },
            _ => panic!("`{drawing}` draws no interval"),
        }
    }

    fn found(hours: &str, profile: &str) -> Vec<Finding> {
        let (meter, area) = (name("light-2f-east"), name("2f-east"));
        let levels = Levels { base_load: Some(BASE), working_p90: Some(ON) };
        let circuit = Circuit { meter: &meter, area: &area, floor_area_m2: None, levels };
        let intervals: Vec<_> =
            (0..).zip(profile.chars()).map(|(index, drawing)| drawn(index, drawing)).collect();
        let hours: Vec<_> = hours.chars().map(|hour| hour == 'o').collect();
        // Before the drawing it goes on as it begins.
        let is_open = |instant: i64| {
            let index = usize::try_from((instant - FIRST) / INTERVAL_S).unwrap_or(0);
            hours[index]
        };

        lights_left_on(&circuit, &intervals, is_open, &LightsLimits::default(), None)
    }

    /// Draws findings: `=` an interval of evidence, `-` one of the finding without, `>` at
    /// the end if it is still open.
    fn draw(findings: &[Finding], count: usize) -> String {
        let mut drawing = vec![' '; count];
        let index = |instant: i64| usize::try_from((instant - FIRST) / INTERVAL_S).unwrap();
        for finding in findings {
            let end = finding.closed.map_or(count, index);
            drawing[index(finding.opened)..end].fill('-');
            for evidence in &finding.evidence {
                drawing[index(evidence.start)] = '=';
            }
        }
        if findings.last().is_some_and(Finding::is_open) {
            drawing.push('>');
        }
        drawing.into_iter().collect::<String>().trim_end().to_owned()
    }

    #[track_caller]
    fn check(hours: &str, profile: &str, expected: &str) {
        let findings = found(hours, profile);
        assert_eq!(draw(&findings, profile.len()), expected, "\n{hours}\n{profile}");
    }

    #[test]
    fn lights_open_a_finding_that_holds_since_the_grace_was_over() {
        check(
            "oooo------------", //
            "##########......",
            "      ====",
        );
    }

    #[test]
    fn lights_in_use_are_no_finding() {
        check(
            "oooooooo--------", //
            "########........",
            "",
        );
    }

    #[test]
    fn lights_out_within_the_grace_are_no_finding() {
        check(
            "oooo------------", //
            "######..........",
            "",
        );
    }

    #[test]
    fn a_single_quarter_hour_is_a_cleaner_looking_in() {
        check(
            "----------------", //
            "....#....#......",
            "",
        );
    }

    #[test]
    fn two_quarter_hours_in_the_night_open_and_the_first_dark_one_closes() {
        check(
            "----------------", //
            "....##....###...",
            "    ==    ===",
        );
    }

    #[test]
    fn a_finding_is_open_until_something_closes_it() {
        check(
            "----------------", //
            "..........######",
            "          ======>",
        );
    }

    #[test]
    fn a_finding_closes_when_the_area_opens() {
        check(
            "----------oooooo", //
            "....############",
            "    ======",
        );
    }

    #[test]
    fn overtime_closes_a_finding_and_its_end_gives_grace_anew() {
        check(
            "----------oo--------", //
            "....################",
            "    ======    ======>",
        );
    }

    #[test]
    fn a_gap_neither_opens_nor_closes() {
        check(
            "----------------", //
            "??..##??##?.?...",
            "    ==--==-",
        );
        check(
            "----------------", //
            "...?????????????",
            "",
        );
        check(
            "----------------", //
            "...#????????#...",
            "   =--------=",
        );
    }

    #[test]
    fn an_estimate_is_no_evidence() {
        check(
            "----------------", //
            "....~~~~~~~~....",
            "",
        );
        check(
            "----------------", //
            "....##~~~~##....",
            "    ==----==",
        );
    }

    #[test]
    fn a_part_above_the_limit_is_evidence_and_a_part_below_it_is_not() {
        check(
            "----------------", //
            "....#pd#........",
            "    ==-=",
        );
    }

    #[test]
    fn the_same_finding_comes_out_wherever_the_batch_ends() {
        let (hours, profile) = ("oooo----------------", "########??####......");

        let ends = |count| found(hours, &profile.chars().take(count).collect::<String>());

        let opened: Vec<_> = (8..=20).filter_map(|end| Some(ends(end).first()?.opened)).collect();
        assert_eq!(opened, [FIRST + 6 * INTERVAL_S; 13]);
        assert_eq!(ends(16), ends(20));
    }

    #[test]
    fn waste_is_what_lies_above_the_base_load_and_costs_its_tariff() {
        let (meter, area) = (name("light-2f-east"), name("2f-east"));
        let levels = Levels { base_load: Some(BASE), working_p90: Some(ON) };
        let circuit = Circuit { meter: &meter, area: &area, floor_area_m2: None, levels };
        let intervals: Vec<_> =
            (0..).zip("..###...".chars()).map(|(index, drawing)| drawn(index, drawing)).collect();
        let tariff = Tariff {
            id: name("agency"),
            name: Text::default(),
            medium: Medium::Electricity,
            rules: vec![DatedRule {
                from: date(2026, 1, 1),
                source: String::new(),
                rule: Rule::Flat(8_000),
            }],
        };
        let (zone, calendar) = (TimeZone::UTC, HolidayCalendar::china());
        let pricing = Pricing { tariff: &tariff, zone: &zone, calendar: &calendar };

        let limits = LightsLimits::default();
        let findings = lights_left_on(&circuit, &intervals, |_| false, &limits, Some(&pricing));

        assert_eq!(findings[0].waste, 3 * (ON - BASE));
        assert_eq!(findings[0].cost_e4, Some(21_600));
        assert_eq!(findings[0].evidence[0].limit, 200_000);
    }

    #[test]
    fn the_limit_is_the_largest_of_its_three() {
        let (meter, area) = (name("light-2f-east"), name("2f-east"));
        let energy_max = |base_load, working_p90, floor_area_m2| {
            let levels = Levels { base_load, working_p90 };
            let circuit = Circuit { meter: &meter, area: &area, floor_area_m2, levels };
            LightsLimits::default().energy_max(&circuit)
        };

        assert_eq!(energy_max(Some(10_000), Some(ON), None), Some(200_000));
        assert_eq!(energy_max(Some(10_000), Some(ON), Some(4_000)), Some(500_000));
        assert_eq!(energy_max(Some(600_000), Some(ON), Some(1_000)), Some(640_000));
        assert_eq!(energy_max(Some(600_000), None, Some(1_000)), Some(600_000));
        assert_eq!(energy_max(None, None, Some(1_000)), Some(125_000));
        assert_eq!(energy_max(Some(10_000), None, None), None);
    }

    #[test]
    fn a_circuit_nothing_is_known_of_is_left_in_peace() {
        let (meter, area) = (name("light-2f-east"), name("2f-east"));
        let levels = Levels::default();
        let circuit = Circuit { meter: &meter, area: &area, floor_area_m2: None, levels };
        let intervals = [drawn(0, '#'), drawn(1, '#'), drawn(2, '#')];

        let limits = LightsLimits::default();
        assert_eq!(lights_left_on(&circuit, &intervals, |_| false, &limits, None), []);
    }
}
